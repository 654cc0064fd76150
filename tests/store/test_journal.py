"""The journal: chained, append-only, and honest about what was acknowledged."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import FatalError, IntegrityError
from ptmtorrent.store.journal import GENESIS, Journal

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def _write(root: Path, *kinds: str) -> None:
    journal = Journal.open(root, write=True)
    for kind in kinds:
        journal.append(kind, AT, blob="ab" * 32)
    journal.sync()
    journal.close()


def _read(root: Path, after: int = 0) -> list[str]:
    journal = Journal.open(root, write=False)
    return [entry.kind for entry in journal.entries(after)]


def _files(root: Path) -> list[Path]:
    return sorted((root / "store/v1/journal").iterdir())


def test_the_bytes_of_a_line(tmp_path: Path) -> None:
    _write(tmp_path, "begin", "page")
    first, second = _files(tmp_path)[0].read_bytes().splitlines()
    fields = {"at": "2026-01-02T03:04:05.000006Z", "blob": "ab" * 32, "kind": "begin", "n": 1}
    expected = json.dumps(fields | {"prev": "0" * 64}, separators=(",", ":"))
    assert first == expected.encode()
    assert json.loads(second)["prev"] == hashlib.sha256(first).hexdigest()


def test_entries_are_what_was_appended(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, write=True)
    zone = timezone(timedelta(hours=5))
    entry = journal.append("visit", AT.astimezone(zone), url="https://x/\udc80", size=3)
    journal.sync()
    (found,) = journal.entries()
    journal.close()
    assert found == entry
    assert found.at == AT
    assert found.payload == {"url": "https://x/\udc80", "size": 3}
    assert found.head == journal.head


def test_each_process_begins_a_file_and_the_chain_goes_on(tmp_path: Path) -> None:
    for n in range(5):
        _write(tmp_path, f"a{n}", f"b{n}")
    assert [path.name for path in _files(tmp_path)] == [f"{n:06d}.jsonl" for n in range(1, 6)]
    assert Journal.open(tmp_path, write=False).verify() == 10
    assert Journal.open(tmp_path, write=False).head.n == 10
    for after in range(12):
        assert _read(tmp_path, after) == [f"{k}{n}" for n in range(5) for k in "ab"][after:]


def test_who_has_seen_the_last_line_reads_no_other(tmp_path: Path) -> None:
    _write(tmp_path, "one", "two", "three")
    path = _files(tmp_path)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"not a line\n" + lines[2])
    assert _read(tmp_path, after=3) == []
    for seen in (0, 1, 2):
        with pytest.raises(IntegrityError, match="line 2"):
            _read(tmp_path, after=seen)


def test_an_unused_journal_leaves_no_file(tmp_path: Path) -> None:
    Journal.open(tmp_path, write=True).sync()
    assert _files(tmp_path) == []
    assert Journal.open(tmp_path, write=False).head == GENESIS
    assert Journal.open(tmp_path / "nowhere", write=False).verify() == 0
    assert not (tmp_path / "nowhere").exists()


def test_lines_that_were_not_synced_are_lost(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, write=True)
    journal.append("one", AT)
    journal.sync()
    journal.append("two", AT)
    journal.close()
    assert _read(tmp_path) == ["one"]


def test_a_last_line_torn_at_any_byte_is_ignored_and_kept(tmp_path: Path) -> None:
    _write(tmp_path, "one", "two", "three")
    (path,) = _files(tmp_path)
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(1, last + 1):
        path.write_bytes(whole[:-cut])
        assert _read(tmp_path) == ["one", "two"]
        _write(tmp_path, "next")
        assert _read(tmp_path) == ["one", "two", "next"]
        assert path.read_bytes() == whole[:-cut]
        _files(tmp_path)[1].unlink()


def test_a_file_without_a_whole_line_counts_for_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "one")
    (tmp_path / "store/v1/journal/000002.jsonl").write_bytes(b'{"n":2')
    _write(tmp_path, "two")
    assert _read(tmp_path) == ["one", "two"]


def test_any_flipped_bit_is_found_and_named(tmp_path: Path) -> None:
    _write(tmp_path, "one", "two")
    _write(tmp_path, "three")
    path = _files(tmp_path)[0]
    good = path.read_bytes()
    first_line = good.index(b"\n") + 1
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << (at % 8)
        path.write_bytes(bad)
        with pytest.raises(IntegrityError, match=r"00000[12]\.jsonl: line [12]") as caught:
            _read(tmp_path)
        if at < first_line - 1:
            assert "000001.jsonl: line" in str(caught.value)


@pytest.mark.parametrize("gone", [0, 1])
def test_a_missing_file_is_found(tmp_path: Path, gone: int) -> None:
    for kind in ("one", "two", "three"):
        _write(tmp_path, kind)
    _files(tmp_path)[gone].unlink()
    with pytest.raises(IntegrityError, match="line 1 follows a line that is not in the journal"):
        _read(tmp_path)


@pytest.mark.parametrize("line", [b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"n":"1"}', b""])
def test_what_is_no_line_is_an_integrity_error(tmp_path: Path, line: bytes) -> None:
    _write(tmp_path, "one")
    (tmp_path / "store/v1/journal/000002.jsonl").write_bytes(line + b"\n")
    for write in (False, True):
        with pytest.raises(IntegrityError, match=r"000002\.jsonl: the last line"):
            Journal.open(tmp_path, write=write)


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "root")
    one, two = Journal.open(tmp_path, write=True), Journal.open(tmp_path, write=True)
    for n in range(3):
        for name, journal in (("one", one), ("two", two)):
            journal.append(f"{name}{n}", AT)
            journal.sync()
    one.close()
    two.close()
    _write(tmp_path, "after")
    kinds = _read(tmp_path)
    assert kinds == ["root", "one0", "one1", "one2", "two0", "two1", "two2", "after"]


def test_a_late_writer_may_follow_a_line_in_the_middle_of_a_file(tmp_path: Path) -> None:
    first = Journal.open(tmp_path, write=True)
    first.append("a", AT)
    first.sync()
    _write(tmp_path, "b")
    first.append("c", AT)
    first.sync()
    first.close()
    assert _read(tmp_path) == ["a", "c", "b"]


def test_reserved_names_and_naive_times_are_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, write=True)
    with pytest.raises(ValueError, match="reserved"):
        journal.append("x", AT, prev="0")
    with pytest.raises(ValueError, match="zone"):
        journal.append("x", AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="not open for writing"):
        Journal.open(tmp_path, write=False).append("x", AT)


def test_a_sync_that_failed_is_never_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, write=True)
    journal.append("x", AT)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(FatalError, match="no space"):
        patch.setattr("os.fsync", fail)
        journal.sync()
    with pytest.raises(FatalError, match="earlier write failed"):
        journal.sync()
    journal.close()


def test_a_writer_makes_durable_what_it_builds_upon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed writer's lines may be only in memory; a chain onto them must not outlive them."""
    _write(tmp_path, "one")
    synced: list[Path] = []
    monkeypatch.setattr("ptmtorrent.disk.sync_again", lambda path, _: synced.append(path))
    Journal.open(tmp_path, write=False)
    assert synced == []
    Journal.open(tmp_path, write=True)
    assert synced == _files(tmp_path)


