"""One world and one finished snapshot of it, shared by the tests that only read."""

import shutil
from pathlib import Path

import pytest
from job import Job

from ptmtorrent.sandbox.generate import generate


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A snapshot at depth ``full`` of the default world."""
    place = tmp_path_factory.mktemp("finished")
    job = Job(place / "root", place / "world")
    generate(job.world)
    with job.served():
        assert job.snapshot() == 0
    shutil.copy(job.world / "requests.jsonl", job.world / "requests-of-first-run.jsonl")
    return job


@pytest.fixture
def fresh(tmp_path: Path) -> Job:
    """A small world, and no root yet."""
    job = Job(tmp_path / "root", tmp_path / "world")
    generate(job.world, packages=12)
    return job
