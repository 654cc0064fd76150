"""What is as it should be is not called a fault, whatever a killed run left."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from damage import Copies, faults, files, names

from ptmtorrent.app.audit import verify
from ptmtorrent.audit import blobs
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import NotFoundError, StoppedError
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore


def test_a_sound_root_has_no_fault_however_often_one_looks(twice):
    assert [faults(twice.root) for _ in range(5)] == [[]] * 5
    assert faults(twice.root, quick=True) == []


def test_nothing_under_the_root_changes(twice):
    def state() -> dict[str, tuple[int, int]]:
        found = [Path(folder, n) for folder, d, f in os.walk(twice.root) for n in (*d, *f)]
        return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in found}

    before = state()
    assert faults(twice.root) == []
    assert state() == before


def test_what_killed_writers_left_is_no_fault_and_is_told(copies: Copies):
    left = [
        f"store/v1/partial/{'a' * 64}",
        f"store/v1/partial/{'b' * 64}.1-2-3-ab-cd-host.1",
        f"store/v1/damaged/{'c' * 64}.01234567",
        f"store/v1/segments/.000001.idx.{'0' * 16}.tmp",
        f"dataset/packages/v1/snapshot=2026-11-22/.part-{'0' * 16}.tmp",
        "store/v1/segments/000009.seg",
        "store/v1/journal/000009.jsonl",
    ]
    said: list[str] = []
    with copies.of() as root:
        for number in range(3, 9):
            (root / f"store/v1/journal/00000{number}.jsonl").touch()
        for place in left:
            (root / place).parent.mkdir(exist_ok=True)
            (root / place).write_bytes(b"")
        (root / "store/v1/partial/scratch-1-2-3-ab-cd-host-2").mkdir()
        assert faults(root, said=said) == []
    assert any("partial: 3 left" in line for line in said)


def test_a_killed_writer_s_segment_and_its_torn_end_are_no_fault(copies: Copies):
    with copies.of() as root:
        store = LocalStore.at(root, write=True)
        store.put(b"a small blob that nobody names")
        store.flush()
        store.close()
        segment = files(root, "segment")[-1]
        with (root / segment).open("ab") as file:
            file.write(b"\x20\0\0\0" + b"d" * 20)
        assert not (root / segment).with_suffix(".idx").exists()
        assert faults(root) == []


def test_a_torn_record_in_the_middle_of_such_a_segment_is_a_fault(copies: Copies):
    with copies.of() as root:
        store = LocalStore.at(root, write=True)
        for text in (b"the first", b"the second", b"the third"):
            store.put(text)
        store.flush()
        store.close()
        segment = files(root, "segment")[-1]
        data = (root / segment).read_bytes()
        (root / segment).write_bytes(data.replace(b"the second", b"the sec0nd"))
        assert names(faults(root)) == {segment.as_posix()}


def test_a_snapshot_that_is_being_built_is_no_fault(copies: Copies):
    with copies.of() as root:
        journal = Journal.open(root, write=True)
        journal.append("begin", datetime.now(UTC), snapshot="2026-11-23", as_of="2026-11-23")
        journal.sync()
        journal.close()
        for place in (
            "packages/v1/snapshot=2026-11-23/part-00000.parquet",
            "snapshots/2026-11-23/views.sql",
        ):
            (root / "dataset" / place).parent.mkdir(parents=True)
            (root / "dataset" / place).write_bytes(b"not yet")
        assert faults(root) == []


def test_quick_misses_a_flipped_byte_of_a_blob_and_names_one_that_is_gone(copies: Copies):
    blob, shard = files(copies.root, "blob")[0], files(copies.root, "shard")[0]
    with copies.of(blob, shard) as root:
        for path in (blob, shard):
            data = (root / path).read_bytes()
            (root / path).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        (root / blob).chmod(0o444)
        assert faults(root, quick=True) == []
        assert names(faults(root)) == {blob.as_posix(), shard.as_posix()}
        (root / shard).write_bytes(b"")
        (root / blob).unlink()
        assert names(faults(root, quick=True)) == {blob.as_posix(), shard.as_posix()}


def test_beside_a_run_the_ledger_is_left_out_and_no_reader_or_writer_is_blocked(copies: Copies):
    lock, ledger = Path("lock"), Path("ledger.sqlite")
    said: list[str] = []
    with copies.of(lock, ledger) as root:
        (root / ledger).write_bytes(b"being written")
        with (root / lock).open("rb+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert faults(root, said=said) == []
        assert names(faults(root)) == {"ledger.sqlite"}
    assert any("a run is writing" in line for line in said)


def test_what_the_machine_does_not_read_is_named_and_ends_in_7(copies: Copies, monkeypatch, capsys):
    blob = files(copies.root, "blob")[0]
    real = os.open

    def failing(path, *rest, **more):
        if str(path).endswith(blob.name):
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *rest, **more)

    monkeypatch.setattr(blobs.os, "open", failing)
    assert verify(copies.root, Console(quiet=True, as_json=True), quick=False) == 7
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["kind"], first["name"]) == ("unreadable", blob.as_posix())
    assert last["bad"] == 1


def test_the_command_speaks_as_the_contract_says(copies: Copies, capsys):
    assert verify(copies.root, Console(quiet=True, as_json=True), quick=False) == 0
    [last] = map(json.loads, capsys.readouterr().out.splitlines())
    assert last["bad"] == 0 and last["checked"] > 100
    with copies.of() as root:
        (root / "store/x").touch()
        assert verify(root, Console(quiet=True, as_json=True), quick=True) == 6
        fault, last = map(json.loads, capsys.readouterr().out.splitlines())
        assert list(fault) == ["kind", "name", "expected", "found"]
        assert (fault["name"], last["bad"]) == ("store/x", 1)
        assert verify(root, Console(quiet=True), quick=True) == 6
        assert "store/x: foreign" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["ptmtorrent.app.audit.rebuild", "gzip.decompress"])
@pytest.mark.parametrize("error", [StoppedError(2), MemoryError()])
def test_what_says_nothing_of_the_root_ends_the_audit_and_is_no_fault(
    copies: Copies, monkeypatch, place: str, error: Exception
):
    """A signal comes anywhere, and so does the end of memory."""

    def ended(*_):
        raise error

    monkeypatch.setattr(place, ended)
    with pytest.raises(type(error)):
        verify(copies.root, Console(quiet=True), quick=False)


def test_a_folder_that_is_no_root_is_not_audited(tmp_path):
    with pytest.raises(NotFoundError):
        verify(tmp_path, Console(quiet=True), quick=False)


def test_a_read_only_root_can_be_audited(copies: Copies, repository):
    """In a mount namespace of its own, where the machine allows one."""
    code = (
        "import sys; from pathlib import Path; from ptmtorrent.app.audit import verify;"
        "from ptmtorrent.console.terminal import Console;"
        "p = Path(sys.argv[1]); ok = True\n"
        "try: (p / 'probe').touch(); ok = False\n"
        "except OSError: pass\n"
        "sys.exit(verify(p, Console(quiet=True), quick=False) if ok else 99)"
    )
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1"'
    words = ["unshare", "-m", "sh", "-c", script, "sh", copies.root, sys.executable, code]
    done = subprocess.run(words, check=False, cwd=repository, capture_output=True, text=True)
    if done.returncode not in (0, 6, 7) and "verify" not in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout


def test_an_old_format_file_that_vouches_for_nothing_is_no_fault(copies: Copies):
    path = Path("ptmtorrent.json")
    with copies.of(path) as root:
        (root / path).write_text('{"created_by":"0.1.0","format":1}\n')
        (root / path).chmod(0o644)
        assert faults(root) == []
