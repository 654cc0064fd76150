"""One small world, and the run of it that nothing happened to."""

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from ending import Undisturbed, Verdict, undisturbed

SEED = 20261121


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(tmp_path_factory.mktemp("durable"))


@pytest.fixture
def verdicts(once: Undisturbed, tmp_path: Path) -> Callable[[ModuleType, int], list[Verdict]]:
    """Makes what a module is about happen so often, or skips where it cannot."""

    def happen(way: ModuleType, count: int) -> list[Verdict]:
        if why := way.cannot(tmp_path):
            pytest.skip(why)
        found = list(way.verdicts(tmp_path, once, count, random.Random(SEED)))
        assert sum(verdict.count for verdict in found) >= count
        return found

    return happen
