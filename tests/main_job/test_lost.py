"""The ledger is lost, and a page, a visit or a holding too: it costs that one item, and says so."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from job import Job

from ptmtorrent.sandbox.move import move
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.layout import Layout

NEXT = "2026-11-22"


@pytest.fixture
def root(small: Job, tmp_path: Path) -> Job:
    """A finished root of the small world, our own to damage."""
    return copied(small, tmp_path / "root")


def copied(job: Job, path: Path) -> Job:
    shutil.copytree(job.root, path)
    return Job(path, job.world)


def lines(job: Job, kind: str) -> list[dict[str, Any]]:
    entries = Journal.open(job.root, write=False).entries()
    return [dict(entry.payload) for entry in entries if entry.kind == kind]


def lose(job: Job, name: str, *, ledger: bool = True) -> None:
    """Damage a small blob, and take the ledger away."""
    [segment] = [
        path
        for path in Layout(job.root).segments.glob("*.seg")
        if bytes.fromhex(name) in path.read_bytes()
    ]
    data = bytearray(segment.read_bytes())
    data[data.find(bytes.fromhex(name)) + 33] ^= 1
    segment.write_bytes(data)
    if ledger:
        for path in job.root.glob("ledger.sqlite*"):
            path.unlink()


def rows_of(job: Job, table: str, at: str, *, but: str = "") -> list[tuple[Any, ...]]:
    without = f"EXCLUDE ({but})" if but else ""
    return sorted(map(repr, job.rows(f"SELECT * {without} FROM {table}", at)))


def next_day(*jobs: Job) -> None:
    """Each makes the next snapshot."""
    for one in jobs:
        with one.served(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PTMTORRENT_CLOCK", f"{NEXT}T12:00:00Z")
            assert one.snapshot() == 0


def assert_same(job: Job, healthy: Job, *, but: str = "depth") -> None:
    """What the two know on the next day is the same."""
    tables = ("refs", "unreachable", "commits", "files", "blobs", "hubs", "not_held", "assets")
    for table in tables:
        assert rows_of(job, table, NEXT) == rows_of(healthy, table, NEXT), table
    packages = [rows_of(one, "packages", NEXT, but=but) for one in (job, healthy)]
    assert packages[0] == packages[1]
    visits = "SELECT url, visit_sha256, commits, reason FROM origins ORDER BY url"
    assert job.rows(visits, NEXT) == healthy.rows(visits, NEXT)


@pytest.mark.parametrize("kind", ["visit", "holding"])
def test_an_origin_whose_visit_is_lost_is_visited_again(root, small, tmp_path, capfd, kind):
    line, healthy = lines(root, "visit")[0], copied(small, tmp_path / "healthy")
    lose(root, line[kind])
    with root.served():
        assert root.snapshot() == 0
        told = capfd.readouterr().err
    assert f"{line['origin']}, snapshot 2026-11-21, journal line" in told
    assert f"the {kind} {line[kind]} is lost" in told
    next_day(root, healthy)
    assert_same(root, healthy)
    assert root.end("verify")[0] == 0


def test_facts_are_told_once_when_an_origin_whose_holding_is_lost_has_moved_on(fresh, tmp_path):
    with fresh.served():
        assert fresh.snapshot("--as-of", "2026-11-21") == 0
    healthy, before = copied(fresh, tmp_path / "healthy"), lines(fresh, "visit")
    move(fresh.world)
    next_day(healthy)
    grown = "SELECT DISTINCT origin FROM commits WHERE first_snapshot = ?"
    new = {url for (url,) in healthy.rows(grown.replace("?", f"'{NEXT}'"), NEXT)}
    lost = {line["origin"]: line["holding"] for line in before if line["origin"] in new}
    for holding in lost.values():
        lose(fresh, holding)
    next_day(fresh)
    reasons = dict(fresh.rows("SELECT url, reason FROM origins", NEXT))
    given_up = [url for url in lost if reasons[url] == "corrupt"]
    assert len(given_up) < len(lost), "a history that only grew is told"
    told = [
        [row for row in rows_of(one, "commits", NEXT) if not any(url in row for url in given_up)]
        for one in (fresh, healthy)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("kind", ["visit", "holding"])
def test_in_an_open_snapshot_it_is_visited_at_once(another, small, kind):
    with another.served():
        assert another.run("list") == 0
        assert another.run("fetch", "--depth", "full") == 0
        line = lines(another, "visit")[0]
        lose(another, line[kind])
        assert another.snapshot() == 0
    assert [one["origin"] for one in lines(another, "visit")].count(line["origin"]) == 2
    if kind == "visit":
        assert another.content() == small.content()


@pytest.mark.parametrize("kind", ["visit", "holding"])
def test_where_the_ledger_is_kept_it_costs_its_origin_alone(root, kind):
    line = lines(root, "visit")[0]
    lose(root, line[kind], ledger=False)
    next_day(root)
    reasons = root.rows("SELECT url FROM origins WHERE reason = 'corrupt'", NEXT)
    assert reasons == [(line["origin"],)]


@pytest.mark.parametrize("kind", ["visit", "holding"])
def test_commits_that_a_force_push_left_behind_stay_out_of_the_view(fresh, kind):
    with fresh.served():
        assert fresh.snapshot("--as-of", "2026-11-21") == 0
    move(fresh.world)
    next_day(fresh)
    before = fresh.rows("SELECT origin, oid FROM unreachable ORDER BY ALL", NEXT)
    pushed = {origin for origin, _ in before}
    last = {line["origin"]: line for line in lines(fresh, "visit")}
    for origin in pushed:
        lose(fresh, last[origin][kind], ledger=False)
    with fresh.served():
        assert fresh.snapshot("--as-of", "2026-11-23") == 0
    corrupt = fresh.rows("SELECT url FROM origins WHERE reason = 'corrupt'", "2026-11-23")
    assert {url for (url,) in corrupt} == pushed != set()
    after = fresh.rows("SELECT origin, oid FROM unreachable ORDER BY ALL", "2026-11-23")
    assert after == before


def test_a_page_that_is_lost_is_listed_again(root, small, tmp_path, capfd):
    """When its packages were first seen is lost with it."""
    line, healthy = lines(root, "page")[0], copied(small, tmp_path / "healthy")
    lose(root, line["sha256"])
    with root.served():
        assert root.snapshot() == 0
    assert f"the page {line['sha256']} is lost" in capfd.readouterr().err
    assert lines(root, "begin")[-1]["snapshot"] == "2026-11-21.2", "the listing was cut off"
    next_day(root, healthy)
    assert_same(root, healthy, but="first_seen")


def test_an_open_listing_asks_for_its_lost_page(another, small):
    with another.served():
        assert another.run("list") == 0
        lose(another, lines(another, "page")[0]["sha256"])
        assert another.snapshot() == 0
    assert another.content() == small.content()
    assert another.end("verify")[0] == 0


def test_where_the_ledger_is_kept_a_listing_whose_page_is_lost_is_cut_off(another):
    """Its packages are missing and must not look gone; the next snapshot lists them again."""
    with another.served():
        assert another.run("list") == 0
        [line] = lines(another, "page")
        lose(another, line["sha256"], ledger=False)
        assert another.snapshot() == 5
        assert another.rows("SELECT count(*) FROM packages") == [(0,)]
        assert another.rows("SELECT count(*) > 5 FROM origins") == [(True,)]
        [(is_whole, outcome, reason)] = another.rows(
            "SELECT listing_complete, outcome, reason FROM hubs WHERE hub = 'huggingface'"
        )
        assert (is_whole, outcome) == (False, "cut")
        assert reason == f"corrupt: page {line['sha256']} was listed and is lost"
        another.close()
        assert another.snapshot() == 0
    assert another.rows("SELECT count(*) > 5 FROM packages") == [(True,)]
    assert another.end("verify")[0] == 0


@pytest.mark.slow
def test_a_shelf_whose_visit_is_lost_is_visited_again(of_five, five):
    with of_five.served():
        assert of_five.run("list") == 0
        for line in [line for line in lines(of_five, "visit") if line.get("shelf")]:
            lose(of_five, line["visit"])
        assert of_five.snapshot() == 0
    assert of_five.content() == five.content()
