"""ModelZoo.co: a catalogue in one JSON answer, and an answer with the details of each model.

**Listing.** ``GET /api/models/0/`` is the whole catalogue: the first page, as received. The pages
that follow are bundles of the answers to ``GET /api/models/{slug}/``, for the catalogue's slugs in
its order. A detail says all that the catalogue says, and more, so a package comes twice. Of a
listing that is limited only the models that count are asked for; the cursor says which.

**Identity.** The slug. There is no other id; a model that was renamed has the same ``link``.

**Link.** Somebody's repository: null, at another host, or deep inside, as people wrote it.

**State.** The API was last seen to work in 2023, and may be gone. So the hub is optional, and the
``archive`` setting names a file to read in place of asking: the catalogue as received, or a bundle
(``model.bundle``) of answers under the paths they were asked by. Either may be packed with gzip.

Source: what PTMTorrent and PeaTMOSS asked in 2023, and JSON schemas made from the answers then.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ptmtorrent.errors import CorruptError, UsageError
from ptmtorrent.hubs.base import HubKind, HubValues, Means
from ptmtorrent.hubs.github import github_origin
from ptmtorrent.hubs.modelzoo_source import (
    BASE,
    CATALOGUE,
    Archive,
    Site,
    Source,
    catalogue_of,
    detail_path,
    digest_of,
    json_of,
)
from ptmtorrent.hubs.reading import fields
from ptmtorrent.hubs.reading.papers import papers_in
from ptmtorrent.hubs.reading.shape import Field, Shape, drift_of
from ptmtorrent.model.bundle import bundle, unbundle
from ptmtorrent.model.package import (
    Answer,
    AnswerKind,
    ListedPage,
    Package,
    ParsedPage,
    Scope,
    Unparsed,
)
from ptmtorrent.model.text import clean

HUB = "modelzoo"
PAGE = 25
"""Details a page."""

_BOTH = (
    Field("title", str, always=True),
    Field("description", str),
    Field("stars", int, "packages.likes"),
    Field("link", str, "packages.origin"),
    Field("categories", list, "packages.tags", always=True),
    Field("categories.id", int),
    Field("categories.slug", str, "packages.tags"),
    Field("categories.title", str),
    Field("categories.short_title", str),
    Field("framework", str, "packages.framework", always=True),
)
SHAPE: Shape = (Field("slug", str, "packages.package_id", always=True), *_BOTH)
DETAIL_SHAPE: Shape = (
    Field("id", int),
    Field("long_desc", str),
    Field("papers", dict, "packages.papers", open=True),
    *_BOTH,
)
"""Details do not say their slug."""

_SLUG = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,200}")


class ModelZoo:
    """The adapter; see the module's text."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._slugs: tuple[str, ...] | None = None

    def first_cursor(self, scope: Scope) -> str:
        """The catalogue, which is one answer; the scope is for the pages that follow."""
        return _cursor(None, scope)

    async def page(self, cursor: str) -> ListedPage:
        """The catalogue, or the details of the next models in it."""
        start, scope = _place(cursor)
        if start is None:
            body = await self._source.catalogue()
            self._slugs = _slugs_in(body)
            return ListedPage(body, cursor, self._cursor_at(0, scope))
        if self._slugs is None:
            self._slugs = _slugs_in(await self._source.catalogue())
        slugs = self._asked(scope)[start : start + PAGE]
        found = [(slug, await self._source.detail(slug)) for slug in slugs]
        body = bundle(
            (detail_path(slug)[1:], detail) for slug, detail in found if detail is not None
        )
        return ListedPage(body, cursor, self._cursor_at(start + PAGE, scope))

    async def ask(self, name: str, package_id: str) -> Answer:
        """Ask for the details."""
        del name
        detail = await self._source.detail(package_id) if _SLUG.fullmatch(package_id) else None
        if detail is None:
            return Answer(AnswerKind.GONE)
        path = detail_path(package_id)
        body = bundle([(path[1:], detail)])
        if not parse(body).packages:
            raise CorruptError("the answer holds no model", url=BASE + path)
        return Answer(AnswerKind.PRESENT, ListedPage(body, path, None))

    def _asked(self, scope: Scope) -> list[str]:
        """The models that count, but for those whose details are known to be nowhere."""
        counted = islice(filter(scope.selects, self._slugs or ()), scope.limit)
        return [slug for slug in counted if self._source.may_have(slug)]

    def _cursor_at(self, start: int, scope: Scope) -> str | None:
        return _cursor(start, scope) if start < len(self._asked(scope)) else None


def _slugs_in(catalogue: bytes) -> tuple[str, ...]:
    """The models of a catalogue; what could lead elsewhere is none."""
    records = (record for record in catalogue_of(catalogue) if isinstance(record, dict))
    slugs = (fields.text(record, "slug") or "" for record in records)
    return tuple(slug for slug in dict.fromkeys(slugs) if _is_model(slug))


