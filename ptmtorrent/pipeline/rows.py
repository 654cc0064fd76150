"""Rows of tables, each made of one thing that ledger and store know."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ptmtorrent.errors import SkipReason
from ptmtorrent.ledger.rows import AssetRow, PackageRow
from ptmtorrent.model.clock import parse_rfc3339
from ptmtorrent.model.key import origin_key, package_key
from ptmtorrent.model.package import Asset, Package
from ptmtorrent.model.visit import Visit

Row = dict[str, Any]


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
        "observed_at": instant(found.observed_at),
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


def instant(text: str | None) -> datetime | None:
    """A time as the ledger keeps it, as tables have it."""
    return None if text is None else parse_rfc3339(text)
