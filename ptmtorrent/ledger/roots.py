"""Taking journal lines in.

Every change that a journal line stands for is made here and nowhere else, live and on replay, so a
ledger that is lost comes back as it was. The caller has read the blobs that a line names.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from ptmtorrent.errors import FailReason, SkipReason
from ptmtorrent.ledger.statements import statements
from ptmtorrent.model.key import origin_key
from ptmtorrent.model.package import Drift, Outline, PackageStatus
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.model.work import Stage

SQL = statements("apply.sql")

MOST_DRIFT = 100
"""Distinct changes of a hub's shape that a listing keeps count of."""

AT_ONCE = 100
"""Rows that one statement writes."""

UNKNOWN = -1
"""How many blobs a visit lacks that is lost."""

ASKED: dict[str, PackageStatus] = {
    SkipReason.GONE: PackageStatus.GONE,
    SkipReason.GATED: PackageStatus.GATED,
    SkipReason.PRIVATE: PackageStatus.PRIVATE,
    SkipReason.DISABLED: PackageStatus.DISABLED,
}
"""What a package is when its hub, asked for it, answers so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLine:
    """A page of a listing, or one package's record in answer to a question.

    Attributes:
        sha256: the blob with the page as received.
        cursor: path and query that asked for it.
        packages: (index in the page, package) of the records that count.
        unparsed: how many records of the page could not be read.
        is_answer: whether it answers a question, and so does not advance the listing.
        is_lost: whether the blob is lost, and so nobody knows what was on it.
        scope: what the listing covers, as canonical JSON.
        drift: how its records differ from what the hub used to send.
    """

    snapshot: int
    hub: str
    sha256: str
    at: str
    cursor: str
    next_cursor: str | None
    packages: tuple[tuple[int, Outline], ...]
    unparsed: int
    is_answer: bool
    is_lost: bool = False
    scope: str = "{}"
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingLine:
    """A hub's listing ended, and how; ``scope`` is what it covers, as canonical JSON."""

    snapshot: int
    hub: str
    at: str
    outcome: str
    reason: str | None
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitLine:
    """An origin was visited; ``holding_sha256`` and ``visit_sha256`` name the blobs.

    A blob that is lost is None. ``is_shelf`` says that a hub's listing is read from its files.
    """

    snapshot: int
    hub: str
    at: str
    url: str
    visit: Visit | None
    visit_sha256: str
    holding: Holding | None
    holding_sha256: str
    fingerprint: str | None
    depth: int
    is_shelf: bool = False

    @property
    def whole(self) -> Visit | None:
        """The visit, if neither it nor its holding is lost."""
        return None if self.holding is None else self.visit


@dataclass(frozen=True, slots=True, kw_only=True)
class RepackLine:
    """A visit that ``replaces`` kept is kept by ``holding`` from now on; all names of blobs.

    ``pack_bytes`` is None when the new holding is lost.
    """

    visit: str
    holding: str
    replaces: str
    pack_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetLine:
    """An asset was received, and is the blob ``sha256`` of ``size`` bytes."""

    snapshot: int
    hub: str
    at: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """An item's final word within a snapshot: ``state`` is done or skipped."""

    snapshot: int
    hub: str
    stage: Stage
    key: str
    state: str
    reason: str | None = None


_Row = tuple[object, ...]
_Packages = Sequence[tuple[int, Outline]]


