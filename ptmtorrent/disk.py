"""The only place that changes the disk for good: store, shards and root write through it.

The rule behind every function: the bytes of a file are synced before it gets the name it is
looked for under, and the folder is synced before anyone is told (a rename without the first
leaves an empty file after a power cut, one without the second loses the name).

A sync that failed is never asked again: the kernel may have dropped the pages and would then
answer yes. ``Fuse`` keeps that rule for everything that shares it; ``sync_new`` and ``sync_tail``
keep it for the next process, by taking away what could not be synced; ``sync_again`` keeps it for
what a killed process left, by writing it once more.
"""

import errno
import fcntl
import mmap
import os
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ptmtorrent.errors import FatalError, WriterActiveError

CHUNK = 1 << 20
PIECE = 1 << 20
"""Bytes that an ``Appender`` writes at once."""

_BLOCK = 4096
"""What offsets and lengths of a write past the cache are multiples of."""

_DIRECT: int = getattr(os, "O_DIRECT", 0)

STALE_S = 3600.0
"""Seconds without change after which a temporary file of unknown origin counts as left behind."""

_TEMP_SUFFIX = ".tmp"
_REFUSALS = {
    errno.ENOSPC: "no space or no inodes left; free some and run the same command again",
    errno.EDQUOT: "the quota is used up; free some space and run the same command again",
    errno.EFBIG: "the file is larger than allowed; raise the file size limit (ulimit -f)",
    errno.EROFS: "the file system is read-only; mount it for writing",
    errno.EACCES: "permission denied; run as the owner of the root or change its permissions",
    errno.EPERM: "not permitted; check owner and attributes, and that hard links are supported",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "too many open files on this machine",
    errno.EIO: "input/output error; check the disk before going on",
    errno.ENOLCK: "this file system cannot lock; put the root on a local disk",
}


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Translate what the machine refuses into FatalError; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        advice = _REFUSALS.get(error.errno or 0)
        if advice is None:
            raise
        raise FatalError(f"{path}: {advice}") from error


