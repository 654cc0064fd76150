"""Fixtures that every room's tests may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project's own checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def samples() -> Path:
    """Recorded answers of the real hubs, where such a collection lies beside the checkout."""
    places = [os.environ.get("PTMTORRENT_SAMPLES", ""), REPOSITORY.parent / "shared/data/hubs"]
    for place in map(Path, filter(None, places)):
        if place.is_dir():
            return place
    pytest.skip("no recorded answers of real hubs here (PTMTORRENT_SAMPLES)")
