"""A restart on a finished snapshot says what the ledger says, without counting it again."""

import json
import sqlite3

import pytest
from job import Job
from test_repair import damage, objects

from ptmtorrent.ledger.ledger import Ledger


@pytest.fixture
def whole(fresh: Job) -> Job:
    with fresh.served():
        assert fresh.snapshot("--as-of", "2026-11-21") == 0
    return fresh


def again(job: Job, capfd) -> dict[str, object]:
    """The last line of ``snapshot --json`` on a finished snapshot."""
    capfd.readouterr()
    assert job.snapshot("--as-of", "2026-11-21", "--json") == 0
    return json.loads(capfd.readouterr().out.splitlines()[-1])


def counted_anew(job: Job, capfd) -> dict[str, object]:
    """The same line, after everything that was counted is forgotten."""
    with sqlite3.connect(job.root / "ledger.sqlite") as ledger:
        assert ledger.execute("DELETE FROM figures").rowcount
    ledger.close()
    return again(job, capfd)


def test_a_restart_says_what_counting_again_says(whole: Job, capfd):
    ledger = Ledger.open_to_read(whole.root / "ledger.sqlite")
    assert ledger.reads.kept_figures(1) == ledger.reads.figures(1), "the run itself counted"
    ledger.close()
    said = again(whole, capfd)
    assert said["blobs"]["count"] > 0
    assert said == counted_anew(whole, capfd)


def test_it_is_not_what_was_so_before_a_repair(whole: Job, capfd):
    before = again(whole, capfd)
    damage(whole, objects(whole, lfs=True)[0])
    assert whole.run("fetch", "--repair") == 5, "nobody serves"
    lost = again(whole, capfd)
    assert lost["blobs"]["count"] == before["blobs"]["count"] - 1
    assert lost == counted_anew(whole, capfd)
    with whole.served():
        assert whole.run("fetch", "--repair") == 0
    assert again(whole, capfd) == before


def test_it_is_not_what_was_so_before_a_later_snapshot(whole: Job, capfd):
    before = again(whole, capfd)
    with whole.served():
        assert whole.snapshot("--as-of", "2026-11-22", "--top", "1") == 0
        assert whole.run("gc") == 0
    after = again(whole, capfd)
    assert after == counted_anew(whole, capfd)
    assert after["snapshot"] == before["snapshot"] == "2026-11-21"
