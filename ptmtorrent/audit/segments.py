"""Segments and their indexes: every record whole, every entry of an index where it says.

What is no fault: a segment without an index (its writer was killed; the next makes one), bytes
after the last whole record (they were never acknowledged), and bytes in front of the end of an
index that it leaves out (a damaged record that was given up).
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground, check_file, entries, is_there
from ptmtorrent.store.layout import number_of
from ptmtorrent.store.records import SEGMENT_MAGIC, Span, decode_index, scan, span_at
from ptmtorrent.store.segments import SEAL_BYTES

MOST_BYTES = 4 * SEAL_BYTES
"""No segment and no index is larger; what is, is not read into memory."""

Spans = dict[bytes, Span]


def check_segments(ground: Ground) -> Iterator[Fault]:
    """Every segment with its index; small blobs are quick to read, so quick leaves none out."""
    for path in _segments(ground.layout.segments, ground):
        if isinstance(path, Fault):
            yield path
            continue
        yield from _segment(ground, path)


def _segments(folder: Path, ground: Ground) -> Iterator[Path | Fault]:
    """The segments by name, also those that only have an index left."""
    seen: Path | None = None
    for entry in entries(ground, folder):
        if isinstance(entry, Fault):
            yield entry
            continue
        path = Path(entry.path)
        is_part = any(number_of(path, suffix) is not None for suffix in (".seg", ".idx"))
        if is_part and path.with_suffix(".seg") != seen:
            seen = path.with_suffix(".seg")
            yield seen


def _segment(ground: Ground, path: Path) -> Iterator[Fault]:
    beside = path.with_suffix(".idx")
    side, found = ground.findings(beside), ground.findings(path)
    index = _index(ground, beside, side) if is_there(beside) else None
    yield from side
    if not is_there(path):
        found.add(FaultKind.MISSING, f"the segment of {beside.name}", "nothing")
    elif check_file(path, found) is not None:
        _bytes(ground, path, found, index)
    yield from found


def _index(ground: Ground, path: Path, found: Findings) -> tuple[int, Spans] | None:
    """What an index covers, and its entries; None when it cannot be used."""
    if check_file(path, found) is None:
        return None
    data = _read(path, found)
    if data is None:
        return None
    ground.seen(ground.name(path))
    try:
        covered, listed = decode_index(data)
    except ValueError as error:
        found.add(FaultKind.CONTENT, "an index of a segment", error)
        return None
    digests = [digest for digest, _ in listed]
    if digests != sorted(set(digests)):
        found.add(FaultKind.CONTENT, "entries sorted by digest", "another order")
    if covered != max((span.end for _, span in listed), default=0):
        found.add(FaultKind.RECORD, "to cover the records it lists", f"{covered} bytes")
    return covered, dict(listed)


def _bytes(ground: Ground, path: Path, found: Findings, index: tuple[int, Spans] | None) -> None:
    data = _read(path, found)
    if data is None:
        return
    ground.seen(ground.name(path))
    if not (data.startswith(SEGMENT_MAGIC) or SEGMENT_MAGIC.startswith(data)):
        found.add(FaultKind.CONTENT, SEGMENT_MAGIC, data[: len(SEGMENT_MAGIC)])
    for fault in _records(ground, data, index):
        found.add(*fault)


def _read(path: Path, found: Findings) -> bytes | None:
    data: bytes | None = None
    with found.reading():
        size = path.lstat().st_size
        if size > MOST_BYTES:
            found.add(FaultKind.SIZE, f"at most {MOST_BYTES} bytes", size)
        else:
            data = path.read_bytes()
    return data


def _records(
    ground: Ground, data: bytes, index: tuple[int, Spans] | None
) -> Iterator[tuple[FaultKind, str, str]]:
    """Faults of the records of a segment, as (kind, expected, found)."""
    covered, listed = index or (0, {})
    good: Spans = {}
    end = len(SEGMENT_MAGIC)
    for digest, span in scan(data, 0):
        good[digest] = span
        ground.seen(digest.hex())
        start = span_at(0, 0).offset
        if span.offset - start > end >= covered:
            yield FaultKind.CONTENT, f"a whole record at byte {end}", "one that is damaged"
        if span.end <= covered and digest not in listed:
            yield FaultKind.RECORD, f"blob {digest.hex()} in the index", "nothing about it"
        end = span.end
    for digest, span in listed.items():
        if good.get(digest) != span:
            wanted = f"blob {digest.hex()} at byte {span.offset}"
            yield FaultKind.DIGEST, wanted, _there(data, span)


def _there(data: bytes, span: Span) -> str:
    part = data[span.offset : span.end]
    if len(part) < span.length:
        return f"the segment ends at byte {len(data)}"
    return f"bytes with sha256 {hashlib.sha256(part).hexdigest()}"
