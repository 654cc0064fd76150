"""Modelhub.ai: a registry file at GitHub, and a repository for each package.

**Listing.** ``models.json`` at the root of the registry's repository: one list of entries, each
with an id of its own, a name, a sentence about the task, frameworks, and a link to a repository.

**Repositories** describe the model in ``contrib_src/model/config.json``, and in ``init/init.json``
name the files that are fetched beside the clone: mostly weights, as assets of GitHub releases. Some
still hold the text of the template that their authors were to replace. Under which licence the
model is stands in ``contrib_src/license/model``, in whatever words; no field says it.

**Columns.** ``task`` is the config's short word where there is one, else the registry's sentence.
``framework`` is the registry's first backend, or the one that the file name of the weights tells.

Source: the registry, its schema of config.json, and the repositories, as of 2022-10.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ptmtorrent.errors import SkipReason
from ptmtorrent.hubs.base import HubKind, HubValues, Means, Tree
from ptmtorrent.hubs.github import github_origin, origin_of_name
from ptmtorrent.hubs.reading import fields
from ptmtorrent.hubs.reading.licenses import spdx_of_text, stated
from ptmtorrent.hubs.reading.papers import papers_in
from ptmtorrent.hubs.shapes.modelhub import SHAPE
from ptmtorrent.hubs.shelf import FileKind, Record, ShelfHub, parse_shelf, shelf_origin
from ptmtorrent.model.package import Asset, Package, Paper, ParsedPage, Refined

HUB = "modelhub"
REGISTRY = "models.json"
CONFIG = "contrib_src/model/config.json"
INIT = "init/init.json"
LICENSE = "contrib_src/license/model"
LONGEST_LICENSE = 64 * 1024
"""Bytes; what is longer is no licence."""
FRAMEWORKS = frozenset(
    ("caffe", "caffe2", "cntk", "fastai", "keras", "mxnet", "onnx", "pytorch", "tensorflow")
)
FORMATS = {
    ".caffemodel": "caffe",
    ".prototxt": "caffe",
    ".h5": "keras",
    ".hdf5": "keras",
    ".params": "mxnet",
    ".onnx": "onnx",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".pth.tar": "pytorch",
    ".pb": "tensorflow",
}
"""The framework that a file of weights is written for, by the end of its name."""

_TEMPLATE = ("e.g. ", "YOUR MODEL", "IF YOU ")
"""How text begins that the author was to replace."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f/?#]+(?:[/?#][^\s\x00-\x1f\x7f]*)?")
_RELEASE = re.compile(
    r"https://github\.com/([A-Za-z0-9-]+/[A-Za-z0-9._-]+)/releases/download"
    r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~+@:,=()!-]+){2}"
)
_PAPER_FORMS = (
    (re.compile(r"doi\.org/10\.48550/arxiv\.", re.I), "arxiv.org/abs/"),
    (re.compile(r"\barxiv:\s*", re.I), "arxiv.org/abs/"),
    (re.compile(r"\beprint\s*=\s*[{\"]", re.I), "arxiv.org/abs/"),
    (re.compile(r"\bdoi\s*=\s*[{\"]", re.I), "doi.org/"),
    (re.compile(r"(?:/|[?&]id=|@[A-Za-z]+\{)(?=10\.[0-9]{4,9}/)"), " doi.org/"),
)
"""How BibTeX and publishers' addresses name papers, and the link that says the same."""


def package_of(record: Record) -> Package:
    """One entry of the registry as a package; ValueError says why it is none."""
    entry = record.value
    package_id, name = fields.text(entry, "id"), fields.text(entry, "name")
    if package_id is None or name is None:
        raise ValueError("an entry without id or name")
    origin = github_origin(fields.text(entry, "github") or "")
    backends = fields.texts(entry, "backend")
    return Package(
        hub=HUB,
        package_id=package_id,
        name=name,
        url=origin or f"{record.origin}/blob/HEAD/{record.path}",
        origin=origin,
        owner=origin.split("/")[3] if origin else None,
        task=fields.text(entry, "task_extended"),
        framework=next(_frameworks(backends), None),
        tags=backends,
    )


