"""The build pass: from store and ledger to shards, and last of all the manifest.

Every row is derived from blobs: packages from the pages as received, facts from packs on a
workbench. Order and content depend on store and journal alone, so building again gives the same
bytes. State tables are written whole; of the fact tables only rows first seen in this snapshot.

Hubs and their packages come in listing order, page by page, so that each page is read once; origins
come by key, each opened at most once, and not at all when its state was built before.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ptmtorrent.errors import FailError, SkipError, SkipReason
from ptmtorrent.extract.files import files
from ptmtorrent.extract.history import commit_count, commits, unreachable
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import AssetRow, OriginRow, PackageRow, Snapshot
from ptmtorrent.model.clock import parse_rfc3339
from ptmtorrent.model.events import Notice, TableBuilt, Watcher
from ptmtorrent.model.key import origin_key, package_key
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.package import Asset, Package
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.pipeline.refining import Refining
from ptmtorrent.shards.manifest import Shard
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import ShardWriter
from ptmtorrent.store.base import BlobStore

Row = dict[str, Any]

STATE = ("packages", "assets", "hubs", "origins", "refs", "unreachable", "not_held", "blobs")
FACTS = ("commits", "files")
HISTORY = ("attempts",)
COUNTS_AT_ONCE = 1000


@dataclass(slots=True)
class Build:
    """Builds the tables of one snapshot.

    Attributes:
        hosts: host of a git URL -> its name in ``origins.kind``; others are called by their host.
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
    _shards: dict[str, tuple[Shard, ...]] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)
    _counted: list[tuple[int, str, int, list[str]]] = field(default_factory=list)

    def run(self) -> Mapping[str, tuple[Shard, ...]]:
        """Write all tables; returns the shards of each, new ones only."""
        self._packages()
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
                "first_page_at": _instant(listing.first_page_at),
                "last_page_at": _instant(listing.last_page_at),
                "unreachable_since": _instant(listing.unreachable_since),
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
            yield {**attempt, "at": _instant(attempt["at"])}

    def _origins(self) -> None:
        names = ("origins", "refs", "unreachable", "not_held", "commits", "files")
        with ExitStack() as stack:
            writers = {name: stack.enter_context(self._writer(name)) for name in names}
            for row in self.ledger.reads.origins():
                self._origin(row, writers)
        self._keep_counts()
        for name in names:
            self._finished(name, writers[name])

    def _origin(self, row: OriginRow, writers: Mapping[str, ShardWriter]) -> None:
        if row.visit is None or row.holding is None:
            writers["origins"].write([self._origin_row(row, None, None, None)])
            return
        visit = Visit.from_bytes(self.store.read(row.visit))
        holding = Holding.from_bytes(self.store.read(row.holding))
        told = self.ledger.reads.told_visits(row.id)
        count = self.ledger.reads.commit_count(row.id, row.visit)
        if count is not None and row.visit in {name for name, _ in told}:
            lost = self.ledger.reads.lost_commits(row.id)
        else:
            try:
                count, lost = self._tell(row.id, visit, holding, told, writers)
            except (SkipError, FailError) as error:
                row, count, lost = replace(row, reason=error.reason), None, []
                self.untold.append(row.url)
                self.watch(Notice(f"{row.url}: its facts are missing: {error.reason}: {error}"))
        writers["origins"].write([self._origin_row(row, visit, holding, count)])
        writers["refs"].write(ref_rows(visit))
        writers["unreachable"].write(lost_row(visit.url, oid) for oid in lost)
        writers["not_held"].write(not_held_rows(visit))

    def _tell(
        self,
        origin: int,
        visit: Visit,
        holding: Holding,
        told: Sequence[tuple[str, str]],
        writers: Mapping[str, ShardWriter],
    ) -> tuple[int, list[str]]:
        """Write the facts no earlier visit told; returns (commits reachable, commits lost).

        All or none: the rows of one origin are complete before the first is written, so an
        origin that cannot be read costs itself and is told whole by a later snapshot.
        """
        earlier = [
            (Visit.from_bytes(self.store.read(v)), Holding.from_bytes(self.store.read(h)))
            for v, h in told
        ]
        with workbench(self.store, visit, holding, earlier) as view:
            rows = {
                "commits": list(commits(view, self.privacy_key)),
                "files": list(files(view, self.store, self.ledger.reads.object_reason)),
            }
            lost = [row["oid"] for row in unreachable(view)]
            count = commit_count(view)
        for name, facts in rows.items():
            writers[name].write(facts)
        self._counted.append((origin, sha256_of(visit.to_bytes()), count, lost))
        if len(self._counted) >= COUNTS_AT_ONCE:
            self._keep_counts()
        return count, lost

    def _origin_row(
        self, row: OriginRow, visit: Visit | None, holding: Holding | None, commits: int | None
    ) -> Row:
        """A row of ``origins``; an origin never visited has its reason and little else."""
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
            "observed_at": _instant(row.observed_at),
        }

    def _keep_counts(self) -> None:
        with self.ledger.transaction():
            for counted in self._counted:
                self.ledger.roots.counted(*counted)
        self._counted.clear()


