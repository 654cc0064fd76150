"""Files that are there whole or not at all, and stay there after a power cut."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ptmtorrent.errors import FatalError

TEMP_PREFIX = ".part-"
TEMP_SUFFIX = ".tmp"

_REFUSALS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EMFILE,
        errno.ENFILE,
        errno.EIO,
    }
)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Translate what the machine refuses (disk full, no permission) into FatalError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise FatalError(
            f"{path}: {os.strerror(error.errno)}; run the same command again"
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, each durable in the one above it."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with refusals(path):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def open_temp(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file in ``folder`` under a name of its own, open for writing."""
    with refusals(folder):
        fd, name = tempfile.mkstemp(dir=folder, prefix=TEMP_PREFIX, suffix=TEMP_SUFFIX)
        return Path(name), os.fdopen(fd, "wb")


def remove_temps(folder: Path) -> None:
    """Remove what a killed process left in ``folder``."""
    for path in folder.glob(f"{TEMP_PREFIX}*{TEMP_SUFFIX}"):
        path.unlink(missing_ok=True)


def sync_file(file: BinaryIO, mode: int) -> None:
    """Make what was written so far durable, and set the file's mode."""
    file.flush()
    os.fchmod(file.fileno(), mode)
    os.fsync(file.fileno())


def publish(temp: Path, target: Path) -> None:
    """Give a synced file its name, durably; a file of that name is replaced."""
    with refusals(target):
        temp.replace(target)
        sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_file(path: Path, data: bytes) -> None:
    """Write a small file, whole or not at all; missing folders are made."""
    make_folder(path.parent)
    remove_temps(path.parent)
    temp, file = open_temp(path.parent)
    try:
        with refusals(path), file:
            file.write(data)
            sync_file(file, 0o644)
        publish(temp, path)
    finally:
        temp.unlink(missing_ok=True)
