"""A repository to make, a store to keep it in, and a watch over processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import Maker, children

from ptmtorrent.store.local import LocalStore


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "repo")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    root = tmp_path / "root"
    root.mkdir()
    with LocalStore.at(root, write=True) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _nothing_is_left_running(tmp_path: Path) -> Iterator[None]:
    """Every test also claims that no process outlives its block."""
    before = children()
    yield
    assert children() <= before
