"""The journal: an append-only list of the store's roots, each line chained to the one before.

A line is canonical JSON, ended by a newline: ``n`` (running number), ``prev`` (sha256 of the line
before, without its newline), ``at`` (RFC 3339, UTC), ``kind``, and what the kind carries. Each
process that writes begins a file of its own, whose first line names the last line it saw; the
very first names 64 zeros. Bytes after the last newline of a file are what a killed writer left:
never acknowledged, ignored, and never removed. Two processes that write at once fork the chain;
both branches are whole, and their numbers overlap.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from ptmtorrent import disk
from ptmtorrent.errors import IntegrityError
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.store.layout import Layout, number_of, numbered

TAIL_BYTES = 1 << 20
"""No writer leaves more of a file unsynced than this."""

_SUFFIX = ".jsonl"
_OWN = ("n", "prev", "at", "kind")


@dataclass(frozen=True, slots=True)
class Head:
    """A line of the journal by its number and the sha256 of its bytes."""

    n: int
    digest: str


GENESIS = Head(0, "0" * 64)
"""What the first line of a journal follows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal.

    Attributes:
        prev: sha256 of the line before.
        at: when what it tells of was received; the caller's clock.
        payload: what the kind carries.
        digest: sha256 of the line itself, without its newline.
    """

    n: int
    prev: str
    at: datetime
    kind: str
    payload: Mapping[str, Any]
    digest: str

    @property
    def head(self) -> Head:
        """This line as the end of the chain."""
        return Head(self.n, self.digest)


class Journal:
    """The journal of a root. ``append`` and ``sync`` are safe to call from several threads."""

    def __init__(self, folder: Path, head: Head, *, write: bool) -> None:
        self._folder = folder
        self._head = head
        self._write = write
        self._buffer = bytearray()
        self._file: _JournalFile | None = None
        self._fuse = disk.Fuse()
        self._lock = Lock()

    @classmethod
    def open(cls, root: Path, *, write: bool) -> "Journal":
        """Open the journal of a root; reads only its last line.

        Raises IntegrityError when that line cannot be read, FatalError when the machine refuses.
        """
        folder = Layout(root).journal
        if write:
            disk.make_dirs(folder)
        with disk.refusals(folder):
            if write:
                _make_durable(folder)
            return cls(folder, _last_head(folder), write=write)

    @property
    def head(self) -> Head:
        """The last line, appended ones included."""
        return self._head

    def append(self, kind: str, at: datetime, **payload: Any) -> Entry:
        """Add a line; durable after ``sync``. ``at`` must know its time zone."""
        if not self._write:
            raise ValueError(f"{self._folder}: not open for writing")
        with self._lock:
            line = _encode(self._head, kind, at, payload)
            entry = decode(line)
            self._buffer += line + b"\n"
            self._head = entry.head
        return entry

    def sync(self) -> None:
        """After this returns, every line appended before the call survives a power cut."""
        with self._lock, self._fuse.guard(self._folder):
            if self._buffer:
                self._file = self._file or _JournalFile(self._folder)
                self._file.append(bytes(self._buffer))
                self._buffer.clear()

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The synced lines with a number above ``after``, in order, each checked.

        Reads from the file that holds line ``after + 1`` on; when there is none, only last lines.
        Raises IntegrityError, naming file and line, at the first that is unreadable or does not
        follow from the one before.
        """
        paths = _paths(self._folder)
        if after and all(_last_number(path) <= after for path in paths):
            return iter(())
        return (entry for entry in _Chain(paths, after).walk() if entry.n > after)

    def verify(self) -> int:
        """Check the whole chain; returns its number of lines. IntegrityError as ``entries``."""
        return sum(1 for _ in self.entries())

    def close(self) -> None:
        """Let go of the file; lines that were not synced are lost."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._buffer.clear()
            self._write = False


class _JournalFile:
    """The file this process appends to."""

    def __init__(self, folder: Path) -> None:
        self._fd = _create_next(folder)
        self._folder: Path | None = folder
        self._end = 0

    def append(self, data: bytes) -> None:
        for start in range(0, len(data), TAIL_BYTES):
            piece = data[start : start + TAIL_BYTES]
            disk.write_all(self._fd, piece, self._end)
            disk.sync_tail(self._fd, self._end)
            self._end += len(piece)
        if self._folder is not None:
            disk.sync_dir(self._folder)
            self._folder = None

    def close(self) -> None:
        os.close(self._fd)


class _Chain:
    """Checks lines as they are read.

    Memory grows with the number of files only: of the lines passed, just those are remembered
    that the first line of a later file follows.
    """

    def __init__(self, paths: list[Path], after: int) -> None:
        firsts = [(path, first) for path in paths if (first := _first_line(path)) is not None]
        decoded = [(path, _decode_at(line, path, "line 1")) for path, line in firsts]
        begin = max((i for i, (_, e) in enumerate(decoded) if e.n <= after + 1), default=0)
        self._files = decoded[begin:]
        self._wanted = {entry.prev for _, entry in self._files}
        self._passed = {GENESIS.digest: GENESIS.n}
        if begin:
            self._begin_at(self._files[0][1])

    def walk(self) -> Iterator[Entry]:
        for path, first in self._files:
            yield from self._file(path, self._before(path, first))

    def _begin_at(self, start: Entry) -> None:
        earlier = (e for _, e in self._files if e.n <= start.n)
        self._passed |= {entry.prev: entry.n - 1 for entry in earlier}

    def _before(self, path: Path, first: Entry) -> Head:
        n = self._passed.get(first.prev)
        if n is None:
            raise IntegrityError(f"{path}: line 1 follows a line that is not in the journal")
        return Head(n, first.prev)

    def _file(self, path: Path, before: Head) -> Iterator[Entry]:
        for number, line in enumerate(_lines(path), start=1):
            entry = _decode_at(line, path, f"line {number}")
            if (entry.n, entry.prev) != (before.n + 1, before.digest):
                raise IntegrityError(f"{path}: line {number} does not follow from the one before")
            before = entry.head
            if before.digest in self._wanted:
                self._passed[before.digest] = before.n
            yield entry


def _encode(head: Head, kind: str, at: datetime, payload: Mapping[str, Any]) -> bytes:
    if at.tzinfo is None or not payload.keys().isdisjoint(_OWN):
        raise ValueError(f"{kind}: a time without zone, or a reserved name in the payload")
    time = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    own = {"n": head.n + 1, "prev": head.digest, "at": time, "kind": kind}
    return canonical_json({**payload, **own})


def decode(line: bytes) -> Entry:
    """Read a line; ValueError, KeyError or TypeError when it is not one."""
    value = json.loads(line)
    payload = {key: item for key, item in value.items() if key not in _OWN}
    n, prev, at, kind = (value[key] for key in _OWN)
    if not (isinstance(n, int) and isinstance(prev, str) and isinstance(kind, str)):
        raise TypeError("wrong type")
    time = datetime.fromisoformat(at).astimezone(UTC)
    return Entry(n, prev, time, kind, payload, hashlib.sha256(line).hexdigest())


def _decode_at(line: bytes, path: Path, where: str) -> Entry:
    try:
        return decode(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path}: {where} cannot be read") from error


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    numbers = ((number_of(path, _SUFFIX), path) for path in folder.iterdir())
    return [path for _, path in sorted((n, path) for n, path in numbers if n is not None)]


def _create_next(folder: Path) -> int:
    number = max((number_of(path, _SUFFIX) or 0 for path in _paths(folder)), default=0)
    while True:
        number += 1
        try:
            return disk.create(numbered(folder, number, _SUFFIX))
        except FileExistsError:
            continue


def _lines(path: Path) -> Iterator[bytes]:
    with disk.refusals(path), path.open("rb") as stream:
        yield from (line[:-1] for line in stream if line.endswith(b"\n"))


def _first_line(path: Path) -> bytes | None:
    return next(_lines(path), None)


def _make_durable(folder: Path) -> None:
    """The last whole line, and its file's name: a writer is going to build upon it."""
    for path in reversed(_paths(folder)):
        disk.sync_again(path, path.stat().st_size - TAIL_BYTES)
        if _last_line(path) is not None:
            break
    disk.sync_dir(folder)


def _last_head(folder: Path) -> Head:
    """The last whole line."""
    for path in reversed(_paths(folder)):
        line = _last_line(path)
        if line is not None:
            return _decode_at(line, path, "the last line").head
    return GENESIS


def _last_number(path: Path) -> int:
    """The number of the last whole line of a file; 0 when it has none."""
    with disk.refusals(path):
        line = _last_line(path)
    return 0 if line is None else _decode_at(line, path, "the last line").n


def _last_line(path: Path) -> bytes | None:
    """The last line that has its newline, read from the end."""
    with path.open("rb") as stream:
        start = stream.seek(0, os.SEEK_END)
        tail = b""
        while start and tail.count(b"\n") < 2:
            size = min(start, disk.CHUNK // 16)
            start -= size
            stream.seek(start)
            tail = stream.read(size) + tail
    whole = tail[: tail.rfind(b"\n") + 1].split(b"\n")
    return whole[-2] if len(whole) > 1 else None
