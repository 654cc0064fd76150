"""Small blobs, many to a file.

A *segment* is written by one process only, which made it with a name that was free, so no lock is
needed. It is sealed when full: synced, indexed, and never written again. A segment whose writer
was killed is read up to its last good record, and indexed by the next process that writes here.
"""

import heapq
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from threading import Lock

from ptmtorrent import disk
from ptmtorrent.store.layout import number_of, numbered
from ptmtorrent.store.records import (
    SEGMENT_MAGIC,
    Index,
    Span,
    encode_index,
    frame,
    read_record,
    scan,
    span_at,
)

SEAL_BYTES = 64 * 1024 * 1024
SEAL_RECORDS = 65_536

_SUFFIX = ".seg"
_BUFFER_BYTES = 4 * 1024 * 1024


class Segment:
    """A segment that is only read: its index, and what was found behind it."""

    def __init__(self, path: Path, index: Index | None, tail: dict[bytes, Span]) -> None:
        self.path = path
        self._index = index
        self._tail = tail

    @classmethod
    def open(cls, path: Path, *, write: bool) -> "Segment":
        """Open one; as a writer, index what has no index yet (and make sure that it is durable)."""
        index = Index.open(path.with_suffix(".idx"))
        start = index.covered if index else 0
        tail = _scan_tail(path, start)
        if tail and write:
            known = index.spans() if index else {}
            disk.sync_again(path, start)
            return cls.seal(path, known | tail)
        return cls(path, index, tail)

    @classmethod
    def seal(cls, path: Path, spans: dict[bytes, Span]) -> "Segment":
        """Write the index of a synced segment and open it."""
        covered = max((span.end for span in spans.values()), default=0)
        disk.write_atomic(path.with_suffix(".idx"), encode_index(spans, covered))
        return cls(path, Index.open(path.with_suffix(".idx")), {})

    def find(self, digest: bytes) -> Span | None:
        """Where a blob is, or None."""
        span = self._tail.get(digest)
        return self._index.find(digest) if span is None and self._index else span

    def read(self, digest: bytes, span: Span) -> bytes:
        """The bytes of a blob, verified."""
        return read_record(self.path, digest, span)

    def digests(self) -> Iterable[bytes]:
        """The digests, sorted."""
        return heapq.merge(self._index or (), sorted(self._tail))

    def spans(self) -> dict[bytes, Span]:
        """Where each blob is; all of it in memory."""
        return (self._index.spans() if self._index else {}) | self._tail

    def close(self) -> None:
        """Let go of the index."""
        if self._index:
            self._index.close()


