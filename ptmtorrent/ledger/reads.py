"""Questions to the ledger; nothing here writes."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ptmtorrent.errors import IntegrityError
from ptmtorrent.ledger.figures import Figures
from ptmtorrent.ledger.rows import (
    AssetRow,
    BlobRow,
    ItemCount,
    Listing,
    OriginRow,
    PackageRow,
    Snapshot,
)
from ptmtorrent.ledger.statements import statements

SQL = statements("read.sql")
BATCH = 1000

R = TypeVar("R")
Standing = tuple[Mapping[str, int], Mapping[str, int], Sequence[ItemCount]]


class Reads:
    """The face of the ledger that answers; rows are streamed, never all in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def position(self) -> tuple[int, str]:
        """Number and digest of the last journal line that is in; (0, "") for none."""
        row = self._run("position").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "")

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest first."""
        return [Snapshot(*row) for row in self._run("snapshots")]

    def listings(self, snapshot: int) -> list[Listing]:
        """The listings of a snapshot, by hub."""
        return [Listing(*row) for row in self._run("listings", snapshot=snapshot)]

    def packages(self, hub: str, *, by_origin: bool = False) -> Iterator[PackageRow]:
        """All packages of a hub in listing order; or by origin, each origin's in listing order."""
        return self._stream(PackageRow, "packages", hub=hub, by_origin=by_origin)

    def origins(self) -> Iterator[OriginRow]:
        """All origins by key.

        Raises:
            IntegrityError: two origins have one key, and no shard could tell them apart.
        """
        before = None
        for row in self._stream(OriginRow, "origins"):
            if before is not None and before.key == row.key:
                raise IntegrityError(f"{before.url} and {row.url} have the same key {row.key}")
            before = row
            yield row

    def told_visits(self, origin: int) -> list[tuple[str, str]]:
        """(visit, holding) of an origin whose facts finished snapshots tell, oldest first."""
        return list(self._run("told_visits", origin=origin))

    def kept_visits(self, url: str) -> list[tuple[str, str]]:
        """(visit, holding) of an origin and of those it was renamed from, oldest first."""
        return list(self._run("kept_visits", url=url))

    def is_held(self, sha256: str) -> bool:
        """Whether an object is known to have come into the store."""
        return self._run("is_held", sha256=sha256).fetchone() is not None

    def lost_commits(self, origin: int) -> list[str]:
        """Commits that the newest told visit of an origin no longer reaches."""
        return [oid for (oid,) in self._run("lost_commits", origin=origin)]

    def commit_count(self, origin: int, visit: str) -> int | None:
        """Commits reachable in a visit, if they were counted before."""
        row = self._run("commit_count", origin=origin, visit=visit).fetchone()
        return None if row is None else int(row[0])

    def visited_in(self, snapshot: int, url: str) -> tuple[str, str] | None:
        """The visit and holding of an origin that a snapshot made, by name."""
        row = self._run("visited_in", url=url, snapshot=snapshot).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    def where_now(self, urls: Iterable[str]) -> frozenset[str]:
        """These origins, and where they are today."""
        found = self._run("where_now", urls=json.dumps(sorted(urls)))
        return frozenset(url for (url,) in found)

    def spellings(self, url: str, host: str) -> list[str]:
        """How an origin's name is spelled, at a host (its base URL) where letter case is nothing.

        The spelling that stands for all comes first. Of the same origins it is always the same
        one, in whatever order they were found; what is held already stays.
        """
        return [one for (one,) in self._run("spellings", url=url, host=host)]

    def held(self, url: str) -> tuple[str, str] | None:
        """The newest visit and holding of an origin, by name."""
        row = self._run("held", url=url).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    def holdings(self, url: str, visit: str) -> list[str]:
        """Names of holdings that may keep a visit of an origin, the best first."""
        return [str(holding) for (holding,) in self._run("holdings", url=url, visit=visit)]

    def blobs(self) -> Iterator[BlobRow]:
        """Blobs that heads stand for, by name."""
        return self._stream(BlobRow, "blobs")

    def asset(self, url: str) -> AssetRow:
        """What became of an asset; all None when nobody asked for it."""
        return AssetRow(*self._run("asset", url=url).fetchone())

    def object_reason(self, sha256: str) -> str | None:
        """Why an object is not held, if anybody tried."""
        row = self._run("object_reason", key=sha256).fetchone()
        return row[0] if row else None

    def attempts(self, snapshot: int) -> Iterator[dict[str, Any]]:
        """The attempts of a snapshot in order."""
        cursor = self._run("attempts", snapshot=snapshot)
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(BATCH):
            yield from (dict(zip(names, row, strict=True)) for row in rows)

    def figures(self, snapshot: int) -> Figures:
        """The figures of a snapshot, counted now: seconds where there are millions of rows."""
        return Figures(
            packages=self.package_counts(),
            origins=self.origin_counts(),
            items=self.item_counts(snapshot),
            blobs=self.saved_bytes(),
            pack_bytes=self.pack_bytes(),
        )

    def kept_figures(self, snapshot: int) -> Figures | None:
        """The figures of a snapshot as they were counted last, if they hold and can be read."""
        row = self._run("kept_figures", snapshot=snapshot).fetchone()
        return Figures.from_text(row[0]) if row else None

    def standing(self, snapshot: int) -> Standing:
        """Packages and origins by hub, and items of a snapshot: as kept, or else counted now."""
        kept = self.kept_figures(snapshot)
        if kept is not None:
            return kept.packages, kept.origins, kept.items
        return self.package_counts(), self.origin_counts(), self.item_counts(snapshot)

    def with_figures(self) -> list[tuple[int, str]]:
        """The snapshots that figures are kept of, by number and name."""
        return self._run("with_figures").fetchall()

    def item_counts(self, snapshot: int) -> list[ItemCount]:
        """Items of a snapshot by hub, stage, state and reason."""
        return [ItemCount(*row) for row in self._run("item_counts", snapshot=snapshot)]

    def package_counts(self) -> dict[str, int]:
        """Packages known, by hub."""
        return dict(self._run("package_counts").fetchall())

    def origin_counts(self) -> dict[str, int]:
        """Origins that packages name, by hub; one that several hubs name counts for each."""
        return dict(self._run("origin_counts").fetchall())

    def troubles(
        self, snapshot: int, *, state: str | None, count: int
    ) -> list[tuple[str, str, str, str, str]]:
        """(hub, stage, key, state, reason) of items that are not done, at most ``count``."""
        return self._run("troubles", snapshot=snapshot, state=state, count=count).fetchall()

    def saved_bytes(self) -> tuple[int, int, int]:
        """(objects held, their bytes, bytes that deduplication saved)."""
        objects, held, saved = self._run("saved_bytes").fetchone()
        return int(objects), int(held), int(saved)

    def pack_bytes(self) -> int:
        """Bytes of the packs of all origins."""
        return int(self._run("pack_bytes").fetchone()[0])

    def received_bytes(self, snapshot: int) -> int:
        """Bytes received for the items of a snapshot."""
        return int(self._run("received_bytes", snapshot=snapshot).fetchone()[0])

    def work_ahead(self, snapshot: int) -> list[tuple[str, str, int, int]]:
        """(hub, stage, items, bytes) that are still to be done."""
        return self._run("work_ahead", snapshot=snapshot).fetchall()

    def gates(self) -> dict[str, str]:
        """What hosts allowed when we last heard."""
        return dict(self._run("gates").fetchall())

    def _stream(self, kind: type[R], name: str, /, **values: object) -> Iterator[R]:
        cursor = self._connection.cursor().execute(SQL[name], values)
        while rows := cursor.fetchmany(BATCH):
            yield from _typed(kind, rows)

    def _run(self, name: str, /, **values: object) -> sqlite3.Cursor:
        return self._connection.execute(SQL[name], values)


def _typed(kind: type[R], rows: Sequence[Sequence[Any]]) -> Iterator[R]:
    return (kind(*row) for row in rows)
