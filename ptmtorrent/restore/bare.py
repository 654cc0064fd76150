"""A bare repository as the origin was: refs, HEAD, objects, and LFS objects where git-lfs looks.

Packs are linked from the store where that is possible. There are no hooks, and no remote but that
of an origin that could not be had whole: git must know whom it would have to ask for the rest, or
takes the repository for a broken one. Nothing here asks.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ptmtorrent.errors import CorruptError, FatalError, IntegrityError, SkipError
from ptmtorrent.extract.objects import ObjectReader, object_reader
from ptmtorrent.extract.repository import git_at, git_child, open_repository
from ptmtorrent.extract.tree import Entry, walk
from ptmtorrent.extract.workbench import add_pack, lay_out
from ptmtorrent.model.oid import POINTER_LIMIT, Pointer, parse_pointer
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.restore.place import check_bytes, place
from ptmtorrent.restore.report import Report
from ptmtorrent.store.base import BlobStore

REMOTE = "origin"
_BATCH = 256


def make_repository(store: BlobStore, visit: Visit, holding: Holding, directory: Path) -> int:
    """Make a bare repository of a visit without any remote; returns how many objects it reaches.

    Raises:
        IntegrityError: a pack is missing or damaged, or an object that the visit holds is missing.
        FatalError: the machine refuses.
    """
    lay_out(directory, visit)
    for pack in holding.packs:
        check_bytes(add_pack(store, directory, pack, visit.url), pack)
    try:
        return _count_objects(directory, visit)
    except CorruptError as error:
        raise IntegrityError(
            f"{visit.url}: its packs lack what they should hold: {error}"
        ) from error
    except SkipError as error:
        raise FatalError(f"{visit.url} cannot be checked: {error}") from error


def _count_objects(directory: Path, visit: Visit) -> int:
    """Walk everything that the refs reach; IntegrityError for what should be there and is not."""
    if visit.filter is None:
        return _walk(directory, visit, "--all", may_lack_others=False)
    _walk(directory, visit, "--filter=blob:none", "--all", may_lack_others=False)
    if visit.head is not None:
        _walk(directory, visit, "--no-walk", visit.head, may_lack_others=False)
    return _walk(directory, visit, "--all", may_lack_others=True)


def _walk(directory: Path, visit: Visit, *words: str, may_lack_others: bool) -> int:
    lacking = {blob.oid for blob in visit.not_held}
    command = ("rev-list", "--objects", "--no-object-names", "--missing=print", *words)
    present = 0
    with open_repository(directory) as repo, git_child(repo, *command) as child:
        for line in child.output:
            oid = line.decode().strip()
            if not oid.startswith("?"):
                present += 1
            elif oid[1:] not in lacking and not may_lack_others:
                raise IntegrityError(f"{visit.url}: object {oid[1:]} is missing in its packs")
    return present


def mark_partial(directory: Path, visit: Visit) -> None:
    """Tell git that missing objects are meant to be missing, and where they were."""
    for pack in (directory / "objects/pack").glob("pack-*.pack"):
        pack.with_suffix(".promisor").touch()
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": REMOTE,
        f"remote.{REMOTE}.url": visit.url,
        f"remote.{REMOTE}.promisor": "true",
        f"remote.{REMOTE}.partialclonefilter": visit.filter or "blob:none",
    }.items():
        with git_at(directory, "config", name, value):
            pass


def link_objects(store: BlobStore, visit: Visit, directory: Path, report: Report) -> None:
    """Link the LFS objects of the head that are held; the others are reported.

    Layout: git-lfs docs/spec.md, ``lfs/objects/OID[0:2]/OID[2:4]/OID``.
    """
    if visit.head is None:
        return
    with open_repository(directory) as repo, object_reader(repo) as reader:
        for entry, pointer in pointers(reader, visit.head):
            held = store.has(pointer.sha256)
            report.lfs(entry.path, pointer.sha256, held=held)
            oid = pointer.sha256
            path = directory / "lfs/objects" / oid[:2] / oid[2:4] / oid
            if held and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                place(store, oid, path)


def pointers(reader: ObjectReader, head: str) -> Iterator[tuple[Entry, Pointer]]:
    """The files of a head that are git-LFS pointers, by path."""
    files = (entry for entry in walk(reader, head) if entry.is_file)
    while batch := list(islice(files, _BATCH)):
        infos = reader.infos(sorted({entry.oid for entry in batch}))
        small = [info.oid for info in infos if info and info.size < POINTER_LIMIT]
        found = {
            oid: parse_pointer(content.read(POINTER_LIMIT))
            for oid, content in zip(small, reader.contents(small), strict=True)
            if content is not None
        }
        yield from ((entry, found_one) for entry in batch if (found_one := found.get(entry.oid)))
