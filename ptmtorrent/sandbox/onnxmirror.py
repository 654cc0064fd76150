"""Where the ONNX zoo's bytes are now: an organisation at Hugging Face, a package an ONNX file.

As ``onnxmodelzoo`` has it there: packages are named after files, but not always; one more package
holds the archives under the paths they had at GitHub.
"""

from dataclasses import dataclass
from typing import Any

from ptmtorrent.sandbox import cards, onnxzoo
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.onnxzoo import Onnx
from ptmtorrent.sandbox.recipes import ZOO
from ptmtorrent.sandbox.records import when
from ptmtorrent.sandbox.writer import Writer

OPENED = 1751328000
"""2025-07-01: when the first of them was created; each next one an hour later."""

_LEGACY = "legacy_models"
_TASK = "image-classification"


@dataclass(frozen=True, slots=True)
class Mirror:
    """One package; without a ``file`` it is the one with the archives.

    Attributes:
        number: its place among them.
    """

    number: int
    file: Onnx | None = None

    @property
    def name(self) -> str:
        """The package's whole name."""
        return f"{ZOO}/{self.file.package if self.file else _LEGACY}"

    def id(self, seed: int) -> str:
        """24 hex digits, the first 8 its creation time."""
        return f"{self.created:08x}{dice(seed, 'mirror', self.number).randbytes(8).hex()}"

    @property
    def created(self) -> int:
        """Seconds since 1970."""
        return OPENED + self.number * 3600


def mirrors() -> tuple[Mirror, ...]:
    """Every package of the organisation."""
    held = [file for file in onnxzoo.files() if file.package]
    return (*(Mirror(number, file) for number, file in enumerate(held)), Mirror(len(held)))


def write(seed: int, mirror: Mirror) -> Writer:
    """The whole repository of a package."""
    rng = dice(seed, "mirror history", mirror.number)
    writer = Writer(seed, "huggingface", rng, mirror.created)
    writer.put(".gitattributes", cards.GITATTRIBUTES)
    writer.commit_on_web("initial commit")
    for path, data in _files(seed, mirror).items():
        writer.put_large(path, data)
    front = cards.front_matter(_card())
    writer.put("README.md", f"---\n{front}---\n\nFrom the ONNX zoo.\n".encode())
    writer.commit("Upload folder using huggingface_hub")
    return writer


def record(seed: int, mirror: Mirror) -> dict[str, Any]:
    """What the hub's API says of it, without what follows its repository."""
    rng = dice(seed, "mirror record", mirror.number)
    downloads = rng.randrange(200)
    return {
        "_id": mirror.id(seed),
        "id": mirror.name,
        "modelId": mirror.name,
        "author": ZOO,
        "private": False,
        "disabled": False,
        "gated": False,
        "createdAt": when(mirror.created),
        "downloads": downloads,
        "downloadsAllTime": downloads * rng.randrange(1, 10),
        "likes": rng.randrange(9),
        "trendingScore": 0,
        "xetEnabled": True,
        "spaces": [],
        "library_name": "onnx",
        "pipeline_tag": _TASK,
        "cardData": _card(),
        "tags": ["onnx", _TASK, "license:apache-2.0", "region:us"],
    }


def _files(seed: int, mirror: Mirror) -> dict[str, bytes]:
    if mirror.file:
        return {f"{mirror.file.package}.onnx": mirror.file.data(seed)}
    return {one.archive: one.archived(seed) for one in onnxzoo.MANIFEST}


def _card() -> dict[str, Any]:
    license_ = "apache-2.0"
    return {"license": license_, "library_name": "onnx", "pipeline_tag": _TASK, "tags": ["onnx"]}
