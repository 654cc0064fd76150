r"""The bytes of a segment and of its index. Pure but for the streams it is given.

::

    NNNNNN.seg   "PTMSEG1\n", then records: length (u32, little endian), sha256 (32 bytes), bytes
    NNNNNN.idx   "PTMIDX1\n", covered (u64), count (u64), then ``count`` entries sorted by digest:
                 sha256 (32 bytes), offset of the blob's bytes (u32), length (u32);
                 at the end the sha256 of all before it

A record proves itself, so an index can always be made anew. What a killed writer or a power cut
leaves at the end of a segment does not prove itself; it was never acknowledged and is ignored. So
is a record that was damaged later: it is lost, and those behind it are found again.
"""

import hashlib
import mmap
import re
import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.errors import IntegrityError

SMALL = 64 * 1024
"""Blobs of fewer bytes than this go into segments."""

SEGMENT_MAGIC = b"PTMSEG1\n"

_INDEX_MAGIC = b"PTMIDX1\n"
_FRAME = struct.Struct("<I32s")
FRAME_BYTES = _FRAME.size
"""What a record costs beyond the bytes of its blob."""
_INDEX_HEAD = struct.Struct("<8sQQ")
_ENTRY = struct.Struct("<32sII")
_CHECKSUM = 32
_FRAME_LIKE = re.compile(rb"(?=..\0\0(?!\0{32}))", re.DOTALL)
"""Where a frame may begin: a length below 64 KiB, and a digest that is not all zeros."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the bytes of a blob are in its segment."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + self.length


def frame(digest: bytes, data: bytes) -> bytes:
    """One record."""
    return _FRAME.pack(len(data), digest) + data


def span_at(position: int, length: int) -> Span:
    """The span of the bytes in a record that begins at ``position``."""
    return Span(position + _FRAME.size, length)


def read_record(segment: Path, digest: bytes, span: Span) -> bytes:
    """The bytes of one blob, verified. IntegrityError when they or their frame do not match."""
    with segment.open("rb") as stream:
        stream.seek(span.offset - _FRAME.size)
        head, data = stream.read(_FRAME.size), stream.read(span.length)
    expected = _FRAME.pack(span.length, digest)
    if head != expected or hashlib.sha256(data).digest() != digest:
        raise IntegrityError(f"{segment}: blob {digest.hex()} at {span.offset} is damaged")
    return data


def scan(segment: bytes | mmap.mmap, start: int) -> Iterator[tuple[bytes, Span]]:
    """Digest and span of each good record from ``start`` on; what is damaged is passed over.

    Args:
        segment: its bytes.
        start: 0, or where a record begins.
    """
    position = max(start, len(SEGMENT_MAGIC))
    while position < len(segment):
        record = _record_at(segment, position)
        if record is None:
            record = _next_record(segment, position + 1)
        if record is None:
            return
        yield record
        position = record[1].end


def _next_record(segment: bytes | mmap.mmap, position: int) -> tuple[bytes, Span] | None:
    """The first good record behind a bad one."""
    for match in _FRAME_LIKE.finditer(segment, position):
        record = _record_at(segment, match.start())
        if record is not None:
            return record
    return None


def _record_at(segment: bytes | mmap.mmap, position: int) -> tuple[bytes, Span] | None:
    head = segment[position : position + _FRAME.size]
    if len(head) < _FRAME.size:
        return None
    length, digest = _FRAME.unpack(head)
    span = span_at(position, length)
    if length >= SMALL or span.end > len(segment):
        return None
    data = segment[span.offset : span.end]
    return (digest, span) if hashlib.sha256(data).digest() == digest else None


def encode_index(spans: Mapping[bytes, Span], covered: int) -> bytes:
    """The index of the first ``covered`` bytes of a segment."""
    body = bytearray(_INDEX_HEAD.pack(_INDEX_MAGIC, covered, len(spans)))
    for digest in sorted(spans):
        body += _ENTRY.pack(digest, spans[digest].offset, spans[digest].length)
    return bytes(body) + hashlib.sha256(body).digest()


def decode_index(data: bytes) -> tuple[int, list[tuple[bytes, Span]]]:
    """What the bytes of an index say: how many bytes it covers, and its entries as they stand.

    ValueError when they are no index, or not what its own digest says.
    """
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if not body.startswith(_INDEX_MAGIC) or hashlib.sha256(body).digest() != checksum:
        raise ValueError("its bytes are not what its own digest says")
    _, covered, count = _INDEX_HEAD.unpack_from(body)
    if len(body) != _position(count):
        raise ValueError(f"{count} entries do not fit its {len(data)} bytes")
    entries = _ENTRY.iter_unpack(body[_INDEX_HEAD.size :])
    return covered, [(digest, Span(offset, length)) for digest, offset, length in entries]


class Index:
    """The index of a segment, looked up where it lies on disk: it costs no memory.

    Attributes:
        covered: how many bytes of the segment it speaks of.
    """

    def __init__(self, pages: mmap.mmap) -> None:
        self._pages = pages
        _, self.covered, self._count = _INDEX_HEAD.unpack_from(pages)

    @classmethod
    def open(cls, path: Path) -> "Index | None":
        """Open an index; None when there is none, or it is damaged and must be made anew."""
        try:
            with path.open("rb") as file:
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError):
            return None
        if _is_sound(pages):
            return cls(pages)
        pages.close()
        return None

    def find(self, digest: bytes) -> Span | None:
        """Where the blob is, or None."""
        at = bisect_left(range(self._count), digest, key=self._digest)
        if at == self._count or self._digest(at) != digest:
            return None
        _, offset, length = _ENTRY.unpack_from(self._pages, _position(at))
        return Span(offset, length)

    def __iter__(self) -> Iterator[bytes]:
        return map(self._digest, range(self._count))

    def spans(self) -> dict[bytes, Span]:
        """All of it in memory."""
        entries = (_ENTRY.unpack_from(self._pages, _position(at)) for at in range(self._count))
        return {digest: Span(offset, length) for digest, offset, length in entries}

    def close(self) -> None:
        """Let go of the file."""
        self._pages.close()

    def _digest(self, at: int) -> bytes:
        start = _position(at)
        return self._pages[start : start + 32]


def _position(at: int) -> int:
    return _INDEX_HEAD.size + at * _ENTRY.size


def _is_sound(pages: mmap.mmap) -> bool:
    if len(pages) < _INDEX_HEAD.size + _CHECKSUM:
        return False
    magic, _, count = _INDEX_HEAD.unpack_from(pages)
    with memoryview(pages) as view, view[:-_CHECKSUM] as body:
        is_right = hashlib.sha256(body).digest() == view[-_CHECKSUM:]
    return magic == _INDEX_MAGIC and len(pages) == _position(count) + _CHECKSUM and is_right
