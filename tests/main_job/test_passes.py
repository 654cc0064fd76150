"""The passes one by one come to what ``snapshot`` comes to; plan and status tell the truth."""

import json

import pytest
from job import Job

from ptmtorrent.ledger.ledger import Ledger


@pytest.fixture
def lines(capsys):
    """The JSON Lines on stdout since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_list_plan_fetch_and_build_give_the_content_of_snapshot(another: Job, small: Job, lines):
    full = ("--depth", "full", "--json")
    with another.served():
        for command in ("list", "plan", "fetch", "build"):
            assert another.run(command, *full) == 0, command
    assert another.content() == small.content()
    listed, plan, fetched, built = lines()
    assert listed["hubs"]["huggingface"]["packages"] == 10
    assert set(plan) == {"host", "bucket", "requests", "bytes", "inodes", "hours"}
    assert (plan["host"], plan["requests"]) == ("huggingface.co", 40)
    assert fetched["manifest"] is None
    assert built["manifest"].endswith("manifest.json")


def test_plan_writes_nothing_down(another: Job, lines):
    with another.served():
        assert another.run("list", "--json") == 0
        lines()
        for depth in ("history", "full", "history"):
            assert another.run("plan", "--depth", depth, "--json") == 0
        assert another.items("visit", "todo") == 0
        first, _, third = lines()
        assert first == third
        assert another.run("plan", "--depth", "listing", "--json") == 0
        assert lines() == []


def test_plan_tells_what_going_deeper_would_cost(another: Job, small: Job, lines):
    with another.served():
        assert another.run("snapshot", "--json") == 0
        lines()
        assert another.run("plan", "--depth", "full", "--json") == 0
        [row] = lines()
        assert row["bucket"] == "resolvers"
        [(objects, size)] = another.rows("SELECT count(*), sum(size) FROM blobs WHERE NOT held")
        assert (row["requests"], row["bytes"]) == (2 * objects, size)


def test_counts_of_snapshot_and_status_are_the_same_and_add_up(small: Job, lines):
    with small.served():
        assert small.run("status", "--json") == 0
        [status] = lines()
        assert small.run("snapshot", "--json") == 0
        [summary] = lines()
    figures = summary["hubs"]["huggingface"]
    assert {name: status[name] for name in figures} == figures
    assert sum(summary["reasons"].values()) == figures["failed"] + figures["skipped"]
    assert status["budget_left"] > 0
    assert status["resets_at"].endswith("Z")


def test_at_depth_listing_nothing_is_visited_that_a_deeper_plan_left(another: Job):
    with another.served():
        assert another.run("list") == 0
        ledger = Ledger.open(another.root / "ledger.sqlite")
        with ledger.transaction():
            planned = ledger.work.plan_visits(1, "huggingface", depth=3, top=None, globs=())
        ledger.close()
        another.run("fetch", "--depth", "listing")
    assert another.items("visit", "todo") == planned > 0


def test_a_root_made_before_roots_named_their_key_works_on_and_is_sound(another: Job, small: Job):
    (another.root / "ptmtorrent.json").write_text('{"created_by":"0.1.0","format":1}\n')
    with another.served():
        assert another.snapshot() == 0
    assert another.run("verify") == 0
    assert another.content() == small.content()
