"""PyTorch Hub: model cards in a git repository, and ``hubconf.py`` in the repositories they name.

**Listing.** The cards are the Markdown files at the root of ``pytorch/hub`` but for its own papers
(README and the like). The site at pytorch.org/hub is made from them.

**Identity.** The file's stem; there is no other id. A card that was renamed has the same bytes.

**Card.** YAML between two lines of ``---``, then Markdown. Values may be in typographic quotes;
``no-image`` means none. ``github-id`` is the repository, ``github-link`` may lead deep into it.
What people are to load is in the text: ``torch.hub.load('owner/repository:ref', 'entry_point')``.

**Weights.** Nowhere in the card: what ``hubconf.py`` leads to, see ``hubs.hubconf``. A file name
that ends in ``-<hex>.pth`` promises the first digits of its sha256 (``check_hash`` of torch.hub).

Source: pytorch/hub at c7895df (2024-04-15), docs/template.md there, torch/hub.py of PyTorch 2.x.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from ptmtorrent.errors import SkipReason
from ptmtorrent.hubs.base import HubKind, HubValues, Means, Tree
from ptmtorrent.hubs.github import BASE, github_origin, origin_of_name
from ptmtorrent.hubs.reading import fields, yamltext
from ptmtorrent.hubs.reading.hubconf import Weight, read_hubconf
from ptmtorrent.hubs.reading.papers import papers_in
from ptmtorrent.hubs.reading.shape import Field, Shape, drift_of
from ptmtorrent.hubs.shelf import ShelfHub, shelf_files, shelf_origin
from ptmtorrent.model.package import (
    Asset,
    LoadTarget,
    Package,
    ParsedPage,
    Refined,
    Unparsed,
)
from ptmtorrent.model.text import clean

HUB = "pytorchhub"
WEIGHTS = "https://download.pytorch.org"
NO_CARDS = frozenset({"README", "CONTRIBUTING", "CODE_OF_CONDUCT"})
DOMAINS = frozenset({"vision", "nlp", "audio"})

SHAPE: Shape = (
    Field("layout", str, always=True),
    Field("background-class", str, always=True),
    Field("body-class", str, always=True),
    Field("category", str, always=True),
    Field("title", str, always=True),
    Field("summary", str, always=True),
    Field("image", str, always=True),
    Field("author", str, "packages.owner", always=True),
    Field("tags", list, "packages.tags", always=True),
    Field("github-link", str, "packages.origin", always=True),
    Field("github-id", str, "packages.origin", always=True),
    Field("featured_image_1", str),
    Field("featured_image_2", str),
    Field("accelerator", str, always=True),
    Field("order", int),
    Field("demo-model-link", str),
)

_QUOTES = "'\"\u2018\u2019\u201c\u201d"
_FRONT = re.compile(rb"(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_LOAD = re.compile(r"torch\.hub\.load[ \t]*\(")
_ARGUMENT = re.compile(
    rf"[\s#]*(?:([A-Za-z_]\w*)\s*=\s*)?(?:[{_QUOTES}]([^{_QUOTES}\n]*)[{_QUOTES}]|[^\s,(){_QUOTES}]+)"
    r"[\s#]*([,)])"
)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}")
_ENTRY_POINT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}")
_PROMISE = re.compile(r"-([0-9a-f]{8,64})\.")
_DATE = re.compile(r"20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


def is_card(path: str) -> bool:
    """Whether the file at a path of the repository is a model's card."""
    stem = path.removesuffix(".md")
    return "/" not in path and stem not in ("", path) and stem not in NO_CARDS


def parse(body: bytes) -> ParsedPage[Package]:
    """One package a card."""
    packages: list[tuple[int, Package]] = []
    unparsed: list[Unparsed] = []
    records: list[Mapping[str, Any]] = []
    try:
        for path, content in shelf_files(body)[1]:
            index = len(packages) + len(unparsed)
            try:
                record, text = front_matter(content)
                records.append(record)
                packages.append((index, package_of(path, content, record, text)))
            except ValueError as error:
                unparsed.append(Unparsed(index, clean(f"{path}: {error}")))
    except ValueError as error:
        unparsed.append(Unparsed(len(packages) + len(unparsed), clean(str(error))))
    return ParsedPage(tuple(packages), tuple(unparsed), drift_of(records, SHAPE))


def front_matter(card: bytes) -> tuple[Mapping[str, Any], str]:
    """The fields of a card, and the text that follows them.

    Raises:
        ValueError: there are none, or they are not YAML.
    """
    front = _FRONT.match(card)
    if front is None:
        raise ValueError("no front matter")
    record = yamltext.loads(front[1])
    if not isinstance(record, dict):
        raise ValueError("the front matter is no table")  # noqa: TRY004
    return record, card[front.end() :].decode("utf-8", "replace")


