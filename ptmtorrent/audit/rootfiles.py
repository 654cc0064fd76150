"""The files of a root itself: what makes it one, the key of the pseudonyms, the list of garbage.

``lock`` is a courtesy and may say anything. Nothing anywhere knows the bytes of the key, so only
its length and its mode can be checked.
"""

import json
import re
from collections.abc import Iterator

from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground, check_file, is_there
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.store.root import FORMAT

KEY_BYTES = 32
KEY_MODE = 0o600
_MOST_BYTES = 4096
_RELEASE = re.compile(r"[0-9]+(\.[0-9A-Za-z+]+)*")


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
    with found.reading(), path.open("rb") as stream:
        data = stream.read(_MOST_BYTES)
        if not _is_format(data):
            found.add(FaultKind.CONTENT, f'{{"created_by":VERSION,"format":{FORMAT}}}', data)


def _is_format(data: bytes) -> bool:
    try:
        value = json.loads(data)
        maker, number = value["created_by"], value["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    is_made = isinstance(maker, str) and _RELEASE.fullmatch(maker) is not None
    written = canonical_json({"created_by": maker, "format": FORMAT}) + b"\n"
    return is_made and number == FORMAT and data == written


def _check_key(ground: Ground, found: Findings) -> None:
    status = check_file(ground.layout.privacy_key, found, KEY_MODE)
    if status is not None and status.st_size != KEY_BYTES:
        found.add(FaultKind.SIZE, f"{KEY_BYTES} bytes", f"{status.st_size} bytes")


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
