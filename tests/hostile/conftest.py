"""What the hostile suites share: real servers and origins of other rooms, and places to watch."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
for room in ("fetch", "net", "main_job"):
    if str(TESTS / room) not in sys.path:
        sys.path.append(str(TESTS / room))

from watch import Canary, Outside  # noqa: E402


@pytest.fixture
def canary() -> Iterator[Canary]:
    """A port that nobody has any business with."""
    with Canary.open() as listening:
        yield listening


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    """Places beside the root that must stay as they are."""
    return Outside.made(tmp_path / "outside")
