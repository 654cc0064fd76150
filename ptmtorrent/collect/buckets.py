"""Sets of digests too large for memory: on disk, by their first byte."""

from collections.abc import Iterable
from pathlib import Path

from ptmtorrent import disk

COUNT = 256
_SPILL_BYTES = 8 * 2**20


class Buckets:
    """Digests in a folder of their own, to be compared one bucket at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buffers = [bytearray() for _ in range(COUNT)]
        self._size = 0
        with disk.refusals(folder):
            folder.mkdir()

    def add(self, names: Iterable[str]) -> None:
        """Add digests, in hex; more than once harms nothing."""
        for name in names:
            digest = bytes.fromhex(name)
            self._buffers[digest[0]] += digest
            self._size += len(digest)
            if self._size >= _SPILL_BYTES:
                self._spill()

    def bucket(self, number: int) -> set[bytes]:
        """The digests that begin with this byte."""
        path = self._folder / str(number)
        with disk.refusals(path):
            data = (path.read_bytes() if path.exists() else b"") + self._buffers[number]
        return {bytes(data[at : at + 32]) for at in range(0, len(data), 32)}

    def _spill(self) -> None:
        for number, buffer in enumerate(self._buffers):
            with disk.refusals(self._folder), (self._folder / str(number)).open("ab") as file:
                file.write(buffer)
            buffer.clear()
        self._size = 0
