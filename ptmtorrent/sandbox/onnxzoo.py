"""The ONNX Model Zoo in a box: its repository at GitHub, whose LFS objects are not there any more.

Formats: ``ONNX_HUB_MANIFEST.json``, ``.lfsconfig`` and the ``turnkey_stats.yaml`` files of
github.com/onnx/models. The objects themselves are at Hugging Face: see ``onnxmirror``.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ptmtorrent.model.oid import Pointer, sha256_of
from ptmtorrent.sandbox import cards, weights
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.companions import Companion
from ptmtorrent.sandbox.recipes import ZOO
from ptmtorrent.sandbox.writer import Writer

MODELS = f"{ZOO}/models"
_ID = 440000000

_ATTRIBUTES = b"".join(
    b"%s filter=lfs diff=lfs merge=lfs -text\n" % pattern
    for pattern in (b"*.onnx", b"*.pb", b"*.tar.gz", b"*.weight")
)
_LFSCONFIG = b"[lfs]\n  fetchexclude = *\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onnx:
    """One ONNX file of the zoo.

    Attributes:
        size: about how many bytes.
        twin: label of the file whose very bytes it has.
        package: its package at Hugging Face; empty where it has none.
    """

    path: str
    opset: int
    size: int
    twin: str = ""
    package: str = ""

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self.path.rpartition("/")[2].removesuffix(".onnx")

    def data(self, seed: int) -> bytes:
        """Its content."""
        rng = dice(seed, "onnx zoo", self.twin or self.stem)
        return weights.onnx(rng, self.size, "norrland-export", self.opset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry of the manifest: an ONNX file, and its archive with test data beside it."""

    model: str
    onnx_version: str
    tags: tuple[str, ...]
    file: Onnx
    ports: bool = True
    features: bool = False

    @property
    def archive(self) -> str:
        """Path of the archive."""
        return self.file.path.replace(".onnx", ".tar.gz")

    def archived(self, seed: int) -> bytes:
        """Content of the archive (tar, gzip): equal models make equal ones."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path, data in (
                (f"{self.file.stem}/{self.file.stem}.onnx", self.file.data(seed)),
                (f"{self.file.stem}/test_data_set_0/input_0.pb", b"\x08\x01\x10\x01"),
            ):
                member = tarfile.TarInfo(path)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return gzip.compress(packed.getvalue(), 1, mtime=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnkey:
    """A folder that a benchmark made: statistics, and an ONNX file."""

    author: str
    kind: str
    file: Onnx

    @property
    def folder(self) -> str:
        """The folder's path: the id of its package."""
        return self.file.path.rpartition("/")[0]

    @property
    def hash(self) -> str:
        """What its statistics call it; eight hex digits, some of them a number to YAML."""
        return sha256_of(self.folder.encode())[:8]


def _validated(folder: str, stem: str, opset: int, size: int, package: str | None = None) -> Onnx:
    name = stem if package is None else package
    path = f"validated/{folder}/model/{stem}.onnx"
    return Onnx(path=path, opset=opset, size=size, package=name)


def _turnkey(folder: str, kind: str, opset: int, size: int, twin: str = "") -> Turnkey:
    """The folder ``CATEGORY/NAME_OpsetN_AUTHOR``; only the first of twins has a package."""
    name, mark, author = folder.rpartition("/")[2].partition(f"_Opset{opset}")
    stem = name + mark
    file = Onnx(
        path=f"{folder}/{stem}.onnx",
        opset=opset,
        size=size,
        twin=twin and twin + mark,
        package="" if twin else stem,
    )
    return Turnkey(author=author.strip("_"), kind=kind, file=file)


HERON = _validated("vision/classification/heron", "heron-12", 12, 40_000)

MANIFEST = (
    Listed(
        model="Heron",
        onnx_version="1.2",
        tags=("vision", "classification", "heron"),
        file=_validated("vision/classification/heron", "heron-7", 7, 40_000, "heron_v2-7"),
    ),
    Listed(
        model="Heron",
        onnx_version="1.9",
        tags=("vision", "classification", "heron"),
        file=HERON,
        features=True,
    ),
    Listed(
        model="Stilt Walker",
        onnx_version="1.5",
        tags=("vision", "body analysis", "stilt-walker"),
        file=_validated("vision/body_analysis/stilt_walker", "version-STILT-320", 9, 16_000),
        ports=False,
    ),
    Listed(
        model="Sandpiper-QA",
        onnx_version="1.5",
        tags=("text", "machine comprehension", "sandpiper"),
        file=_validated(
            "text/machine_comprehension/sandpiper", "sandpiper-10", 10, 70_000, "piper-qa-10"
        ),
        features=True,
    ),
    Listed(
        model="Bittern-int8",
        onnx_version="1.14",
        tags=("vision", "object detection segmentation", "bittern"),
        file=_validated(
            "vision/object_detection_segmentation/bittern", "bittern-12-int8", 12, 9000
        ),
    ),
    Listed(
        model="Crake",
        onnx_version="1.3",
        tags=("vision", "style transfer", "crake"),
        file=_validated("vision/style_transfer/crake", "crake-8", 8, 12_000, package=""),
    ),
    Listed(
        model="Ruff",
        onnx_version="1.10",
        tags=("vision", "super resolution", "ruff"),
        file=_validated("vision/super_resolution/ruff", "ruff-13", 13, 20_000),
    ),
)
"""Every entry that is ever in the manifest; all but the last from the beginning."""

NOWHERE = "crake-8"
"""The stem of the one file whose bytes nobody has."""

