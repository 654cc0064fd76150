"""Where a restored package appears: whole, or not at all.

Work is done in a hidden sibling of the directory, which is renamed at the end. A copy can be made
again, so nothing is synced.
"""

import errno
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError, UsageError
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.writers import WriterId, is_gone, start_of

_LONGEST_NAME = 60
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def target_of(directory: Path, root: Path) -> Path:
    """The absolute path of a directory to restore into. UsageError unless it can be made there.

    It must be missing or empty, in a folder that is there, and not within the root.
    """
    target = directory.resolve()
    if target.is_relative_to(root.resolve()):
        raise UsageError(f"{directory}: the root itself is not a place to restore into")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{directory}: is there already; name a directory that is new or empty")
    return target


@contextmanager
def stage(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` to work in; it is gone at the end, however the block is left.

    What a killed process left there is removed first. FatalError when the machine refuses anything
    within the block.
    """
    prefix, me = f".{target.name[:_LONGEST_NAME]}.", WriterId.here()
    folder = target.with_name(f"{prefix}{me}")
    try:
        _remove_left(target.parent, prefix, me)
        folder.mkdir(mode=0o700)
        try:
            with disk.refusals(target):
                yield folder
        finally:
            shutil.rmtree(folder)
    except OSError as error:
        raise FatalError(f"{target}: {error.strerror or error}") from error


def _remove_left(parent: Path, prefix: str, me: WriterId) -> None:
    """Remove the folders of processes that have ended; of other machines' nobody knows."""
    for path in parent.iterdir():
        name = path.name.removeprefix(prefix)
        writer = WriterId.parse(name) if name != path.name else None
        if writer is not None and is_gone(writer, me, start_of(writer.pid), idle_s=0.0):
            shutil.rmtree(path)


def publish(made: Path, target: Path) -> None:
    """Give what was made its name. UsageError when somebody else took that name meanwhile."""
    try:
        made.rename(target)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise UsageError(f"{target}: is there already") from error


def place(store: BlobStore, sha256: str, path: Path) -> None:
    """Make a blob readable at ``path``, every byte checked. IntegrityError when it is not it."""
    try:
        store.place(sha256, path)
    except NotFoundError as error:
        raise IntegrityError(f"blob {sha256} is not in the store") from error
    check_bytes(path, sha256)


def check_bytes(path: Path, sha256: str) -> None:
    """IntegrityError unless the bytes of a placed blob are what its name says."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise IntegrityError(f"blob {sha256} is damaged: its bytes have sha256 {found}")
