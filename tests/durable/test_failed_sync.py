"""What could not be synced is taken away: a later sync of it would answer yes all the same."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptmtorrent import disk
from ptmtorrent.errors import FatalError
from ptmtorrent.store.journal import Journal
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
