"""Who is gone and who is not; and what the disk refuses."""

import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import random
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent import disk
from ptmtorrent.errors import FatalError, WriterActiveError
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.partials import Partials
from ptmtorrent.store.writers import WriterId, is_gone, start_of

ME = WriterId(pid=10, start=500, namespace=7, boot="ab", nonce="1", host="box.example")


def test_a_name_is_read_back() -> None:
    for writer in (ME, WriterId.here()):
        assert WriterId.parse(str(writer)) == writer
    for text in ("", "x", str(ME) + "/", "1-2-3", f"{ME}\n"):
        assert WriterId.parse(text) is None


@pytest.mark.parametrize(
    ("writer", "start_now", "idle_s", "gone"),
    [
        (ME, 500, 1e9, False),
        (ME, None, 0, True),
        (ME, 501, 0, True),
        (replace(ME, boot="cd"), 500, 0, True),
        (replace(ME, boot="cd", host="other"), None, 3599, False),
        (replace(ME, boot="cd", host="other"), None, 3601, True),
        (replace(ME, namespace=8), None, 3599, False),
        (replace(ME, namespace=8), 500, 3601, True),
        (replace(ME, boot="0"), None, 3599, False),
        (replace(ME, boot="0"), None, 3601, True),
    ],
)
def test_who_is_gone(writer: WriterId, start_now: int | None, idle_s: float, gone: bool) -> None:
    assert is_gone(writer, ME, start_now, idle_s) is gone


def test_this_process_runs_and_a_missing_one_does_not() -> None:
    assert start_of(os.getpid()) == WriterId.here().start > 0
    assert start_of(2**30) is None


def test_of_two_partials_of_a_blob_the_longer_stays(tmp_path: Path) -> None:
    partials, name = Partials(tmp_path, ME), "ab" * 32
    for length in (5, 9, 7, 0):
        path = partials._new_path(name)
        path.write_bytes(b"x" * length)
        partials.let_go(path)
    (left,) = tmp_path.iterdir()
    assert (left.name, left.stat().st_size) == (name, 9)


def test_bytes_nobody_wanted_for_thirty_days_are_removed(tmp_path: Path) -> None:
    partial = tmp_path / ("ab" * 32)
    stranger = tmp_path / "README"
    for path in (partial, stranger):
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    partials = Partials(tmp_path, ME)
    partials.sweep(30 * 86_400)
    assert partial.exists()
    partials.sweep(30 * 86_400 + 1)
    assert list(tmp_path.iterdir()) == [stranger]


@pytest.mark.parametrize(
    "code",
    ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EMFILE", "EIO", "EFBIG"],
)
def test_what_the_machine_refuses_is_fatal_and_says_what_to_do(code: str) -> None:
    with (
        pytest.raises(FatalError, match=r"^/some/where: .{15}"),
        disk.refusals(Path("/some/where")),
    ):
        raise OSError(getattr(errno, code), "no")


def test_other_errors_pass() -> None:
    with pytest.raises(FileNotFoundError), disk.refusals(Path("x")):
        raise FileNotFoundError(errno.ENOENT, "no")


