"""Files of a head: rows of the table ``files``.

A head is told once; what an earlier visit of it lacked is told when it is there.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ptmtorrent.errors import SkipReason
from ptmtorrent.extract.blob import BlobFacts, BlobFactsReader
from ptmtorrent.extract.format import format_of
from ptmtorrent.extract.tree import Entry, walk
from ptmtorrent.extract.workbench import OriginView
from ptmtorrent.model.key import origin_key
from ptmtorrent.model.oid import Pointer
from ptmtorrent.store.base import BlobStore

Row = dict[str, Any]
_BATCH = 256


def files(view: OriginView, store: BlobStore) -> Iterator[Row]:
    """Rows of ``files`` for the head's tree, by path in byte order.

    Of a head that an earlier visit had, only files whose content that visit lacked and this one
    has (it was fetched deeper): a row with a sha256 then stands beside the one without.
    For a git-LFS pointer, size and sha256 are those of the blob it stands for, and ``held`` says
    whether ``store`` has that blob; why it has not is known to who tried to fetch it, not here.
    Raises SkipError (over_limit) when the tree is too large.
    """
    if not view.is_new_head and not view.came_since:
        return
    lacking = {blob.oid: blob.reason for blob in view.visit.not_held}
    about = {
        "origin_key": origin_key(view.visit.url),
        "origin": view.visit.url,
        "revision": view.visit.head,
    }
    for entry, facts in _entries(view):
        if not view.is_new_head and entry.oid not in view.came_since:
            continue
        pointer = facts.pointer if facts and entry.is_file else None
        if pointer is not None:
            yield about | _path(entry, b"") | _pointed(pointer, store)
        elif facts is not None:
            yield about | _path(entry, facts.start) | _held(facts)
        else:
            yield about | _path(entry, b"") | _not_held(entry, lacking)


def _entries(view: OriginView) -> Iterator[tuple[Entry, BlobFacts | None]]:
    head = view.visit.head
    if head is None:
        return
    blobs, entries = BlobFactsReader(view.reader), walk(view.reader, head)
    while batch := list(islice(entries, _BATCH)):
        facts = blobs.facts(entry.oid for entry in batch if not entry.is_submodule)
        yield from ((entry, facts.get(entry.oid)) for entry in batch)


def _path(entry: Entry, start: bytes) -> Row:
    """The path as text, and as bytes where the text does not say it all."""
    path = entry.path.decode("utf-8", "replace")
    return {
        "path": path,
        "path_bytes": None if path.encode() == entry.path else entry.path,
        "mode": entry.mode,
        "oid": entry.oid,
        "format": format_of(path, start) if entry.is_file else None,
    }


def _pointed(pointer: Pointer, store: BlobStore) -> Row:
    return {
        "size": pointer.size,
        "sha256": pointer.sha256,
        "lfs": True,
        "held": store.has(pointer.sha256),
        "reason": None,
    }


def _held(facts: BlobFacts) -> Row:
    return {"size": facts.size, "sha256": facts.sha256, "lfs": False, "held": True, "reason": None}


def _not_held(entry: Entry, lacking: Mapping[str, str]) -> Row:
    """What is known without the content: of a file not even whether it is a pointer."""
    reason = SkipReason.UNSUPPORTED.value if entry.is_submodule else lacking.get(entry.oid)
    is_lfs = None if entry.is_file else False
    return {"size": None, "sha256": None, "lfs": is_lfs, "held": False, "reason": reason}
