"""A world of one origin, and a place for a store."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("origins")

from origins import Origin, record, write_world  # noqa: E402


@pytest.fixture
def world(tmp_path: Path) -> Path:
    directory = tmp_path / "world"
    directory.mkdir()
    write_world(directory, record())
    return directory


@pytest.fixture
def origin(world: Path) -> Origin:
    return Origin(world)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "root"
    directory.mkdir()
    return directory
