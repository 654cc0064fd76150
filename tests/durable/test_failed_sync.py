"""What could not be synced is taken away: a later sync of it would answer yes all the same."""

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptmtorrent import disk
from ptmtorrent.errors import FatalError
from ptmtorrent.store.journal import TAIL_BYTES, Journal
from ptmtorrent.store.local import LocalStore

AT = datetime(2026, 11, 21, tzinfo=UTC)
LARGE, SMALL = b"l" * 100_000, b"s" * 1000


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on no file can be synced."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    return lambda: monkeypatch.setattr("os.fsync", fail)


def test_a_large_blob_whose_sync_failed_is_not_left_to_the_next_writer(tmp_path: Path, no_sync):
    store = LocalStore.at(tmp_path, write=True)
    store.put(LARGE)
    no_sync()
    with pytest.raises(FatalError, match="input/output"):
        store.flush()
    store.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_small_blobs_whose_sync_failed_are_cut_off_and_those_before_stay(tmp_path: Path, no_sync):
    store = LocalStore.at(tmp_path, write=True)
    first = store.put(SMALL)
    store.flush()
    second = store.put(SMALL[1:])
    no_sync()
    with pytest.raises(FatalError, match="input/output"):
        store.flush()
    store.close()
    with LocalStore.at(tmp_path, write=False) as again:
        assert (again.read(first), again.has(second)) == (SMALL, False)


def test_lines_whose_sync_failed_are_cut_off_and_those_before_stay(tmp_path: Path, no_sync):
    journal = Journal.open(tmp_path, write=True)
    journal.append("first", AT)
    journal.sync()
    journal.append("second", AT)
    no_sync()
    with pytest.raises(FatalError, match="input/output"):
        journal.sync()
    journal.close()
    assert [entry.kind for entry in Journal.open(tmp_path, write=False).entries()] == ["first"]


class Cache:
    """A kernel that forgets what it could not write: after a failed sync its pages count as clean.

    ``disk`` has the bytes that a power cut leaves, by file.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.disk: dict[str, bytearray] = {}
        self.dirty: dict[str, list[tuple[int, bytes]]] = {}
        self.is_failing = False
        self.most = 0
        self._write, self._sync = os.pwrite, os.fsync
        patch.setattr("os.pwrite", self.write)
        patch.setattr("os.fsync", self.sync)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        done = self._write(fd, data, offset)
        pages = self.dirty.setdefault(_path(fd), [])
        pages.append((offset, bytes(data[:done])))
        self.most = max(self.most, sum(len(page) for _, page in pages))
        return done

    def sync(self, fd: int) -> None:
        pages = self.dirty.pop(_path(fd), [])
        if self.is_failing:
            raise OSError(errno.EIO, "Input/output error")
        self._sync(fd)
        kept = self.disk.setdefault(_path(fd), bytearray())
        for offset, data in pages:
            kept.extend(bytes(max(0, offset + len(data) - len(kept))))
            kept[offset : offset + len(data)] = data


def _path(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())


LEAVE = """
    import os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from ptmtorrent.store.journal import Journal
    from ptmtorrent.store.local import LocalStore

    journal = Journal.open(Path(sys.argv[1]), write=True)
    store = LocalStore.at(Path(sys.argv[1]), write=True)
    os.fsync = lambda fd: os._exit(9)
    if sys.argv[2] == "journal":
        journal.append("line", datetime(2026, 11, 21, tzinfo=UTC))
        journal.sync()
    else:
        store.put(b"small")
        store.flush()
"""


@pytest.mark.parametrize("what", ["journal", "segment"])
def test_what_a_killed_writer_left_is_written_again_before_it_is_built_upon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    """The second process cannot sync it, and ends. The third must not believe the kernel's yes."""
    command = [sys.executable, "-c", textwrap.dedent(LEAVE), str(tmp_path), what]
    assert subprocess.run(command, check=False).returncode == 9
    [left] = [*tmp_path.rglob("*.jsonl"), *tmp_path.rglob("*.seg")]
    cache = Cache(monkeypatch)
    cache.dirty[str(left)] = [(0, left.read_bytes())]
    cache.is_failing = True
    with pytest.raises(FatalError, match="input/output"):
        _open(tmp_path, what)
    assert str(left) not in cache.disk
    cache.is_failing = False
    _open(tmp_path, what)
    assert cache.disk[str(left)] == left.read_bytes() != b""


def _open(root: Path, what: str) -> None:
    if what == "journal":
        Journal.open(root, write=True).close()
    else:
        LocalStore.at(root, write=True).close()


def test_no_more_of_a_journal_is_unsynced_than_the_next_writer_writes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache, journal = Cache(monkeypatch), Journal.open(tmp_path, write=True)
    journal.append("line", AT, text="x" * (2 * TAIL_BYTES + 5))
    journal.sync()
    assert cache.most == TAIL_BYTES
    assert [entry.kind for entry in journal.entries()] == ["line"]
    journal.close()


def test_a_temporary_file_is_locked_as_long_as_it_is_there(tmp_path: Path, monkeypatch):
    """So whoever comes next knows that its writer lives, and removes what a killed one left."""
    seen = []
    sync = os.fsync

    def look(fd: int) -> None:
        disk.remove_stale_temps(tmp_path, now=1e12)
        seen.extend(path.suffix for path in tmp_path.iterdir())
        sync(fd)

    monkeypatch.setattr("os.fsync", look)
    disk.write_atomic(tmp_path / "name", b"bytes")
    assert seen[0] == ".tmp"
    assert (tmp_path / "name").read_bytes() == b"bytes"
