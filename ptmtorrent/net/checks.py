"""Pure checks of response headers against what was asked for."""

import re
from collections.abc import Mapping

from ptmtorrent.errors import CorruptError, NetworkError
from ptmtorrent.net.text import safe_url
from ptmtorrent.policy.ratelimit import parse_imf_date

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_HTML = (b"<!doctype html", b"<html")
_NOW_S = 60


def looks_like_html(headers: Mapping[str, str], body: bytes = b"") -> bool:
    """Whether an answer is a web page, as captive portals and error pages are."""
    is_declared = headers.get("content-type", "").lower().startswith("text/html")
    return is_declared or body[:512].lstrip().lower().startswith(_HTML)


def check_page(
    url: str, status: int, headers: Mapping[str, str], accept: str | None, body: bytes
) -> None:
    """NetworkError when a success is a web page where something else was wanted."""
    wants_page = accept is None or "html" in accept or "*/*" in accept
    if status < 300 and not wants_page and looks_like_html(headers, body):
        where = safe_url(url)
        raise NetworkError(f"a web page in place of data: {where}", url=where, status=status)


def check_end(url: str, status: int, headers: Mapping[str, str]) -> None:
    """NetworkError when nothing would tell a body that is cut short from a whole one.

    Without length and chunks a body ends with its connection, however that came to its end
    (RFC 9112, 6.3). Only for bodies whose size nobody knows beforehand.
    """
    is_framed = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")
    if status < 300 and status != 204 and not is_framed:
        where = safe_url(url)
        raise NetworkError(f"nothing tells where the body ends: {where}", url=where, status=status)


def content_range(value: str) -> tuple[int, int, int | None] | None:
    """First byte, last byte and total of a ``Content-Range`` (RFC 9110, 14.4), or None."""
    match = _CONTENT_RANGE.fullmatch(value.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    return None if first > last or (total is not None and last >= total) else (first, last, total)


def size_of_whole(headers: Mapping[str, str]) -> int | None:
    """Bytes of the thing that a success brings, or brings a part of; None if it does not say."""
    if "content-range" in headers:
        served = content_range(headers["content-range"])
        return None if served is None else served[2]
    length = headers.get("content-length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def last_modified(headers: Mapping[str, str]) -> float | None:
    """When the thing was changed last (Unix seconds), as its server says; None if it does not.

    A time less than a minute before that of the answer says nothing (RFC 9110, 8.8.2.2): some
    servers always say "now".
    """
    changed = parse_imf_date(headers.get("last-modified", ""))
    answered = parse_imf_date(headers.get("date", ""))
    if changed is not None and answered is not None and changed > answered - _NOW_S:
        return None
    return changed


def served_from(
    url: str, status: int, headers: Mapping[str, str], start: int, size: int | None
) -> int:
    """The offset that the body of a successful answer begins at: ``start``, or 0.

    Raises:
        CorruptError: another status than 200 and 206, another range or size than asked for, or
            a content encoding.
        NetworkError: too short, or a web page of another size.
    """
    where = safe_url(url)
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise CorruptError(f"an encoding that was not asked for: {where}", url=where, status=status)
    if status == 206 and start and _is_rest(headers, start, size):
        begin = start
    elif status == 200:
        begin = 0
    else:
        message = f"not the bytes that were asked for ({status}): {where}"
        raise CorruptError(message, url=where, status=status)
    _check_length(where, headers, None if size is None else size - begin)
    return begin


def _is_rest(headers: Mapping[str, str], start: int, size: int | None) -> bool:
    served = content_range(headers.get("content-range", ""))
    if served is None or served[0] != start:
        return False
    _, last, total = served
    end = size if size is not None else total
    return (total is None or total == end) and (end is None or last == end - 1)


def _check_length(where: str, headers: Mapping[str, str], expected: int | None) -> None:
    length = headers.get("content-length", "")
    if expected is not None and not length and looks_like_html(headers):
        raise NetworkError(f"a web page in place of data: {where}", url=where)
    if expected is None or not _LENGTH.fullmatch(length) or int(length) == expected:
        return
    if looks_like_html(headers) or int(length) < expected:
        raise NetworkError(f"{length} bytes in place of {expected}: {where}", url=where)
    raise CorruptError(f"{length} bytes announced, {expected} expected: {where}", url=where)
