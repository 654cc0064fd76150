"""One package of a snapshot, and the bytes of its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import duckdb

from ptmtorrent.errors import NotFoundError
from ptmtorrent.shards.export import rows_of

Row = Mapping[str, Any]

_FIND = """
SELECT * FROM packages
WHERE hub = $hub AND (
  package_id = $id OR name = $name OR package_id = $name OR list_contains(former_names, $name)
)
ORDER BY name = $name DESC, package_id = $name DESC, status = 'gone', last_seen DESC, package_id
LIMIT 1
"""
_FILE = "SELECT * FROM files WHERE origin_key = $key AND path = $path"
_BATCH_ROWS = 100


class Contents(Protocol):
    """Reads the bytes of a file, wherever they are held."""

    def open(self, origin: str, oid: str, sha256: str | None) -> BinaryIO:
        """The content of a git blob of an origin, or of what its pointer stands for.

        NotFoundError if it is not held.
        """
        ...


@dataclass(frozen=True, slots=True)
class Package:
    """A package at a snapshot.

    Attributes:
        row: its row of ``packages``, by column.
    """

    row: Row
    _connection: duckdb.DuckDBPyConnection
    _contents: Contents | None

    def file(self, path: str) -> Row:
        """The row of ``files`` of a path at the head. NotFoundError if it has none."""
        rows = _select(self._connection, _FILE, {"key": self.row["origin_key"], "path": path})
        if not rows:
            raise NotFoundError(f"{self.row['hub']}:{self.row['name']} has no file {path}")
        return rows[0]

    def open(self, path: str) -> BinaryIO:
        """The bytes of a file of the head. NotFoundError if it is not there or not held."""
        file = self.file(path)
        if not file["held"]:
            reason = file["reason"] or "fetch it at a greater depth"
            raise NotFoundError(f"{path} of {self.row['name']} is not held: {reason}")
        if self._contents is None:
            raise NotFoundError("this dataset was opened without the store behind it")
        return self._contents.open(file["origin"], file["oid"], file["sha256"])


def find_package(
    connection: duckdb.DuckDBPyConnection, contents: Contents | None, hub: str, name: str
) -> Package:
    """The package of a hub by name, package id, former name, or ``id=PACKAGE_ID`` alone."""
    wanted = name.removeprefix("id=")
    by_name = None if wanted != name else name
    rows = _select(connection, _FIND, {"hub": hub, "id": wanted, "name": by_name})
    if not rows:
        raise NotFoundError(f"no package {hub}:{name} in this snapshot")
    return Package(rows[0], connection, contents)


def _select(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]
) -> Sequence[Row]:
    found = connection.sql(query, params=dict(values))
    rows = rows_of(found.to_arrow_reader(_BATCH_ROWS))
    return [dict(zip(found.columns, row, strict=True)) for row in rows]
