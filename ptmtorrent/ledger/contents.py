"""What a ledger says, for comparing it with another and with the store.

Reads a ledger that may be damaged anywhere: whatever SQLite makes of that is an IntegrityError,
also a message of its own that quotes bytes of a damaged schema and is no UTF-8.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ptmtorrent.errors import FatalError, IntegrityError
from ptmtorrent.ledger.ledger import APPLICATION_ID, VERSION
from ptmtorrent.ledger.reads import BATCH
from ptmtorrent.ledger.statements import statements

SQL = statements("contents.sql")
KEYS = {
    "schema": 2,
    "snapshots": 1,
    "listings": 2,
    "pages": 1,
    "packages": 1,
    "origins": 1,
    "visits": 2,
    "wanted": 2,
    "assets": 1,
    "objects": 1,
    "items": 2,
}
"""The tables that can be rebuilt -> how many of their first columns are the key."""

Row = tuple[Any, ...]
_MACHINE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM}


class Contents:
    """The contents of a ledger that nobody writes to. Texts come as bytes, as they are stored."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    @contextmanager
    def of(cls, path: Path) -> Iterator["Contents"]:
        """Open a ledger; SQLite may write beside it, and takes its log in.

        Raises IntegrityError when it is none, or of another version.
        """
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.text_factory = bytes
            contents = cls(connection, path)
            with contents._translated():
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA cell_size_check = ON")
                contents._check_kind()
            yield contents

    def problems(self) -> list[str]:
        """What SQLite itself finds wrong: structure, constraints, indexes, references."""
        with self._translated():
            rows = self._connection.execute("PRAGMA integrity_check").fetchall()
            broken = self._connection.execute("PRAGMA foreign_key_check").fetchall()
        words = [row[0].decode("utf-8", "backslashreplace") for row in rows]
        return [word for word in words if word != "ok"] + [
            f"row {rowid} of {table.decode('utf-8', 'backslashreplace')} refers to nothing"
            for table, rowid, *_ in broken
        ]

    def position(self) -> tuple[int, str] | None:
        """Number and digest of the last journal line that is in, or None."""
        with self._translated():
            row = self._connection.execute("SELECT applied, digest FROM position").fetchone()
        return (int(row[0]), row[1].decode("utf-8", "backslashreplace")) if row else None

    def is_settled(self) -> bool:
        """Whether every snapshot is finished, and every visit it tells of counted."""
        with self._translated():
            found = self._connection.execute(SQL["open"]).fetchone()
        return found is None

    def rows(self, name: str) -> Iterator[Row]:
        """The rows of a statement of ``contents.sql``, some in memory at a time."""
        with self._translated():
            cursor = self._connection.execute(SQL[name])
            while rows := cursor.fetchmany(BATCH):
                yield from rows

    def columns(self, name: str) -> list[str]:
        """The names of its columns."""
        with self._translated():
            cursor = self._connection.execute(SQL[name])
            return [column[0] for column in cursor.description]

    def _check_kind(self) -> None:
        for name, wanted in (("application_id", APPLICATION_ID), ("user_version", VERSION)):
            found = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != wanted:
                raise IntegrityError(f"its {name} is {found}, not {wanted}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _MACHINE:
                raise FatalError(f"{self._path}: {error}") from error
            raise IntegrityError(str(error)) from error
