"""One root with two snapshots of five hubs at depth full, made once and only read."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import Copies

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "main_job"))

from job import Job

from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.move import move


@pytest.fixture(scope="session")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """The world moves on between the snapshots."""
    place = tmp_path_factory.mktemp("audited")
    job = Job(place / "root", place / "world", all_hubs=True).with_shared_key()
    generate(job.world, packages=4)
    with job.served():
        assert job.snapshot("--as-of", "2026-11-21") == 0
    move(job.world)
    with job.served():
        assert job.snapshot("--as-of", "2026-11-22") == 0
    yield job
    job.close()


@pytest.fixture
def copies(twice: Job, tmp_path: Path) -> Copies:
    """Copies of that root, to be damaged."""
    return Copies(twice.root, tmp_path)