APPEND_FOREVER = """
    import itertools, sys
    from datetime import datetime, UTC
    from pathlib import Path
    from ptmtorrent.store.journal import Journal

    journal = Journal.open(Path(sys.argv[1]), write=True)
    for n in itertools.count():
        head = journal.append("line", datetime(2026, 1, 1, tzinfo=UTC), text="x" * (n % 50)).head
        if n % 7 == 0:
            journal.sync()
            print(head.n, head.digest, flush=True)
"""


def test_synced_lines_survive_kill_9(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for run in range(5):
        command = [sys.executable, "-c", textwrap.dedent(APPEND_FOREVER), str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged += [child.stdout.readline() for _ in range(5 + run)]
            os.kill(child.pid, signal.SIGKILL)
            acknowledged += [line for line in child.stdout if line.endswith("\n")]
    entries = Journal.open(tmp_path, write=False).entries()
    found = {f"{entry.n} {entry.digest}\n" for entry in entries}
    assert set(acknowledged) <= found


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON, st.datetimes(timezones=st.just(UTC)))
def test_any_json_comes_back(
    tmp_path_factory: pytest.TempPathFactory, value: object, at: datetime
) -> None:
    root = tmp_path_factory.mktemp("journal")
    journal = Journal.open(root, write=True)
    journal.append("x", at, value=value)
    journal.sync()
    journal.close()
    (entry,) = Journal.open(root, write=False).entries()
    assert entry.payload == {"value": value}
    assert entry.at == at
