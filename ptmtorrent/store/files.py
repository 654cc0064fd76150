"""Large blobs, a file each.

A blob on its way in is a file in ``partial/``. When it is whole and verified this process sees
it; a flush then syncs the bytes of all of them, links each to its name, and syncs each folder
once. So no name ever stands for bytes that a power cut could take.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from ptmtorrent import disk
from ptmtorrent.model.oid import is_sha256
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.partials import Partials

_MODE = 0o444
_MANY = 4096
"""Blobs waiting for a flush; more would grow memory, so then we flush unasked."""


class BlobFiles:
    """The large blobs of a store. Safe to call from several threads."""

    def __init__(self, layout: Layout, fuse: disk.Fuse) -> None:
        self._layout = layout
        self._fuse = fuse
        self._waiting: dict[str, Path] = {}
        self._known: set[str] = set()
        self._lock = Lock()
        self._syncing = Lock()

    def size(self, sha256: str) -> int | None:
        """Bytes of a blob, or None if it is not here."""
        with self._lock, disk.refusals(self._layout.blobs):
            try:
                return self._path(sha256).stat().st_size
            except FileNotFoundError:
                return None

    def open(self, sha256: str) -> BinaryIO | None:
        """The bytes of a blob, or None if it is not here."""
        with self._lock, disk.refusals(self._layout.blobs):
            try:
                return self._path(sha256).open("rb")
            except FileNotFoundError:
                return None

    def link(self, sha256: str, path: Path) -> bool:
        """Give a blob a second name; False where that cannot be done.

        Raises FileExistsError if ``path`` is taken.
        """
        with self._lock:
            try:
                os.link(self._path(sha256), path)
            except FileExistsError:
                raise
            except OSError:
                return False
            return True

    def keep(self, sha256: str) -> bool:
        """Whether a blob is here already; if so, the next flush makes sure that it stays.

        Another process may have linked its name a moment ago and not synced it yet.
        """
        with self._lock, disk.refusals(self._layout.blobs):
            return self._keep(sha256)

    def put(self, partial: Path, sha256: str, data: bytes) -> None:
        """Take over bytes of the name given, by way of a new file in ``partial/``."""
        with self._fuse.guard(partial):
            disk.copy_new(io.BytesIO(data), partial, mode=0o600)
        self.receive(partial, sha256)

    def receive(self, partial: Path, sha256: str) -> None:
        """Take over a whole and verified file of ``partial/``."""
        with self._lock, self._fuse.guard(partial):
            if self._keep(sha256):
                partial.unlink()
            else:
                self._waiting[sha256] = partial
            is_much = len(self._waiting) + len(self._known) > _MANY
        if is_much:
            self.flush()

    def flush(self) -> None:
        """Make everything received before the call durable, under its name."""
        with self._syncing, self._fuse.guard(self._layout.blobs):
            with self._lock:
                batch, known = dict(self._waiting), set(self._known)
            for partial in batch.values():
                disk.sync_new(partial, mode=_MODE)
            for sha256, partial in batch.items():
                disk.link_new(partial, self._layout.blob(sha256))
            self._sync_folders(batch.keys() | known)
            self._settle(batch, known)

    def release(self, partials: Partials) -> None:
        """Give up what was not flushed; the next writer of each finds it whole."""
        for partial in self._waiting.values():
            partials.let_go(partial)
        self._waiting.clear()

    def finish_interrupted(self, partials: Partials) -> None:
        """End what a killed flush began: names that were linked become durable."""
        present = [path for path in partials.parked() if self._layout.blob(path.name).exists()]
        with self._fuse.guard(self._layout.blobs):
            self._sync_folders({path.name for path in present})
            for path in present:
                path.unlink(missing_ok=True)

    def remove(self, sha256: str) -> int:
        """Remove a blob; returns its bytes, 0 if it was not here."""
        path = self._layout.blob(sha256)
        with self._lock, self._fuse.guard(path):
            size = path.stat().st_size if path.exists() else 0
            path.unlink(missing_ok=True)
            self._known.discard(sha256)
        return size

    def set_aside(self, sha256: str, target: Path) -> None:
        """Move the bytes of a blob to ``target``, durably: its name is free again."""
        path = self._layout.blob(sha256)
        with self._lock, self._fuse.guard(path):
            path.rename(target)
            self._known.discard(sha256)
            disk.sync_dir(target.parent)
            disk.sync_dir(path.parent)

    def names(self) -> Iterator[str]:
        """The names of all large blobs; memory does not grow with their number."""
        with self._lock:
            waiting = list(self._waiting)
        yield from waiting
        seen = set(waiting)
        for path in self._layout.blobs.glob("*/*/*"):
            if is_sha256(path.name) and path.name not in seen:
                yield path.name

    def _keep(self, sha256: str) -> bool:
        if sha256 in self._waiting:
            return True
        if not self._layout.blob(sha256).exists():
            return False
        self._known.add(sha256)
        return True

    def _path(self, sha256: str) -> Path:
        return self._waiting.get(sha256) or self._layout.blob(sha256)

    def _sync_folders(self, names: set[str]) -> None:
        leaves = {self._layout.blob(sha256).parent for sha256 in names}
        above = {leaf.parent for leaf in leaves}
        top = {self._layout.blobs} if leaves else set()
        for folder in (*leaves, *above, *top):
            disk.sync_dir(folder)

    def _settle(self, batch: dict[str, Path], known: set[str]) -> None:
        with self._lock:
            for sha256 in batch:
                del self._waiting[sha256]
            self._known -= known
        for partial in batch.values():
            partial.unlink()
