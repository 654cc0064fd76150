"""Garbage of the main job: what repacks and killed runs leave goes; snapshots stay whole."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from job import Job

from ptmtorrent.app.collecting import GcOptions, gc
from ptmtorrent.app.context import Context, load_settings
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import IntegrityError, WriterActiveError
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.move import move
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import open_root

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAYS = ["2026-11-21", "2026-11-22"]


def context(job: Job, day: float = 0, *, as_json: bool = True) -> Context:
    at = NOON + timedelta(days=day)
    return Context(
        root=job.root,
        settings=load_settings(None),
        clock=Clock(lambda: at, time.time),
        console=Console(quiet=True, as_json=as_json),
        version="0",
    )


def collect(job: Job, capfd, day: float, **options) -> list[dict]:
    """What a cycle said; the last one is the sum."""
    capfd.readouterr()
    assert gc(context(job, day), GcOptions(**options)) == 0
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Three snapshots of a world that moved in between, with every new pack made one."""
    place = tmp_path_factory.mktemp("grown")
    job = Job(place / "root", place / "world")
    generate(job.world, packages=12, one_hub=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ptmtorrent.fetch.mirror.MOST_PACKS", 1)
        for day in DAYS:
            with job.served():
                assert job.snapshot("--as-of", day) == 0
            move(job.world)
    job.contents = [job.content(day) for day in DAYS]
    yield job
    job.close()


def superseded(job: Job) -> set[str]:
    """Packs that only holdings name whose visit another one keeps."""
    store, packs, replaced = LocalStore.at(job.root, write=False), {}, set()
    for entry in Journal.open(job.root, write=False).entries():
        if "holding" in entry.payload:
            name = entry.payload["holding"]
            packs[name] = set(Holding.from_bytes(store.read(name)).packs)
            replaced |= {entry.payload["replaces"]} if entry.kind == "repack" else set()
    store.close()
    needed = set().union(*(packs[name] for name in packs.keys() - replaced))
    return set().union(*(packs[name] for name in replaced)) - needed


def earlier_visits(job: Job) -> list[tuple[Visit, Holding]]:
    """Every visit that the ledger knows, with the holding that keeps it."""
    store, ledger = LocalStore.at(job.root, write=False), Ledger.open(job.root / "ledger.sqlite")
    found = []
    for origin in ledger.reads.origins():
        for visit, holding in ledger.reads.kept_visits(origin.url):
            read = Visit.from_bytes(store.read(visit)), Holding.from_bytes(store.read(holding))
            found.append(read)
    ledger.close()
    store.close()
    return found


def assert_all_visits_can_be_read(job: Job) -> None:
    store = LocalStore.at(job.root, write=False)
    visits = earlier_visits(job)
    for visit, holding in visits:
        tips = [ref.target for ref in visit.refs]
        with workbench(store, visit, holding) as view:
            view.repo.git.rev_list("--objects", "--quiet", *tips)
    store.close()
    assert len(visits) > len({visit.url for visit, _ in visits}), "some origin has two"


def test_packs_that_were_made_one_go_and_every_visit_stays_readable(grown, capfd, monkeypatch):
    """The packs here are so small that they lie in segments, which are all rewritten for once."""
    monkeypatch.setattr("ptmtorrent.store.compaction.is_worth_it", lambda live, gone: gone > 0)
    garbage = superseded(grown)
    assert len(garbage) >= 3
    before = earlier_visits(grown)
    *lines, total = collect(grown, capfd, 0)
    assert {line["name"] for line in lines} == garbage
    assert (total["garbage"], total["due"], total["removed"]) == (len(garbage), 0, 0)
    assert collect(grown, capfd, 13, delete=True)[-1]["removed"] == 0
    *lines, total = collect(grown, capfd, 14, delete=True)
    assert {line["name"] for line in lines if line["removed"]} == garbage
    with LocalStore.at(grown.root, write=False) as store:
        assert not garbage & set(store.names())
    assert earlier_visits(grown) == before
    assert_all_visits_can_be_read(grown)
    assert [grown.content(day) for day in DAYS] == grown.contents
    assert collect(grown, capfd, 40, delete=True) == [
        {"garbage": 0, "due": 0, "removed": 0, "freed": 0}
    ]


def objects_of_visits(job: Job, *, filtered: bool) -> dict[tuple[str, str | None], set[str]]:
    """(origin, head) -> every object that keeps it, of every visit that was filtered, or not."""
    words = ("--batch-all-objects", "--batch-check=%(objectname)")
    found = {}
    with LocalStore.at(job.root, write=False) as store:
        for visit, holding in earlier_visits(job):
            if (visit.filter is not None) is filtered:
                with workbench(store, visit, holding) as view:
                    kept = set(view.repo.git.cat_file(*words).split())
                    found[visit.url, visit.head] = kept
    return found


@pytest.mark.parametrize("depth", ["history", "full"])
def test_packs_of_filtered_origins_go_too_and_no_object_with_them(fresh, capfd, monkeypatch, depth):
    monkeypatch.setattr("ptmtorrent.store.compaction.is_worth_it", lambda live, gone: gone > 0)
    for day in (*DAYS, "2026-11-23"):
        with fresh.served():
            with fresh.config.open("a") as settings:
                settings.write('\n[git]\nmax_pack = "2KiB"\nblob_limit = "1KiB"\n')
            assert fresh.run("snapshot", "--depth", depth, "--as-of", day) in (0, 3)
        move(fresh.world)
    before = objects_of_visits(fresh, filtered=True)
    assert len(before) > len({url for url, _ in before}), "some filtered origin has two visits"
    garbage = superseded(fresh)
    assert garbage
    *lines, _ = collect(fresh, capfd, 0)
    assert {line["name"] for line in lines} == garbage
    assert collect(fresh, capfd, 14, delete=True)[-1]["removed"] == len(garbage)
    assert objects_of_visits(fresh, filtered=True) == before
    assert fresh.end("verify")[0] == 0


def test_the_ledger_can_be_rebuilt_after_a_collection(grown, capfd):
    before = earlier_visits(grown)
    for path in grown.root.glob("ledger.sqlite*"):
        path.unlink()
    assert collect(grown, capfd, 41)[-1]["garbage"] == 0
    assert sorted(map(repr, earlier_visits(grown))) == sorted(map(repr, before))
    assert_all_visits_can_be_read(grown)


def test_the_next_snapshot_builds_on_what_is_left(grown, capfd):
    with grown.served():
        assert grown.snapshot("--as-of", "2026-11-23") == 0
    [(commits, told)] = grown.rows(
        "SELECT (SELECT sum(commits) FROM origins),"
        " (SELECT count(*) FROM (SELECT DISTINCT origin, oid FROM commits))"
    )
    assert commits == told > 0
    assert_all_visits_can_be_read(grown)


def test_what_a_killed_run_left_is_found_and_the_rest_is_not_touched(fresh, capfd):
    with fresh.served():
        assert fresh.snapshot() == 0
    before = fresh.blobs()
    with LocalStore.at(fresh.root, write=True) as store:
        left = [store.put(b"never journalled" * 9000), store.put(b"small")]
    shard = next((fresh.root / "dataset/files/v1").rglob("part-*.parquet"))
    stray = shard.with_name("part-00042.parquet")
    stray.write_bytes(b"of a build that was killed")
    name = str(stray.relative_to(fresh.root))
    *lines, _ = collect(fresh, capfd, 0, delete=True)
    assert {line["name"] for line in lines} == {*left, name}
    collect(fresh, capfd, 15, delete=True)
    assert fresh.blobs() == before
    assert shard.exists() and not stray.exists()
    assert fresh.rows("SELECT count(*) FROM files")[0][0] > 0


def test_beside_a_writer_nothing_is_done(small):
    with open_root(small.root, create=False).writing(), pytest.raises(WriterActiveError):
        gc(context(small), GcOptions(delete=True))


def test_people_are_told_what_would_go_and_how(fresh, capfd):
    with fresh.served():
        assert fresh.snapshot("--depth", "history") == 0
    shown = []
    with LocalStore.at(fresh.root, write=True) as store:
        store.put(b"never journalled" * 9000)
    capfd.readouterr()
    for day, delete in ((0, False), (15, False), (15, True), (15, True)):
        gc(context(fresh, day, as_json=False), GcOptions(delete=delete))
        shown.append(capfd.readouterr().out.splitlines())
    assert [words[0].split(":")[0] for words in shown] == [
        "marked, and can go 14 days after that",
        "can go",
        "removed",
        "nothing is garbage",
    ]


def test_a_journal_that_lost_its_end_lets_nothing_go(fresh, capfd):
    """The ledger remembers a line that the journal no longer has."""
    with fresh.served():
        assert fresh.snapshot() == 0
    before = fresh.blobs()
    *_, last = sorted((fresh.root / "store/v1/journal").iterdir())
    lines = last.read_bytes().splitlines(keepends=True)
    last.write_bytes(b"".join(lines[: len(lines) // 2]))
    for day in (0, 20):
        with pytest.raises(IntegrityError):
            gc(context(fresh, day), GcOptions(delete=True))
    assert fresh.blobs() == before
