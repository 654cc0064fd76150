"""Files written below one folder and nowhere else, whatever their paths say.

Each part of a path is made safe by itself and made anew in the folder that is open; nothing that
is there is ever opened, followed or replaced. A name that is taken (by a twin that this file system
does not tell apart, by a directory, by an escaped name) gets a number.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ptmtorrent import disk
from ptmtorrent.restore.names import fitted, safe_name

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder that is open: its name in git, and the one it was given here."""

    name: bytes
    written: bytes
    fd: int


class TreeWriter:
    """Writes a tree in the order of its paths, one folder of each level open. A context manager.

    Args:
        folder: a folder that is there and empty.
        seconds: the time that everything gets, since the epoch.
    """

    def __init__(self, folder: Path, seconds: int) -> None:
        self._times = (seconds, seconds)
        self._levels = [_Level(b"", b"", os.open(folder, _FOLDER))]
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._levels:
            self._leave()

    def file(self, path: bytes, chunks: Iterable[bytes], *, executable: bool = False) -> bytes:
        """Write a file; returns its path here. What ``chunks`` raises goes on."""
        mode = 0o777 if executable else 0o666
        folder, name = self._enter(path)
        written, fd = self._new(name, lambda safe: os.open(safe, _NEW, mode, dir_fd=folder))
        try:
            offset = 0
            for chunk in chunks:
                disk.write_all(fd, chunk, offset)
                offset += len(chunk)
            os.utime(fd, self._times)
        finally:
            os.close(fd)
        return self._path(written)

    def folder(self, path: bytes) -> bytes:
        """Make an empty directory; returns its path here."""
        parent, name = self._enter(path)
        written, _ = self._new(name, lambda safe: os.mkdir(safe, dir_fd=parent))
        os.utime(written, self._times, dir_fd=parent, follow_symlinks=False)
        return self._path(written)

    def _enter(self, path: bytes) -> tuple[int, bytes]:
        """Open the folder of a path, making what is missing; the last name is left."""
        *folders, name = path.split(b"/")
        opened = [level.name for level in self._levels[1:]]
        pairs = zip(folders, opened, strict=False)
        keep = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        while len(self._levels) > keep + 1:
            self._leave()
        for folder in folders[keep:]:
            self._levels.append(self._level(folder))
        return self._levels[-1].fd, name

    def _level(self, name: bytes) -> _Level:
        parent = self._levels[-1].fd
        written, _ = self._new(name, lambda safe: os.mkdir(safe, dir_fd=parent))
        return _Level(name, written, os.open(written, _FOLDER, dir_fd=parent))

    def _leave(self) -> None:
        level = self._levels.pop()
        try:
            os.utime(level.fd, self._times)
        finally:
            os.close(level.fd)

    def _new(self, name: bytes, create: Callable[[bytes], T]) -> tuple[bytes, T]:
        """Create under a safe name that is free.

        A number belongs to one entry, so each name somebody else took costs one attempt in all.
        """
        self._number += 1
        safe = written = safe_name(name)
        for attempt in count():
            try:
                return written, create(written)
            except FileExistsError:
                again = b"~%d" % attempt if attempt else b""
                written = fitted(safe, name, b"~%d%s" % (self._number, again))
        raise AssertionError

    def _path(self, written: bytes) -> bytes:
        return b"/".join([*(level.written for level in self._levels[1:]), written])
