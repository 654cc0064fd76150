"""The workbench: a throw-away bare repository with the packs of some holdings on it.

    <scratch>/HEAD  config  packed-refs
    <scratch>/objects/pack/pack-<first 40 digits of its sha256>.{pack,idx}

There is no remote. Refs are those of the visit; refs of earlier visits are under
``refs/visits/<n>/``. Packs are placed by the store (a hard link where it can) and indexed anew.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ptmtorrent.errors import (
    CorruptError,
    FatalError,
    IntegrityError,
    NotFoundError,
    SkipError,
)
from ptmtorrent.extract.objects import ObjectReader, object_reader
from ptmtorrent.extract.reach import reachable
from ptmtorrent.extract.repository import ClosedRepo, Leash, git_at, open_repository
from ptmtorrent.model import bare
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.store.base import BlobStore

_MACHINE = ("No space left", "Disk quota exceeded", "Read-only file system", "Permission denied")


@dataclass(frozen=True)
class OriginView:
    """An origin at rest: a visit, the visits before it, and a repository that holds them all.

    ``reader`` is shared: who asks it something reads the answer before anybody else asks.
    """

    visit: Visit
    earlier: tuple[Visit, ...]
    repo: ClosedRepo
    reader: ObjectReader

    @property
    def tips(self) -> frozenset[str]:
        """The commits that HEAD, branches and tags lead to."""
        return _tips(self.visit)

    @property
    def earlier_tips(self) -> frozenset[str]:
        """The tips of all visits before."""
        return frozenset(tip for visit in self.earlier for tip in _tips(visit))

    @cached_property
    def reached(self) -> list[bytes]:
        """Binary ids of the commits that the tips reach, as a walk meets them; walked once."""
        return list(reachable(self.repo, self.tips))

    @cached_property
    def reached_before(self) -> frozenset[bytes]:
        """Binary ids of the commits that the earlier tips reach; walked once."""
        return frozenset(reachable(self.repo, self.earlier_tips))

    @property
    def is_new_head(self) -> bool:
        """Whether there is a head, and no earlier visit had the same."""
        head = self.visit.head
        return head is not None and all(head != visit.head for visit in self.earlier)

    @property
    def came_since(self) -> frozenset[str]:
        """Blobs of this head that earlier visits of it lacked, and that are here now."""
        head, lacking = self.visit.head, {blob.oid for blob in self.visit.not_held}
        before = (visit for visit in self.earlier if head is not None and visit.head == head)
        return frozenset(blob.oid for visit in before for blob in visit.not_held) - lacking


def _tips(visit: Visit) -> frozenset[str]:
    commits = (visit.head, *(ref.commit for ref in visit.refs))
    return frozenset(commit for commit in commits if commit is not None)


@contextmanager
def workbench(
    store: BlobStore,
    visit: Visit,
    holding: Holding,
    earlier: Sequence[tuple[Visit, Holding]] = (),
    leash: Leash | None = None,
) -> Iterator[OriginView]:
    """Lay out the packs of a visit and of those before it, and open them for reading.

    ``leash`` holds every process.

    The directory and every process are gone at the end, however the block is left. Raises
    IntegrityError, naming origin and pack, when a pack is not in the store or is not whole.
    """
    holdings = (holding, *(before for _, before in earlier))
    packs = dict.fromkeys(pack for one in holdings for pack in one.packs)
    visits = tuple(before for before, _ in earlier)
    with throw_away(store) as directory:
        lay_out(directory, visit, visits)
        for pack in packs:
            add_pack(store, directory, pack, visit.url, leash)
        with open_repository(directory, leash) as repo, object_reader(repo) as reader:
            yield OriginView(visit, visits, repo, reader)


@contextmanager
def throw_away(store: BlobStore) -> Iterator[Path]:
    """A directory that is gone at the end. FatalError when the machine refuses to remove it."""
    directory = store.scratch()
    try:
        yield directory
    finally:
        with machine_errors(directory):
            shutil.rmtree(directory)


@contextmanager
def machine_errors(directory: Path) -> Iterator[None]:
    """Translate what the machine refuses in a directory of ours into FatalError."""
    try:
        yield
    except OSError as error:
        raise FatalError(f"cannot write {directory}: {error.strerror}") from error


def lay_out(directory: Path, visit: Visit, earlier: Sequence[Visit] = ()) -> None:
    """Write a bare repository without objects: refs of the visits, no remote. FatalError."""
    with machine_errors(directory):
        (directory / "objects/pack").mkdir(parents=True)
        (directory / "refs").mkdir()
        (directory / "config").write_text(bare.CONFIG)
        (directory / "HEAD").write_bytes(_head(visit))
        (directory / "packed-refs").write_bytes(b"".join(_packed_refs(visit, earlier)))


def _packed_refs(visit: Visit, earlier: Sequence[Visit]) -> Iterator[bytes]:
    yield from _refs(visit, "refs/")
    for number, before in enumerate(earlier):
        yield from _refs(before, f"refs/visits/{number}/")


def _head(visit: Visit) -> bytes:
    if visit.head is not None and visit.head_ref is None:
        return visit.head.encode() + b"\n"
    name = visit.head_ref or "refs/heads/main"
    return b"ref: " + name.encode("utf-8", "surrogateescape") + b"\n"


def _refs(visit: Visit, prefix: str) -> Iterator[bytes]:
    for ref in visit.refs:
        name = prefix + ref.name.removeprefix("refs/")
        yield f"{ref.target} {name}\n".encode("utf-8", "surrogateescape")


def add_pack(
    store: BlobStore, directory: Path, pack: str, url: str, leash: Leash | None = None
) -> Path:
    """Place a pack of an origin in a bare repository and index it; returns where it is.

    Indexing reads every object of it. Raises IntegrityError, naming origin and pack, when the pack
    is not in the store or not whole; FatalError when the machine refuses.
    """
    path = directory / f"objects/pack/pack-{pack[:40]}.pack"
    try:
        store.place(pack, path)
        with git_at(directory, "index-pack", str(path.absolute()), leash=leash):
            pass
    except NotFoundError as error:
        raise IntegrityError(f"{url}: pack {pack} is not in the store") from error
    except (CorruptError, SkipError) as error:
        raise _unreadable(f"{url}: pack {pack}", str(error)) from error
    return path


def _unreadable(what: str, complaint: str) -> FatalError | IntegrityError:
    """The error that git's complaint means: the machine's fault, or the bytes'."""
    if any(word in complaint for word in _MACHINE):
        return FatalError(f"{what} cannot be indexed: {complaint}")
    return IntegrityError(f"{what} is broken: {complaint}")
