"""Segments made smaller, and records in them given up.

A segment is never changed in place. What is to stay is written into a new one, which is synced and
indexed before the old one goes: first its index, then itself, each durably, so that an index never
outlives the segment it speaks of. A process killed in between leaves records twice, which harms
nobody.
"""

from collections.abc import Callable
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import IntegrityError
from ptmtorrent.store.records import FRAME_BYTES, Span
from ptmtorrent.store.segments import OpenSegment, Segment, Segments

IsGarbage = Callable[[bytes], bool]


def compact(segments: Segments, is_garbage: IsGarbage) -> int:
    """Rewrite every segment of which more than half is garbage; returns the bytes freed.

    A segment with a live record that cannot be read stays as it is: nothing is removed that is
    not safely elsewhere.
    """
    freed = 0
    for segment in segments.sealed():
        live, gone = _parted(segment, is_garbage)
        if is_worth_it(_weight(live), _weight(gone)) and _is_readable(segment, live):
            freed += _rewrite(segments, segment, live)
    return freed


def is_worth_it(live: int, gone: int) -> bool:
    """Whether a segment of so many bytes is rewritten: more than half of it is garbage."""
    return gone > live


def give_up(segments: Segments, digest: bytes, keep: Callable[[bytes], None]) -> bool:
    """Hand the bytes of bad records of a blob to ``keep``, and index their segments without them.

    Returns whether there was one; a good record is never touched.
    """
    found = False
    for segment in segments.sealed():
        span = segment.find(digest)
        if span is not None and not _is_readable(segment, {digest: span}):
            keep(_raw(segment.path, span))
            with segments.replacing(segment) as successors:
                rest = {d: s for d, s in segment.spans().items() if d != digest}
                segment.close()
                successors.append(Segment.seal(segment.path, rest))
            found = True
    return found


def _parted(segment: Segment, is_garbage: IsGarbage) -> tuple[dict[bytes, Span], dict[bytes, Span]]:
    """The records that are wanted, and those that are not."""
    live, gone = dict[bytes, Span](), dict[bytes, Span]()
    for digest, span in sorted(segment.spans().items()):
        (gone if is_garbage(digest) else live)[digest] = span
    return live, gone


def _weight(spans: dict[bytes, Span]) -> int:
    """Bytes of records, each with its frame."""
    return sum(span.length + FRAME_BYTES for span in spans.values())


def _is_readable(segment: Segment, spans: dict[bytes, Span]) -> bool:
    try:
        for digest, span in spans.items():
            segment.read(digest, span)
    except IntegrityError:
        return False
    return True


def _rewrite(segments: Segments, segment: Segment, live: dict[bytes, Span]) -> int:
    before = segment.path.stat().st_size
    with segments.replacing(segment) as successors:
        if live:
            successors.append(_copy(segment, live))
        _discard(segment)
    return before - sum(successor.path.stat().st_size for successor in successors)


def _copy(segment: Segment, live: dict[bytes, Span]) -> Segment:
    copy = OpenSegment.begin(segment.path.parent)
    try:
        for digest, span in live.items():
            copy.append(digest, segment.read(digest, span))
        copy.write_out()
        copy.sync()
    finally:
        copy.close()
    return Segment.seal(copy.path, copy.spans)


def _discard(segment: Segment) -> None:
    """Remove a segment, its index first."""
    segment.close()
    for path in (segment.path.with_suffix(".idx"), segment.path):
        path.unlink(missing_ok=True)
        disk.sync_dir(path.parent)


def _raw(path: Path, span: Span) -> bytes:
    with path.open("rb") as stream:
        stream.seek(span.offset)
        return stream.read(span.length)
