"""The files of a head: real bytes where they are held, and nothing that leads anywhere."""

import json
import os
import stat
from pathlib import Path

import pytest
from restoring import FIRST, SECOND, context, files_of, git, restore, sha256

from ptmtorrent.app.restoring import RestoreOptions, package_of
from ptmtorrent.app.restoring import restore as restore_command
from ptmtorrent.errors import UsageError
from ptmtorrent.model.oid import parse_pointer


def report_of(folder: Path) -> tuple[dict[str, dict], dict]:
    """The lines of a report by path, and its sum."""
    *lines, summary = map(json.loads, Path(f"{folder}.restore.jsonl").read_text().splitlines())
    return {line["path"]: line for line in lines}, summary


@pytest.mark.parametrize("snapshot", [FIRST, SECOND])
def test_every_file_is_byte_for_byte_that_of_the_world(moved, tmp_path, snapshot):
    truth = moved.clones[snapshot]
    for number, (name, told) in enumerate(sorted(truth.told.items())):
        plain = not any(":" in file["path"] or file["mode"] == "120000" for file in told["files"])
        if number % 5 and plain:
            continue
        folder = tmp_path / str(number)
        restore(moved, name, folder, worktree=True, at=snapshot)
        lines, summary = report_of(folder)
        found = files_of(folder)
        assert len(found) == len(told["files"]) == summary["files"], name
        for file in told["files"]:
            line = lines.get(file["path"], {"written": file["path"], "what": []})
            data = found.pop(os.fsencode(line["written"]))
            if "pointer" in line["what"]:
                assert parse_pointer(data).sha256 == file["sha256"]
            else:
                assert (sha256(data), len(data)) == (file["sha256"], file["size"]), file
        assert found == {}


def one_with(moved, condition) -> tuple[str, dict]:
    return next((n, t) for n, t in moved.clones[SECOND].told.items() if condition(t))


def test_hostile_names_are_escaped_and_listed(moved, out):
    name, told = one_with(moved, lambda t: any("\x1b" in f["path"] for f in t["files"]))
    restore(moved, name, out, worktree=True)
    lines, summary = report_of(out)
    written = {os.fsdecode(path) for path in files_of(out)}
    assert "esc%1B[31mred%07.txt" in written
    assert "line%0Abreak.txt" in written
    assert "(1) {2} 'q' \"dq\" $HOME `x`.txt" in written
    assert {"nai\u0308ve-nfd.txt", "naïve-nfc.txt", "notes/モデル/説明.md"} <= written
    changed = {line["path"]: line["written"] for line in lines.values()}
    assert {path: path for path in {f["path"] for f in told["files"]} - set(changed)}.keys() < (
        written
    )
    assert summary["escaped"] == len(changed)


def test_links_are_files_that_hold_their_target_and_scripts_stay_executable(moved, out):
    name, _ = one_with(moved, lambda t: any(f["mode"] == "120000" for f in t["files"]))
    before = os.umask(0o027)
    try:
        restore(moved, name, out, worktree=True)
    finally:
        os.umask(before)
    assert (out / "outside").read_bytes() == b"../../../etc/passwd"
    assert not (out / "outside").is_symlink()
    lines, summary = report_of(out)
    assert lines["outside"]["what"] == ["link"]
    assert summary["links"] == 2
    assert stat.S_IMODE((out / "scripts/train.sh").stat().st_mode) == 0o750
    assert stat.S_IMODE((out / "config.json").stat().st_mode) == 0o640
    assert stat.S_IMODE((out / "a/b").stat().st_mode) == 0o750
    assert (out / "almost.bin").read_bytes().startswith(b"version https://git-lfs")


def test_an_object_that_is_not_held_is_its_pointer_and_listed(moved, out):
    name, told = one_with(moved, lambda t: any(f["path"] == "optimizer.pt" for f in t["files"]))
    restore(moved, name, out, worktree=True)
    [digest] = [f["sha256"] for f in told["files"] if f["path"] == "optimizer.pt"]
    lines, summary = report_of(out)
    assert lines["optimizer.pt"]["sha256"] == digest
    assert parse_pointer((out / "optimizer.pt").read_bytes()).sha256 == digest
    assert summary["lfs_not_held"] == 1


def test_every_time_is_that_of_the_commit_and_nothing_shares_bytes_with_the_store(moved, out):
    name, told = one_with(moved, lambda t: any("/" in f["path"] and f["lfs"] for f in t["files"]))
    restore(moved, name, out, worktree=True)
    at = int(git("show", "-s", "--format=%ct", told["head"], cwd=moved.clones[SECOND].clones[name]))
    for path in (out, *out.rglob("*")):
        assert path.stat().st_mtime == at, path
        assert path.is_dir() or path.stat().st_nlink == 1


def test_json_is_the_report_line_by_line(moved, out, capfd):
    name, _ = one_with(moved, lambda t: any(f["mode"] == "120000" for f in t["files"]))
    wish = RestoreOptions(package=f"huggingface:{name}", directory=out, worktree=True)
    moved.close()

    assert restore_command(context(moved.root, as_json=True), wish) == 0
    assert capfd.readouterr().out == Path(f"{out}.restore.jsonl").read_text()


def test_only_a_new_or_empty_directory_is_taken(moved, tmp_path):
    name = next(iter(moved.clones[SECOND].clones))
    empty = tmp_path / "empty"
    empty.mkdir()
    restore(moved, name, empty, worktree=True)
    assert (empty / "README.md").exists()
    kept = files_of(empty)
    for place in (empty, tmp_path / "no/where", moved.root / "x", empty / "README.md"):
        with pytest.raises(UsageError):
            restore(moved, name, place, worktree=True)
    assert files_of(empty) == kept
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    restore(moved, name, tmp_path / "link", worktree=True)
    assert files_of(tmp_path / "elsewhere") == kept


def test_a_package_is_named_as_everywhere(moved, out):
    for name in ("nothing", "huggingfaec:a/b", "huggingface:"):
        with pytest.raises(UsageError):
            package_of(name, ("huggingface",))
    assert package_of("huggingface:id=5", ("huggingface",)) == ("huggingface", "id=5")