def refine(package: Package, tree: Tree) -> Refined:
    """What the package's own files add; a file that is missing or broken adds nothing."""
    config, init, license_text = _read(tree, CONFIG), _read(tree, INIT), _license(tree)
    meta, model = fields.table(config, "meta"), fields.table(config, "model")
    publication = fields.table(config, "publication")
    labels = (
        _said(meta, "application_area"),
        _said(meta, "data_type"),
        _said(model, "learning_type"),
    )
    described = replace(
        package,
        task=_said(meta, "task") or package.task,
        architecture=_said(model, "architecture"),
        framework=_framework(package, _said(model, "format")),
        datasets=tuple(_urls(_said(meta, "data_source"))),
        papers=_papers(_said(publication, "url"), _said(publication, "bibtex")),
        tags=tuple(dict.fromkeys((*package.tags, *filter(None, labels)))),
        license_raw=stated(license_text),
        license_spdx=spdx_of_text(license_text),
    )
    return Refined(described, tuple(_assets(init)))


def _frameworks(words: tuple[str, ...]) -> Iterator[str]:
    return (word.lower() for word in words if word.lower() in FRAMEWORKS)


def _framework(package: Package, file_format: str | None) -> str | None:
    """The one of the registry's frameworks that the weights are written for, else its first."""
    named = FORMATS.get((file_format or "").lower())
    known = tuple(_frameworks(package.tags))
    return named if named and (named in known or not known) else package.framework


def _read(tree: Tree, path: str) -> Mapping[str, Any]:
    """A JSON object of a package's repository; empty when there is none to be read."""
    content = tree.read(path)
    try:
        value = fields.loads((content or b"").decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _license(tree: Tree) -> str:
    content = tree.read(LICENSE) or b""
    return content.decode("utf-8-sig", "replace") if len(content) <= LONGEST_LICENSE else ""


def _said(record: Mapping[str, Any], name: str) -> str | None:
    """What the author wrote in a field, if that is not the template's text."""
    value = (fields.text(record, name) or "").strip()
    return None if value.startswith(_TEMPLATE) else value or None


def _urls(value: str | None) -> Iterator[str]:
    if value and _URL.fullmatch(value):
        yield value


def _papers(*texts: str | None) -> tuple[Paper, ...]:
    text = "\n".join(filter(None, texts))
    for form, link in _PAPER_FORMS:
        text = form.sub(link, text)
    return papers_in(text)


def _assets(init: Mapping[str, Any]) -> Iterator[Asset]:
    """The files it names beside the repository, each URL once; what is no URL is none."""
    listed = init.get("external_contrib_files")
    seen: set[str] = set()
    for one in listed if isinstance(listed, list) else []:
        entry = one if isinstance(one, dict) else {}
        for url in _urls(_said(entry, "src_url")):
            if url not in seen:
                seen.add(url)
                reason = None if _is_release(url) else SkipReason.UNSUPPORTED
                path = _destination(_said(entry, "dest_file_path"))
                yield Asset(url=url, place=INIT, path=path, reason=reason)


def _is_release(url: str) -> bool:
    """Whether a URL is that of one file of a GitHub release, spelt without any detour."""
    match = _RELEASE.fullmatch(url)
    return match is not None and origin_of_name(match[1]) is not None


def _destination(path: str | None) -> str | None:
    """Where a file is wanted, from the root of the repository; None when that is no place in it."""
    parts = [part for part in (path or "").split("/") if part not in ("", ".")]
    is_inside = parts and ".." not in parts and "\\" not in (path or "")
    return "/".join(parts) if is_inside else None


ENTRIES = FileKind(
    wanted=lambda path: path == REGISTRY, read=fields.members, package_of=package_of, shape=SHAPE
)


def parse(body: bytes) -> ParsedPage[Package]:
    """The packages of a page: the entries of the registry."""
    return parse_shelf(body, (ENTRIES,))


def _registry(values: HubValues) -> str:
    return shelf_origin(HUB, values, "registry")


def _build(means: Means, values: HubValues) -> ShelfHub:
    lists = frozenset({REGISTRY})
    return ShelfHub(means.shelves, _registry(values), ENTRIES.wanted, parse, lists)


MODELHUB = HubKind(
    id=HUB,
    title="Modelhub.ai",
    base="https://github.com",
    settings={"enabled": True, "registry": "modelhub-ai/modelhub"},
    shape=SHAPE,
    parse=parse,
    build=_build,
    refine=refine,
    source=_registry,
)
