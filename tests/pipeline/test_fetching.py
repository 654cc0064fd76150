"""From items to tasks and back: what is known of an item is used, and what is found is kept."""

import json

import pytest
from place import CLOCK, HUB, ZOO, ListHub, Place, fetching_by, record
from test_listing import list_hub

from ptmtorrent.errors import IntegrityError, SkipError, SkipReason
from ptmtorrent.ledger.rows import Item
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Visit, Wanted
from ptmtorrent.model.work import Depth, Moved, Stage, Visited
from ptmtorrent.pipeline.kept import pack_page
from ptmtorrent.pipeline.lines import Kind, Line
from ptmtorrent.pipeline.recorder import Recorder
from ptmtorrent.pipeline.scheduler import Found
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore


async def test_a_refusal_by_git_means_what_the_listing_says_of_the_package(place):
    number = place.begin()
    await list_hub(place, ListHub([[record(1, gated="auto")]]), number)

    async def visit_origin(task):
        raise SkipError("not there", SkipReason.GONE, status=401)

    with place.ledger.transaction():
        place.ledger.work.plan_visits(number, HUB, depth=1, top=None, globs=())
        [item] = place.ledger.work.lease(Stage.VISIT, number, now=1e9, shares={"huggingface.co": 1})
    async with place.recorder() as recorder:
        fetching = fetching_by(visit_origin, place, recorder, number)
        with pytest.raises(SkipError) as caught:
            await fetching.visit(item)
    assert caught.value.reason is SkipReason.GATED


CAPITAL, PLAIN = "https://github.com/Tern/Net", "https://github.com/tern/net"


async def with_spellings(place: Place, recorder: Recorder) -> int:
    """A snapshot with two packages whose origins differ in letter case alone."""
    number = place.begin()
    links = [{"slug": f"m{n}", "link": url} for n, url in enumerate((PLAIN, CAPITAL))]
    sha256 = place.store.put(pack_page(json.dumps({"models": links}).encode()))
    page = {"snapshot": "2026-11-21", "hub": ZOO, "sha256": sha256, "cursor": "/0"}
    await recorder.record([Line(Kind.PAGE, page)])
    return number


def moves(found: Found) -> list[tuple[str, str]]:
    lines = [line.payload for line in found.lines if line.kind is Kind.MOVED]
    return [(line["origin"], line["to"]) for line in lines]


def visited(url: str, *wanted: Wanted) -> Visited:
    """A repository without refs; its head, if it wants objects, is nothing but them."""
    visit = Visit(url, (), None, "1" * 40 if wanted else None)
    return Visited(visit, Holding(sha256_of(visit.to_bytes()), (), wanted, 0, "2"))


async def test_a_spelling_is_another_one_without_a_request_and_is_renamed_with_it(place):
    asked = []

    async def visit_origin(task):
        asked.append(task.url)
        return Moved("https://github.com/tern/renamed")

    async with place.recorder() as recorder:
        number = await with_spellings(place, recorder)
        fetching = fetching_by(visit_origin, place, recorder, number)
        spelling = await fetching.visit(Item(1, Stage.VISIT, PLAIN, ZOO, 1))
        renamed = await fetching.visit(Item(2, Stage.VISIT, CAPITAL, ZOO, 1))
    assert asked == [CAPITAL]
    assert moves(spelling) == [(PLAIN, CAPITAL)]
    assert moves(renamed) == [(url, "https://github.com/tern/renamed") for url in (CAPITAL, PLAIN)]


async def test_a_spelling_that_is_left_after_a_rename_goes_where_the_other_one_went(place):
    """Readers follow one move: by way of the other spelling they would find nothing."""
    renamed = "https://github.com/tern/renamed"

    async def visit_origin(task):
        if task.url != renamed:
            return Moved(renamed)
        return visited(renamed)

    async with place.recorder() as recorder:
        number = await with_spellings(place, recorder)
        fetching = fetching_by(visit_origin, place, recorder, number)
        for url in (CAPITAL, renamed, PLAIN):
            found = await fetching.visit(Item(1, Stage.VISIT, url, ZOO, 1))
            await recorder.record(found.lines)
    assert moves(found) == [(PLAIN, renamed)]
    rows = place.ledger.reads.packages(ZOO)
    assert [(row.origin, row.visit is not None) for row in rows] == [(renamed, True)] * 2
    assert [row.url for row in place.ledger.reads.origins()] == [renamed]


async def test_two_spellings_that_are_held_do_not_lead_to_each_other(place):
    """The host insists on one of them since the other was visited."""
    answers = iter((CAPITAL, PLAIN, PLAIN))

    async def visit_origin(task):
        return visited(next(answers))

    async with place.recorder() as recorder:
        number = await with_spellings(place, recorder)
        fetching = fetching_by(visit_origin, place, recorder, number)
        for url in (CAPITAL, CAPITAL, PLAIN):
            found = await fetching.visit(Item(1, Stage.VISIT, url, ZOO, 1))
            await recorder.record(found.lines)
    assert [line.kind for line in found.lines] == [Kind.VISIT]
    assert [row.url for row in place.ledger.reads.origins()] == [PLAIN]


async def test_a_rename_to_another_spelling_of_a_known_name_leads_to_the_known_one(place):
    async def visit_origin(task):
        return Moved("https://github.com/TERN/net")

    async with place.recorder() as recorder:
        number = await with_spellings(place, recorder)
        fetching = fetching_by(visit_origin, place, recorder, number)
        found = await fetching.visit(Item(1, Stage.VISIT, "https://github.com/old/net", ZOO, 1))
    assert moves(found) == [("https://github.com/old/net", CAPITAL)]


async def test_a_host_that_insists_on_a_spelling_is_visited_there(place):
    """It would not be visited at all, if each of two spellings were left for the other."""

    async def visit_origin(task):
        if task.url != PLAIN:
            return Moved(PLAIN)
        return visited(PLAIN, Wanted("weights.bin", "f" * 64, 7, lfs=True))

    async with place.recorder() as recorder:
        number = await with_spellings(place, recorder)
        fetching = fetching_by(visit_origin, place, recorder, number, depth=Depth.FULL)
        found = await fetching.visit(Item(1, Stage.VISIT, CAPITAL, ZOO, 1))
        await recorder.record(found.lines, found.changes)
    assert moves(found) == [(CAPITAL, PLAIN)]
    assert place.ledger.reads.held(PLAIN) is not None
    [line] = [line for line in found.lines if line.kind is Kind.VISIT]
    assert line.payload["origin"] == PLAIN, "or a rebuilt ledger takes a lost visit for another's"
    counts = {(count.stage, count.state) for count in place.ledger.reads.item_counts(number)}
    assert (Stage.OBJECT, "todo") in counts


async def test_what_is_acknowledged_is_on_disk_for_whoever_opens_the_root_next(place):
    number = place.begin()
    await list_hub(place, ListHub([[record(1)]]), number)
    [row] = place.ledger.reads.packages(HUB)
    with LocalStore.at(place.path, write=False) as beside:
        assert beside.has(row.page)
    lines = [entry.kind for entry in Journal.open(place.path, write=False).entries()]
    assert lines == ["begin", "page", "listing"]


def test_a_ledger_that_knows_another_journal_is_refused(place, tmp_path):
    place.begin()
    other = Place(tmp_path / "other")
    entry = other.journal.append("begin", CLOCK.data(), snapshot="2026-11-20", as_of="2026-11-20")
    other.journal.sync()
    assert entry.n == place.ledger.reads.position()[0]
    with pytest.raises(IntegrityError, match="different roots"):
        place.intake.catch_up(other.journal)
    other.close()
