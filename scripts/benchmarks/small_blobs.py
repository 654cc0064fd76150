"""COUNT blobs of 4 KiB into the store, or into plain files without fsync.

    python small_blobs.py store|files|file COUNT

Works in the current folder; run by the benchmark.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from ptmtorrent.store.local import LocalStore

SIZE = 4096
GROUP = 100
"""Blobs that one flush acknowledges: about what gathers while the flush before is under way."""


def blobs(count: int) -> Iterator[bytes]:
    """Blobs that all differ."""
    rest = bytes(range(256)) * (SIZE // 256 - 1) + bytes(240)
    for number in range(count):
        yield number.to_bytes(16) + rest


def into_store(count: int) -> None:
    """As the pipeline does: put, and flush when some have gathered."""
    with LocalStore.at(Path("root"), write=True) as store:
        for number, data in enumerate(blobs(count), 1):
            store.put(data)
            if number % GROUP == 0:
                store.flush()
        store.flush()


def into_files(count: int) -> None:
    """A file each, in 256 folders."""
    for name in range(256):
        Path(f"{name:02x}").mkdir()
    for number, data in enumerate(blobs(count)):
        Path(f"{number % 256:02x}/{number}").write_bytes(data)


def into_file(count: int) -> None:
    """One behind the other."""
    with Path("blobs").open("wb") as file:
        for data in blobs(count):
            file.write(data)


def main() -> None:
    """Do the one or the other."""
    ways = {"store": into_store, "files": into_files, "file": into_file}
    ways[sys.argv[1]](int(sys.argv[2]))


if __name__ == "__main__":
    main()
