"""A blob store in memory, for tests of what stands on a store. It passes the same contract."""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ptmtorrent.errors import CorruptError, IntegrityError, NotFoundError
from ptmtorrent.model.oid import sha256_of


class MemoryStore:
    """Bytes in a dict; ``flushed`` counts the flushes, ``work`` holds scratch directories."""

    def __init__(self, work: Path) -> None:
        self.blobs: dict[str, bytes] = {}
        self.partials: dict[str, bytearray] = {}
        self.flushed = 0
        self._work = work

    def has(self, sha256: str) -> bool:
        return sha256 in self.blobs

    def size(self, sha256: str) -> int:
        return len(self._get(sha256))

    def open(self, sha256: str) -> BinaryIO:
        return io.BytesIO(self._get(sha256))

    def read(self, sha256: str) -> bytes:
        data = self._get(sha256)
        if sha256_of(data) != sha256:
            raise IntegrityError(f"blob {sha256} is damaged")
        return data

    def put(self, data: bytes) -> str:
        return self._keep(bytes(data))

    def adopt(self, path: Path, sha256: str) -> None:
        self.blobs.setdefault(sha256, path.read_bytes())
        path.unlink()

    def writer(self, sha256: str, size: int) -> "MemoryWriter":
        return MemoryWriter(self, sha256, size)

    def scratch(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._work))

    def place(self, sha256: str, path: Path) -> None:
        data = self._get(sha256)
        with path.open("xb") as file:
            file.write(data)

    def flush(self) -> None:
        self.flushed += 1

    def names(self) -> Iterator[str]:
        return iter(list(self.blobs))

    def _get(self, sha256: str) -> bytes:
        if sha256 not in self.blobs:
            raise NotFoundError(f"blob {sha256} is not in the store")
        return self.blobs[sha256]

    def _keep(self, data: bytes) -> str:
        self.blobs.setdefault(sha256_of(data), data)
        return sha256_of(data)


class MemoryWriter:
    """A writer that resumes within the process."""

    def __init__(self, store: MemoryStore, sha256: str, size: int) -> None:
        self._store, self._sha256, self._size = store, sha256, size
        self._data = store.partials.pop(sha256, bytearray())

    @property
    def offset(self) -> int:
        return len(self._data)

    def write(self, chunk: bytes) -> None:
        if len(self._data) + len(chunk) > self._size:
            self.restart()
            raise CorruptError("more bytes than announced")
        self._data += chunk

    def restart(self) -> None:
        self._data = bytearray()

    def commit(self) -> None:
        data = bytes(self._data)
        self.restart()
        if len(data) != self._size or hashlib.sha256(data).hexdigest() != self._sha256:
            raise CorruptError("not what the name says")
        self._store._keep(data)

    def close(self) -> None:
        if self._data:
            self._store.partials[self._sha256] = self._data