def _cursor(start: int | None, scope: Scope) -> str:
    """The catalogue, or the details from a place in it on; what ``_place`` reads."""
    given = {"details": start, "limit": scope.limit, "only": scope.globs or None}
    query = urlencode({k: v for k, v in given.items() if v is not None}, doseq=True)
    return f"{CATALOGUE}?{query}" if query else CATALOGUE


def _place(cursor: str) -> tuple[int | None, Scope]:
    query = parse_qs(urlsplit(cursor).query)
    start, limit = (int(query[key][0]) if key in query else None for key in ("details", "limit"))
    return start, Scope(limit=limit, globs=tuple(query.get("only", ())))


def parse(body: bytes) -> ParsedPage[Package]:
    """The packages of a catalogue, or of a bundle of details."""
    packages: list[tuple[int, Package]] = []
    unparsed: list[Unparsed] = []
    seen: list[tuple[str | None, Any]] = []
    try:
        for index, (slug, record) in enumerate(_records(body)):
            seen.append((slug, record))
            try:
                packages.append((index, package_of(record, slug)))
            except ValueError as error:
                unparsed.append(Unparsed(index, clean(str(error))))
    except ValueError as error:
        unparsed.append(Unparsed(len(seen), clean(str(error))))
    listed = drift_of((record for slug, record in seen if slug is None), SHAPE)
    detailed = drift_of((record for slug, record in seen if slug is not None), DETAIL_SHAPE)
    return ParsedPage(tuple(packages), tuple(unparsed), tuple(sorted((*listed, *detailed))))


def _records(body: bytes) -> Iterator[tuple[str | None, Any]]:
    """Records of a catalogue, without a slug beside them; or details, each with its own."""
    if body.lstrip().startswith(b"{"):
        yield from ((None, record) for record in catalogue_of(body))
        return
    for path, answer in unbundle(body):
        try:
            yield path.strip("/").rpartition("/")[2], json_of(answer)
        except ValueError as error:
            yield path, error


def package_of(record: Any, slug: str | None = None) -> Package:
    """A record as a package; ValueError says why it is none.

    Args:
        record: of the catalogue, or the details of a model.
        slug: what the details were asked by, for they do not say it.
    """
    if isinstance(record, ValueError):
        raise record
    if not isinstance(record, dict):
        raise ValueError(f"a record that is a {type(record).__name__}")  # noqa: TRY004
    if slug is not None and fields.text(record, "title") is None:
        raise ValueError("an answer that is no model")
    slug = slug or fields.text(record, "slug") or ""
    if not _is_model(slug):
        raise ValueError("no valid slug")
    link = fields.text(record, "link")
    tags = _categories(record)
    return Package(
        hub=HUB,
        package_id=slug,
        name=slug,
        url=f"{BASE}/model/{slug}",
        origin=github_origin(link) if link else None,
        task=tags[0] if len(tags) == 1 else None,
        framework=fields.text(record, "framework"),
        tags=tags,
        papers=papers_in(" ".join(_links(record))),
        likes=fields.integer(record, "stars"),
        twin=link,
    )


def _categories(record: Mapping[str, Any]) -> tuple[str, ...]:
    listed = record.get("categories")
    tables = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys(filter(None, (fields.text(one, "slug") for one in tables))))


def _links(record: Mapping[str, Any]) -> list[str]:
    return [link for link in fields.table(record, "papers").values() if isinstance(link, str)]


def _is_model(slug: str) -> bool:
    """Whether a slug names a model and nothing else: ``0`` is the catalogue."""
    return slug != "0" and _SLUG.fullmatch(slug) is not None


def _archive(values: HubValues) -> Path | None:
    archive = str(values["archive"])
    if archive and not Path(archive).is_file():
        raise UsageError(f"[hubs.modelzoo] archive: there is no file {archive!r}")
    return Path(archive) if archive else None


def _build(means: Means, values: HubValues) -> ModelZoo:
    archive = _archive(values)
    return ModelZoo(Archive(archive) if archive else Site(means.transport))


def _source(values: HubValues) -> str:
    """The hub, wherever its endpoint is, or an archive by its digest: its path says nothing."""
    archive = _archive(values)
    return f"sha256:{digest_of(archive)}" if archive else BASE


MODELZOO = HubKind(
    id=HUB,
    title="ModelZoo.co",
    base=BASE,
    settings={"enabled": True, "endpoint": BASE, "optional": True, "archive": ""},
    shape=SHAPE,
    parse=parse,
    build=_build,
    endpoints=lambda values: {BASE: str(values["endpoint"])},
    source=_source,
    lists_twice=True,
)
