"""The git-LFS batch API as values: what is asked, and what the answer means. Pure.

Source: git-lfs docs/api/batch.md and the schemas beside it. A ``transfer`` key, ``authenticated``
and expiry are optional; no action on a download means that the object is not there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ptmtorrent.errors import CorruptError, ItemError, SkipError, SkipReason
from ptmtorrent.model.oid import Pointer

MEDIA_TYPE = "application/vnd.git-lfs+json"
HEADERS = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}

FORBIDDEN_HEADERS = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""What an action may not set for us."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_QUOTA = re.compile(r"quota|budget|bandwidth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Action:
    """Where an object can be downloaded, and the headers to send along."""

    href: str
    headers: Mapping[str, str] = field(default_factory=dict)


def request_of(pointer: Pointer) -> dict[str, Any]:
    """The request for one download, basic transfer only."""
    return {
        "operation": "download",
        "transfers": ["basic"],
        "objects": [{"oid": pointer.sha256, "size": pointer.size}],
        "hash_algo": "sha256",
    }


def action_of(body: bytes, pointer: Pointer) -> Action:
    """The download action for an object in a batch answer.

    Raises:
        SkipError: the server says it has no such object, or no quota left for it.
        CorruptError: the answer is not one to this request.
    """
    try:
        entries = json.loads(body)["objects"]
        entry = next(e for e in entries if e["oid"] == pointer.sha256)
        size, error = entry.get("size", pointer.size), entry.get("error")
        href = entry.get("actions", {}).get("download", {}).get("href")
        headers = entry.get("actions", {}).get("download", {}).get("header", {})
        named = [(str(k), str(v)) for k, v in headers.items()]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        raise CorruptError("the LFS batch answer is not one to our request") from None
    if error is not None:
        raise error_of(error)
    if href is None:
        raise SkipError("the LFS server offers no download", SkipReason.MISSING_AT_ORIGIN)
    if not isinstance(href, str) or size != pointer.size:
        raise CorruptError(f"the LFS server says {size} bytes, the pointer {pointer.size}")
    return Action(href, dict(pair for pair in named if _may_send(*pair)))


def quota_error(status: int, body: bytes) -> SkipError | None:
    """The error of a batch that was refused whole because a quota is used up, if it was.

    507 and 509 are the specification's; GitHub says 403 and the word.
    """
    message = body[:1000].decode("utf-8", "replace")
    if status in (507, 509) or (status == 403 and _QUOTA.search(message)):
        text = f"the LFS quota is used up: {message}"
        return SkipError(text, SkipReason.LFS_QUOTA, status=status)
    return None


def error_of(error: object) -> ItemError:
    """What an object's error in a batch answer means."""
    code = error.get("code") if isinstance(error, dict) else None
    message = str(error.get("message", "")) if isinstance(error, dict) else str(error)
    if code in (507, 509) or _QUOTA.search(message):
        return SkipError(f"the LFS quota is used up: {message}", SkipReason.LFS_QUOTA)
    if code in (404, 410):
        return SkipError(f"not at the LFS server: {message}", SkipReason.MISSING_AT_ORIGIN)
    return CorruptError(f"the LFS server refuses the object: {code} {message}")


def _may_send(name: str, value: str) -> bool:
    fits = _TOKEN.fullmatch(name) and _VALUE.fullmatch(value)
    return bool(fits) and name.lower() not in FORBIDDEN_HEADERS
