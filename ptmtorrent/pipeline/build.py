"""The build pass: from store and ledger to shards, and last of all the manifest.

Every row is derived from blobs: packages from the pages as received, facts from packs on a
workbench. Order and content depend on store and journal alone, so building again gives the same
bytes. State tables are written whole; of the fact tables only rows first seen in this snapshot.

Hubs and their packages come in listing order, page by page, so that each page is read once; origins
come by key, each opened at most once, and not at all when its state was built before.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ptmtorrent.errors import CorruptError, FailError, SkipError
from ptmtorrent.extract.repository import Leash
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import OriginRow, Snapshot
from ptmtorrent.model.events import Notice, TableBuilt, Watcher
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.pipeline.ahead import ahead
from ptmtorrent.pipeline.kept import read_holding, read_visit
from ptmtorrent.pipeline.refining import Refining
from ptmtorrent.pipeline.rows import (
    Row,
    asset_row,
    instant,
    lost_row,
    not_held_rows,
    package_row,
    ref_rows,
)
from ptmtorrent.pipeline.telling import Held, Teller, Told
from ptmtorrent.shards.manifest import Shard
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import ShardWriter
from ptmtorrent.store.base import BlobStore

STATE = ("packages", "assets", "hubs", "origins", "refs", "unreachable", "not_held", "blobs")
HISTORY = ("attempts",)
COUNTS_AT_ONCE = 1000
SMALL = 4 * 2**20
"""Bytes; origins whose packs have no more are read ahead of their turn, some at a time."""


@dataclass(frozen=True, slots=True)
class _State:
    """An origin: what is held of it, names of what was told before, and what need not be read.

    ``lost`` says that its visit or holding cannot be read.
    """

    row: OriginRow
    held: Held | None = None
    earlier: Sequence[tuple[str, str]] = ()
    known: Told | None = None
    lost: CorruptError | None = None

    @property
    def is_small(self) -> bool:
        """Whether it is to be read, and may be read beside others."""
        return self.known is None and self.held is not None and self.held[1].pack_bytes <= SMALL


@dataclass(slots=True)
class Build:
    """Builds the tables of one snapshot.

    Attributes:
        hosts: host of a git URL -> its name in ``origins.kind``; others are called by their host.
        cut_off: journals that a page of a hub is lost, and why; its listing is not whole without.
        untold: after ``run``: origins whose new facts could not be read.
    """

    ledger: Ledger
    store: BlobStore
    dataset: Path
    snapshot: Snapshot
    refining: Refining
    hosts: Mapping[str, str]
    privacy_key: bytes
    watch: Watcher
    cut_off: Callable[[str, str], None]
    _shards: dict[str, tuple[Shard, ...]] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)
    _counted: list[tuple[int, str, int, Sequence[str]]] = field(default_factory=list)

    def run(self) -> Mapping[str, tuple[Shard, ...]]:
        """Write all tables; returns the shards of each, new ones only."""
        self._packages()
        for hub, reason in self.refining.lost.items():
            self.cut_off(hub, reason)
        self._table("hubs", self._hubs())
        self._origins()
        self._table("blobs", self._blobs())
        self._table("attempts", self._attempts())
        return self._shards

    def _table(self, name: str, rows: Iterator[Row]) -> None:
        with self._writer(name) as writer:
            writer.write(rows)
        self._finished(name, writer)

    def _writer(self, name: str) -> ShardWriter:
        return ShardWriter(self.dataset, load_schema(name), self.snapshot.id)

    def _finished(self, name: str, writer: ShardWriter) -> None:
        self._shards[name] = writer.shards
        self.watch(TableBuilt(name, sum(s.rows for s in writer.shards), len(writer.shards)))

    def _packages(self) -> None:
        names = ("packages", "assets")
        with ExitStack() as stack:
            writers = {name: stack.enter_context(self._writer(name)) for name in names}
            for hub in sorted(self.refining.parsers):
                for row, refined in self.refining.packages(hub):
                    assets = [
                        asset_row(row, asset, self.ledger.reads.asset(asset.url))
                        for asset in refined.assets
                    ]
                    writers["packages"].write([package_row(row, refined.package, assets)])
                    writers["assets"].write(assets)
        for name in names:
            self._finished(name, writers[name])

    def _hubs(self) -> Iterator[Row]:
        for listing in self.ledger.reads.listings(self.snapshot.seq):
            yield {
                "hub": listing.hub,
                "listing_complete": listing.outcome == "complete",
                "listed": listing.listed,
                "unparsed": listing.unparsed,
                "drift": [
                    {"field": field, "change": change, "records": records}
                    for field, change, records in json.loads(listing.drift)
                ],
                "first_page_at": instant(listing.first_page_at),
                "last_page_at": instant(listing.last_page_at),
                "unreachable_since": instant(listing.unreachable_since),
                "outcome": listing.outcome,
                "reason": listing.reason,
                "scope": listing.scope,
            }

    def _blobs(self) -> Iterator[Row]:
        for blob in self.ledger.reads.blobs():
            yield {
                "sha256": blob.sha256,
                "size": blob.size,
                "held": bool(blob.held),
                "reason": blob.reason,
                "references": blob.uses,
            }

    def _attempts(self) -> Iterator[Row]:
        for attempt in self.ledger.reads.attempts(self.snapshot.seq):
            yield {**attempt, "at": instant(attempt["at"])}

    def _origins(self) -> None:
        names = ("origins", "refs", "unreachable", "not_held", "commits", "files")
        leash = Leash()
        with ExitStack() as stack:
            writers = {name: stack.enter_context(self._writer(name)) for name in names}
            teller = Teller(self.store, self.dataset, self.privacy_key, leash)
            turns = stack.enter_context(
                closing(ahead(self._states(), partial(_tell, teller), attrgetter("is_small")))
            )
            stack.callback(leash.end)
            for state, told in turns:
                self._origin(state, told, writers)
        self._keep_counts()
        for name in names:
            self._finished(name, writers[name])

    def _states(self) -> Iterator["_State"]:
        """All origins by key, with what is held of them, and what they are known to tell."""
        reads = self.ledger.reads
        for row in reads.origins():
            if row.visit is None or row.holding is None:
                yield _State(row, known=Told())
                continue
            try:
                held = self._read(row.visit, row.holding)
            except CorruptError as error:
                yield _State(row, lost=error)
                continue
            earlier = reads.told_visits(row.id)
            count = reads.commit_count(row.id, row.visit)
            if count is not None and row.visit in {name for name, _ in earlier}:
                yield _State(row, held, known=Told(count, reads.lost_commits(row.id)))
            else:
                yield _State(row, held, earlier)

    def _read(self, visit: str, holding: str) -> Held:
        return read_visit(self.store, visit), read_holding(self.store, holding)

    def _origin(
        self, state: "_State", tell: Callable[[], Told], writers: Mapping[str, ShardWriter]
    ) -> None:
        row = state.row
        try:
            told = tell()
        except (SkipError, FailError) as error:
            row = replace(row, reason=error.reason)
            told = Told(lost=self.ledger.reads.lost_commits(row.id))
            self.untold.append(row.url)
            self.watch(Notice(f"{row.url}: its facts are missing: {error.reason}: {error}"))
        writers["origins"].write([self._origin_row(row, state.held, told.count)])
        writers["unreachable"].write(lost_row(row.url, oid) for oid in told.lost)
        if state.held is None:
            return
        visit, _ = state.held
        writers["commits"].write(told.commits)
        writers["files"].write(self._with_reasons(told.files))
        writers["refs"].write(ref_rows(visit))
        writers["not_held"].write(not_held_rows(visit))
        if told.count is not None and state.known is None:
            self._count(row.id, sha256_of(visit.to_bytes()), told.count, told.lost)

    def _with_reasons(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Rows of ``files``, with why the blob a pointer stands for is not held."""
        for row in rows:
            if row["lfs"] and not row["held"]:
                yield {**row, "reason": self.ledger.reads.object_reason(row["sha256"])}
            else:
                yield row

    def _count(self, origin: int, visit: str, count: int, lost: Sequence[str]) -> None:
        self._counted.append((origin, visit, count, lost))
        if len(self._counted) >= COUNTS_AT_ONCE:
            self._keep_counts()

    def _origin_row(self, row: OriginRow, held: Held | None, commits: int | None) -> Row:
        """A row of ``origins``; an origin never visited has its reason and little else."""
        visit, holding = held or (None, None)
        host = str(urlsplit(row.url).hostname)
        return {
            "origin_key": row.key,
            "url": row.url,
            "kind": self.hosts.get(host, host),
            "head": visit.head if visit else None,
            "head_ref": visit.head_ref if visit else None,
            "visit_sha256": row.visit,
            "swhid_snapshot": visit.swhid if visit else None,
            "filter": visit.filter if visit else None,
            "complete": visit.is_complete if visit else None,
            "commits": commits,
            "bytes": holding.pack_bytes if holding else None,
            "reason": row.reason,
            "observed_at": instant(row.observed_at),
        }

    def _keep_counts(self) -> None:
        with self.ledger.transaction():
            for counted in self._counted:
                self.ledger.roots.counted(*counted)
        self._counted.clear()


def _tell(teller: Teller, state: _State) -> Told:
    """What an origin tells. Called in any thread: the ledger is not for here."""
    if state.lost is not None:
        raise state.lost
    if state.known is not None or state.held is None:
        return state.known or Told()
    return teller.tell(state.held, state.earlier)
