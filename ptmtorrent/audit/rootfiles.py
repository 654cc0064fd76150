"""The files of a root itself: what makes it one, the key of the pseudonyms, the list of garbage.

``lock`` is a courtesy and may say anything.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground, check_file, is_there
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.store.root import format_bytes

KEY_BYTES = 32
KEY_MODE = 0o600
_MOST_BYTES = 4096


def check_root(ground: Ground) -> Iterator[Fault]:
    """``ptmtorrent.json``, ``privacy.key``, and the list of garbage if there is one."""
    for path, check in (
        (ground.layout.format_file, _check_format),
        (ground.layout.privacy_key, _check_key),
        (ground.layout.garbage, _check_garbage),
    ):
        found = ground.findings(path)
        if is_there(path):
            check(ground, found)
        elif path != ground.layout.garbage:
            found.add(FaultKind.MISSING, "a file that every root has", "nothing")
        ground.seen(found.name)
        yield from found


def _check_format(ground: Ground, found: Findings) -> None:
    path = ground.layout.format_file
    if check_file(path, found) is None:
        return
    with found.reading():
        data = _start_of(path)
        if not _is_format(data):
            found.add(FaultKind.CONTENT, "a format and its check", data)


def _check_key(ground: Ground, found: Findings) -> None:
    path = ground.layout.privacy_key
    status = check_file(path, found, KEY_MODE)
    if status is None:
        return
    if status.st_size != KEY_BYTES:
        found.add(FaultKind.SIZE, f"{KEY_BYTES} bytes", f"{status.st_size} bytes")
        return
    with found.reading():
        named, actual = _key_named_by(_start_of(ground.layout.format_file)), _start_of(path)
        if named not in (None, sha256_of(actual)):
            found.add(FaultKind.CONTENT, f"the key of sha256 {named}", sha256_of(actual))


def _start_of(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES)


def _is_format(data: bytes) -> bool:
    """Whether every byte of a format file is right, as far as it vouches for itself."""
    try:
        value = json.loads(data)
        return data == format_bytes(value["created_by"], value.get("key_sha256"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _key_named_by(data: bytes) -> str | None:
    """The sha256 of the key by a format file; None if that is damaged, or of an old root."""
    key: str | None = json.loads(data).get("key_sha256") if _is_format(data) else None
    return key


def _check_garbage(ground: Ground, found: Findings) -> None:
    """The list of what no root reaches; its loss costs time alone, yet it should be readable."""
    path = ground.layout.garbage
    if check_file(path, found) is None:
        return
    with found.reading():
        data = path.read_bytes()
        try:
            is_right = canonical_json(json.loads(data)) + b"\n" == data
        except (ValueError, RecursionError):
            is_right = False
        if not is_right:
            found.add(FaultKind.CONTENT, "a list of garbage", data)
