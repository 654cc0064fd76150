"""The root: made once, recognised, held by one writer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ptmtorrent.errors import (
    FatalError,
    IntegrityError,
    NotFoundError,
    UsageError,
    WriterActiveError,
)
from ptmtorrent.store.root import Space, check_space, open_root, shortage, space_at


def test_a_root_is_made_once_and_found_again(tmp_path: Path) -> None:
    made = open_root(tmp_path / "deep/root", create=True)
    assert json.loads((made.path / "ptmtorrent.json").read_text())["format"] == 1
    again = open_root(tmp_path / "deep/root", create=True)
    assert again == made == open_root(tmp_path / "deep/root", create=False)
    assert again.privacy_key == made.privacy_key
    assert len(made.privacy_key) == 32
    assert made.layout.privacy_key.stat().st_mode & 0o777 == 0o600


def test_two_roots_have_two_keys(tmp_path: Path) -> None:
    one, two = (open_root(tmp_path / name, create=True) for name in "ab")
    assert one.privacy_key != two.privacy_key


def test_no_root_is_not_found_and_nothing_is_made(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(NotFoundError):
            open_root(path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        open_root(tmp_path, create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="not a folder"):
        open_root(tmp_path / "thesis.tex", create=True)
    for place in ("thesis.tex/below", "x" * 300):
        with pytest.raises(UsageError, match="no place for a root"):
            open_root(tmp_path / place, create=True)


def test_a_creation_that_was_killed_is_finished(tmp_path: Path) -> None:
    first = open_root(tmp_path, create=True)
    key = first.privacy_key
    first.layout.format_file.unlink()
    (tmp_path / ".ptmtorrent.json.0a.tmp").write_text("{")
    assert open_root(tmp_path, create=True).privacy_key == key


def test_a_lost_key_is_not_silently_made_anew(tmp_path: Path) -> None:
    open_root(tmp_path, create=True).layout.privacy_key.unlink()
    with pytest.raises(NotFoundError, match=r"privacy\.key"):
        _ = open_root(tmp_path, create=True).privacy_key


def test_a_key_of_another_root_is_not_taken(tmp_path: Path) -> None:
    root = open_root(tmp_path, create=True)
    root.layout.privacy_key.write_bytes(bytes(32))
    with pytest.raises(IntegrityError, match=r"privacy\.key"):
        _ = open_root(tmp_path, create=True).privacy_key


def test_an_old_root_that_does_not_name_its_key_opens_with_any(tmp_path: Path) -> None:
    key = open_root(tmp_path, create=True).privacy_key
    (tmp_path / "ptmtorrent.json").write_text('{"created_by":"0.1.0","format":1}\n')
    assert open_root(tmp_path, create=False).privacy_key == key
    (tmp_path / "privacy.key").write_bytes(bytes(32))
    assert open_root(tmp_path, create=False).privacy_key == bytes(32)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    (tmp_path / "ptmtorrent.json").write_text('{"format": 2, "created_by": "9.9"}')
    with pytest.raises(UsageError, match="made by a newer ptmtorrent"):
        open_root(tmp_path, create=False)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "1"}', '{"format": 0}', "\xff"])
def test_an_unreadable_format_is_an_integrity_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "ptmtorrent.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(IntegrityError):
        open_root(tmp_path, create=True)


HOLD = """
import sys
from pathlib import Path
from ptmtorrent.store.root import open_root
with open_root(Path(sys.argv[1]), create=False).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_writer_at_a_time_and_kill_9_lets_go(tmp_path: Path) -> None:
    root = open_root(tmp_path, create=True)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(WriterActiveError, match=f'"pid":{child.pid}'), root.writing():
            pass
        child.kill()
    for _ in range(2):
        with root.writing():
            pass


def test_too_little_space_stops_the_run_before_the_disk_is_full(tmp_path: Path) -> None:
    assert shortage(Space(10, 10), 10, 10) is None
    assert shortage(Space(9, 10), 10, 10) == "9 bytes are free, 10 must stay free"
    assert shortage(Space(10, 9), 10, 10) == "9 inodes are free, 10 must stay free"
    assert shortage(Space(10, None), 10, 10) is None
    check_space(tmp_path, 1, 1)
    with pytest.raises(FatalError, match="must stay free"):
        check_space(tmp_path, space_at(tmp_path).free_bytes * 10, 1)
