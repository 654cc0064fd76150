"""Pure decisions: which snapshot, which outcome, which exit code, what the progress says."""

import random
from datetime import UTC, datetime

import pytest

from ptmtorrent.console.summary import Summary
from ptmtorrent.console.tally import Tally
from ptmtorrent.console.words import budget, cell, seconds, size
from ptmtorrent.errors import (
    CorruptError,
    NetworkError,
    RefusedError,
    SkipError,
    SkipReason,
    UnansweringError,
)
from ptmtorrent.ledger.rows import ItemCount, Listing, Snapshot
from ptmtorrent.model.events import BytesReceived, ItemFinished, PassStarted
from ptmtorrent.model.text import clean, display
from ptmtorrent.model.work import Failed, Postponed, Skipped
from ptmtorrent.pipeline.choice import Begin, Finished, Resume, choose
from ptmtorrent.policy.outcome import MAX_ATTEMPTS, outcome_of

DAY = "2026-11-21"


def snapshot(name: str, *, finished: bool) -> Snapshot:
    return Snapshot(1, name, name[:10], "t", "t" if finished else None, None)


@pytest.mark.parametrize(
    ("snapshots", "day", "again", "choice"),
    [
        ([], DAY, False, Begin(DAY, DAY)),
        (["2026-11-20"], DAY, False, Begin(DAY, DAY)),
        ([DAY], DAY, True, Begin(f"{DAY}.2", DAY)),
        ([DAY, f"{DAY}.2"], DAY, True, Begin(f"{DAY}.3", DAY)),
    ],
)
def test_a_new_snapshot_is_named_after_its_day_and_its_number(snapshots, day, again, choice):
    done = [snapshot(name, finished=True) for name in snapshots]
    assert choose(done, day, again=again) == choice


def test_the_unfinished_one_is_resumed_whatever_the_day():
    left = snapshot("2026-11-19", finished=False)
    assert choose([left], DAY, again=True) == Resume(left)


def test_a_finished_day_is_finished_unless_asked_for_another():
    done = snapshot(DAY, finished=True)
    assert choose([done], DAY, again=False) == Finished(done)


def test_a_wait_that_the_server_names_is_kept_and_jitter_stays_below_its_cap():
    error = RefusedError("later", wait_s=77.0)
    outcome = outcome_of(error, 1, 0.0, random.Random(1))
    assert isinstance(outcome, Postponed)
    assert outcome.not_before >= datetime.fromtimestamp(77, UTC)
    silent = outcome_of(UnansweringError("x", wait_s=77.0), 1, 0.0, random.Random(1))
    assert isinstance(silent, Postponed)
    assert silent.not_before >= datetime.fromtimestamp(77, UTC)
    waits = []
    for seed in range(200):
        outcome = outcome_of(NetworkError("x"), MAX_ATTEMPTS - 1, 0.0, random.Random(seed))
        assert isinstance(outcome, Postponed)
        waits.append(outcome.not_before.timestamp())
    assert 0 <= min(waits) < 4 < max(waits) <= 120


def test_what_cannot_pass_is_not_tried_again():
    rng = random.Random(1)
    assert outcome_of(SkipError("x", SkipReason.GONE), 1, 0, rng) == Skipped(SkipReason.GONE)
    assert isinstance(outcome_of(CorruptError("x"), 1, 0, rng), Failed)
    assert isinstance(outcome_of(NetworkError("x"), MAX_ATTEMPTS, 0, rng), Failed)


def summary(*states: str, outcome: str = "complete", limit: bool = False) -> Summary:
    listing = Listing("huggingface", outcome, None, "{}", 1, 0, "[]", None, None, None, None)
    counts = [ItemCount("huggingface", "visit", s, "gone", 1, 0) for s in states]
    return Summary(
        snapshot=DAY,
        manifest=None,
        packages={"huggingface": 2},
        origins={"huggingface": 2},
        items=counts,
        listings=[listing],
        rows={},
        blobs=(0, 0, 0),
        pack_bytes=0,
        network=(1, 0, 10),
        limit_reached=limit,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("built", "code"),
    [
        (summary("done", "skipped"), 0),
        (summary("done", "failed"), 3),
        (summary("done", "postponed"), 5),
        (summary("failed", outcome="cut"), 5),
        (summary("done", outcome="unreachable"), 5),
        (summary("done", outcome="not_asked"), 0),
        (summary("failed", limit=True), 8),
        (summary("failed", outcome="cut", limit=True), 5),
    ],
)
def test_exit_codes_are_those_of_the_contract(built, code):
    assert built.exit_code == code


def test_the_json_line_has_the_keys_of_the_contract_and_counts_add_up():
    line = summary("done", "skipped", "failed").to_json()
    assert set(line) == {
        "snapshot",
        "manifest",
        "hubs",
        "reasons",
        "blobs",
        "network",
        "seconds",
    }
    assert line["hubs"]["huggingface"] == {
        "packages": 2,
        "origins": 2,
        "done": 1,
        "postponed": 0,
        "failed": 1,
        "skipped": 1,
    }
    assert line["reasons"] == {"gone": 2}


def test_progress_knows_rate_and_time_to_go():
    tally = Tally()
    tally.take(PassStarted("fetch", 10), 0.0)
    for number in range(1, 6):
        tally.take(BytesReceived("h", 1000), float(number))
        tally.take(ItemFinished("object", "x", "done", None, 1, ""), float(number))
    assert tally.ended == 5
    assert tally.rates(5.0) == (1000.0, 1.0)
    assert tally.to_go_s(5.0) == 5.0
    tally.take(ItemFinished("visit", "x", "postponed", "network", 0, ""), 6.0)
    assert tally.ended == 5


def test_sizes_and_spans_are_written_for_people():
    assert [size(n) for n in (0, 1023, 1024, 5 * 2**30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
    assert [seconds(s) for s in (0.4, 61, 3700)] == ["0 s", "1 min 1 s", "1 h 1 min"]
    assert budget((5, 130.0, 0.0), 100.0) == "5 requests left, resets in 30 s"
    assert budget((5, 130.0, 160.0), 100.0) == "closed for 1 min 0 s"


@pytest.mark.parametrize(
    "hostile", ["\x1b[2Jx", "a\u202eb", "\x07", "[/foo]", "[bold]x", "\ud800", "a\nb", "\x9b1m"]
)
def test_no_name_reaches_the_terminal_as_an_order(hostile):
    shown = cell(hostile)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert "\u202e" not in display(hostile)
    clean(hostile).encode("utf-8")
