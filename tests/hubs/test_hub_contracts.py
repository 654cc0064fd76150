"""Every hub of the list, as the sandbox serves it, passes the suite of all hubs."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from hub_contract import AskedHubContract, HubContract, HubWorld, change_json
from served_hubs import served

from ptmtorrent.hubs import HUBS
from ptmtorrent.hubs.base import HubKind
from ptmtorrent.model.bundle import bundle, unbundle
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.sandbox.world import World

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hubs")
    generate(place, packages=12)
    return place


def kind_of(hub: str) -> HubKind:
    return next(kind for kind in HUBS if kind.id == hub)


@asynccontextmanager
async def world_of(hub: str, directory: Path, root: Path, **more: Any) -> AsyncIterator[HubWorld]:
    """A hub, served; the truth about it is the sandbox's, told by readers of its own."""
    truth = json.loads((directory / "truth.json").read_text())["hubs"][hub]
    kind = kind_of(hub)
    async with Sandbox(directory) as box, served(kind, box, root) as adapter:
        yield HubWorld(
            kind=kind,
            hub=adapter,
            box=box,
            listed={package["id"]: package["name"] for package in truth["packages"]},
            unparsed=truth["unparsed"],
            **more,
        )


class TestHuggingFace(AskedHubContract):
    @pytest.fixture
    async def world(self, directory: Path, tmp_path: Path) -> AsyncIterator[HubWorld]:
        models = [r for r in World.load(directory).repositories if r.forge == "huggingface"]
        renamed = next(r for r in models if r.former_names and not (r.private or r.missing))
        former = (renamed.former_names[0], renamed.id)
        more = {"route": "list", "change": change_json, "former": former}
        async with world_of("huggingface", directory, tmp_path, **more) as world:
            yield world


class TestModelZoo(HubContract):
    @pytest.fixture
    async def world(self, directory: Path, tmp_path: Path) -> AsyncIterator[HubWorld]:
        more = {"route": "modelzoo", "change": change_catalogue}
        async with world_of("modelzoo", directory, tmp_path, **more) as world:
            yield world


class ShelfContract(HubContract):
    """A hub that lists by files of a repository: how one of its files is changed."""

    hub: ClassVar[str]
    path: ClassVar[str]

    @staticmethod
    def change_file(content: bytes, change: Change) -> bytes:
        return change_json(content, change)

    def change(self, body: bytes, change: Change) -> bytes:
        files = list(unbundle(body))
        changed = [(p, self.change_file(c, change) if p == self.path else c) for p, c in files]
        assert changed != files
        return bundle(changed)

    @pytest.fixture
    async def world(self, directory: Path, tmp_path: Path) -> AsyncIterator[HubWorld]:
        more = {"route": "github-git", "change": self.change}
        async with world_of(self.hub, directory, tmp_path, **more) as world:
            yield world


class TestModelhub(ShelfContract):
    hub = "modelhub"
    path = "models.json"


class TestOnnxModelZoo(ShelfContract):
    hub = "onnxmodelzoo"
    path = "ONNX_HUB_MANIFEST.json"


class TestPyTorchHub(ShelfContract):
    hub = "pytorchhub"
    path = "quillmark_tern.md"

    @staticmethod
    def change_file(content: bytes, change: Change) -> bytes:
        _, front, body = content.split(b"---\n", 2)
        record = yaml.safe_load(front)
        change(record)
        return b"---\n".join((b"", yaml.safe_dump(record).encode(), body))


def change_catalogue(body: bytes, change: Change) -> bytes:
    catalogue = json.loads(body)
    for record in catalogue["models"]:
        change(record)
    return json.dumps(catalogue).encode()


def test_every_hub_of_the_list_has_its_place_here() -> None:
    classes = (TestHuggingFace, TestModelZoo, TestModelhub, TestOnnxModelZoo, TestPyTorchHub)
    assert len(classes) == len(HUBS)
