"""Two snapshots of a world that moved between them; the servers are off when the tests begin."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from restoring import FIRST, SECOND, Job, Truth, clones

from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.move import move


@pytest.fixture(scope="session")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A root with both snapshots at depth ``full``, and what plain git cloned at each."""
    place = tmp_path_factory.mktemp("moved")
    job = Job(place / "root", place / "world")
    job.clones: dict[str, Truth] = {}
    generate(job.world, one_hub=True)
    for snapshot in (FIRST, SECOND):
        (place / snapshot).mkdir()
        with job.served():
            assert job.snapshot("--as-of", snapshot) == 0
            job.clones[snapshot] = clones(job, place / snapshot)
        if snapshot == FIRST:
            move(job.world)
    yield job
    job.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A directory that is not there."""
    return tmp_path / "out"
