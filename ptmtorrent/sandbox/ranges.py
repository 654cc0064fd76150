"""Answers with the bytes of a file: whole, a range of it, or not modified (RFC 9110, 13 and 14)."""

import re
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.sandbox.exchange import Ask, FilePart, Reply

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Content:
    """What a URL stands for: bytes in memory or a file, its size and its entity tag."""

    source: bytes | Path
    size: int
    etag: str


def serve(ask: Ask, content: Content, headers: dict[str, str]) -> Reply:
    """The content, or the part of it that was asked for.

    Only single byte ranges are understood; anything else is answered whole, as RFC 9110 allows.
    """
    headers = {"Accept-Ranges": "bytes", "ETag": content.etag, **headers}
    if content.etag in ask.headers.get("If-None-Match", ""):
        return Reply(status=304, headers=headers)
    found = wanted(ask.headers.get("Range"), content.size)
    if found is None or ask.headers.get("If-Range", content.etag) != content.etag:
        body = _piece(ask, content, 0, content.size)
        return Reply(headers=headers, body=body, length=content.size)
    first, end = found
    if first >= end:
        unsatisfied = {"Content-Range": f"bytes */{content.size}"}
        return Reply(status=416, headers=headers | unsatisfied)
    part = {"Content-Range": f"bytes {first}-{end - 1}/{content.size}"}
    body = _piece(ask, content, first, end)
    return Reply(status=206, headers=headers | part, body=body, length=end - first)


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """The half-open range that a header asks for: None means all, and first >= end nothing."""
    found = _RANGE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size if int(found[2]) else 0
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    return first, min(last + 1, size)


def _piece(ask: Ask, content: Content, first: int, end: int) -> bytes | FilePart:
    if isinstance(content.source, bytes):
        return content.source[first:end]
    return FilePart(ask.cleanup.enter_context(content.source.open("rb")), first, end)
