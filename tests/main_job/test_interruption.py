"""Killed or stopped at any moment, the same command again finishes with the same content."""

import json
import re
import signal
import subprocess
from itertools import pairwise

import pytest
from job import Job, until

from ptmtorrent.store.journal import Journal

COMMAND = ("snapshot", "--depth", "full", "--quiet")
OBJECT = re.compile(r"/objects/([0-9a-f]{64})")


@pytest.fixture(scope="module")
def killed(small_world, tmp_path_factory):
    """One snapshot, begun again and again, killed after so many requests, and in the build.

    ``moments`` has, for each kill and the end, the blobs that stood and the requests so far.
    """
    job = Job(tmp_path_factory.mktemp("killed") / "root", small_world).with_shared_key()
    job.moments, job.codes = [], []
    with job.served(rtt_ms=5):
        for more in (1, 3, 6, 9, 12, 12):
            so_far = len(job.requests())
            kill_when(job, lambda n=so_far + more: len(job.requests()) >= n)
        for table in ("packages", "commits"):
            kill_when(job, lambda t=table: any(job.root.glob(f"dataset/{t}/**/*.parquet")))
        job.end_code, job.out, job.err = job.end(*COMMAND)
        job.moments.append((job.blobs(), job.requests()))
    yield job
    job.close()


def kill_when(job: Job, is_so) -> None:
    process = job.start(*COMMAND)
    until(is_so, process)
    process.kill()
    process.communicate()
    job.codes.append(process.returncode)
    job.moments.append((job.blobs(), job.requests()))


def test_it_was_killed_in_every_pass(killed):
    assert killed.codes == [-signal.SIGKILL] * 8
    counts = [len(requests) for _, requests in killed.moments]
    assert len(set(counts)) >= 6


def test_the_same_command_finishes_with_the_content_of_an_uninterrupted_run(killed, small):
    assert (killed.end_code, killed.err) == (0, "")
    assert killed.content() == small.content()


def test_no_object_that_stood_at_a_kill_is_asked_for_again(killed):
    stood = set()
    for (held, before), (_, after) in pairwise(killed.moments):
        asked = set(OBJECT.findall(" ".join(r["path"] for r in after[len(before) :])))
        assert not held & asked
        stood |= held
    assert stood & set(OBJECT.findall(" ".join(r["path"] for r in killed.requests())))


def test_nothing_is_left_half_done(killed):
    assert list((killed.root / "store/v1/partial").iterdir()) == []


def test_the_journal_is_one_unbroken_chain(killed, small):
    journal = Journal.open(killed.root, write=False)
    once = Journal.open(small.root, write=False)
    assert journal.verify() >= once.verify() > 10
    assert {entry.kind for entry in journal.entries()} == {entry.kind for entry in once.entries()}


@pytest.fixture(scope="module")
def held_up(small_world, tmp_path_factory):
    """A run that a server keeps waiting, and what other processes see meanwhile; then two signals.

    After each signal the same command begins again; the last one is let through.
    """
    job = Job(tmp_path_factory.mktemp("held_up") / "root", small_world).with_shared_key()
    with job.served("cdn=stall:1") as box:
        process = stalled(job)
        job.second = job.end(*COMMAND)
        job.status = job.end("status", "--json")
        job.shown = job.end("status")
        job.interrupted = stop(process, signal.SIGINT)
        job.terminated = stop(stalled(job), signal.SIGTERM)
        box.switch("cdn=stall:off")
        job.last = job.end(*COMMAND)
    yield job
    job.close()


def stalled(job: Job) -> "subprocess.Popen[str]":
    """A process that waits for a server: it has asked for objects, and all visits are made."""
    before = len(job.requests())
    process = job.start(*COMMAND)
    until(lambda: len(job.requests()) > before and no_visit_is_left(job), process)
    return process


def no_visit_is_left(job: Job) -> bool:
    waiting = [job.items("visit", state) for state in ("todo", "leased")]
    return job.items("object", "leased") > 0 and not any(waiting)


def stop(process: "subprocess.Popen[str]", signum: int) -> tuple[int, str]:
    process.send_signal(signum)
    _, err = process.communicate(timeout=10)
    return process.returncode, err


def test_signals_end_a_run_at_once_with_their_own_codes(held_up):
    for (code, err), expected in ((held_up.interrupted, 130), (held_up.terminated, 143)):
        assert code == expected
        assert "run it again" in err
        assert "Traceback" not in err


def test_after_signals_the_run_finishes_with_the_same_content(held_up, small):
    assert held_up.last[0] == 0
    assert held_up.content() == small.content()
    assert list((held_up.root / "store/v1/partial").iterdir()) == []


def test_a_second_writer_is_turned_away_at_once(held_up):
    code, out, err = held_up.second
    assert (code, out) == (11, "")
    assert "another process writes here" in err


def test_a_question_can_be_stopped(small):
    with small.served():
        process = small.start("query", "SELECT a.* FROM range(1000000000) AS a", "--csv")
        assert process.stdout.readline()
        code, err = stop(process, signal.SIGTERM)
    assert code == 143
    assert "Traceback" not in err


def test_status_works_beside_a_run(held_up):
    code, out, _ = held_up.status
    [row] = map(json.loads, out.splitlines())
    assert code == 0
    assert list(row) == [
        *("hub", "packages", "origins", "done", "postponed", "failed", "skipped"),
        *("bytes", "budget_left", "resets_at"),
    ]
    assert row["packages"] == 10
    assert row["skipped"] == 4
    assert row["budget_left"] is None or row["budget_left"] > 0
    assert held_up.shown[0] == 0
    assert "items to do" in held_up.shown[1]
