"""The ledger: what goes in comes out, plans are repeatable, and a listing's page is whole."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ptmtorrent.errors import IntegrityError, NotFoundError, WriterActiveError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.roots import ListingLine, PageLine, Verdict, VisitLine
from ptmtorrent.ledger.rows import Item
from ptmtorrent.model.package import Package, PackageStatus
from ptmtorrent.model.visit import Holding, Ref, Visit, Wanted
from ptmtorrent.model.work import Stage

AT = "2026-11-21T00:00:00.000000Z"
HUB = "huggingface"


def ended(snapshot):
    """A listing that came to its end."""
    return ListingLine(
        snapshot=snapshot, hub=HUB, at=AT, outcome="complete", reason=None, scope="{}"
    )


def package(number: int, name: str | None = None, downloads: int = 0, sha: str = "a") -> Package:
    name = name or f"org/m{number}"
    return Package(
        hub=HUB,
        package_id=f"{number:024x}",
        name=name,
        url=f"https://huggingface.co/{name}",
        origin=f"https://huggingface.co/{name}",
        downloads_30d=downloads,
        fingerprint=f"{sha} t",
    )


def page(snapshot: int, *packages: Package, next_cursor: str | None = None) -> PageLine:
    return PageLine(
        snapshot=snapshot,
        hub=HUB,
        sha256="p" * 64,
        at=AT,
        cursor="/0",
        next_cursor=next_cursor,
        packages=tuple(enumerate(packages)),
        unparsed=0,
        is_answer=False,
    )


def visit(snapshot: int, url: str, *, objects: tuple[str, ...] = (), sha: str = "a") -> VisitLine:
    head = "1" * 40
    state = Visit(url, (Ref("refs/heads/main", head, "commit", head),), "refs/heads/main", head)
    wanted = tuple(Wanted(f"w{n}", sha256, 10, lfs=True) for n, sha256 in enumerate(objects))
    return VisitLine(
        snapshot=snapshot,
        hub=HUB,
        at=AT,
        url=url,
        visit=state,
        visit_sha256="v" * 64,
        holding=Holding("v" * 64, ("k" * 64,), wanted, 100, "2"),
        holding_sha256="h" * 64,
        fingerprint=f"{sha} t",
        depth=1,
    )


@pytest.fixture
def ledger(tmp_path: Path):
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def begin(ledger: Ledger, name: str = "2026-11-21") -> int:
    with ledger.transaction():
        return ledger.roots.begin(name, name[:10], AT)


def plan(ledger: Ledger, snapshot: int, **options: object) -> int:
    values = {"depth": 1, "top": None, "globs": ()} | options
    with ledger.transaction():
        return ledger.work.plan_visits(snapshot, HUB, **values)


def lease(ledger: Ledger, stage: Stage, snapshot: int, count: int = 100) -> list[str]:
    with ledger.transaction():
        return [item.key for item in leased(ledger, stage, snapshot, count)]


def leased(ledger: Ledger, stage: Stage, snapshot: int, count: int = 9) -> list[Item]:
    waiting = ledger.work.waiting(stage, snapshot)
    shares = dict.fromkeys(waiting.places, count)
    return ledger.work.lease(stage, snapshot, now=1e9, shares=shares)


def test_a_page_and_its_next_cursor_are_committed_together(ledger):
    snapshot = begin(ledger)
    with pytest.raises(RuntimeError, match="killed"), ledger.transaction():
        ledger.roots.page(page(snapshot, package(1), next_cursor="/next"))
        raise RuntimeError("killed")
    assert ledger.reads.listings(snapshot) == []
    assert ledger.reads.package_counts() == {}
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1), next_cursor="/next"))
    assert ledger.reads.listings(snapshot)[0].next_cursor == "/next"
    assert ledger.reads.package_counts() == {HUB: 1}


def test_a_new_name_under_the_same_id_is_a_rename_and_inherits_what_is_held(ledger):
    first = begin(ledger)
    old = "https://huggingface.co/org/m1"
    with ledger.transaction():
        ledger.roots.page(page(first, package(1)))
        ledger.roots.visit(visit(first, old))
        ledger.roots.finish("2026-11-21", "m" * 64, AT)
    second = begin(ledger, "2026-11-22")
    with ledger.transaction():
        ledger.roots.page(page(second, package(1, "org/new")))
    [row] = ledger.reads.packages(HUB)
    assert (row.name, row.former_names) == ("org/new", '["org/m1"]')
    plan(ledger, second)
    with ledger.transaction():
        [item] = leased(ledger, Stage.VISIT, second)
        known = ledger.work.origin_plan(item, second)
    assert (known.url, known.holding) == ("https://huggingface.co/org/new", "h" * 64)
    assert [origin.url for origin in ledger.reads.origins()] == [known.url]
    assert ledger.reads.origin_counts() == {HUB: 1}


def test_planning_twice_plans_once_and_the_most_downloaded_come_first(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, *(package(n, downloads=n) for n in range(1, 6))))
    assert plan(ledger, snapshot, top=3) == 3
    assert plan(ledger, snapshot, top=3) == 0
    assert [key[-2:] for key in lease(ledger, Stage.VISIT, snapshot)] == ["m5", "m4", "m3"]


def test_globs_choose_what_is_visited(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1, "a/x"), package(2, "b/x"), package(3, "a/y")))
    assert plan(ledger, snapshot, globs=["a/*"]) == 2


def test_an_origin_whose_fingerprint_did_not_change_is_done_without_a_visit(ledger):
    first = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(first, package(1), package(2)))
        for number in (1, 2):
            ledger.roots.visit(visit(first, f"https://huggingface.co/org/m{number}"))
        ledger.roots.finish("2026-11-21", "m" * 64, AT)
    second = begin(ledger, "2026-11-22")
    with ledger.transaction():
        ledger.roots.page(page(second, package(1), package(2, sha="b")))
    plan(ledger, second)
    assert lease(ledger, Stage.VISIT, second) == ["https://huggingface.co/org/m2"]
    states = {(c.state, c.items) for c in ledger.reads.item_counts(second)}
    assert states == {("done", 1), ("leased", 1)}


def test_objects_that_are_shared_are_planned_once_and_held_ones_never(ledger):
    snapshot = begin(ledger)
    urls = [f"https://huggingface.co/org/m{n}" for n in (1, 2)]
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1), package(2)))
    plan(ledger, snapshot)
    with ledger.transaction():
        ledger.roots.visit(visit(snapshot, urls[0], objects=("a" * 64, "b" * 64)))
        ledger.roots.visit(visit(snapshot, urls[1], objects=("b" * 64, "c" * 64)))
        ledger.roots.hold([("c" * 64, 10)])
        ledger.work.plan_objects(snapshot)
    assert lease(ledger, Stage.OBJECT, snapshot) == ["a" * 64, "b" * 64]
    with ledger.transaction():
        sources = ledger.work.object_sources("b" * 64)
    assert [s.origin for s in sources] == urls


def test_what_a_killed_process_had_leased_is_free_again(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
    plan(ledger, snapshot)
    assert len(lease(ledger, Stage.VISIT, snapshot)) == 1
    assert lease(ledger, Stage.VISIT, snapshot) == []
    with ledger.transaction():
        ledger.work.release()
    assert len(lease(ledger, Stage.VISIT, snapshot)) == 1


def test_packages_a_listing_did_not_show_are_unseen_until_the_hub_says_gone(ledger):
    first = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(first, package(1), package(2)))
        ledger.roots.listing(ended(first))
        ledger.roots.finish("2026-11-21", "m" * 64, AT)
    second = begin(ledger, "2026-11-22")
    with ledger.transaction():
        ledger.roots.page(page(second, package(1)))
        ledger.roots.listing(ended(second))
        assert ledger.work.plan_asks(second, HUB) == 1
        assert ledger.work.plan_asks(second, HUB) == 0
    assert {p.status for p in ledger.reads.packages(HUB)} == {"listed", PackageStatus.UNSEEN}
    key = f"{HUB}:{2:024x}"
    with ledger.transaction():
        [item] = leased(ledger, Stage.ASK, second)
        assert item.key == key
        assert ledger.work.ask_task(item).name == "org/m2"
        ledger.roots.settle(Verdict(second, HUB, Stage.ASK, key, "skipped", "gone"))
    assert {p.status for p in ledger.reads.packages(HUB)} == {"listed", PackageStatus.GONE}


def test_a_moved_origin_leads_to_the_new_one(ledger):
    snapshot = begin(ledger)
    old, new = "https://huggingface.co/org/m1", "https://huggingface.co/Org/M1"
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
        ledger.roots.moved(snapshot, HUB, old, new)
    assert lease(ledger, Stage.VISIT, snapshot) == [new]
    with ledger.transaction():
        ledger.roots.visit(visit(snapshot, new))
    [row] = ledger.reads.packages(HUB)
    assert row.origin == new
    assert [origin.url for origin in ledger.reads.origins()] == [new]


def test_a_file_that_is_no_ledger_is_refused_and_a_missing_one_named(tmp_path):
    foreign = tmp_path / "foreign.sqlite"
    foreign.write_bytes(b"not a database, but long enough to be mistaken for one" * 40)
    with pytest.raises(IntegrityError, match=r"foreign\.sqlite"):
        Ledger.open(foreign)
    with pytest.raises(NotFoundError):
        Ledger.open_to_read(tmp_path / "none.sqlite")


def test_a_ledger_that_another_process_keeps_to_itself_means_a_second_writer(tmp_path):
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(WriterActiveError, match="another process"):
        Ledger.open(tmp_path / "ledger.sqlite", patience_s=0)
    other.close()


def test_a_ledger_that_is_just_being_made_is_not_there_yet(tmp_path):
    (tmp_path / "ledger.sqlite").touch()
    with pytest.raises(NotFoundError, match="ask again"):
        Ledger.open_to_read(tmp_path / "ledger.sqlite")


def test_a_reader_beside_a_writer_sees_what_was_committed_and_cannot_write(ledger, tmp_path):
    snapshot = begin(ledger)
    reader = Ledger.open_to_read(tmp_path / "ledger.sqlite")
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
        assert reader.reads.package_counts() == {}
    assert reader.reads.package_counts() == {HUB: 1}
    with pytest.raises(Exception, match="readonly"), reader.transaction():
        reader.roots.begin("x", "x", AT)
    reader.close()


def test_a_kill_is_no_attempt(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
    plan(ledger, snapshot)
    for _ in range(5):
        with ledger.transaction():
            [item] = leased(ledger, Stage.VISIT, snapshot)
            ledger.work.release()
    assert item.attempts == 1


def test_an_origin_held_in_part_is_visited_again_when_it_is_wanted_deeper(ledger):
    snapshot = begin(ledger)
    url = "https://huggingface.co/org/m1"
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
    plan(ledger, snapshot)
    line = visit(snapshot, url)
    partly = replace(line, visit=replace(line.visit, filter="blob:limit=1"))
    with ledger.transaction():
        ledger.roots.visit(partly)
    assert plan(ledger, snapshot, depth=1) == 0
    assert plan(ledger, snapshot, depth=3) == 1
    assert lease(ledger, Stage.VISIT, snapshot) == [url]


@pytest.mark.parametrize("depths", [(3, 1), (1, 3, 1)])
@pytest.mark.parametrize("other", [HUB, "modelhub"])
def test_a_plan_is_made_again_when_its_items_may_have_been_visited_less_deep(ledger, depths, other):
    """Nothing was visited when the depth changed, and the last depth is what the visit had.

    Where ``other`` is another hub, only that one was planned at the last depth.
    """
    snapshot = begin(ledger)
    url = "https://huggingface.co/org/m1"
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
    *first, last = depths
    for depth in first:
        plan(ledger, snapshot, depth=depth)
    with ledger.transaction():
        ledger.work.plan_visits(snapshot, other, depth=last, top=None, globs=())
    line = visit(snapshot, url)
    partly = replace(line, visit=replace(line.visit, filter="blob:limit=1"))
    with ledger.transaction():
        ledger.roots.visit(partly)
    assert plan(ledger, snapshot, depth=3) == 1
    assert lease(ledger, Stage.VISIT, snapshot) == [url]


def test_a_visit_whose_facts_failed_is_told_by_the_next_snapshot(ledger):
    first = begin(ledger)
    url = "https://huggingface.co/org/m1"
    with ledger.transaction():
        ledger.roots.page(page(first, package(1)))
        ledger.roots.visit(visit(first, url))
        ledger.roots.finish("2026-11-21", "m" * 64, AT, untold=[url])
    [origin] = ledger.reads.origins()
    assert ledger.reads.told_visits(origin.id) == []
    begin(ledger, "2026-11-22")
    with ledger.transaction():
        ledger.roots.finish("2026-11-22", "m" * 64, AT)
    assert ledger.reads.told_visits(origin.id) == [("v" * 64, "h" * 64)]


@pytest.mark.parametrize(
    ("reason", "status"),
    [("gone", "gone"), ("gated", "gated"), ("private", "private"), ("legal", "unseen")],
)
def test_what_a_hub_answers_about_a_missing_package_is_its_status(ledger, reason, status):
    first = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(first, package(1)))
    second = begin(ledger, "2026-11-22")
    key = f"{HUB}:{1:024x}"
    with ledger.transaction():
        ledger.roots.listing(ended(second))
        ledger.roots.settle(Verdict(second, HUB, Stage.ASK, key, "skipped", reason))
    assert [p.status for p in ledger.reads.packages(HUB)] == [status]


def test_pointers_that_disagree_about_a_size_all_have_their_turn(ledger):
    snapshot = begin(ledger)
    urls = [f"https://huggingface.co/org/m{n}" for n in range(1, 10)]
    with ledger.transaction():
        ledger.roots.page(page(snapshot, *(package(n) for n in range(1, 10))))
        for number, url in enumerate(urls):
            line = visit(snapshot, url)
            lying = Wanted("w", "a" * 64, 10 if number == 8 else 999, lfs=True)
            ledger.roots.visit(replace(line, holding=replace(line.holding, wanted=(lying,))))
        sizes = [source.size for source in ledger.work.object_sources("a" * 64)]
    assert set(sizes[:2]) == {10, 999}
    with ledger.transaction():
        ledger.roots.hold([("a" * 64, 10)])
    assert [(b.size, b.held, b.uses) for b in ledger.reads.blobs()] == [(10, 1, 9)]


def test_a_plan_is_made_anew_when_more_was_listed_and_not_otherwise(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1)))
    assert [plan(ledger, snapshot), plan(ledger, snapshot)] == [1, 0]
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(2)))
    assert [plan(ledger, snapshot), plan(ledger, snapshot)] == [1, 0]


def test_a_package_that_comes_twice_in_a_page_is_one_and_has_its_last_name(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1), package(2), package(1, "org/new")))
    rows = {row.package_id: row for row in ledger.reads.packages(HUB)}
    assert len(rows) == 2
    assert rows[f"{1:024x}"].name == "org/new"
    assert rows[f"{1:024x}"].former_names == '["org/m1"]'
    assert ledger.reads.listings(snapshot)[0].listed == 2


def test_two_origins_with_one_key_are_refused_where_shards_are_made(ledger):
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, package(1), package(2)))
    assert len(list(ledger.reads.origins())) == 2
    ledger._connection.execute("UPDATE origins SET key = 7")
    with pytest.raises(IntegrityError, match="same key 7"):
        list(ledger.reads.origins())


BASE = "https://github.com"
SPELLED = (f"{BASE}/Tern/net", f"{BASE}/tern/Net", f"{BASE}/tern/net")


def with_spellings(ledger: Ledger) -> int:
    """A snapshot that knows a repository by three spellings, and some that are others."""
    urls = (*SPELLED, f"{BASE}/tern/network", f"{BASE}0/tern/net", "https://other.example/tern/net")
    snapshot = begin(ledger)
    listed = [replace(package(number), origin=url) for number, url in enumerate(urls)]
    with ledger.transaction():
        ledger.roots.page(page(snapshot, *reversed(listed)))
    return snapshot


def test_of_spellings_the_first_stands_for_all_unless_another_is_held_or_a_shelf(ledger):
    snapshot = with_spellings(ledger)
    for url in SPELLED:
        assert ledger.reads.spellings(url, BASE) == list(SPELLED)
    with ledger.transaction():
        ledger.roots.visit(visit(snapshot, SPELLED[1]))
    assert ledger.reads.spellings(SPELLED[0], BASE) == [SPELLED[1], SPELLED[0], SPELLED[2]]
    with ledger.transaction():
        ledger.roots.visit(replace(visit(snapshot, SPELLED[2]), is_shelf=True))
    assert ledger.reads.spellings(SPELLED[0], BASE) == [SPELLED[2], SPELLED[1], SPELLED[0]]
    assert ledger.reads.spellings(f"{BASE}/unknown/x", BASE) == []