def _scan_tail(path: Path, start: int) -> dict[bytes, Span]:
    if path.stat().st_size <= start:
        return {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        return dict(scan(pages, start))


class OpenSegment:
    """The segment this process writes: appended to in memory, written out in few large pieces."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spans: dict[bytes, Span] = {}
        self._fd = disk.create(path)
        self._buffer = bytearray(SEGMENT_MAGIC)
        self._written = self._synced = 0

    @classmethod
    def begin(cls, folder: Path) -> "OpenSegment":
        """Make the next segment of the series; its name is ours alone."""
        number = max((number_of(path, _SUFFIX) or 0 for path in folder.iterdir()), default=0)
        while True:
            number += 1
            try:
                return cls(numbered(folder, number, _SUFFIX))
            except FileExistsError:
                continue

    @property
    def end(self) -> int:
        """Bytes so far, written or not."""
        return self._written + len(self._buffer)

    @property
    def is_full(self) -> bool:
        """Whether it is time to seal it."""
        return self.end >= SEAL_BYTES or len(self.spans) >= SEAL_RECORDS

    def find(self, digest: bytes) -> Span | None:
        """Where a blob is, or None."""
        return self.spans.get(digest)

    def append(self, digest: bytes, data: bytes) -> None:
        """Add a record; written to the file when enough have come together."""
        self.spans[digest] = span_at(self.end, len(data))
        self._buffer += frame(digest, data)
        if len(self._buffer) >= _BUFFER_BYTES:
            self.write_out()

    def read(self, digest: bytes, span: Span) -> bytes:
        """The bytes of a blob, verified when they come from the file."""
        if span.offset < self._written:
            return read_record(self.path, digest, span)
        start = span.offset - self._written
        return bytes(self._buffer[start : start + span.length])

    def digests(self) -> Iterable[bytes]:
        """The digests, sorted."""
        return sorted(self.spans)

    def write_out(self) -> None:
        """Hand what is in memory to the file."""
        disk.write_all(self._fd, bytes(self._buffer), self._written)
        self._written += len(self._buffer)
        self._buffer.clear()

    def sync(self) -> None:
        """Make what was written out durable."""
        written = self._written
        if written > self._synced:
            disk.sync_tail(self._fd, self._synced)
        if self._synced == 0:
            disk.sync_dir(self.path.parent)
        self._synced = written

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


class Segments:
    """All segments of a store. Safe to call from several threads.

    Two locks: ``_lock`` is held for moments, ``_syncing`` while the disk works, by one thread.
    """

    def __init__(self, folder: Path, sealed: list[Segment], fuse: disk.Fuse) -> None:
        self._folder = folder
        self._fuse = fuse
        self._sealed = sealed
        self._full: list[OpenSegment] = []
        self._active: OpenSegment | None = None
        self._lock = Lock()
        self._syncing = Lock()

    @classmethod
    def open(cls, folder: Path, *, write: bool, fuse: disk.Fuse) -> "Segments":
        """Open the segments of a folder; a reader writes nothing."""
        with disk.refusals(folder):
            found = folder.iterdir() if folder.is_dir() else ()
            paths = sorted(path for path in found if number_of(path, _SUFFIX) is not None)
            return cls(folder, [Segment.open(path, write=write) for path in paths], fuse)

    def size(self, digest: bytes) -> int | None:
        """Bytes of a blob, or None if it is not in a segment."""
        with self._lock:
            found = self._find(digest)
        return found[1].length if found else None

    def read(self, digest: bytes) -> bytes | None:
        """The bytes of a blob, verified, or None. IntegrityError when they are damaged."""
        with self._lock, disk.refusals(self._folder):
            found = self._find(digest)
            return found[0].read(digest, found[1]) if found else None

    def append(self, digest: bytes, data: bytes) -> None:
        """Add a blob; known ones are not written twice. Durable after ``flush``."""
        with self._lock:
            if self._find(digest) is None:
                with self._fuse.guard(self._folder):
                    self._append(digest, data)
            is_much = len(self._full) > 1
        if is_much:
            self.flush()

    def flush(self) -> None:
        """Make everything added before the call durable, and seal what is full."""
        with self._syncing, self._fuse.guard(self._folder):
            with self._lock:
                full = list(self._full)
                unsynced = [*full, self._active] if self._active else full
                for segment in unsynced:
                    segment.write_out()
            for segment in unsynced:
                segment.sync()
            for segment in full:
                self._seal(segment)

    def digests(self) -> Iterator[bytes]:
        """Each digest once, sorted, as of the call; memory does not grow with their number."""
        with self._lock:
            sources = [segment.digests() for segment in self._all()]
        return (digest for digest, _ in groupby(heapq.merge(*sources)))

    def close(self) -> None:
        """Let go of all files; what was not flushed is lost."""
        for segment in self._all():
            segment.close()
        self._sealed, self._full, self._active = [], [], None

    def seal(self) -> None:
        """Flush, and seal the segment being written, however small: the next open is quick."""
        with self._lock:
            self._retire()
        self.flush()

    def sealed(self) -> list[Segment]:
        """The segments that are only read; flushes, and seals the one being written."""
        self.seal()
        with self._lock:
            return list(self._sealed)

    @contextmanager
    def replacing(self, old: Segment) -> Iterator[list[Segment]]:
        """Put what the block adds to the list in the place of a sealed segment.

        Nobody else reads or writes meanwhile. A block that fails leaves the segment in its place.
        """
        with self._syncing, self._lock, self._fuse.guard(self._folder):
            successors: list[Segment] = []
            yield successors
            at = self._sealed.index(old)
            self._sealed[at : at + 1] = successors

    def _append(self, digest: bytes, data: bytes) -> None:
        if self._active is None:
            self._active = OpenSegment.begin(self._folder)
        self._active.append(digest, data)
        if self._active.is_full:
            self._retire()

    def _retire(self) -> None:
        if self._active is not None:
            self._full.append(self._active)
            self._active = None

    def _seal(self, segment: OpenSegment) -> None:
        sealed = Segment.seal(segment.path, segment.spans)
        with self._lock:
            self._full.remove(segment)
            self._sealed.append(sealed)
        segment.close()

    def _find(self, digest: bytes) -> tuple[Segment | OpenSegment, Span] | None:
        for segment in self._all():
            span = segment.find(digest)
            if span is not None:
                return segment, span
        return None

    def _all(self) -> Iterator[Segment | OpenSegment]:
        if self._active is not None:
            yield self._active
        yield from self._full
        yield from reversed(self._sealed)
