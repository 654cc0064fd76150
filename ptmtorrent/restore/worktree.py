"""The files of a head, by our own writer: no checkout, no attribute, no filter, no link.

A file in git-LFS is its object where that is held, else its pointer. Links are files that hold
their target, submodules are empty directories, executable files stay so. What differs from the
origin is reported.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.disk import CHUNK
from ptmtorrent.errors import (
    CorruptError,
    FailReason,
    IntegrityError,
    NotFoundError,
    SkipError,
    UsageError,
)
from ptmtorrent.extract.commit import parse_commit
from ptmtorrent.extract.objects import ObjectContent, ObjectReader, object_reader
from ptmtorrent.extract.repository import open_repository
from ptmtorrent.extract.tree import Entry, walk
from ptmtorrent.model.oid import POINTER_LIMIT, parse_pointer
from ptmtorrent.model.visit import Visit
from ptmtorrent.restore.report import Report
from ptmtorrent.restore.tree import TreeWriter
from ptmtorrent.store.base import BlobStore

MAX_COMMIT = 16 * 2**20
_LATEST = 2**32
_LINK = "120000"


def write_files(
    store: BlobStore, visit: Visit, repository: Path, folder: Path, report: Report
) -> None:
    """Write the files of a visit's head into an empty folder.

    Args:
        store: holds the LFS objects.
        visit: what is written.
        repository: a bare repository of that visit, without a remote.
        folder: where to; it is there and empty.
        report: is told what differs from the origin.

    Raises:
        NotFoundError: the visit has no head.
        IntegrityError: bytes are not what their name says.
        UsageError: there are too many files, or folders in folders, to be written out.
    """
    head = visit.head
    if head is None:
        raise NotFoundError(f"{visit.url} has no head whose files could be written")
    try:
        with (
            open_repository(repository) as repo,
            object_reader(repo) as reader,
            TreeWriter(folder, _committed(reader, head)) as tree,
        ):
            reasons = {blob.oid: blob.reason for blob in visit.not_held}
            worktree = _Worktree(store, reasons, reader, tree, report)
            for entry in walk(reader, head):
                worktree.write(entry)
    except CorruptError as error:
        raise IntegrityError(f"{visit.url}: the head cannot be read: {error}") from error
    except SkipError as error:
        raise UsageError(f"{visit.url}: {error}; restore it without --worktree") from error


def _committed(reader: ObjectReader, head: str) -> int:
    """When the head was committed, in seconds since the epoch; 0 where that is no time."""
    seconds = parse_commit(reader.content(head, MAX_COMMIT) or b"").committer.time or 0
    return seconds if 0 <= seconds < _LATEST else 0


@dataclass(frozen=True, slots=True)
class _Worktree:
    store: BlobStore
    reasons: Mapping[str, str]
    reader: ObjectReader
    tree: TreeWriter
    report: Report

    def write(self, entry: Entry) -> None:
        """Write one entry of the head."""
        if entry.is_submodule:
            self.report.file(entry.path, self.tree.folder(entry.path), "submodule")
            return
        for content in self.reader.contents([entry.oid]):
            if content is None or content.info.kind != "blob":
                reason = self.reasons.get(entry.oid, FailReason.CORRUPT)
                self.report.file(entry.path, None, "not_held", reason=reason)
            elif entry.is_file and content.info.size < POINTER_LIMIT:
                self._small(entry, content)
            else:
                what = ("link",) if entry.mode == _LINK else ()
                self._put(entry, _git_bytes(entry.oid, content), *what)

    def _small(self, entry: Entry, content: ObjectContent) -> None:
        """Write a file that may be a pointer."""
        data = b"".join(_git_bytes(entry.oid, content))
        pointer = parse_pointer(data)
        if pointer is None:
            self._put(entry, [data])
        elif self.store.has(pointer.sha256):
            self._put(entry, _store_bytes(self.store, pointer.sha256))
            self.report.count("lfs_held")
        else:
            self._put(entry, [data], "pointer", sha256=pointer.sha256)
            self.report.count("lfs_not_held")

    def _put(self, entry: Entry, chunks: Iterable[bytes], *what: str, **more: str) -> None:
        written = self.tree.file(entry.path, chunks, executable=entry.mode == "100755")
        self.report.file(entry.path, written, *what, **more)


def _git_bytes(oid: str, content: ObjectContent) -> Iterator[bytes]:
    """The bytes of a git blob; IntegrityError at their end unless they are what its id says."""
    digest = hashlib.sha1(b"blob %d\0" % content.info.size, usedforsecurity=False)
    for chunk in content.chunks():
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != oid:
        raise IntegrityError(f"git object {oid} is damaged")


def _store_bytes(store: BlobStore, sha256: str) -> Iterator[bytes]:
    """The bytes of a blob; IntegrityError at their end unless they are what its name says."""
    digest = hashlib.sha256()
    with store.open(sha256) as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != sha256:
        raise IntegrityError(f"blob {sha256} is damaged")
