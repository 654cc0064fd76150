"""Whatever is changed in a root, the audit names the file; and names no other."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from damage import KINDS, Copies, extend, faults, files, flip, flips, names, truncate, zero

FLIPS = int(os.environ.get("PTMTORRENT_FLIPS", "2"))
"""Random flips of each kind of file; 500 by hand."""

PROVEN = [kind for kind in KINDS if kind != "ledger"]
"""Kinds of which every single byte is vouched for."""


@pytest.mark.parametrize("kind", PROVEN)
def test_every_flipped_bit_is_named_exactly(copies: Copies, kind: str):
    figures = flips(copies, kind, FLIPS, seed=1)
    assert figures.counts["exact"] == FLIPS, figures.odd


def test_a_flipped_bit_of_the_ledger_is_named_or_changes_only_what_is_work(copies: Copies):
    figures = flips(copies, "ledger", FLIPS, seed=2)
    assert figures.counts["exact"] + figures.counts["harmless"] == FLIPS, figures.odd


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("packages", "UPDATE packages SET name = name || 'x' WHERE id = 1"),
        ("packages", "DELETE FROM packages WHERE id = (SELECT max(id) FROM packages)"),
        ("origins", "UPDATE origins SET depth = 9 WHERE id = 1"),
        ("pages", "UPDATE pages SET received_at = 'x' WHERE seq = 1"),
        ("visits", "UPDATE visits SET told = NULL WHERE origin = 1"),
        ("wanted", "UPDATE wanted SET size = size + 1"),
        ("objects", "UPDATE objects SET held = 0 WHERE held"),
        ("objects", "UPDATE objects SET size = size + 1 WHERE held"),
        ("snapshots", "UPDATE snapshots SET manifest = 'x' WHERE seq = 1"),
        ("listings", "UPDATE listings SET listed = 0"),
        ("items", "UPDATE items SET reason = 'gone' WHERE stage = 'visit' AND state = 'done'"),
        ("position", "UPDATE position SET digest = 'x'"),
        ("position", "UPDATE position SET applied = applied + 1"),
        ("position", "UPDATE position SET applied = applied - 1"),
        ("visits", "UPDATE visits SET commits = commits + 1"),
        ("lost", "INSERT INTO lost SELECT max(origin), '0' FROM named"),
        ("figures", "UPDATE figures SET counted = replace(counted, '1', '2')"),
        ("figures", "UPDATE figures SET counted = '{}'"),
        ("schema", "DROP INDEX packages_by_page"),
    ],
)
def test_a_ledger_that_says_something_else_is_named(copies: Copies, table: str, change: str):
    ledger = Path("ledger.sqlite")
    with copies.of(ledger) as root:
        connection = sqlite3.connect(root / ledger, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute(change).rowcount or table == "schema"
        connection.close()
        found = faults(root)
    assert "ledger.sqlite" in names(found), found
    assert all(n == "ledger.sqlite" or n.startswith("store/v1/blobs/") for n in names(found))


def test_a_schema_that_is_no_text_is_named(copies: Copies):
    ledger = Path("ledger.sqlite")
    at = (copies.root / ledger).read_bytes().index(b"CREATE TABLE position") + 3
    assert names(copies.after(ledger, flip(at, 7))) == {"ledger.sqlite"}


@pytest.mark.parametrize("kind", KINDS)
def test_cut_emptied_zeroed_or_removed_it_is_named_exactly(copies: Copies, kind: str):
    path = files(copies.root, kind)[0]
    size = (copies.root / path).stat().st_size
    damages = [truncate(size - 1), truncate(0), zero(size // 3, 4096)]
    if kind != "index":
        damages.append(Path.unlink)
    for damage in damages:
        assert names(copies.after(path, damage)) == {path.as_posix()}


@pytest.mark.parametrize("kind", ["shard", "manifest", "blob", "segment"])
def test_the_newest_of_a_kind_is_named_without_blaming_the_ledger(copies: Copies, kind: str):
    newest = [path for path in files(copies.root, kind) if "unreachable" not in str(path)]
    for path in {newest[-1], files(copies.root, kind)[-1]}:
        assert names(copies.after(path, flip(100, 1))) == {path.as_posix()}


def test_a_lost_index_is_no_fault_for_it_is_made_again(copies: Copies):
    path = files(copies.root, "index")[0]
    assert copies.after(path, Path.unlink) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_file_is_named_unless_its_end_was_never_acknowledged(copies: Copies, kind: str):
    path = files(copies.root, kind)[-1]
    found = copies.after(path, extend(b"\1" * 100))
    assert names(found) == (set() if kind in ("segment", "journal") else {path.as_posix()})


def test_a_line_that_was_added_to_the_journal_is_named(copies: Copies):
    path = files(copies.root, "journal")[-1]
    assert names(copies.after(path, extend(b"{}\n"))) == {path.as_posix()}


def test_a_lost_end_of_the_journal_is_known_from_the_ledger(copies: Copies):
    path = files(copies.root, "journal")[-1]
    data = (copies.root / path).read_bytes()
    end = data[:-1].rindex(b"\n") + 1
    assert names(copies.after(path, truncate(end))) == {path.as_posix()}


def test_a_changed_last_line_is_told_from_a_changed_note_of_it(copies: Copies):
    path = files(copies.root, "journal")[-1]
    at = (copies.root / path).read_bytes().rindex(b'"at":"2') + len('"at":"202')
    assert names(copies.after(path, flip(at, 0))) == {path.as_posix()}


@pytest.mark.parametrize("key", ["content_sha256", "manifest", "SCHEMA.md", "untold", "snapshot"])
def test_whatever_changes_in_the_last_line_the_journal_is_named(copies: Copies, key: str):
    path = files(copies.root, "journal")[-1]
    at = (copies.root / path).read_bytes().rindex(f'"{key}":'.encode())
    for byte in (at + 1, at + len(key) + 5):
        assert names(copies.after(path, flip(byte, 0))) == {path.as_posix()}


def test_a_damaged_line_does_not_end_the_check_of_blobs(copies: Copies):
    journal, blob = files(copies.root, "journal")[0], files(copies.root, "blob")[0]
    with copies.of(journal, blob) as root:
        flip(100, 1)(root / journal)
        flip(100, 1)(root / blob)
        (root / blob).chmod(0o444)
        assert names(faults(root)) == {journal.as_posix(), blob.as_posix()}


def test_two_swapped_blobs_are_both_named(copies: Copies):
    one, other = files(copies.root, "blob")[:2]
    with copies.of(one, other) as root:
        (root / one).rename(root / "aside")
        (root / other).rename(root / one)
        (root / "aside").rename(root / other)
        (root / one).chmod(0o444)
        (root / other).chmod(0o444)
        assert names(faults(root)) == {one.as_posix(), other.as_posix()}


FOREIGN = [
    "store/x",
    "store/v1/x",
    "store/v1/blobs/x",
    "store/v1/blobs/sha256/zz",
    "store/v1/blobs/sha256/ab/cd/x",
    "store/v1/segments/x",
    "store/v1/journal/x",
    "store/v1/partial/x",
    "dataset/x",
    "dataset/packages/v1/snapshot=2026-11-22/part-00009.parquet",
    "dataset/packages/v1/snapshot=2026-11-25/part-00000.parquet",
    "dataset/snapshots/2026-11-22/x",
    "dataset/snapshots/2026-11-25/manifest.json",
]


def test_every_foreign_file_is_named(copies: Copies):
    with copies.of() as root:
        for place in FOREIGN:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_bytes(b"x")
        assert names(faults(root)) == set(FOREIGN)


def test_a_blob_in_the_wrong_folder_and_a_second_one_are_named(copies: Copies):
    path = files(copies.root, "blob")[0]
    wrong = path.parent.with_name("00" if path.parent.name != "00" else "01") / path.name
    with copies.of() as root:
        (root / wrong).parent.mkdir(exist_ok=True)
        shutil.copy2(root / path, root / wrong)
        assert names(faults(root)) == {wrong.as_posix()}


def test_a_copied_journal_file_is_named(copies: Copies):
    path = files(copies.root, "journal")[0]
    with copies.of() as root:
        copy = (root / path).with_name("000003.jsonl")
        shutil.copy2(root / path, copy)
        assert names(faults(root)) == {copy.relative_to(root).as_posix()}


@pytest.mark.parametrize("kind", ["blob", "segment", "journal", "shard", "manifest", "ledger"])
def test_a_link_or_a_folder_in_the_place_of_a_file_is_named(copies: Copies, kind: str):
    path = files(copies.root, kind)[0]
    with copies.of() as root:
        (root / path).unlink()
        (root / path).symlink_to(copies.root / path)
        assert path.as_posix() in names(faults(root))
        (root / path).unlink()
        (root / path).mkdir()
        assert path.as_posix() in names(faults(root))


@pytest.mark.parametrize(("kind", "mode"), [("blob", 0o644), ("blob", 0o4444)])
def test_a_blob_that_may_be_written_is_named(copies: Copies, kind: str, mode: int):
    path = files(copies.root, kind)[0]
    with copies.of(path) as root:
        (root / path).chmod(mode)
        [fault] = faults(root)
        assert (fault.kind, fault.name) == ("mode", path.as_posix())


def test_a_key_that_is_short_lost_or_open_to_others_is_named(copies: Copies):
    key = Path("privacy.key")
    with copies.of(key) as root:
        (root / key).chmod(0o644)
        assert [(f.kind, f.name) for f in faults(root)] == [("mode", "privacy.key")]
        (root / key).chmod(0o600)
        (root / key).write_bytes(b"short")
        assert [(f.kind, f.name) for f in faults(root)] == [("size", "privacy.key")]
        (root / key).unlink()
        assert [(f.kind, f.name) for f in faults(root)] == [("missing", "privacy.key")]