class Fuse:
    """Blows at the first write or sync that did not end well, and stays blown."""

    def __init__(self) -> None:
        self._blown = False

    @contextmanager
    def guard(self, path: Path) -> Iterator[None]:
        """Run one change of the disk. FatalError when it is refused or the fuse had blown."""
        if self._blown:
            raise FatalError(f"{path}: an earlier write failed; run the same command again")
        try:
            with refusals(path):
                yield
        except BaseException:
            self._blown = True
            raise


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``, however many calls it takes."""
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


class Appender:
    """Appends to a file in large aligned pieces that go past the page cache (open(2), O_DIRECT).

    A file of gigabytes is written once and read much later. By way of the cache it costs another
    copy, pushes out what others need, and is written back in bursts that all wait for (measured:
    1.5 GB/s against 0.2 to 0.5). Where the file system has no such way, the pieces go through the
    cache. One piece is written, in a thread, while the next is gathered: who is killed loses two.

    Raises OSError, at the latest when it is closed; after that nothing but ``truncate`` and
    ``close`` makes sense. Not safe to share.
    """

    def __init__(self, path: Path) -> None:
        self._piece, self._other = mmap.mmap(-1, PIECE), mmap.mmap(-1, PIECE)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._start, rest = _last_block(self._fd)
        except OSError:
            os.close(self._fd)
            raise
        self._filled = len(rest)
        self._piece[: self._filled] = rest
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._writing: Future[None] | None = None
        self._is_torn = False
        self._pass_by_the_cache(True)

    def append(self, data: bytes) -> None:
        """Add ``data``."""
        view = memoryview(data)
        while view:
            room = min(len(view), PIECE - self._filled)
            self._piece[self._filled : self._filled + room] = view[:room]
            self._filled, view = self._filled + room, view[room:]
            if self._filled == PIECE:
                self._send()

    def truncate(self) -> None:
        """Forget everything."""
        with suppress(OSError):
            self._settle()
        os.ftruncate(self._fd, 0)
        self._start, self._filled, self._is_torn = 0, 0, False

    def close(self) -> None:
        """Write what was held back, if every write before went well, and let go; not synced."""
        try:
            self._settle()
            if not self._is_torn:
                self._pass_by_the_cache(False)
                write_all(self._fd, self._piece[: self._filled], self._start)
        finally:
            self._thread.shutdown()
            os.close(self._fd)

    def _send(self) -> None:
        self._settle()
        self._writing = self._thread.submit(self._write, self._piece, self._start)
        self._piece, self._other = self._other, self._piece
        self._start, self._filled = self._start + PIECE, 0

    def _settle(self) -> None:
        """Wait for the piece on its way to the disk; what went wrong with it is raised."""
        writing, self._writing = self._writing, None
        if writing is not None:
            self._is_torn = True
            writing.result()
            self._is_torn = False

    def _write(self, whole: mmap.mmap, start: int) -> None:
        done = 0
        while done < PIECE:
            with memoryview(whole) as piece, piece[done:] as rest:
                try:
                    done += os.pwrite(self._fd, rest, start + done)
                except OSError as error:
                    if error.errno != errno.EINVAL or not self._passes_by:
                        raise
                    self._pass_by_the_cache(False)

    def _pass_by_the_cache(self, passes_by: bool) -> None:
        """Say which way to write; a file system without the one way has the other."""
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        wanted = flags | _DIRECT if passes_by else flags & ~_DIRECT
        with suppress(OSError):
            fcntl.fcntl(self._fd, fcntl.F_SETFL, wanted)
            flags = wanted
        self._passes_by = bool(flags & _DIRECT)


def _last_block(fd: int) -> tuple[int, bytes]:
    """Where the last block of a file begins that is not full, and what is in it."""
    size = os.fstat(fd).st_size
    start = size - size % _BLOCK
    return start, os.pread(fd, size - start, start)


def sync_file(path: Path, *, mode: int | None = None) -> None:
    """Make the bytes of a file durable, and its mode if one is given."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if mode is not None:
            os.fchmod(fd, mode)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_new(path: Path, *, mode: int) -> None:
    """Make a file durable that nobody relies upon yet, and its mode; when that fails it is gone."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fchmod(fd, mode)
        try:
            os.fsync(fd)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    finally:
        os.close(fd)


def sync_tail(fd: int, good: int) -> None:
    """Make what was appended to a file durable; when that fails the file ends at ``good`` again."""
    try:
        os.fsync(fd)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, good)
        raise


def sync_again(path: Path, start: int) -> None:
    """Make durable what another process left in a file, from byte ``start`` on.

    It is written once more where it is: if a sync of it failed before, the kernel holds its pages
    for clean, and a sync alone would answer yes.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        end = os.fstat(fd).st_size
        for offset in range(max(start, 0), end, CHUNK):
            write_all(fd, os.pread(fd, min(CHUNK, end - offset), offset), offset)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_dir(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_dirs(path: Path) -> None:
    """Make a folder and its missing parents, each durable in the one above it."""
    if path.is_dir():
        return
    make_dirs(path.parent)
    with refusals(path):
        path.mkdir(exist_ok=True)
        sync_dir(path.parent)


def create(path: Path, *, mode: int = 0o644) -> int:
    """Make a file that was not there and open it for writing. FileExistsError if it was."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, mode)


def link_new(source: Path, target: Path) -> bool:
    """Give a synced file its name, making missing parents; False if the name is taken.

    The folders are not synced here: many links share one sync.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return False
    return True


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file: after this returns the new bytes survive a power cut, before it the old do.

    Raises FatalError when the machine refuses; then the old file is as it was.
    """
    with refusals(path), _temp_of(path, data, mode) as temp:
        temp.replace(path)
        sync_dir(path.parent)


def write_once(path: Path, data: bytes, *, mode: int = 0o644) -> bool:
    """Write a file that is never replaced; False if it was there (and is left as it is)."""
    with refusals(path), _temp_of(path, data, mode) as temp:
        is_new = link_new(temp, path)
        sync_dir(path.parent)
    return is_new


@contextmanager
def _temp_of(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    temp = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_TEMP_SUFFIX}")
    try:
        fd = create(temp, mode=mode)
        try:
            with suppress(OSError):  # where nothing can be locked, age decides
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(fd, mode)
            write_all(fd, data, 0)
            os.fsync(fd)
            with _own(temp):
                yield temp
        finally:
            os.close(fd)
    finally:
        temp.unlink(missing_ok=True)


@contextmanager
def _own(temp: Path) -> Iterator[None]:
    """Name a temporary file of ours. WriterActiveError if another process took it away.

    Where locks do nothing, such a file looks left behind to whoever opens the root as well.
    """
    try:
        yield
    except FileNotFoundError as error:
        text = f"{temp} vanished: another process writes here; run one at a time"
        raise WriterActiveError(text) from error


def open_temp(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file in ``folder`` under a name of its own, open for writing."""
    path = folder / f".part-{secrets.token_hex(8)}{_TEMP_SUFFIX}"
    with refusals(folder):
        return path, os.fdopen(create(path), "wb")


def publish(temp: Path, target: Path) -> None:
    """Give a synced file its name, durably; a file of that name is replaced."""
    with refusals(target):
        temp.replace(target)
        sync_dir(target.parent)


def remove_temps(folder: Path) -> None:
    """Remove all temporary files of a folder that nobody else writes to."""
    with refusals(folder):
        for temp in folder.glob(f".*{_TEMP_SUFFIX}"):
            temp.unlink(missing_ok=True)


def remove_stale_temps(folder: Path, now: float) -> None:
    """Remove what killed processes left of ``write_atomic`` in a folder (``now``: Unix time)."""
    for temp in folder.glob(f".*{_TEMP_SUFFIX}"):
        with suppress(FileNotFoundError):
            if _is_left(temp, now):
                temp.unlink()


def _is_left(temp: Path, now: float) -> bool:
    """Whether the process that wrote a temporary file is gone: its lock went with it."""
    fd = os.open(temp, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return now - os.fstat(fd).st_mtime > STALE_S
    finally:
        os.close(fd)
    return True


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, following nothing."""
    with refusals(path):
        shutil.rmtree(path, ignore_errors=False)


def copy_new(source: BinaryIO, path: Path, *, mode: int) -> None:
    """Copy a stream into a new file. FileExistsError if the name is taken; not synced."""
    with refusals(path):
        fd = create(path, mode=mode)
        try:
            _copy(source, fd)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(fd)


def _copy(source: BinaryIO, fd: int) -> None:
    offset = 0
    while chunk := source.read(CHUNK):
        write_all(fd, chunk, offset)
        offset += len(chunk)