def package_row(row: PackageRow, package: Package, assets: Sequence[Row] = ()) -> Row:
    """A row of ``packages``: the record as listed, and what became of it and of its assets."""
    lacks = [a["reason"] for a in assets if not a["held"] and a["reason"] != SkipReason.UNSUPPORTED]
    return {
        "package_key": package_key(row.hub, row.package_id),
        "hub": row.hub,
        "package_id": row.package_id,
        "collection": package.collection,
        "name": package.name,
        "owner": package.owner,
        "former_names": json.loads(row.former_names),
        "url": package.url,
        "origin_key": None if row.origin is None else origin_key(row.origin),
        "origin": row.origin,
        "head": package.head,
        "status": row.status,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "task": package.task,
        "library": package.library,
        "framework": package.framework,
        "architecture": package.architecture,
        "license_raw": package.license_raw,
        "license_spdx": package.license_spdx,
        "languages": list(package.languages),
        "tags": list(package.tags),
        "datasets": list(package.datasets),
        "papers": [{"kind": paper.kind, "id": paper.id} for paper in package.papers],
        "downloads_30d": package.downloads_30d,
        "downloads_all": package.downloads_all,
        "likes": package.likes,
        "load_targets": [asdict(target) for target in package.load_targets],
        "entry_points": list(package.entry_points),
        "dependencies": list(package.dependencies),
        "parameters": package.parameters,
        "used_bytes": package.used_bytes,
        "created_at": package.created_at,
        "modified_at": package.modified_at,
        "depth": "history" if lacks and row.visit else _depth(row),
        "reason": row.visit_reason
        or (row.object_reason if row.lacks_objects else None)
        or next(filter(None, lacks), None),
        "raw_sha256": row.page,
        "raw_index": row.raw_index,
        "observed_at": parse_rfc3339(row.received_at),
    }


def asset_row(row: PackageRow, asset: Asset, found: AssetRow) -> Row:
    """A row of ``assets``: a file as its package names it, and what became of it."""
    return {
        "package_key": package_key(row.hub, row.package_id),
        "hub": row.hub,
        "package_id": row.package_id,
        "url": asset.url,
        "place": asset.place,
        "path": asset.path,
        "sha256_prefix": asset.sha256_prefix,
        "sha256": found.sha256,
        "size": found.size,
        "held": found.sha256 is not None,
        "reason": asset.reason or found.reason,
        "observed_at": _instant(found.observed_at),
    }


def ref_rows(visit: Visit) -> Iterator[Row]:
    """The rows of ``refs`` of a visit."""
    key = origin_key(visit.url)
    for ref in visit.refs:
        yield {
            "origin_key": key,
            "origin": visit.url,
            "name": ref.name,
            "target": ref.target,
            "kind": ref.kind,
            "commit": ref.commit,
        }


def lost_row(url: str, oid: str) -> Row:
    """A row of ``unreachable``."""
    return {"origin_key": origin_key(url), "origin": url, "oid": oid}


def not_held_rows(visit: Visit) -> Iterator[Row]:
    """The rows of ``not_held`` of a visit."""
    key = origin_key(visit.url)
    for blob in visit.not_held:
        yield {"origin_key": key, "origin": visit.url, "oid": blob.oid, "reason": blob.reason}


def _depth(row: PackageRow) -> str:
    if row.visit is None:
        return "listing"
    return "history" if row.lacks_blobs or row.lacks_objects else "full"


def _instant(text: str | None) -> Any:
    return None if text is None else parse_rfc3339(text)
