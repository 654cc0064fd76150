"""What changed between two snapshots: the packages, and what the heads of their origins hold.

What a snapshot does not know (an origin never visited, a listing that was cut off, files that could
not be read) is never a change. Everything is computed in DuckDB, which goes to disk when a table is
larger than memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.query.connection import connect
from ptmtorrent.shards.export import rows_of
from ptmtorrent.shards.manifest import load, order_of, snapshots


class Kind(StrEnum):
    """What happened to a package; what ``before`` and ``after`` of a change then are.

    A file's content is its sha256, and its git oid where one of the snapshots lacks that.
    """

    ADDED = "added"
    """It is new, or back: its status."""
    GONE = "gone"
    """It is not there any more: its status."""
    RENAMED = "renamed"
    """Its name."""
    GATED = "gated"
    """Its status."""
    UNGATED = "ungated"
    """Its status."""
    HEAD = "head"
    """The commit its repository's HEAD leads to; as visited, else as the hub lists it."""
    WEIGHTS = "weights"
    """sha256 of the list of the head's weight files, as sha256sum(1) writes one, by path."""
    LICENCE = "licence"
    """The licence as the hub or the package writes it."""
    CARD = "card"
    """The content of the head's README.md."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was; ``before`` or ``after`` is None where there was nothing."""

    hub: str
    package_id: str
    name: str
    change: Kind
    before: str | None
    after: str | None


