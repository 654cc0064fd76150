"""Single files of an origin at rest: by path and revision, or those that a listing is made of."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ptmtorrent.extract.tree import MAX_TREE_BYTES, Entry, parse_tree, walk
from ptmtorrent.extract.workbench import OriginView, workbench
from ptmtorrent.model.bundle import File
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.store.base import BlobStore

MAX_FILE = 4 * 2**20
"""Bytes; a larger file is no card, no manifest and no source code."""
PAGE_FILES = 5000
PAGE_BYTES = 16 * 2**20
"""A page of files ends when it has so many, or so many bytes."""

_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HeldTree:
    """Reads files of one origin by path. What is not there is None; nothing is followed."""

    view: OriginView

    def read(self, path: str, revision: str | None = None) -> bytes | None:
        """A file's content; None when it is not there, not held, or larger than ``MAX_FILE``.

        Args:
            path: from the root of the repository.
            revision: a tag, a branch, or a whole commit id; None for the head.

        Raises:
            CorruptError: the repository cannot be read.
        """
        commit = self._commit(revision)
        entry = None if commit is None else self._entry(commit, path)
        if entry is None or not entry.is_file:
            return None
        return self._content(entry.oid, MAX_FILE)

    def content(self, oid: str) -> bytes:
        """A blob by id; empty when it is not held, or larger than ``MAX_FILE``."""
        return self._content(oid, MAX_FILE) or b""

    def _commit(self, revision: str | None) -> str | None:
        visit = self.view.visit
        if revision is None:
            return visit.head
        known = {ref.name: ref.commit for ref in visit.refs}
        named = known.get(f"refs/tags/{revision}") or known.get(f"refs/heads/{revision}")
        return named or (revision if _OID.fullmatch(revision) else None)

    def _entry(self, commit: str, path: str) -> Entry | None:
        tree: str | None = f"{commit}^{{tree}}"
        entry = None
        for name in _bytes(path).split(b"/"):
            data = None if tree is None else self._content(tree, MAX_TREE_BYTES)
            entry = next((e for e in parse_tree(data or b"") if e.path == name), None)
            tree = entry.oid if entry is not None and entry.is_tree else None
        return entry

    def _content(self, name: str, limit: int) -> bytes | None:
        [info] = self.view.reader.infos([name])
        return None if info is None or info.size > limit else self.view.reader.content(name, limit)


@contextmanager
def held_tree(store: BlobStore, visit: Visit, holding: Holding) -> Iterator[HeldTree]:
    """An origin's files, laid out for reading; all is gone at the end.

    Raises:
        CorruptError: the repository cannot be read.
        IntegrityError: a pack is missing or broken.
    """
    with workbench(store, visit, holding) as view:
        yield HeldTree(view)


def page_of_files(
    tree: HeldTree, wanted: Callable[[str], bool], after: str
) -> tuple[tuple[File, ...], bool]:
    """Files of the head in the order of their paths, as many as a page takes; are there more?

    A file that is larger than ``MAX_FILE`` or not held comes empty.
    """
    head = tree.view.visit.head
    files: list[File] = []
    size = 0
    for entry in walk(tree.view.reader, head) if head is not None else ():
        path = entry.path.decode("utf-8", "surrogateescape")
        if not entry.is_file or entry.path <= _bytes(after) or not wanted(path):
            continue
        if len(files) == PAGE_FILES or size > PAGE_BYTES:
            return tuple(files), True
        files.append((path, tree.content(entry.oid)))
        size += len(files[-1][1])
    return tuple(files), False


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
