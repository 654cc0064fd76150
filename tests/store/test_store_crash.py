"""Real processes, really killed; and a disk that is really full."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError, FatalError
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore

PUT_FOREVER = """
    import itertools, sys
    from pathlib import Path
    from ptmtorrent.store.local import LocalStore

    store = LocalStore.at(Path(sys.argv[1]), write=True)
    print("ready", flush=True)
    for group in itertools.count():
        names = []
        for n in range(6):
            text = b"%s %d %d " % (sys.argv[2].encode(), group, n)
            names.append(store.put(text if n else text * 9000))
        store.flush()
        print(*names, flush=True)
"""

HALF_A_BLOB = """
    import sys
    from pathlib import Path
    from ptmtorrent.model.oid import sha256_of
    from ptmtorrent.store.local import LocalStore

    data = b"0123456789" * 300_000
    store = LocalStore.at(Path(sys.argv[1]), write=True)
    (store.scratch() / "work").write_text("half done")
    store.writer(sha256_of(data), len(data)).write(data[:2_600_000])
    print("ready", flush=True)
    sys.stdin.read()
"""


def _start(code: str, *args: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def _kill(child: subprocess.Popen[str]) -> list[str]:
    """Kill -9; what it printed up to its last whole line."""
    child.send_signal(signal.SIGKILL)
    with child:
        assert child.stdout is not None
        lines = child.stdout.read().splitlines(keepends=True)
    return [name for line in lines if line.endswith("\n") for name in line.split()]


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged: list[str] = []
    for run in range(8):
        child = _start(PUT_FOREVER, str(tmp_path), str(run))
        assert child.stdout is not None
        for _ in range(rng.randrange(20)):
            acknowledged += child.stdout.readline().split()
        acknowledged += _kill(child)
        store = LocalStore.at(tmp_path, write=run % 2 == 0)
        assert set(acknowledged) <= set(store.names())
        store.close()
    store = LocalStore.at(tmp_path, write=True)
    for name in store.names():
        assert sha256_of(store.read(name)) == name
    store.close()
    assert len(acknowledged) > 100


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    children = [_start(PUT_FOREVER, str(tmp_path), name) for name in ("a", "b")]
    same = [_start(PUT_FOREVER, str(tmp_path), "same") for _ in range(2)]
    acknowledged = []
    for child in (*children, *same):
        assert child.stdout is not None
        for _ in range(10):
            acknowledged += child.stdout.readline().split()
    for child in (*children, *same):
        acknowledged += _kill(child)
    for write in (False, True):
        store = LocalStore.at(tmp_path, write=write)
        names = list(store.names())
        assert len(names) == len(set(names))
        assert set(acknowledged) <= set(names)
        assert all(sha256_of(store.read(name)) == name for name in names)
        store.close()


def test_a_killed_writer_is_resumed_and_a_live_one_left_alone(tmp_path: Path) -> None:
    data = b"0123456789" * 300_000
    child = _start(HALF_A_BLOB, str(tmp_path))
    partial = tmp_path / "store/v1/partial"

    with LocalStore.at(tmp_path, write=True) as store:
        meanwhile = store.writer(sha256_of(data), len(data))
        assert meanwhile.offset == 0
        meanwhile.close()
        assert len(list(partial.glob("scratch-*/work"))) == 1
    _kill(child)

    with LocalStore.at(tmp_path, write=True) as store:
        assert list(partial.glob("scratch-*")) == []
        writer = store.writer(sha256_of(data), len(data))
        assert writer.offset in (disk.PIECE, 2 * disk.PIECE)
        writer.write(data[writer.offset :])
        writer.commit()
    assert list(partial.iterdir()) == []
    with LocalStore.at(tmp_path, write=False) as store:
        assert store.read(sha256_of(data)) == data


def test_names_linked_by_a_killed_flush_become_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the links and before the folders are synced."""
    store = LocalStore.at(tmp_path, write=True)
    name = store.put(b"x" * 70_000)
    leaf = tmp_path / "store/v1/blobs/sha256" / name[:2] / name[2:4]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ptmtorrent.disk.sync_dir", _interrupt)
        store.flush()
    store.close()
    synced: list[Path] = []
    monkeypatch.setattr("ptmtorrent.disk.sync_dir", synced.append)
    again = LocalStore.at(tmp_path, write=True)
    assert {leaf, leaf.parent, leaf.parent.parent} <= set(synced)
    assert again.read(name) == b"x" * 70_000
    assert list((tmp_path / "store/v1/partial").iterdir()) == []
    again.close()


