"""A disk that is full, or may not be written: 7, and the rest when there is room."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from job import Job
from storm import COMMAND, left_behind

pytestmark = pytest.mark.slow

LEAVE = 100 * 1024
"""Bytes that are left when a disk is filled."""
SMALL_FILE = 150 * 1024


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], check=False, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of our own, in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=100m,nr_inodes=3000", "tmpfs", str(path)):
        pytest.skip("NOT TESTED HERE: a full disk; mounting a file system needs more rights")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def on_disk(disk, small_world, at_noon) -> Iterator[Job]:
    job = Job(disk / "root", small_world).with_shared_key()
    yield job
    job.close()


def fill(disk: Path) -> Path:
    """Take all space but a little; the file that takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        size = -1
        while size < 0:
            free = os.statvfs(disk)
            size = max(1, free.f_bavail * free.f_frsize - LEAVE)
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:  # the run was faster
                size = -1
    return ballast


def use_up_inodes(disk: Path) -> Path:
    """Make files until there can be no more; the folder they are in."""
    ballast = disk / "ballast"
    ballast.mkdir()
    with suppress(OSError):
        for number in range(10_000):
            (ballast / str(number)).touch()
    return ballast


def make_room(ballast: Path) -> None:
    shutil.rmtree(ballast) if ballast.is_dir() else ballast.unlink()


@pytest.mark.parametrize("run_out", [fill, use_up_inodes])
@pytest.mark.parametrize("requests", [3, 20])
def test_a_disk_that_runs_full_ends_in_7_and_later_in_the_same_content(
    on_disk, disk, small, run_out, requests
):
    with on_disk.served(rtt_ms=20):
        process = on_disk.start(*COMMAND)
        on_disk.until(lambda: len(on_disk.requests()) >= requests, process)
        ballast = run_out(disk)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in err) == (7, False), err
        code, _, err = on_disk.end(*COMMAND)
        assert (code, "must stay free" in err) == (7, True), err
        make_room(ballast)
        code, _, err = on_disk.end(*COMMAND)
        assert code == 0, err
    assert on_disk.content() == small.content()
    left = list(left_behind(on_disk.root))
    assert left == [], [(p, p.stat().st_size, p.name in on_disk.blobs()) for p in left]


@pytest.mark.parametrize("take", [("size=30m", "bytes are free"), ("nr_inodes=500", "inodes are")])
def test_below_the_low_water_mark_nothing_is_asked_for(disk, small_world, at_noon, take):
    option, words = take
    assert mount("-o", f"remount,{option}", str(disk))
    job = Job(disk / "root", small_world).with_shared_key()
    with job.served():
        code, out, err = job.end(*COMMAND)
        assert (code, out, job.requests()) == (7, "", [])
    assert words in err


def test_a_file_that_may_not_grow_ends_in_7_and_later_in_the_same_content(another, small):
    """The limit of the shell (``ulimit -f``), which every user may set."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with another.served(rtt_ms=5):
        process = another.start(*COMMAND)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SMALL_FILE, hard))
        _, err = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in err) == (7, False), err
        assert another.end(*COMMAND)[0] == 0
    assert another.content() == small.content()


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_root_that_may_not_be_written_is_7_and_says_so(on_disk, disk, has_begun):
    with on_disk.served():
        if has_begun:
            assert on_disk.end("list", "--quiet")[0] == 0
        asked = len(on_disk.requests())
        assert mount("-o", "remount,ro", str(disk))
        code, out, err = on_disk.end(*COMMAND)
        assert len(on_disk.requests()) == asked
    assert (code, out) == (7, "")
    assert "read-only" in err