class Roots:
    """The face of the ledger that takes journal lines in; call within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def position(self, applied: int, digest: str) -> None:
        """Everything up to this journal line is in."""
        self._run("set_position", applied=applied, digest=digest)

    def begin(self, snapshot_id: str, as_of: str, at: str) -> int:
        """A snapshot begins; returns its number."""
        [number] = self._run("begin_snapshot", id=snapshot_id, as_of=as_of, at=at).fetchone()
        return int(number)

    def finish(
        self, snapshot_id: str, manifest: str, at: str, *, untold: Sequence[str] = ()
    ) -> None:
        """A snapshot's manifest is written; ``untold`` are origins without their new facts."""
        self._run("finish_snapshot", id=snapshot_id, manifest=manifest, at=at)
        self._run("mark_told", id=snapshot_id, untold=json.dumps(list(untold)))

    def page(self, line: PageLine) -> None:
        """A page and its packages; a listing's page and its next cursor go together."""
        self._run("open_listing", snapshot=line.snapshot, hub=line.hub)
        page = self._run(
            "add_page", snapshot=line.snapshot, hub=line.hub, sha256=line.sha256, at=line.at
        ).lastrowid
        assert page is not None  # noqa: S101  # an INSERT that succeeded has a row id
        if line.is_lost:
            self._await(line)
            return
        listed = sum(self._packages(line, page, part) for part in _without_repeats(line.packages))
        if not line.is_answer:
            self._run(
                "advance_listing",
                snapshot=line.snapshot,
                hub=line.hub,
                listed=listed,
                drift=self._drift(line),
                unparsed=line.unparsed,
                at=line.at,
                cursor=line.cursor,
                next_cursor=line.next_cursor,
                scope=line.scope,
            )

    def _await(self, line: PageLine) -> None:
        """A page is lost: its listing waits for it, and does not end well without."""
        if not line.is_answer:
            self._run(
                "await_page",
                snapshot=line.snapshot,
                hub=line.hub,
                at=line.at,
                cursor=line.cursor,
                scope=line.scope,
                reason=f"{FailReason.CORRUPT}: page {line.sha256} was listed and is lost",
            )

    def listing(self, line: ListingLine) -> None:
        """A hub's listing ended; packages it did not show are unseen until asked for."""
        place = {"snapshot": line.snapshot, "hub": line.hub}
        self._run("open_listing", **place)
        [outcome] = self._run("end_listing", **asdict(line)).fetchone()
        if outcome == "complete":
            self._renamed(line.snapshot, line.hub)
        self._run("mark_unseen", **place)

    def visit(self, line: VisitLine) -> None:
        """An origin's newest visit, what its head stands for, and the end of its item.

        Of one that is lost the names are taken in, so that facts told of it are not told twice; its
        origin is to be visited again, and looks as if it had changed since.
        """
        origin, whole = self._origin(line.url), line.whole
        names = {"visit": line.visit_sha256, "holding": line.holding_sha256}
        self._run(
            "set_visit",
            id=origin,
            head=line.visit.head if line.visit else None,
            pack_bytes=line.holding.pack_bytes if line.holding else 0,
            is_complete=whole is not None and whole.is_complete,
            lacks=len(whole.not_held) if whole else UNKNOWN,
            fingerprint=line.fingerprint if whole else None,
            depth=line.depth,
            is_shelf=line.is_shelf,
            at=line.at,
            **names,
        )
        self._run("add_visit", origin=origin, snapshot=line.snapshot, **names)
        self._run("clear_wanted", origin=origin)
        for blob in line.holding.wanted if line.holding else ():
            self._run("add_object", sha256=blob.sha256, size=blob.size, held=not blob.lfs)
            path = blob.path.encode("utf-8", "surrogateescape")
            about = {"path": path, "sha256": blob.sha256, "size": blob.size}
            self._run("add_wanted", origin=origin, **about)
        if whole:
            self.settle(Verdict(line.snapshot, line.hub, Stage.VISIT, line.url, "done"))
        else:
            self._run("plan_visit", snapshot=line.snapshot, hub=line.hub, key=line.url)

    def repack(self, line: RepackLine) -> None:
        """A visit is kept by another holding, wherever it is named."""
        names = {"visit": line.visit, "holding": line.holding, "replaces": line.replaces}
        self._run("repack_visits", **names)
        self._run("repack_origins", pack_bytes=line.pack_bytes, **names)
        if line.pack_bytes is None:
            self.visit_again([line.holding])

    def visit_again(self, blobs: Iterable[str]) -> None:
        """Visits or holdings are lost: the origins whose newest they are look as if changed."""
        for sha256 in blobs:
            self._run("forget_fingerprint", sha256=sha256)

    def lose(self, objects: Iterable[str]) -> None:
        """These objects are in the store no more."""
        for sha256 in objects:
            self._run("lose_object", sha256=sha256)

    def counted(self, origin: int, visit: str, commits: int, lost: Iterable[str]) -> None:
        """How many commits a visit reaches, and which it lost; so that no build asks twice."""
        self._run("count_commits", origin=origin, visit=visit, commits=commits)
        self._run("forget_lost", origin=origin)
        for oid in lost:
            self._run("add_lost", origin=origin, oid=oid)

    def moved(self, snapshot: int, hub: str, url: str, target: str) -> None:
        """An origin is now to be found at ``target``, which is to be visited."""
        here, there = self._origin(url), self._origin(target)
        self._run("move_origin", id=here, target=there)
        self._run("set_predecessor", id=there, predecessor=here)
        self._run("plan_visit", snapshot=snapshot, hub=hub, key=target)
        self.settle(Verdict(snapshot, hub, Stage.VISIT, url, "done"))

    def settle(self, verdict: Verdict) -> None:
        """An item's final word."""
        self._run("settle", **asdict(verdict))
        if verdict.stage == Stage.ASK and verdict.reason in ASKED:
            package_id = verdict.key.removeprefix(f"{verdict.hub}:")
            status = ASKED[verdict.reason]
            self._run("set_status", hub=verdict.hub, package_id=package_id, status=status)

    def hold(self, objects: Iterable[tuple[str, int]]) -> None:
        """These objects are in the store: (sha256, size)."""
        for sha256, size in objects:
            self._run("hold_object", sha256=sha256, size=size)

    def asset(self, line: AssetLine) -> None:
        """An asset is in the store, and the end of its item."""
        self._run("add_object", sha256=line.sha256, size=line.size, held=True)
        self._run("set_asset", url=line.url, sha256=line.sha256, at=line.at)
        self.settle(Verdict(line.snapshot, line.hub, Stage.ASSET, line.url, "done"))

    def _packages(self, line: PageLine, page: int, packages: _Packages) -> int:
        """Write packages down; returns how many this snapshot had not seen yet."""
        ids = json.dumps([package.package_id for _, package in packages])
        found = self._run("find_packages", hub=line.hub, ids=ids).fetchall()
        known = {package_id: before for package_id, *before in found}
        origins = self._origins(p.origin for _, p in packages if p.origin is not None)
        rows: list[_Row] = []
        for index, package in packages:
            origin, former = origins.get(package.origin), "[]"
            if package.package_id in known:
                name, former, former_origin, _ = known[package.package_id]
                former = _former(former, name, package.name)
                if origin is not None and former_origin not in (None, origin):
                    self._run("set_predecessor", id=origin, predecessor=former_origin)
            where = (line.hub, package.package_id, package.name, former, origin, page, index)
            rows.append((*where, *_state(package, line.snapshot)))
        self._put("put_packages", rows)
        seen = [before for before in known.values() if before[-1] == line.snapshot]
        return len(packages) - len(seen)

    def _renamed(self, snapshot: int, hub: str) -> None:
        """New packages that are old ones under another id take over their names and origins."""
        found = self._run("find_renamed", snapshot=snapshot, hub=hub).fetchall()
        for name, former, origin, number, new_origin in found:
            names = json.dumps([*json.loads(former), name])
            self._run("set_former_names", id=number, former_names=names)
            if None not in (origin, new_origin) and origin != new_origin:
                self._run("set_predecessor", id=new_origin, predecessor=origin)

    def _drift(self, line: PageLine) -> str:
        """What earlier pages of the listing showed, and this one, as JSON."""
        row = self._run("drift_so_far", snapshot=line.snapshot, hub=line.hub).fetchone()
        counts = {(field, change): records for field, change, records in json.loads(row[0])}
        for drift in line.drift:
            key = drift.field, str(drift.change)
            if key in counts or len(counts) < MOST_DRIFT:
                counts[key] = counts.get(key, 0) + drift.records
        return json.dumps([[*key, records] for key, records in sorted(counts.items())])

    def _origin(self, url: str) -> int:
        return self._origins([url])[url]

    def _origins(self, urls: Iterable[str]) -> dict[str | None, int]:
        """The numbers of origins, known ones and new ones."""
        keys = {url: origin_key(url) for url in urls}
        found = self._run("find_origins", urls=json.dumps(list(keys))).fetchall()
        numbers: dict[str | None, int] = dict(found)
        new = [(key, url) for url, key in keys.items() if url not in numbers]
        if new:
            numbers.update(self._put("add_origins", new))
        return numbers

    def _put(self, name: str, rows: Sequence[_Row]) -> list[Any]:
        """Write many rows with one statement, and return what it says.

        One by one they take twice as long, and hold up all other threads (each row lets go of the
        interpreter, and has to get it back).
        """
        said: list[Any] = []
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            places = ",".join([f"({','.join('?' * len(part[0]))})"] * len(part))
            values = list(chain.from_iterable(part))
            said += self._connection.execute(SQL[name].format(rows=places), values).fetchall()
        return said

    def _run(self, name: str, /, **values: object) -> sqlite3.Cursor:
        return self._connection.execute(SQL[name], values)


def _state(package: Outline, snapshot: int) -> _Row:
    """The last columns of ``put_packages``: what the hub says of a package, seen in a snapshot."""
    said = (package.downloads_30d, package.used_bytes, package.fingerprint, package.twin)
    return (str(package.status), snapshot, snapshot, *said)


def _former(former: str, before: str, now: str) -> str:
    """Former names as JSON, oldest first, after a package was found under the name ``now``."""
    if before == now:
        return former
    names = [name for name in json.loads(former) if name not in (before, now)]
    return json.dumps([*names, before])


def _without_repeats(packages: _Packages) -> Iterator[_Packages]:
    """The packages in order, cut where one comes again: it has then been written down before."""
    seen: set[str] = set()
    start = 0
    for place, (_, package) in enumerate(packages):
        if package.package_id in seen:
            yield packages[start:place]
            start = place
            seen.clear()
        seen.add(package.package_id)
    yield packages[start:]