def _interrupt(_: Path) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("data", [b"small", b"large" * 20_000], ids=len)
def test_a_sync_that_failed_is_never_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    store = LocalStore.at(tmp_path, write=True)
    store.put(data)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(FatalError, match="input/output"):
        patch.setattr("os.fsync", fail)
        store.flush()
    with pytest.raises(FatalError, match="earlier write failed"):
        store.flush()
    store.close()


def test_bytes_are_synced_before_they_get_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore.at(tmp_path, write=True)
    name = store.put(b"y" * 70_000)
    steps: list[str] = []
    real_sync, real_link, real_dir = os.fsync, os.link, "ptmtorrent.disk.sync_dir"
    monkeypatch.setattr(real_dir, lambda path: steps.append("folder"))
    monkeypatch.setattr("os.fsync", lambda fd: (steps.append("bytes"), real_sync(fd))[1])
    monkeypatch.setattr("os.link", lambda *a, **k: (steps.append("name"), real_link(*a, **k))[1])
    store.flush()
    assert steps == ["bytes", "name", "folder", "folder", "folder"]
    path = tmp_path / "store/v1/blobs/sha256" / name[:2] / name[2:4] / name
    assert path.stat().st_mode & 0o777 == 0o444
    store.close()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("NOT TESTED: a full disk needs root and mount(8)")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("size", [9_000, 100_000])
def test_a_full_disk_is_fatal_and_leaves_nothing_torn(tiny_disk: Path, size: int) -> None:
    store = LocalStore.at(tiny_disk, write=True)
    acknowledged: list[str] = []
    with pytest.raises(FatalError, match="no space"):
        for n in range(2_000):
            name = store.put(b"%09d" % n * (size // 9))
            if n % 3 == 0:
                store.flush()
                acknowledged.append(name)
    store.close()
    again = LocalStore.at(tiny_disk, write=False)
    assert set(acknowledged) <= set(again.names())
    assert all(sha256_of(again.read(name)) == name for name in again.names())
    again.close()
    assert len(acknowledged) > 3


def test_a_full_disk_keeps_what_a_writer_has_and_it_goes_on_later(tiny_disk: Path) -> None:
    data = os.urandom(3 * 1024 * 1024)
    store = LocalStore.at(tiny_disk, write=True)
    writer = store.writer(sha256_of(data), len(data))
    with pytest.raises(FatalError, match="no space"), closing(writer):
        for at in range(0, len(data), 65_536):
            writer.write(data[at : at + 65_536])
    assert not store.has(sha256_of(data))
    store.close()
    subprocess.run(["mount", "-o", "remount,size=8m", str(tiny_disk)], check=True)
    with LocalStore.at(tiny_disk, write=True) as later:
        again = later.writer(sha256_of(data), len(data))
        assert again.offset > 1_000_000
        again.write(data[again.offset :])
        again.commit()
        later.flush()
        assert later.read(sha256_of(data)) == data


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files and folders that are synced, in order."""
    names: list[str] = []
    real = os.fsync

    def record(fd: int) -> None:
        real(fd)
        names.append(Path(f"/proc/self/fd/{fd}").readlink().name)

    monkeypatch.setattr("os.fsync", record)
    return names


def test_one_flush_syncs_many_small_blobs_once(tmp_path: Path, synced: list[str]) -> None:
    store = LocalStore.at(tmp_path, write=True)
    synced.clear()
    for expected in (["000001.seg", "segments"], ["000001.seg"]):
        for _ in range(50):
            store.put(os.urandom(20))
        store.flush()
        store.flush()
        assert synced == expected
        synced.clear()
    store.close()


def test_one_sync_of_the_journal_serves_many_lines(tmp_path: Path, synced: list[str]) -> None:
    journal = Journal.open(tmp_path, write=True)
    synced.clear()
    for expected in (["000001.jsonl", "journal"], ["000001.jsonl"]):
        for _ in range(50):
            journal.append("line", datetime(2026, 1, 1, tzinfo=UTC))
        journal.sync()
        journal.sync()
        assert synced == expected
        synced.clear()
    journal.close()


def test_a_name_that_another_process_linked_is_made_durable(
    tmp_path: Path, synced: list[str]
) -> None:
    data = b"z" * 70_000
    name = sha256_of(data)
    first = LocalStore.at(tmp_path, write=True)
    first.put(data)
    first.flush()
    second = LocalStore.at(tmp_path, write=True)
    synced.clear()
    second.put(data)
    second.flush()
    assert synced == [name[2:4], name[:2], "sha256"]
    first.close()
    second.close()


def test_a_small_file_that_is_not_what_was_said_is_not_adopted(tmp_path: Path) -> None:
    with LocalStore.at(tmp_path, write=True) as store:
        path = store.scratch() / "file"
        path.write_bytes(b"other")
        with pytest.raises(CorruptError):
            store.adopt(path, sha256_of(b"said"))
        assert list(store.names()) == []
