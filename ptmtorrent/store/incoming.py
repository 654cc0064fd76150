"""Writers of blobs whose name is known before their bytes are."""

import hashlib
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError
from ptmtorrent.store.files import BlobFiles
from ptmtorrent.store.partials import Partials
from ptmtorrent.store.segments import Segments


class FileWriter:
    """Writes a large blob into a file of ``partial/``; goes on where a killed writer stopped."""

    def __init__(self, sha256: str, size: int, files: BlobFiles, partials: Partials) -> None:
        self._sha256 = sha256
        self._size = size
        self._files = files
        self._partials = partials
        self._path = partials.take(sha256)
        self._file: disk.Appender | None = None
        self._begin()

    @property
    def offset(self) -> int:
        """How many bytes are here, and hashed."""
        return self._offset

    def write(self, chunk: bytes) -> None:
        """Append. CorruptError, and the bytes are forgotten, if that is more than announced."""
        if self._offset + len(chunk) > self._size:
            self.restart()
            raise CorruptError(f"blob {self._sha256}: more than the {self._size} bytes announced")
        with disk.refusals(self._path):
            self._open_file().append(chunk)
        self._hash.update(chunk)
        self._offset += len(chunk)

    def restart(self) -> None:
        """Forget what is here and begin at byte 0."""
        with disk.refusals(self._path):
            self._open_file().truncate()
        self._hash, self._offset = hashlib.sha256(), 0

    def commit(self) -> None:
        """Check the bytes and make the blob visible.

        Raises CorruptError, and forgets the bytes, when they are not what the name says.
        """
        problem = _problem(self._sha256, self._size, self._offset, self._hash.hexdigest())
        if problem:
            self.restart()
            raise CorruptError(problem)
        self._close_file()
        self._files.receive(self._path, self._sha256)

    def close(self) -> None:
        """Let go of a blob that is not committed; the next writer goes on from here."""
        if self._file is not None:
            try:
                self._close_file()
            finally:
                self._partials.let_go(self._path)

    def _begin(self) -> None:
        with disk.refusals(self._path):
            self._file = disk.Appender(self._path)
            self._hash, self._offset = _rehash(self._path)
        if self._offset > self._size:
            self.restart()

    def _open_file(self) -> disk.Appender:
        if self._file is None:
            raise ValueError("this writer is closed")
        return self._file

    def _close_file(self) -> None:
        file, self._file = self._open_file(), None
        with disk.refusals(self._path):
            file.close()


class SmallWriter:
    """Writes a small blob: in memory, then into a segment."""

    def __init__(self, sha256: str, size: int, segments: Segments) -> None:
        self._sha256 = sha256
        self._size = size
        self._segments = segments
        self._data = bytearray()

    @property
    def offset(self) -> int:
        """How many bytes are here; a small blob always begins at 0."""
        return len(self._data)

    def write(self, chunk: bytes) -> None:
        """Append. CorruptError, and the bytes are forgotten, if that is more than announced."""
        if len(self._data) + len(chunk) > self._size:
            self.restart()
            raise CorruptError(f"blob {self._sha256}: more than the {self._size} bytes announced")
        self._data += chunk

    def restart(self) -> None:
        """Forget what is here."""
        self._data.clear()

    def commit(self) -> None:
        """Check the bytes and make the blob visible.

        Raises CorruptError, and forgets the bytes, when they are not what the name says.
        """
        data = bytes(self._data)
        self._data.clear()
        digest = hashlib.sha256(data)
        problem = _problem(self._sha256, self._size, len(data), digest.hexdigest())
        if problem:
            raise CorruptError(problem)
        self._segments.append(digest.digest(), data)

    def close(self) -> None:
        """Forget what is not committed."""
        self._data.clear()


def _problem(sha256: str, size: int, found_size: int, found_sha256: str) -> str | None:
    if found_size != size:
        return f"blob {sha256}: {size} bytes announced, {found_size} received"
    if found_sha256 != sha256:
        return f"blob {sha256}: the bytes received have sha256 {found_sha256}"
    return None


def _rehash(path: Path) -> "tuple[hashlib._Hash, int]":
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(disk.CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest, size
