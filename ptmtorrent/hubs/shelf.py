"""A hub that lists by files of a git repository: cards, a registry, a manifest.

Its pages are bundles: a first member that names the repository, then some of those files, in the
order of their paths. So a page says by itself what its links are relative to. The listing is the
whole truth: what it does not show is gone, but for what a file that cannot be read may hide.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ptmtorrent.errors import UsageError
from ptmtorrent.hubs.base import HubValues, Shelves
from ptmtorrent.hubs.github import origin_of_name
from ptmtorrent.hubs.reading.shape import Shape, drift_of
from ptmtorrent.model.bundle import File, bundle, unbundle
from ptmtorrent.model.package import (
    Answer,
    AnswerKind,
    Change,
    Drift,
    ListedPage,
    Package,
    ParsedPage,
    Scope,
    Unparsed,
)
from ptmtorrent.model.text import clean

ORIGIN = ".origin"
"""Name of the first member of a page; its content is the canonical URL of the repository."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: which repository (canonical URL) and path it is from, and its table."""

    origin: str
    path: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class FileKind:
    """One kind of file on a shelf.

    Attributes:
        wanted: whether the file at a path is of this kind.
        read: the records of its content, each on its own; one that cannot be read comes as the
            ValueError that says why, and ValueError is raised when nothing can be read.
        package_of: a record as a package; ValueError says why it is none.
        shape: the fields its records are known to have.
    """

    wanted: Callable[[str], bool]
    read: Callable[[bytes], Iterable[Any]]
    package_of: Callable[[Record], Package]
    shape: Shape


@dataclass(slots=True)
class ShelfHub:
    """The adapter of such a hub.

    Attributes:
        origin: canonical URL of the repository.
        wanted: whether the file at a path is part of the listing.
        parse: the packages of a page.
        lists: paths of files that hold many records each.
    """

    shelves: Shelves
    origin: str
    wanted: Callable[[str], bool]
    parse: Callable[[bytes], ParsedPage[Package]]
    lists: frozenset[str] = frozenset()
    _unreadable: frozenset[str] | None = None

    def first_cursor(self, scope: Scope) -> str:
        """The path of the repository; a limit is kept by whoever takes the packages."""
        del scope
        return urlsplit(self.origin).path

    async def page(self, cursor: str) -> ListedPage:
        """The files that follow the one the cursor names."""
        parts = urlsplit(cursor)
        query = parse_qs(parts.query, errors="surrogateescape")
        files, has_more = await self.shelves.files(
            self.origin, self.wanted, query.get("after", [""])[0]
        )
        follows = None
        if has_more:
            last = urlencode({"after": files[-1][0]}, errors="surrogateescape")
            follows = f"{parts.path}?{last}"
        return ListedPage(shelf_page(self.origin, files), cursor, follows)

    async def ask(self, name: str, package_id: str) -> Answer:
        """Gone, for the listing would have shown it; unknown where its file could not be read.

        A broken commit of whoever keeps the repository must not look like the end of a hub.
        """
        del name
        if self._unreadable is None:
            self._unreadable = await self._find_unreadable()
        is_hidden = any(path in self.lists or package_id in path for path in self._unreadable)
        return Answer(AnswerKind.UNKNOWN if is_hidden else AnswerKind.GONE)

    async def _find_unreadable(self) -> frozenset[str]:
        """Files that say nothing, and files with many records that are not there."""
        unreadable, after, has_more = set(self.lists), "", True
        while has_more:
            files, has_more = await self.shelves.files(self.origin, self.wanted, after)
            for path, content in files:
                says = self.parse(shelf_page(self.origin, [(path, content)])).packages
                unreadable = unreadable - {path} if says else unreadable | {path}
                after = path
        return frozenset(unreadable)


def shelf_origin(hub: str, values: HubValues, key: str) -> str:
    """The shelf that a setting names as ``owner/name``; UsageError when it names none."""
    origin = origin_of_name(str(values[key]))
    if origin is None:
        raise UsageError(f"[hubs.{hub}] {key}: {values[key]!r} is no owner/name at GitHub")
    return origin


def shelf_page(origin: str, files: Iterable[File]) -> bytes:
    """Files of a repository as a page."""
    return bundle(((ORIGIN, origin.encode()), *files))


def shelf_files(body: bytes) -> tuple[str, Iterator[File]]:
    """The repository a page is from (its canonical URL), and its files in order.

    Raises:
        ValueError: it is no such page; or, while the files are read, it is cut off.
    """
    members = unbundle(body)
    name, content = next(members, ("", b""))
    origin = content.decode()
    if name != ORIGIN or not origin.startswith("https://"):
        raise ValueError("a page that does not name its repository")
    return origin, members


def parse_shelf(body: bytes, kinds: Sequence[FileKind]) -> ParsedPage[Package]:
    """The packages of a page. Never raises: a record that cannot be read costs itself only.

    Of records with the same package id the first one counts.
    """
    packages: dict[str, tuple[int, Package]] = {}
    unparsed: list[Unparsed] = []
    values: dict[FileKind, list[object]] = {kind: [] for kind in kinds}
    for index, found in enumerate(_records(body, kinds)):
        if isinstance(found, tuple):
            values[found[0]].append(found[1].value)
        try:
            package = _package_of(found, packages)
        except ValueError as error:
            where = f"{found[1].path}: " if isinstance(found, tuple) else ""
            unparsed.append(Unparsed(index, clean(f"{where}{error}")))
        else:
            packages[package.package_id] = (index, package)
    drifts = (drift_of(values[kind], kind.shape) for kind in kinds)
    return ParsedPage(tuple(packages.values()), tuple(unparsed), _sum(drifts))


_Found = tuple[FileKind, Record] | ValueError


def _package_of(found: _Found, taken: Container[str]) -> Package:
    if isinstance(found, ValueError):
        raise found
    kind, record = found
    package = kind.package_of(record)
    if package.package_id in taken:
        raise ValueError("a package id that another record has already")
    return package


def _records(body: bytes, kinds: Sequence[FileKind]) -> Iterator[_Found]:
    try:
        origin, files = shelf_files(body)
        for path, content in files:
            yield from _records_of(origin, path, content, kinds)
    except ValueError as error:
        yield error


def _records_of(
    origin: str, path: str, content: bytes, kinds: Sequence[FileKind]
) -> Iterator[_Found]:
    try:
        kind = _kind_of(path, kinds)
        for value in kind.read(content):
            is_table = isinstance(value, dict)
            yield (kind, Record(origin, path, value)) if is_table else _unreadable(path, value)
    except ValueError as error:
        yield _unreadable(path, error)


def _unreadable(path: str, value: object) -> ValueError:
    is_reason = isinstance(value, ValueError)
    reason = value if is_reason else f"a record that is a {type(value).__name__}"
    return ValueError(f"{path}: {reason}")


def _kind_of(path: str, kinds: Sequence[FileKind]) -> FileKind:
    for kind in kinds:
        if kind.wanted(path):
            return kind
    raise ValueError("no file of the listing")


def _sum(drifts: Iterable[tuple[Drift, ...]]) -> tuple[Drift, ...]:
    """The drift of all kinds of files together."""
    counts: Counter[tuple[str, Change]] = Counter()
    for drift in drifts:
        for one in drift:
            counts[one.field, one.change] += one.records
    return tuple(sorted(Drift(name, change, n) for (name, change), n in counts.items()))
