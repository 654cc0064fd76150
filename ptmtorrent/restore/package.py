"""Restore what is held of a package's origin: one visit, from whichever holding still has it."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.restore.bare import link_objects, make_repository, mark_partial
from ptmtorrent.restore.place import publish, stage
from ptmtorrent.restore.report import Report
from ptmtorrent.restore.worktree import write_files
from ptmtorrent.store.base import BlobStore

REPORT_SUFFIX = ".restore.jsonl"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be restored.

    Attributes:
        package: HUB:NAME, for the report.
        snapshot: the id of the snapshot, for the report.
        visit: name of the visit.
        holdings: names of holdings that may keep it, the best first.
    """

    package: str
    snapshot: str
    visit: str
    holdings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored.

    Attributes:
        directory: where it is.
        report: the file beside it with a line for everything that is not plain.
        form: ``bare`` or ``worktree``.
        complete: whether every git object of the origin is held.
        refs: branches and tags.
        objects: git objects that they reach and that are held.
        files: files written; 0 for a bare repository.
        lfs_held: git-LFS files of the head whose object is held.
        lfs_not_held: those whose object is not.
        not_held: files of the head whose git blob is not held.
        escaped: names that were not safe, or taken.
        links: symbolic links, written as files.
        submodules: other repositories, left out.
    """

    package: str
    snapshot: str
    directory: str
    report: str
    form: str
    origin: str
    visit: str
    head: str | None
    complete: bool
    refs: int
    objects: int
    files: int
    lfs_held: int
    lfs_not_held: int
    not_held: int
    escaped: int
    links: int
    submodules: int


def restore(store: BlobStore, wish: Wish, target: Path, *, worktree: bool) -> Restored:
    """Restore a visit into a directory, which appears whole or not at all.

    Args:
        store: where everything is.
        wish: what is to be restored.
        target: as ``target_of`` gives it.
        worktree: the files of the head, instead of a bare repository.

    Raises:
        NotFoundError: nothing of it is held; or it has no head whose files could be written.
        IntegrityError: something is missing or damaged.
        UsageError: somebody else made the directory meanwhile, or the tree is too large.
        FatalError: the machine refuses.
    """
    visit = _visit(store, wish.visit)
    report_path = target.with_name(target.name + REPORT_SUFFIX)
    with stage(target) as folder:
        repository, files = folder / "repository", folder / "files"
        objects = _make(store, visit, wish, repository)
        with (folder / "report").open("w", encoding="ascii") as out:
            report = Report(out)
            if worktree:
                files.mkdir()
                write_files(store, visit, repository, files, report)
            else:
                _complete(store, visit, repository, report)
            restored = Restored(
                directory=str(target),
                report=str(report_path),
                form="worktree" if worktree else "bare",
                objects=objects,
                **_about(wish, visit),
                **report.counts,
            )
            report.finish(asdict(restored))
        (folder / "report").replace(report_path)
        try:
            publish(files if worktree else repository, target)
        except BaseException:
            report_path.unlink()
            raise
    return restored


def _complete(store: BlobStore, visit: Visit, repository: Path, report: Report) -> None:
    """Add to a repository what git needs beside its objects."""
    link_objects(store, visit, repository, report)
    if not visit.is_complete:
        mark_partial(repository, visit)


def _about(wish: Wish, visit: Visit) -> dict[str, Any]:
    return {
        "package": wish.package,
        "snapshot": wish.snapshot,
        "origin": visit.url,
        "visit": wish.visit,
        "head": visit.head,
        "complete": visit.is_complete,
        "refs": len(visit.refs),
    }


def _visit(store: BlobStore, name: str) -> Visit:
    try:
        return Visit.from_bytes(store.read(name))
    except (NotFoundError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"visit {name} cannot be read: {error}") from error


def _make(store: BlobStore, visit: Visit, wish: Wish, repository: Path) -> int:
    """Make the repository from the first holding that has everything."""
    problem: IntegrityError | None = None
    for name in filter(store.has, wish.holdings):
        try:
            holding = Holding.from_bytes(store.read(name))
            return make_repository(store, visit, holding, repository)
        except IntegrityError as error:
            problem = problem or error
            if repository.exists():
                shutil.rmtree(repository)
    raise problem or NotFoundError(f"nothing of {visit.url} is held any more; run `verify`")