class Comparison:
    """Two snapshots of a dataset, compared. A context manager, for closing.

    Args:
        folder: the dataset.
        before: the id of a snapshot.
        after: the id of another; it may be the older one.

    Raises:
        NotFoundError: there is no such snapshot; the message names the nearest.
        IntegrityError: a manifest or shard is missing, changed or damaged.
    """

    def __init__(self, folder: Path, before: str, after: str) -> None:
        place = Path(folder).resolve()
        known = snapshots(place)
        for snapshot in (before, after):
            check_snapshot(snapshot, known)
        manifests = {"before": load(place, before), "after": load(place, after)}
        self._connection = connect(place, manifests)
        try:
            for statement in _statements():
                self._connection.execute(statement)
        except duckdb.Error as error:
            self._connection.close()
            raise IntegrityError(f"{before} and {after} cannot be compared: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def counts(self) -> list[tuple[str, str, int]]:
        """(hub, kind, changes), sorted."""
        return self._connection.sql(_COUNTS).fetchall()

    def changes(self) -> Iterator[Change]:
        """Every change, by hub, name, package id and kind; a batch is in memory at a time."""
        found = self._connection.sql(_CHANGES)
        for hub, package_id, name, kind, *values in rows_of(found.to_arrow_reader(_BATCH_ROWS)):
            yield Change(hub, package_id, name, Kind(kind), *values)


def check_snapshot(snapshot: str, known: tuple[str, ...]) -> None:
    """NotFoundError, naming the nearest, unless the snapshot is one of those ``known``."""
    if snapshot in known:
        return
    near = nearest(snapshot, known)
    hint = f"the nearest is {near}" if near else f"there is: {', '.join(known) or 'none'}"
    raise NotFoundError(f"no snapshot {snapshot!r}; {hint}")


def nearest(snapshot: str, known: tuple[str, ...]) -> str | None:
    """The snapshot whose day is nearest, the earlier of two; None if there is none to name."""
    try:
        day, number = order_of(snapshot)
        at = date.fromisoformat(day)
    except ValueError:
        return None

    def distance(other: str) -> tuple[int, int]:
        other_day, other_number = order_of(other)
        return abs((date.fromisoformat(other_day) - at).days), abs(other_number - number)

    return min(known, key=distance, default=None)


def _statements() -> Iterator[str]:
    yield _MACROS
    for side in ("before", "after"):
        yield _FACTS.format(side=side)
    yield _PAIRS
    for side in ("before", "after"):
        yield _CONTENT.format(side=side)
    yield _COMPARE


_BATCH_ROWS = 4096
_CHANGES = "SELECT * FROM changes ORDER BY hub, name, package_id, change"
_COUNTS = "SELECT hub, change, count(*) FROM changes GROUP BY ALL ORDER BY ALL"

_MACROS = """
-- By format; and what is in LFS, unless its format says that it is something else.
CREATE MACRO is_weight(format, lfs) AS
    coalesce(format, '') IN (
        'safetensors', 'gguf', 'onnx', 'tflite', 'hdf5', 'keras', 'msgpack', 'pickle', 'torch',
        'torch_zip', 'protobuf', 'npy', 'npz'
    ) OR (coalesce(lfs, false) AND coalesce(format, 'zip') IN ('zip', 'gzip', 'tar'));
-- The list of some files; NULL when there are none.
CREATE MACRO line(content, path) AS content || '  ' || path || chr(10);
"""

_FACTS = """
CREATE VIEW {side}.facts AS
SELECT p.hub, p.package_id, p.name, p.former_names, p.status, p.license_raw, p.origin_key,
    p.head AS listed, o.head AS visited, p.status <> 'gone' AS is_live
FROM packages AS p LEFT JOIN origins AS o ON o.origin_key = p.origin_key
"""

_PAIRS = """
-- A hub without immutable ids renames: one package is gone, and a new one was called so before.
CREATE TABLE renamed AS
SELECT new.hub, new.package_id, min(old.package_id) AS was
FROM after.facts AS new
JOIN before.facts AS old ON old.hub = new.hub AND old.name = new.former_names[-1]
WHERE new.is_live AND old.is_live
    AND NOT EXISTS (
        SELECT 1 FROM before.facts AS b
        WHERE b.hub = new.hub AND b.package_id = new.package_id AND b.is_live
    )
    AND NOT EXISTS (
        SELECT 1 FROM after.facts AS a
        WHERE a.hub = old.hub AND a.package_id = old.package_id AND a.is_live
    )
GROUP BY new.hub, new.package_id;

CREATE TABLE pairs AS
SELECT coalesce(new.hub, old.hub) AS hub,
    coalesce(new.package_id, old.package_id) AS package_id,
    coalesce(new.name, old.name) AS name,
    old, new,
    coalesce(old.is_live, false) AS was_there, coalesce(new.is_live, false) AS is_there,
    old.visited <> new.visited AS is_other_commit
FROM (
    SELECT * FROM before.facts AS b
    WHERE b.is_live OR NOT EXISTS (
        SELECT 1 FROM renamed AS r WHERE r.hub = b.hub AND r.package_id = b.package_id
    )
) AS old
FULL JOIN (
    SELECT a.*, coalesce(r.was, a.package_id) AS id
    FROM after.facts AS a
    LEFT JOIN renamed AS r ON r.hub = a.hub AND r.package_id = a.package_id
    WHERE NOT EXISTS (SELECT 1 FROM renamed AS w WHERE w.hub = a.hub AND w.was = a.package_id)
) AS new ON new.hub = old.hub AND new.id = old.package_id;

-- Gone packages have rows. Where a listing broke off, one without a row is not known of.
CREATE VIEW cut_off AS SELECT hub FROM after.hubs WHERE outcome IN ('cut', 'unreachable');

-- Only another commit can hold other files.
CREATE TABLE moved AS
SELECT old.origin_key AS before, new.origin_key AS after FROM pairs
WHERE was_there AND is_there AND is_other_commit
"""

_CONTENT = """
CREATE VIEW {side}.content AS
SELECT origin_key,
    sha256(string_agg(line(coalesce(sha256, oid), path), '' ORDER BY path, oid)
        FILTER (is_weight(format, lfs))) AS weights,
    sha256(string_agg(line(oid, path), '' ORDER BY path, oid)
        FILTER (is_weight(format, lfs))) AS weights_in_git,
    coalesce(bool_and(sha256 IS NOT NULL) FILTER (is_weight(format, lfs)), true) AS knows_weights,
    max(coalesce(sha256, oid)) FILTER (path = 'README.md') AS card,
    max(oid) FILTER (path = 'README.md') AS card_in_git,
    coalesce(bool_and(sha256 IS NOT NULL) FILTER (path = 'README.md'), true) AS knows_card
FROM files
WHERE origin_key IN (SELECT m.{side} FROM main.moved AS m)
GROUP BY origin_key
"""

_COMPARE = """
CREATE TABLE changes AS
WITH both_there AS (SELECT * FROM pairs WHERE was_there AND is_there),
with_files AS (
    SELECT p.hub, p.package_id, p.name, o, n
    FROM both_there AS p
    JOIN before.content AS o ON o.origin_key = p.old.origin_key
    JOIN after.content AS n ON n.origin_key = p.new.origin_key
    WHERE p.is_other_commit
)
SELECT hub, package_id, name, 'added' AS change, old.status AS before, new.status AS after
FROM pairs WHERE is_there AND NOT was_there
UNION ALL
SELECT hub, package_id, name, 'gone', old.status, new.status
FROM pairs
WHERE was_there AND NOT is_there
    AND (new.package_id IS NOT NULL OR hub NOT IN (SELECT hub FROM cut_off))
UNION ALL
SELECT hub, package_id, name, 'renamed', old.name, new.name
FROM both_there WHERE old.name <> new.name
UNION ALL
SELECT hub, package_id, name, 'gated', old.status, new.status
FROM both_there WHERE old.status <> 'gated' AND new.status = 'gated'
UNION ALL
SELECT hub, package_id, name, 'ungated', old.status, new.status
FROM both_there WHERE old.status = 'gated' AND new.status NOT IN ('gated', 'unseen')
UNION ALL
SELECT hub, package_id, name, 'head',
    CASE WHEN is_other_commit THEN old.visited ELSE old.listed END,
    CASE WHEN is_other_commit THEN new.visited ELSE new.listed END
FROM both_there WHERE is_other_commit OR old.listed <> new.listed
UNION ALL
SELECT hub, package_id, name, 'licence', old.license_raw, new.license_raw
FROM both_there WHERE old.license_raw IS DISTINCT FROM new.license_raw
UNION ALL
SELECT hub, package_id, name, 'weights', o.weights, n.weights
FROM with_files WHERE CASE WHEN o.knows_weights AND n.knows_weights
    THEN o.weights IS DISTINCT FROM n.weights
    ELSE o.weights_in_git IS DISTINCT FROM n.weights_in_git END
UNION ALL
SELECT hub, package_id, name, 'card', o.card, n.card
FROM with_files WHERE CASE WHEN o.knows_card AND n.knows_card
    THEN o.card IS DISTINCT FROM n.card
    ELSE o.card_in_git IS DISTINCT FROM n.card_in_git END
"""
