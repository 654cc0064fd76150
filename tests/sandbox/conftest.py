"""A world on disk, made once, and a sandbox that serves it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.sandbox.world import Repository, World


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world that nobody serves or moves: copy it to change it."""
    directory = tmp_path_factory.mktemp("pristine") / "world"
    generate(directory, packages=20, seed=1)
    return directory


@pytest.fixture(scope="session")
def world(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world to serve, and to leave as it is."""
    directory = tmp_path_factory.mktemp("served") / "world"
    shutil.copytree(pristine, directory)
    return directory


@pytest.fixture(scope="session")
def told(world: Path) -> World:
    """What ``world.json`` says."""
    return World.load(world)


@pytest.fixture(scope="session")
def hub(told: World) -> dict[str, Repository]:
    """One package of each kind that access depends on, by a word for it."""
    models = [r for r in told.repositories if r.forge == "huggingface"]
    tests = {
        "open": lambda r: not (r.gated or r.private or r.disabled or r.missing),
        "auto": lambda r: r.gated == "auto",
        "manual": lambda r: r.gated == "manual",
        "private": lambda r: r.private,
        "disabled": lambda r: r.disabled,
        "missing": lambda r: r.missing,
        "incomplete": lambda r: r.missing_objects,
    }
    return {word: next(r for r in models if test(r)) for word, test in tests.items()}


@pytest.fixture
async def box(world: Path) -> AsyncIterator[Sandbox]:
    """A sandbox without faults."""
    async with Sandbox(world) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that neither follows redirects by itself nor asks for compression."""
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


@pytest.fixture
def own_world(pristine: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the world that a test may change."""
    directory = tmp_path / "world"
    shutil.copytree(pristine, directory)
    yield directory
