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

from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError, WriterActiveError
from ptmtorrent.ledger.figures import Figures
from ptmtorrent.ledger.reads import Reads
from ptmtorrent.ledger.roots import Roots
from ptmtorrent.ledger.statements import text_of
from ptmtorrent.ledger.work import Work

APPLICATION_ID = 0x50544D54
"""``PTMT``: what ``file`` and SQLite show of who made the database."""

VERSION = 4

PATIENCE_S = 10.0

CACHE_KIB = 32 * 1024
"""Of pages in memory: a listing touches its indexes all over."""

CHECKPOINT_PAGES = 4096
"""Pages (of 4 KiB) in the write-ahead log before it is folded in: a page that changes often is
then written to its place once for many changes."""

_PRIMARY = 0xFF
"""The bits of an extended result code that name its kind (SQLite, Result and Error Codes)."""


class Ledger:
    """An open ledger."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._others = self._changed_by_others()
        self.roots = Roots(connection)
        self.work = Work(connection)
        self.reads = Reads(connection)

    @classmethod
    def open(cls, path: Path, *, patience_s: float = PATIENCE_S) -> Self:
        """Open for writing; made anew when it is not there.

        A lock that another process holds is waited for ``patience_s`` seconds.

        Raises:
            IntegrityError: the file is no ledger of this version, or is damaged.
            WriterActiveError: another process is just making it, or keeps it to itself.
            FatalError: the machine refuses.
        """
        with _translated(path):
            connection = sqlite3.connect(
                path, timeout=patience_s, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
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
                uri, uri=True, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA query_only = ON")
            if not _has_tables(connection):
                connection.close()
                raise NotFoundError(f"the ledger {path} is just being made; ask again")
            _check(connection, path)
        return cls(connection, path)

    def check(self) -> None:
        """Read all of it. IntegrityError unless it is whole, as SQLite sees it."""
        with _translated(self._path):
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Everything inside is committed together, durably, or not at all.

        Not to ``keep`` it takes everything back at the end: for asking what would come of it.
        Figures that were counted before hold no longer once a row has changed (a statement that
        returns rows counts when all of them have been read).

        Raises:
            WriterActiveError: another process has written here since this one opened the ledger.
        """
        with self._alone(keep=keep):
            before = self._connection.total_changes
            yield
            if self._connection.total_changes != before:
                self.work.forget_figures()

    def figures(self, snapshot: int) -> Figures:
        """The figures of a snapshot: counted now, unless nothing was written since they were.

        Kept ones that cannot be read are counted anew, for they are derived.

        Raises:
            WriterActiveError: another process has written here since this one opened the ledger.
        """
        with self._alone():
            found = self.reads.kept_figures(snapshot)
            if found is None:
                found = self.reads.figures(snapshot)
                self.work.keep_figures(snapshot, found)
        return found

    def outdated(self) -> list[str]:
        """Snapshots whose kept figures are not what counting finds; there should be none."""
        with _translated(self._path):
            kept, count = self.reads.kept_figures, self.reads.figures
            return [name for seq, name in self.reads.with_figures() if kept(seq) != count(seq)]

    @contextmanager
    def _alone(self, *, keep: bool = True) -> Iterator[None]:
        """A transaction in which nobody else writes; WriterActiveError when somebody has."""
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._check_alone()
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT" if keep else "ROLLBACK")

    def _check_alone(self) -> None:
        """A fence that needs no lock file: whoever writes second finds the first one's commits."""
        if self._changed_by_others() != self._others:
            raise WriterActiveError(f"{self._path}: another process writes here; run one at a time")

    def _changed_by_others(self) -> int:
        """A number that changes whenever another connection commits (SQLite, PRAGMA docs)."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Fold the write-ahead log in and let go."""
        self._connection.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        if code == sqlite3.SQLITE_ERROR:
            raise _damaged(path, error) from error
        if code == sqlite3.SQLITE_BUSY:
            raise WriterActiveError(f"{path}: another process is using it; run again") from error
        text = f"the ledger {path} cannot be used: {error}"
        raise FatalError(f"{text}; check free space and permissions, then run again") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> IntegrityError:
    """What SQLite means by an error that is not the machine's: a format, a schema, a page."""
    text = f"the ledger {path} is damaged: {error}"
    return IntegrityError(f"{text}; move it away, and it is rebuilt from the journal")


def _create_or_check(connection: sqlite3.Connection, path: Path) -> None:
    if _has_tables(connection):
        _check(connection, path)
        return
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {VERSION}; {text_of('schema.sql')} COMMIT;"
        )
    except sqlite3.OperationalError:
        if connection.in_transaction and _has_tables(connection):
            raise WriterActiveError(f"{path}: another process is just making it") from None
        raise


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
