"""ONNX Model Zoo: one repository at GitHub, whose objects live at Hugging Face.

**Listing.** Two collections in the one repository. ``manifest``: the entries of
``ONNX_HUB_MANIFEST.json``, one for each model and opset version. ``turnkey``: a folder for each
model that was exported by machine, with a ``turnkey_stats.yaml`` in it.

**Identity.** ``model@opset_version``, or the path of the folder. Files were moved about (2023-12),
so a renamed package is known by its twin: the sha256 of its file, or the hash that turnkey gives to
a model's structure together with whose model it is and its opset version. The hash alone is shared
by models that differ in their weights only.

**Bytes.** GitHub has not served the repository's LFS objects since 2025-07-01; the same objects are
in repositories of an organisation at Hugging Face, and are found there by their sha256.

Source: onnx/models, README and files, as of 2025-06.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ptmtorrent.hubs.base import HubKind, HubValues, Means
from ptmtorrent.hubs.reading import fields, yamltext
from ptmtorrent.hubs.shapes.onnxmodelzoo import SHAPE, TURNKEY_SHAPE
from ptmtorrent.hubs.shelf import FileKind, Record, ShelfHub, parse_shelf, shelf_origin
from ptmtorrent.model.package import Package, ParsedPage
from ptmtorrent.model.text import clean

HUB = "onnxmodelzoo"
MANIFEST = "ONNX_HUB_MANIFEST.json"
STATISTICS = "turnkey_stats.yaml"
LIBRARIES = frozenset(("timm", "torchvision", "transformers"))
"""Those authors of turnkey models that are libraries which load them."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def manifest_package(record: Record) -> Package:
    """One entry of the manifest as a package; ValueError says why it is none."""
    entry = record.value
    model, opset = fields.text(entry, "model"), fields.integer(entry, "opset_version")
    if model is None or opset is None:
        raise ValueError("an entry without model or opset_version")
    metadata = fields.table(entry, "metadata")
    tags = fields.texts(metadata, "tags")
    digest = fields.text(metadata, "model_sha") or ""
    return Package(
        hub=HUB,
        package_id=f"{model}@{opset}",
        name=f"{model}@{opset}",
        url=_page_of(record.origin, "blob", fields.text(entry, "model_path") or ""),
        origin=record.origin,
        collection="manifest",
        task=tags[1] if len(tags) > 1 else None,
        framework="onnx",
        tags=tags,
        twin=digest if _SHA256.fullmatch(digest) else None,
    )


def turnkey_package(record: Record) -> Package:
    """The statistics in a folder as a package; ValueError says why they are none."""
    stats = record.value
    author, architecture = fields.text(stats, "author"), fields.text(stats, "class")
    if fields.text(stats, "model_name") is None:
        raise ValueError("statistics without model_name")
    folder = record.path.removesuffix(f"/{STATISTICS}")
    return Package(
        hub=HUB,
        package_id=clean(folder),
        name=clean(folder),
        url=_page_of(record.origin, "tree", folder),
        origin=record.origin,
        collection="turnkey",
        owner=author,
        task=fields.text(stats, "task"),
        library=author if author in LIBRARIES else None,
        framework="onnx",
        architecture=architecture,
        parameters=fields.integer(stats, "parameters"),
        twin=_turnkey_twin(record),
    )


def _turnkey_twin(record: Record) -> str | None:
    """Whose model, which structure, which opset version; None when it does not say all."""
    words = [fields.text(record.value, name) for name in ("author", "model_name", "hash")]
    opset = fields.integer(fields.table(record.value, "onnx_model_information"), "opset")
    return f"{'/'.join(map(str, words))}@{opset}" if all(words) and opset is not None else None


def _page_of(origin: str, kind: str, path: str) -> str:
    """The page of a file (blob) or folder (tree) at GitHub; the repository's for no proper path."""
    if not path or {"", ".", ".."} & set(path.split("/")):
        return origin
    return f"{origin}/{kind}/HEAD/{quote(path, errors='surrogateescape')}"


def _statistics(content: bytes) -> Iterator[Any]:
    yield yamltext.loads(content)


FILES = (
    FileKind(
        wanted=lambda path: path == MANIFEST,
        read=fields.members,
        package_of=manifest_package,
        shape=SHAPE,
    ),
    FileKind(
        wanted=lambda path: path.endswith(f"/{STATISTICS}"),
        read=_statistics,
        package_of=turnkey_package,
        shape=TURNKEY_SHAPE,
    ),
)


def parse(body: bytes) -> ParsedPage[Package]:
    """The packages of a page: entries of the manifest, and folders with statistics."""
    return parse_shelf(body, FILES)


def _origin(values: HubValues) -> str:
    return shelf_origin(HUB, values, "repository")


def _build(means: Means, values: HubValues) -> ShelfHub:
    return ShelfHub(means.shelves, _origin(values), _is_listed, parse, frozenset({MANIFEST}))


def _is_listed(path: str) -> bool:
    return any(kind.wanted(path) for kind in FILES)


ONNXMODELZOO = HubKind(
    id=HUB,
    title="ONNX Model Zoo",
    base="https://github.com",
    settings={"enabled": True, "repository": "onnx/models", "organisation": "onnxmodelzoo"},
    shape=SHAPE,
    parse=parse,
    build=_build,
    bytes_at=lambda values: ("huggingface", f"{values['organisation']}/*"),
    without_lfs=lambda values: frozenset({_origin(values)}),
    source=_origin,
)
