"""The ledger: one SQLite file that indexes the journal and holds the state of work.

WAL with ``synchronous=FULL``: with NORMAL a power cut lost every acknowledged commit (measured).
Three faces share one connection: ``roots`` takes journal lines in, ``work`` plans, leases and
closes items, ``reads`` answers questions. Not thread-safe: callers keep to one thread.
"""

import fnmatch
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError
from ptmtorrent.ledger.reads import Reads
from ptmtorrent.ledger.roots import Roots
from ptmtorrent.ledger.statements import text_of
from ptmtorrent.ledger.work import Work

APPLICATION_ID = 0x50544D54
"""``PTMT``: what ``file`` and SQLite show of who made the database."""

VERSION = 2


class Ledger:
    """An open ledger."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.roots = Roots(connection)
        self.work = Work(connection)
        self.reads = Reads(connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for writing; made anew when it is not there.

        Raises:
            IntegrityError: the file is no ledger of this version, or is damaged.
            FatalError: the machine refuses.
        """
        with _translated(path):
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.create_function("name_matches", 2, fnmatch.fnmatchcase, deterministic=True)
            _create_or_check(connection, path)
        return cls(connection, path)

    @classmethod
    def open_to_read(cls, path: Path) -> Self:
        """Open beside a running writer; never writes. NotFoundError when there is none yet."""
        if not path.is_file():
            raise NotFoundError(f"no ledger at {path}; run `ptmtorrent list` or `snapshot` first")
        with _translated(path):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA query_only = ON")
            if not _has_tables(connection):
                connection.close()
                raise NotFoundError(f"the ledger {path} is just being made; ask again")
            _check(connection, path)
        return cls(connection, path)

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Everything inside is committed together, durably, or not at all.

        Not to ``keep`` it takes everything back at the end: for asking what would come of it.
        """
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT" if keep else "ROLLBACK")

    def close(self) -> None:
        """Fold the write-ahead log in and let go."""
        self._connection.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        text = f"the ledger {path} cannot be used: {error}"
        raise FatalError(f"{text}; check free space and permissions, then run again") from error
    except sqlite3.DatabaseError as error:
        text = f"the ledger {path} is damaged: {error}"
        raise IntegrityError(f"{text}; move it away, and it is rebuilt from the journal") from error


def _create_or_check(connection: sqlite3.Connection, path: Path) -> None:
    if _has_tables(connection):
        _check(connection, path)
        return
    connection.executescript(
        f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        f"{text_of('schema.sql')} COMMIT;"
    )


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is not None


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = tuple(
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    if found[0] != APPLICATION_ID:
        raise IntegrityError(f"{path} is not a ledger of ptmtorrent")
    if found[1] != VERSION:
        text = f"the ledger {path} has version {found[1]}, this tool has {VERSION}"
        raise IntegrityError(f"{text}; move it away, and it is rebuilt from the journal")
