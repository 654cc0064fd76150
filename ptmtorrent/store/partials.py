"""Work in progress: blobs on their way in, and scratch directories.

::

    partial/SHA256                    let go by its writer; whoever takes it (by renaming) has it
    partial/SHA256.WRITER.N           a live writer's, or left by a killed one
    partial/scratch-WRITER-N/         a directory of a live writer, or left by a killed one

A file of a live writer is never touched by another. What killed writers left is sorted out when
a store is opened for writing: the bytes are let go for the next writer of the blob, the
directories are removed. So are bytes that nobody has wanted for thirty days.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.store.writers import WriterId, is_gone, start_of

_FORGOTTEN_S = 30 * 86_400.0
"""Bytes that nobody asked for again for so long are removed."""

_PARTIAL = re.compile(r"([0-9a-f]{64})(?:\.(.+)\.\d+)?")
_SCRATCH = re.compile(r"scratch-(.+)-\d+")


class Partials:
    """The ``partial`` folder, as one writer uses it. Safe to call from several threads."""

    def __init__(self, folder: Path, writer: WriterId) -> None:
        self._folder = folder
        self._writer = writer
        self._numbers = count(1)

    def fresh(self, sha256: str) -> Path:
        """A name of our own for all bytes of this blob; what earlier writers got is forgotten."""
        with disk.refusals(self._folder):
            (self._folder / sha256).unlink(missing_ok=True)
        return self._new_path(sha256)

    def take(self, sha256: str) -> Path:
        """A file of our own with what earlier writers of this blob got; empty if none did."""
        path = self._new_path(sha256)
        with disk.refusals(path):
            try:
                (self._folder / sha256).rename(path)
                path.chmod(0o600)
            except FileNotFoundError:
                os.close(disk.create(path, mode=0o600))
        return path

    def let_go(self, path: Path) -> None:
        """Leave a file of ours to the next writer of its blob; of two, the longer stays."""
        parked = self._folder / path.name[:64]
        with disk.refusals(path):
            if _length(path) > _length(parked):
                path.rename(parked)
            else:
                path.unlink(missing_ok=True)

    def scratch(self) -> Path:
        """A new empty directory."""
        path = self._folder / f"scratch-{self._writer}-{next(self._numbers)}"
        with disk.refusals(path):
            path.mkdir(mode=0o700)
        return path

    def sweep(self, now: float) -> None:
        """Let go of the bytes, and remove the directories, of writers that have ended.

        Args:
            now: Unix time, for writers whose machine we cannot ask.
        """
        with disk.refusals(self._folder):
            for path in list(self._folder.iterdir()):
                with suppress(FileNotFoundError):  # a live writer was faster
                    self._sweep_one(path, now)

    def parked(self) -> Iterator[Path]:
        """The files nobody works on; the name of each is a sha256."""
        for path in list(self._folder.iterdir()):
            if len(path.name) == 64 and _PARTIAL.fullmatch(path.name):
                yield path

    def _new_path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.{self._writer}.{next(self._numbers)}"

    def _sweep_one(self, path: Path, now: float) -> None:
        partial, scratch = _PARTIAL.fullmatch(path.name), _SCRATCH.fullmatch(path.name)
        if partial and partial[2] and self._is_left(partial[2], path, now):
            self.let_go(path)
        if partial and not partial[2] and now - _last_change(path) > _FORGOTTEN_S:
            path.unlink()
        if scratch and self._is_left(scratch[1], path, now):
            disk.remove_tree(path)

    def _is_left(self, name: str, path: Path, now: float) -> bool:
        writer = WriterId.parse(name)
        if writer is None:
            return False
        return is_gone(writer, self._writer, start_of(writer.pid), now - _last_change(path))


def _length(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _last_change(path: Path) -> float:
    inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return max(p.lstat().st_mtime for p in (path, *inside))
