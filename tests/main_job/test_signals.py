"""SIGINT and SIGTERM end any pass quickly, cleanly, with their own codes; and it goes on later."""

import json
import signal
import subprocess

import pytest
from job import Job
from storm import COMMAND, left_behind, lose_ledger

MOST_S = 10


@pytest.fixture(scope="module")
def stopped(small_world, tmp_path_factory):
    """One snapshot, stopped in every pass under load; (code, stderr) of each, and the last run."""
    job = Job(tmp_path_factory.mktemp("stopped") / "root", small_world).with_shared_key()
    job.ends = {}
    with job.served("list=drip:1") as box:
        job.ends["list"] = stop(held_in(job, lambda: has_begun(job)), signal.SIGTERM)
        box.switch("list=drip:off")
        box.switch("git=drip:1")
        visiting = held_in(job, lambda: job.items("visit", "leased") > 0)
        job.ends["git"] = stop(visiting, signal.SIGINT)
        box.switch("git=drip:off")
        box.switch("cdn=stall:1")
        downloading = held_in(job, lambda: is_downloading(job))
        job.second = job.end(*COMMAND)
        job.status = job.end("status", "--json")
        job.shown = job.end("status")
        job.ends["objects"] = stop(downloading, signal.SIGINT, signal.SIGINT)
        job.ends["objects again"] = stop(held_in(job, lambda: is_downloading(job)), signal.SIGTERM)
        box.switch("cdn=stall:off")
        lose_ledger(job.root)
        building = held_in(job, lambda: any(job.root.glob("dataset/packages/**/*.parquet")))
        job.ends["build"] = stop(building, signal.SIGTERM)
        job.last = job.end(*COMMAND)
    yield job
    job.close()


def held_in(job: Job, is_there) -> "subprocess.Popen[str]":
    """A run that has come to a point, and has done something itself."""
    before = traces(job)
    process = job.start(*COMMAND)
    job.until(lambda: traces(job) != before and is_there(), process)
    return process


def traces(job: Job) -> tuple[int, int]:
    """What changes when a run does anything: requests, and files of the dataset."""
    return len(job.requests()), len(list(job.root.glob("dataset/**/*.parquet")))


def has_begun(job: Job) -> bool:
    return any(path.stat().st_size for path in job.root.glob("store/v1/journal/*.jsonl"))


def is_downloading(job: Job) -> bool:
    """All visits are made, and an object is on its way."""
    waiting = [job.items("visit", state) for state in ("todo", "leased")]
    return job.items("object", "leased") > 0 and not any(waiting)


def stop(process: "subprocess.Popen[str]", *signals: int) -> tuple[int, str]:
    for signum in signals:
        process.send_signal(signum)
    _, err = process.communicate(timeout=MOST_S)
    return process.returncode, err


@pytest.mark.parametrize(
    ("place", "code"),
    [("list", 143), ("git", 130), ("objects", 130), ("objects again", 143), ("build", 143)],
)
def test_a_signal_ends_a_run_within_10_seconds_and_says_how_to_go_on(stopped, place, code):
    found, err = stopped.ends[place]
    assert found == code
    assert "run it again" in err
    assert "Traceback" not in err


def test_after_signals_the_run_finishes_with_the_same_content(stopped, small):
    assert (stopped.last[0], stopped.last[2]) == (0, "")
    assert stopped.content() == small.content()
    assert list(left_behind(stopped.root)) == []


def test_a_question_can_be_stopped(small):
    with small.served():
        process = small.start("query", "SELECT a.* FROM range(1000000000) AS a", "--csv")
        assert process.stdout.readline()
        code, err = stop(process, signal.SIGTERM)
    assert code == 143
    assert "Traceback" not in err


def test_a_second_writer_is_turned_away_at_once(stopped):
    code, out, err = stopped.second
    assert (code, out) == (11, "")
    assert "another process writes here" in err


def test_status_works_beside_a_run(stopped):
    code, out, _ = stopped.status
    [row] = map(json.loads, out.splitlines())
    assert code == 0
    assert list(row) == [
        *("hub", "packages", "origins", "done", "postponed", "failed", "skipped"),
        *("bytes", "budget_left", "resets_at"),
    ]
    assert row["packages"] == 10
    assert row["skipped"] == 4
    assert row["budget_left"] is None or row["budget_left"] > 0
    assert stopped.shown[0] == 0
    assert "items to do" in stopped.shown[1]