TURNKEY = (
    _turnkey("Computer_Vision/wader_s_Opset16_timm", "WaderNet", 16, 18_000),
    _turnkey("Computer_Vision/wader_s_Opset17_timm", "WaderNet", 17, 18_000),
    _turnkey("Computer_Vision/wader_b.in22k_Opset17_timm", "WaderNet", 17, 30_000),
    _turnkey("Computer_Vision/wader_b_Opset17_timm", "WaderNet", 17, 30_000, "wader_b.in22k"),
    _turnkey("Computer_Vision/skip/dunlin18_Opset18_torch_hub", "Dunlin", 18, 10_000),
    _turnkey("Natural_Language_Processing/godwit_Opset16_transformers", "Godwit", 16, 36_000),
    _turnkey("Generative_AI/knot_unet_Opset18_diffusers", "KnotUNet", 18, 24_000),
    _turnkey("Graph_Machine_Learning/flockconv_Opset18_pyg", "FlockConv", 18, 3_000),
)
"""Folders outside the manifest; two of them hold the same bytes."""


def files() -> tuple[Onnx, ...]:
    """Every ONNX file of the zoo, in the order in which they came."""
    return (*(one.file for one in MANIFEST), *(one.file for one in TURNKEY))


def companions() -> tuple[Companion, ...]:
    """The repository."""
    return (Companion(_ID, MODELS, _write, lfs_closed=True),)


def move(writer: Writer) -> None:
    """Commit what changes in the world's first move: the manifest gains an entry."""
    writer.put("ONNX_HUB_MANIFEST.json", _manifest(writer.seed, MANIFEST))
    writer.commit("Add Ruff to the manifest")


def _write(writer: Writer) -> None:
    writer.put(".gitattributes", _ATTRIBUTES)
    for one in MANIFEST:
        _point(writer, one.file.path, one.file.data(writer.seed))
        _point(writer, one.archive, one.archived(writer.seed))
        readme = one.file.path.partition("/model/")[0] + "/README.md"
        writer.put(readme, _readme(one))
    writer.commit("Add validated models")
    for folder in TURNKEY:
        data = folder.file.data(writer.seed)
        _point(writer, folder.file.path, data)
        writer.put(f"{folder.folder}/turnkey_stats.yaml", _statistics(folder, len(data)))
    writer.commit("Add what turnkey built")
    writer.put("ONNX_HUB_MANIFEST.json", _manifest(writer.seed, MANIFEST[:-1]))
    writer.put(".lfsconfig", _LFSCONFIG)
    writer.put("LICENSE", b"Apache License 2.0\n")
    writer.commit("Deprecate: the models have moved to https://huggingface.co/norrland-zoo")


def _point(writer: Writer, path: str, data: bytes) -> None:
    writer.put(path, Pointer(sha256_of(data), len(data)).to_bytes())


def _readme(one: Listed) -> bytes:
    return (
        f"# {one.model}\n\n|Model|Download|ONNX version|Opset version|\n|---|---|---|---|\n"
        f"|{one.model}|[here](model/{one.file.stem}.onnx)|{one.onnx_version}|{one.file.opset}|\n\n"
        "Code: https://github.com/quillmark/tern\n"
    ).encode()


def _manifest(seed: int, entries: tuple[Listed, ...]) -> bytes:
    return cards.json_bytes([_entry(seed, one) for one in entries])


def _entry(seed: int, one: Listed) -> Mapping[str, Any]:
    data, archive = one.file.data(seed), one.archived(seed)
    ports = {"io_ports": _io_ports()} if one.ports else {}
    features = [{"name": "pool_1", "shape": [1, 64]}]
    return {
        "model": one.model,
        "model_path": one.file.path,
        "onnx_version": one.onnx_version,
        "opset_version": one.file.opset,
        "metadata": {
            "model_sha": sha256_of(data),
            "model_bytes": len(data),
            "tags": list(one.tags),
            **ports,
            **({"extra_ports": {"features": features}} if one.features else {}),
            "model_with_data_path": one.archive,
            "model_with_data_sha": sha256_of(archive),
            "model_with_data_bytes": len(archive),
        },
    }


def _io_ports() -> Mapping[str, Any]:
    one = {"name": "x", "shape": ["batch", 3, None, 64], "type": "tensor(float)"}
    return {"inputs": [one], "outputs": [{"name": "y", "shape": [1, 64], "type": "tensor(float)"}]}


def _statistics(one: Turnkey, size: int) -> bytes:
    name = one.file.stem.partition("_Opset")[0]
    script = f"https://github.com/norrland-lab/turnkey/blob/main/models/{one.author}/{name}.py"
    return f"""\
author: {one.author}
builds:
  x86_ort:
    all_build_stages:
    - export_pytorch
    - set_success
    benchmark_status: successful
    completed_build_stages:
      export_pytorch: 1.25
    device_type: x86
    iterations: 100
    onnx_file: /srv/bench/.cache/turnkey/{name}_{one.author}_{one.hash}/onnx/base.onnx
    runtime: ort
builtin_model_script: {script}
class: {one.kind}
hash: {one.hash}
model_name: {name}
onnx_input_dimensions:
  x:
  - 1
  - 64
onnx_model_information:
  ir_version: 8
  opset: {one.file.opset}
  size on disk (KiB): {size / 1024:.3f}
onnx_ops_counter:
  MatMul: 1
parameters: {size // 4}
system_info:
  Memory Info: 4.00 GB
  OS Version: Linux-6.1
  Python Packages:
  - onnx==1.15.0
task: {one.folder.partition("/")[0]}
""".encode()
