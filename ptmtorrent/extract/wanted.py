"""What the head of a freshly fetched repository stands for.

Two kinds of blobs are wanted under their sha256: those git-LFS pointers stand for, which are yet
to be fetched, and large files that came in git, which are put into the store here, so that equal
bytes are held once whatever brought them.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ptmtorrent.errors import SkipError, SkipReason
from ptmtorrent.extract.objects import ObjectInfo, ObjectReader, object_reader
from ptmtorrent.extract.repository import open_repository
from ptmtorrent.extract.tree import walk
from ptmtorrent.extract.workbench import lay_out, machine_errors, throw_away
from ptmtorrent.model.oid import POINTER_LIMIT, Pointer, parse_pointer
from ptmtorrent.model.visit import Visit, Wanted
from ptmtorrent.store.base import BlobStore

LARGE = 1024 * 1024
"""A file in git of this many bytes or more is also held under its sha256."""

MOST = 4 * 1024**3
"""Bytes of the large files of one head together: a small pack can unpack to terabytes."""

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Found:
    """What a fetched repository is found to hold.

    Attributes:
        kinds: of the objects asked for, those that are here -> (type, the commit that they are or
            that tags lead to, or None).
        wanted: what the files of the head stand for, by path; nothing unless all were here.
    """

    kinds: dict[str, tuple[str, str | None]]
    wanted: tuple[Wanted, ...] = ()


def look_over(git_dir: Path, targets: Collection[str], head: str | None, store: BlobStore) -> Found:
    """See whether ``targets`` are there; list what ``head`` stands for; keep its large files.

    Blobs that the repository lacks are passed over. Raises SkipError (over_limit) when the tree
    is too large, CorruptError when it cannot be read.
    """
    with (
        _without_promisor(git_dir, store) as directory,
        open_repository(directory) as repo,
        object_reader(repo) as reader,
    ):
        kinds = dict(_kinds(reader, targets))
        if head is None or len(kinds) < len(targets):
            return Found(kinds)
        return Found(kinds, tuple(_Head(reader, store).wanted(head)))


def _kinds(
    reader: ObjectReader, targets: Collection[str]
) -> Iterator[tuple[str, tuple[str, str | None]]]:
    peeled = reader.infos(f"{oid}^{{}}" for oid in targets)
    for oid, info, end in zip(targets, [*reader.infos(targets)], peeled, strict=True):
        if info is not None:
            yield oid, (info.kind, end.oid if end and end.kind == "commit" else None)


def _without_promisor(git_dir: Path, store: BlobStore) -> AbstractContextManager[Path]:
    is_filtered = any((git_dir / "objects/pack").glob("*.promisor"))
    return _apart(git_dir, store) if is_filtered else nullcontext(git_dir)


@contextmanager
def _apart(git_dir: Path, store: BlobStore) -> Iterator[Path]:
    """A repository with the objects of ``git_dir`` and none of its configuration.

    A filtered clone knows a promisor, and git ends at the first object it would have to ask the
    promisor for, instead of saying that the object is missing.
    """
    with throw_away(store) as directory:
        lay_out(directory, Visit("", (), None, None))
        with machine_errors(directory):
            (directory / "objects/info").mkdir()
            objects = f"{git_dir.absolute() / 'objects'}\n"
            (directory / "objects/info/alternates").write_text(objects)
        yield directory


@dataclass(slots=True)
class _Head:
    reader: ObjectReader
    store: BlobStore
    kept: dict[str, str] = field(default_factory=dict)
    left: int = field(default_factory=lambda: MOST)

    def wanted(self, head: str) -> Iterator[Wanted]:
        """What each file stands for, of those that stand for something."""
        entries = (entry for entry in walk(self.reader, head) if entry.is_file)
        while batch := list(islice(entries, _BATCH)):
            infos = [*filter(None, self.reader.infos(sorted({entry.oid for entry in batch})))]
            pointers = self._pointers([info.oid for info in infos if info.size < POINTER_LIMIT])
            large = {info.oid: self._keep(info) for info in infos if info.size >= LARGE}
            found = pointers | large
            for entry in batch:
                if entry.oid in found:
                    blob, path = found[entry.oid], entry.path.decode("utf-8", "surrogateescape")
                    yield Wanted(path, blob.sha256, blob.size, lfs=entry.oid in pointers)

    def _pointers(self, oids: list[str]) -> dict[str, Pointer]:
        found = {}
        for oid, content in zip(oids, self.reader.contents(oids), strict=True):
            pointer = parse_pointer(content.read(POINTER_LIMIT)) if content else None
            if pointer is not None:
                found[oid] = pointer
        return found

    def _keep(self, blob: ObjectInfo) -> Pointer:
        """Put a large blob into the store, unless it is there; what a pointer to it would say."""
        if blob.oid not in self.kept:
            self._spend(blob.size)
            digest = hashlib.sha256()
            for chunk in self._chunks(blob.oid):
                digest.update(chunk)
            self.kept[blob.oid] = digest.hexdigest()
            self._store(Pointer(self.kept[blob.oid], blob.size), blob.oid)
        return Pointer(self.kept[blob.oid], blob.size)

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise SkipError(f"more than {MOST} bytes in large files", SkipReason.OVER_LIMIT)

    def _store(self, content: Pointer, oid: str) -> None:
        if self.store.has(content.sha256):
            return
        with closing(self.store.writer(content.sha256, content.size)) as writer:
            writer.restart()
            for chunk in self._chunks(oid):
                writer.write(chunk)
            writer.commit()

    def _chunks(self, oid: str) -> Iterator[bytes]:
        for content in self.reader.contents([oid]):
            yield from content.chunks() if content else ()