def test_write_atomic_replaces_and_write_once_does_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert disk.write_once(path, b"one", mode=0o600)
    assert not disk.write_once(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)
    disk.write_atomic(path, b"three", mode=0o640)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"three", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(FatalError):
        disk.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_whose_temporary_file_is_taken_away_learns_of_the_other_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def sync_and_lose(fd: int) -> None:
        sync(fd)
        disk.remove_temps(tmp_path)

    monkeypatch.setattr("os.fsync", sync_and_lose)
    for write in (disk.write_atomic, disk.write_once):
        with pytest.raises(WriterActiveError, match=r"\.file\..*\.tmp vanished: another process"):
            write(tmp_path / "file", b"bytes")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_nobodys_work(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        disk.write_atomic(tmp_path / "no/file", b"bytes")


def test_only_stale_temporary_files_are_removed(tmp_path: Path) -> None:
    for name in (".a.tmp", ".b.tmp", "c.tmp"):
        (tmp_path / name).write_bytes(b"")
    with (tmp_path / ".b.tmp").open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        disk.remove_stale_temps(tmp_path, now=time.time())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.tmp", "c.tmp"]


def test_where_nothing_can_be_locked_age_tells_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    for name, changed in ((".a.tmp", 0), (".b.tmp", 5_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (changed, changed))
    disk.remove_stale_temps(tmp_path, now=5_001)
    assert [path.name for path in tmp_path.iterdir()] == [".b.tmp"]


def test_bytes_that_come_another_way_leave_no_partial_behind(tmp_path: Path) -> None:
    data = b"x" * 100_000
    name = hashlib.sha256(data).hexdigest()
    with LocalStore.at(tmp_path, write=True) as store:
        with closing(store.writer(name, len(data))) as writer:
            writer.write(data[:50_000])
        assert store.put(data) == name
        store.flush()
        assert list((tmp_path / "store/v1/partial").iterdir()) == []


SIZES = st.lists(st.integers(0, 2 * disk.PIECE + 5), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3 * 4096), SIZES, st.booleans())
def test_what_is_appended_in_any_pieces_is_in_the_file_after_what_was_there(
    tmp_path_factory: pytest.TempPathFactory, before: int, sizes: list[int], interrupt: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "file"
    written = random.Random(before).randbytes(before)
    path.write_bytes(written)
    file = disk.Appender(path)
    for number, size in enumerate(sizes):
        data = bytes([number + 1]) * size
        file.append(data)
        written += data
        if interrupt:
            file.close()
            assert path.read_bytes() == written
            file = disk.Appender(path)
    file.close()
    assert path.read_bytes() == written


def test_large_files_go_past_the_page_cache_where_they_can(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    file = disk.Appender(path)
    if not file._passes_by:
        file.close()
        pytest.skip("this file system has no way past the cache")
    file.append(bytes(8 * disk.PIECE))
    assert _cached(path) == 0
    file.truncate()
    file.append(b"end")
    file.close()
    assert path.read_bytes() == b"end"


def _cached(path: Path) -> int:
    """Pages of a file in the page cache (mincore(2))."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        pages = (ctypes.c_ubyte * (len(view) // mmap.PAGESIZE))()
        start = ctypes.addressof(ctypes.c_char.from_buffer(view))
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(start), len(view), pages) == 0
        return sum(page & 1 for page in pages)


@pytest.mark.parametrize("refused_by", ["fcntl", "pwrite"])
def test_where_there_is_no_way_past_the_cache_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused_by: str
) -> None:
    real = os.pwrite

    def no_direct_write(fd: int, data: bytes, offset: int) -> int:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(fd, data, offset)

    def no_flag(fd: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real_fcntl(fd, command, flags)

    real_fcntl = fcntl.fcntl
    monkeypatch.setattr("os.pwrite", no_direct_write)
    if refused_by == "fcntl":
        monkeypatch.setattr("fcntl.fcntl", no_flag)
    data = random.Random(0).randbytes(2 * disk.PIECE + 100)
    name = hashlib.sha256(data).hexdigest()
    with LocalStore.at(tmp_path, write=True) as store:
        with closing(store.writer(name, len(data))) as writer:
            writer.write(data)
            writer.commit()
        assert store.read(name) == data


def test_a_write_that_is_cut_short_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda fd, data, at: real(fd, data[:5000], at))
    path = tmp_path / "file"
    path.touch()
    data = random.Random(0).randbytes(disk.PIECE + 100)
    file = disk.Appender(path)
    file.append(data)
    file.close()
    assert path.read_bytes() == data


def test_a_file_whose_end_cannot_be_read_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "file"
    path.write_bytes(b"end")
    before = sorted(Path("/proc/self/fd").iterdir())
    with monkeypatch.context() as patch, pytest.raises(OSError, match="put/output"):
        patch.setattr("os.pread", broken)
        disk.Appender(path)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_after_a_write_that_failed_what_was_held_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.touch()
    file = disk.Appender(path)
    file.append(b"x" * disk.PIECE)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file._settle()
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        file.append(b"y" * disk.PIECE)
        with pytest.raises(OSError, match="space"):
            file.append(b"z" * (disk.PIECE + 1))
    file.close()
    assert path.read_bytes() == b"x" * disk.PIECE


def test_a_write_that_failed_last_is_told_when_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.pwrite", broken)
    data = random.Random(0).randbytes(disk.PIECE)
    with (
        LocalStore.at(tmp_path, write=True) as store,
        pytest.raises(FatalError, match="input/output"),
        closing(store.writer(hashlib.sha256(data).hexdigest(), len(data))) as writer,
    ):
        writer.write(data)
        writer.commit()
    assert not list((tmp_path / "store/v1/blobs").rglob("?" * 64))
