"""A place to collect in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("collection")

from collection import Place  # noqa: E402


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "root")
    yield place
    place.close()
