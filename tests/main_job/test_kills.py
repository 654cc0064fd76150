"""Killed at any moment, the same command again finishes with the same content."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from events import waiting_for
from job import Job
from storm import (
    COMMAND,
    Kill,
    Storm,
    asked_again,
    left_behind,
    lose_ledger,
    pass_of,
    stand_of,
    storm,
)

from ptmtorrent.model.visit import Holding
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore

ONE_S, FIVE_S = 1.8, 5.0
"""About how long an undisturbed run takes; random kills are drawn over this time."""

KINDS = ("in each pass", "at random 1", "at random 2", "five hubs")


@pytest.fixture(scope="module", params=KINDS)
def killed(request, tmp_path_factory):
    """(a root whose snapshot was killed often, how, the same snapshot undisturbed)."""
    is_five = request.param == "five hubs"
    world = request.getfixturevalue("five_world" if is_five else "small_world")
    once = request.getfixturevalue("five" if is_five else "small")
    root = tmp_path_factory.mktemp("killed") / "root"
    job = Job(root, world, all_hubs=is_five).with_shared_key()
    with job.served(rtt_ms=5):
        if is_five:
            story = storm(job, random.Random(3), FIVE_S, most=5)
        elif request.param == "in each pass":
            story = in_each_pass(job)
        else:
            story = storm(job, random.Random(request.param), ONE_S, most=4)
        job.log = job.requests()
    yield job, story, once
    job.close()


def in_each_pass(job: Job) -> Storm:
    """Kills on purpose: after so many requests, in a rebuild of the ledger, in the build."""
    story = Storm()
    for more in (1, 4, 12, 14):
        so_far = len(job.requests())
        kill_when(job, story, lambda n=so_far + more: len(job.requests()) >= n)
    lose_ledger(job.root)
    kill_when(job, story, (job.root / "ledger.sqlite").exists, is_rebuilding=True)
    for table in ("packages", "commits"):
        kill_when(job, story, lambda t=table: any(job.root.glob(f"dataset/{t}/**/*.parquet")))
    story.code, _, story.err = job.end(*COMMAND)
    story.end = stand_of(job)
    return story


def kill_when(job: Job, story: Storm, is_so, *, is_rebuilding: bool = False) -> None:
    process = job.start(*COMMAND)
    job.until(is_so, process)
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    story.kills.append(Kill(0.0, pass_of(job, is_rebuilding), stand_of(job)))


def test_the_same_command_finishes_with_the_content_of_an_uninterrupted_run(killed):
    job, story, once = killed
    assert (story.code, story.err.partition("is finished")[0][:8]) in ((0, ""), (0, "snapshot"))
    assert story.kills
    assert job.content() == once.content()


def test_nothing_that_stood_at_a_kill_is_asked_for_again(killed):
    """No object, no asset, and no pack of a journalled holding."""
    job, story, _ = killed
    stands = [*(kill.stand for kill in story.kills), story.end]
    assert asked_again(job, stands) == []


def test_no_temporary_file_is_left(killed):
    job, _, _ = killed
    assert list(left_behind(job.root)) == []


def test_the_journal_is_one_unbroken_chain_that_says_the_same(killed):
    job, _, once = killed
    journal, undisturbed = (Journal.open(j.root, write=False) for j in (job, once))
    assert journal.verify() >= undisturbed.verify() > 10
    kinds = [{entry.kind for entry in j.entries()} for j in (journal, undisturbed)]
    assert kinds[0] == kinds[1]


def test_every_blob_and_every_pack_of_a_holding_is_what_its_name_says(killed):
    job, _, _ = killed
    with LocalStore.at(job.root, write=False) as store:
        assert all(len(store.read(name)) == store.size(name) for name in store.names())
        for entry in Journal.open(job.root, write=False).entries():
            if entry.kind == "visit":
                holding = Holding.from_bytes(store.read(entry.payload["holding"]))
                assert all(store.has(pack) for pack in holding.packs)


@pytest.mark.parametrize("killed", ["in each pass"], indirect=True)
def test_it_was_killed_in_every_pass(killed):
    _, story, _ = killed
    assert set(story.passes) >= {"list", "fetch", "rebuild", "build"}


@pytest.mark.skipif(
    subprocess.run(["setpriv", "--pdeathsig", "KILL", "true"], check=False).returncode != 0,
    reason="no setpriv (util-linux) here: git may outlive a killed run for a while",
)
def test_no_git_outlives_a_killed_run(another):
    """git talks to a server where an origin cannot be had whole; each answer takes its time."""
    with another.served(rtt_ms=1500):
        with another.config.open("a") as settings:
            settings.write('\n[git]\nmax_pack = "1KiB"\n')
        process = another.start(*COMMAND)
        another.until(lambda: gits_of(another.root), process)
        gits = gits_of(another.root)
        assert gits
        with waiting_for(gits, 2):
            process.kill()
            process.communicate()
        assert gits_of(another.root) == []


def gits_of(root: Path) -> list[int]:
    """Processes of git that fetch into a root."""
    found = []
    for pid in (path.name for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (
            words[0].endswith(b"git")
            and b"fetch" in words
            and os.fsencode(root) in b" ".join(words)
        ):
            found.append(int(pid))
    return found