def package_of(path: str, card: bytes, record: Mapping[str, Any], text: str) -> Package:
    """A card as a package; ValueError says why it is none."""
    name = clean(path.removesuffix(".md"))
    if not name.strip():
        raise ValueError("a card without a name")
    tags = tuple(filter(None, map(_bare, fields.texts(record, "tags"))))
    domains = [tag for tag in dict.fromkeys(tags) if tag in DOMAINS]
    return Package(
        hub=HUB,
        package_id=name,
        name=name,
        url=f"https://pytorch.org/hub/{quote(name)}/",
        origin=origin_of_name(_value(record, "github-id") or "")
        or github_origin(_value(record, "github-link") or ""),
        owner=_value(record, "author"),
        task=domains[0] if len(domains) == 1 else None,
        library="pytorch",
        framework="pytorch",
        tags=tags,
        papers=papers_in(text),
        twin=hashlib.sha256(card).hexdigest(),
        load_targets=tuple(dict.fromkeys(load_targets(text))),
    )


def load_targets(text: str) -> Iterator[LoadTarget]:
    """What the calls of ``torch.hub.load`` in a text load; those with variables are left out."""
    for call in _LOAD.finditer(text):
        given = _arguments(text, call.end())
        repository, _, ref = given.get("repo_or_dir", "").strip().partition(":")
        entry_point = given.get("model", "").strip()
        is_ref = not ref or _REF.fullmatch(ref)
        if origin_of_name(repository) and is_ref and _ENTRY_POINT.fullmatch(entry_point):
            yield LoadTarget(repository, ref or None, entry_point)


def _arguments(text: str, start: int) -> dict[str, str]:
    """The arguments of a call that are literal texts, by their names in torch.hub."""
    order = ["repo_or_dir", "model"]
    given: dict[str, str] = {}
    for position in range(20):
        argument = _ARGUMENT.match(text, start)
        if argument is None:
            break
        name = argument[1] or (order[position] if position < len(order) else "")
        if argument[2] is not None:
            given.setdefault("repo_or_dir" if name == "github" else name, argument[2])
        if argument[3] == ")":
            break
        start = argument.end()
    return given


def _value(record: Mapping[str, Any], name: str) -> str | None:
    """A text without the quotes around it; None where it says that there is none."""
    value = _bare(fields.text(record, name) or "")
    return None if value in ("", "no-image") else value


def _bare(value: str) -> str:
    return value.strip(_QUOTES + " \t\r\n\u00a0")


def refine(package: Package, tree: Tree) -> Refined:
    """What ``hubconf.py`` adds, at the revision that the card says to load."""
    own = [target for target in package.load_targets if _is_own(target, package.origin)]
    ref = own[0].ref if own else None
    wanted = [target.entry_point for target in own if target.ref == ref]
    hubconf = read_hubconf(lambda path: tree.read(path, ref), wanted)
    found = replace(package, entry_points=hubconf.entry_points, dependencies=hubconf.dependencies)
    assets = {asset.url: asset for asset in map(asset_of, reversed(hubconf.weights))}
    return Refined(found, tuple(reversed(assets.values())))


def _is_own(target: LoadTarget, origin: str | None) -> bool:
    here = origin_of_name(target.repository)
    return here is not None and origin is not None and here.lower() == origin.lower()


def asset_of(weight: Weight) -> Asset:
    """A weight file as an asset; only PyTorch's own server and GitHub's releases are asked."""
    parts = urlsplit(weight.url)
    server = f"{parts.scheme}://{parts.netloc}"
    is_release = server == BASE and "/releases/download/" in parts.path
    return Asset(
        url=weight.url,
        place=weight.place,
        sha256_prefix=_promised(PurePosixPath(parts.path).name),
        reason=None if server == WEIGHTS or is_release else SkipReason.UNSUPPORTED,
    )


def _promised(name: str) -> str | None:
    """The hex digits that a file name promises; eight that make a date promise nothing."""
    found = _PROMISE.search(name)
    return None if found is None or _DATE.fullmatch(found[1]) else found[1]


def _cards(values: HubValues) -> str:
    return shelf_origin(HUB, values, "cards")


def _build(means: Means, values: HubValues) -> ShelfHub:
    return ShelfHub(means.shelves, _cards(values), is_card, parse)


PYTORCHHUB = HubKind(
    id=HUB,
    title="PyTorch Hub",
    base=BASE,
    settings={"enabled": True, "cards": "pytorch/hub", "weights": WEIGHTS},
    shape=SHAPE,
    parse=parse,
    build=_build,
    endpoints=lambda values: {WEIGHTS: str(values["weights"])},
    refine=refine,
    source=_cards,
)
