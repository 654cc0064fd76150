"""What the system tells of files and processes, so that tests wait for it and look only then."""

import ctypes
import os
import select
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_CREATED, _MODIFIED, _MOVED_HERE, _DELETED = 0x100, 0x2, 0x80, 0x200
_CHANGES = _CREATED | _MODIFIED | _MOVED_HERE | _DELETED
_FOLDER, _OVERFLOW = 0x40000000, 0x4000
_EVENT = struct.Struct("iIII")
"""From inotify(7)."""


class Changes:
    """Changes in folders, and in all that is below some of them; what is mapped makes none.

    Linux only: a test that needs them is skipped elsewhere.
    """

    def __init__(self, folders: Iterable[Path], trees: Iterable[Path]) -> None:
        if sys.platform != "linux":
            pytest.skip("NOT TESTED HERE: moments of a run; they are told by inotify(7)")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders, self._trees = tuple(folders), tuple(trees)
        self._watch()

    def close(self) -> None:
        os.close(self._fd)

    def wait(self, seconds: float, end: int) -> None:
        """Return when there was a change since the last return, or ``end`` can be read."""
        ready(seconds, self._fd, end)
        with suppress(BlockingIOError):
            while any(mask & (_FOLDER | _OVERFLOW) for mask in self._masks()):
                self._watch()

    def _masks(self) -> list[int]:
        """What kinds of changes there were; BlockingIOError when there was none."""
        data, at, masks = os.read(self._fd, 1 << 16), 0, list[int]()
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            masks.append(mask)
            at += _EVENT.size + length
        return masks

    def _watch(self) -> None:
        """Watch every folder there is; done again, it adds those that are new."""
        for folder in (*self._folders, *self._below()):
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _CHANGES)
            if watch < 0 and folder.is_dir():
                raise OSError(ctypes.get_errno(), "inotify_add_watch", str(folder))

    def _below(self) -> Iterator[Path]:
        for tree in self._trees:
            yield from (Path(folder) for folder, _, _ in os.walk(tree))


def wait_until(
    is_so: Callable[[], bool], changes: Changes, pid: int, seconds: float = 60.0
) -> None:
    """Wait for something that is seen in files; or for the end of a process, not reaped before."""
    deadline = time.monotonic() + seconds
    with end_of(pid) as end:
        while not ready(0, end) and not is_so():
            assert time.monotonic() < deadline, "it never happened"
            changes.wait(deadline - time.monotonic(), end)


@contextmanager
def end_of(pid: int) -> Iterator[int]:
    """A descriptor that can be read once a process has ended (pidfd_open(2))."""
    end = os.pidfd_open(pid)
    try:
        yield end
    finally:
        os.close(end)


@contextmanager
def waiting_for(pids: Iterable[int], seconds: float) -> Iterator[None]:
    """Leave the block when all these processes have ended; AssertionError after some seconds.

    They need not be children of this process.
    """
    ends = list[int]()
    for pid in pids:
        with suppress(ProcessLookupError):
            ends.append(os.pidfd_open(pid))
    try:
        yield
        until = time.monotonic() + seconds
        assert all(ready(max(until - time.monotonic(), 0), end) for end in ends)
    finally:
        for end in ends:
            os.close(end)


def users_of(folder: Path) -> list[int]:
    """Processes that work in a folder, or hold a file in it open or mapped."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if any(_is_in(place, folder) for place in _places(pid))]


def _places(pid: int) -> Iterator[str]:
    """Paths that a process holds on to; none of one that has ended."""
    process = Path(f"/proc/{pid}")
    with suppress(OSError):
        for link in (process / "cwd", process / "root", *(process / "fd").iterdir()):
            with suppress(OSError):
                yield str(link.readlink())
        mapped = (process / "maps").read_text(errors="replace").splitlines()
        yield from (line.partition("/")[2] for line in mapped)


def _is_in(place: str, folder: Path) -> bool:
    return Path("/", place.removesuffix(" (deleted)")).is_relative_to(folder)


def ready(seconds: float, *descriptors: int) -> bool:
    """Whether one of them can be read, at once or within some seconds."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
