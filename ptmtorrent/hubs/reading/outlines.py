"""What a page says in outline, as bytes between two of our processes."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from ptmtorrent.model.package import (
    Change,
    Drift,
    Outline,
    PackageStatus,
    ParsedPage,
    Unparsed,
)
from ptmtorrent.model.text import clean

_STATUS = {str(status): status for status in PackageStatus}


def to_bytes(page: ParsedPage[Outline]) -> bytes:
    """A page in outline as JSON; ``from_bytes`` makes the same of it."""
    packages = [_row(index, package) for index, package in page.packages]
    unparsed = [(one.index, clean(one.reason)) for one in page.unparsed]
    drift = [(one.field, one.change, one.records) for one in page.drift]
    return orjson.dumps((packages, unparsed, drift))


def from_bytes(data: bytes) -> ParsedPage[Outline]:
    """Read what ``to_bytes`` wrote."""
    packages, unparsed, drift = orjson.loads(data)
    return ParsedPage(
        _packages(packages),
        tuple(Unparsed(index, reason) for index, reason in unparsed),
        tuple(Drift(name, Change(change), records) for name, change, records in drift),
    )


def _row(index: int, package: Outline) -> Sequence[object]:
    return (
        index,
        package.package_id,
        package.name,
        package.origin,
        package.status,
        package.fingerprint,
        package.downloads_30d,
        package.used_bytes,
        package.twin,
    )


def _packages(rows: Iterable[Sequence[Any]]) -> tuple[tuple[int, Outline], ...]:
    packages = []
    for index, package_id, name, origin, status, fingerprint, downloads, used, twin in rows:
        outline = Outline(
            package_id=package_id,
            name=name,
            origin=origin,
            status=_STATUS[status],
            fingerprint=fingerprint,
            downloads_30d=downloads,
            used_bytes=used,
            twin=twin,
        )
        packages.append((index, outline))
    return tuple(packages)
