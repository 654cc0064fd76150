"""One world and one finished snapshot of it, shared by the tests that only read."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from job import CLOCK, Job

from ptmtorrent.sandbox.generate import generate


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A snapshot at depth ``full`` of the default world."""
    place = tmp_path_factory.mktemp("finished")
    job = Job(place / "root", place / "world")
    generate(job.world, one_hub=True)
    with job.served():
        assert job.snapshot() == 0
    shutil.copy(job.world / "requests.jsonl", job.world / "requests-of-first-run.jsonl")
    yield job
    job.close()


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of 12 repositories, which stays as it is."""
    world = tmp_path_factory.mktemp("small") / "world"
    generate(world, packages=12, one_hub=True)
    return world


@pytest.fixture(scope="session")
def small(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A snapshot of the small world at depth ``full``, made in one go with the clock frozen."""
    job = Job(tmp_path_factory.mktemp("once") / "root", small_world).with_shared_key()
    with pytest.MonkeyPatch.context() as patch, job.served():
        patch.setenv("PTMTORRENT_CLOCK", CLOCK)
        assert job.snapshot() == 0
    yield job
    job.close()


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of what is written stands still."""
    monkeypatch.setenv("PTMTORRENT_CLOCK", CLOCK)


@pytest.fixture
def another(small_world: Path, tmp_path: Path, at_noon: None) -> Iterator[Job]:
    """The small world again, with a root that holds nothing yet."""
    job = Job(tmp_path / "root", small_world).with_shared_key()
    yield job
    job.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Job]:
    """A small world, and no root yet."""
    job = Job(tmp_path / "root", tmp_path / "world")
    generate(job.world, packages=12, one_hub=True)
    yield job
    job.close()


@pytest.fixture(scope="session")
def five_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of all five hubs, which stays as it is."""
    world = tmp_path_factory.mktemp("five") / "world"
    generate(world, packages=4)
    return world


@pytest.fixture(scope="session")
def five(five_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A snapshot of all five hubs at depth ``full``."""
    root = tmp_path_factory.mktemp("five-once") / "root"
    job = Job(root, five_world, all_hubs=True).with_shared_key()
    with pytest.MonkeyPatch.context() as patch, job.served():
        patch.setenv("PTMTORRENT_CLOCK", CLOCK)
        assert job.snapshot() == 0
    shutil.copy(five_world / "requests.jsonl", root.parent / "requests.jsonl")
    yield job
    job.close()


@pytest.fixture
def of_five(five_world: Path, tmp_path: Path, at_noon: None) -> Iterator[Job]:
    """The world of five hubs again, with a root that holds nothing yet."""
    job = Job(tmp_path / "root", five_world, all_hubs=True).with_shared_key()
    yield job
    job.close()
