"""Rows of ``files``, what a head stands for, and single files, against git's own listing."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Maker, children, filtered_clone, hold

from ptmtorrent.errors import CorruptError, SkipError, SkipReason
from ptmtorrent.extract.files import files
from ptmtorrent.extract.format import format_of
from ptmtorrent.extract.objects import ObjectReader, object_reader
from ptmtorrent.extract.repository import open_repository
from ptmtorrent.extract.tree import WalkLimits, parse_tree, walk
from ptmtorrent.extract.wanted import look_over
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.model.oid import Pointer
from ptmtorrent.model.visit import NotHeld, Visit, Wanted
from ptmtorrent.store.local import LocalStore

LARGE = bytes(range(256)) * 5000
HERE = Pointer(hashlib.sha256(b"weights").hexdigest(), 7)
AWAY = Pointer("ab" * 32, 10**12)


def raw(row: dict[str, Any]) -> bytes:
    return row["path_bytes"] or row["path"].encode()


def model_repository(maker: Maker) -> Visit:
    maker.write("config.json", b"{}")
    maker.write("model.safetensors", HERE.to_bytes())
    maker.write("away.bin", AWAY.to_bytes())
    maker.write("large.bin", LARGE)
    maker.write("dir/deeper/a.py", b"print()\n")
    maker.write("dir.txt", b"")
    maker.write(b"odd \xff\ttab\nline", b"odd\n")
    maker.write("run.sh", b"#!/bin/sh\n")
    (maker.path / "run.sh").chmod(0o755)
    (maker.path / "link").symlink_to("config.json")
    maker.commit()
    pointer = maker.text("hash-object", "-w", "--stdin", stdin=AWAY.to_bytes())
    maker.git("update-index", "--add", "--cacheinfo", f"120000,{pointer},pointer-link")
    maker.git("update-index", "--add", "--cacheinfo", f"160000,{'12' * 20},sub")
    maker.git("commit", "-q", "-m", "links")
    return maker.visit()


def listing(maker: Maker) -> list[tuple[str, str, int | None, bytes]]:
    result = []
    for line in maker.git("ls-tree", "-r", "-l", "-z", "HEAD").split(b"\0")[:-1]:
        facts, path = line.split(b"\t", 1)
        mode, _, oid, size = facts.decode().split()
        result.append((mode, oid, None if size == "-" else int(size), path))
    return result


def test_rows_are_gits_own_listing(maker: Maker, store: LocalStore) -> None:
    visit = model_repository(maker)
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        rows = list(files(view, store))
    told = [(r["mode"], r["oid"], r["size"], raw(r)) for r in rows if not r["lfs"]]
    lfs = {b"away.bin", b"model.safetensors"}
    assert told == [line for line in listing(maker) if line[3] not in lfs]
    assert [raw(row) for row in rows] == sorted(raw(row) for row in rows)
    assert {row["revision"] for row in rows} == {visit.head}
    for row in rows:
        if row["held"] and row["mode"].startswith("100") and not row["lfs"]:
            content = maker.path / raw(row).decode("utf-8", "surrogateescape")
            assert row["sha256"] == hashlib.sha256(content.read_bytes()).hexdigest()


def test_a_path_that_is_no_utf8_is_kept_as_bytes_and_shown_as_text(
    maker: Maker, store: LocalStore
) -> None:
    visit = model_repository(maker)
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        (row,) = [r for r in files(view, store) if r["path_bytes"]]
    assert (row["path"], row["path_bytes"]) == ("odd \ufffd\ttab\nline", b"odd \xff\ttab\nline")


def test_a_pointer_is_a_row_of_what_it_stands_for(maker: Maker, store: LocalStore) -> None:
    store.put(b"weights")
    visit = model_repository(maker)
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        rows = {r["path"]: r for r in files(view, store)}
    keys = ("lfs", "size", "sha256", "held", "reason", "format")
    here, away = (tuple(rows[p][k] for k in keys) for p in ("model.safetensors", "away.bin"))
    assert here == (True, 7, HERE.sha256, True, None, "safetensors")
    assert away == (True, 10**12, AWAY.sha256, False, None, "torch")
    assert (rows["pointer-link"]["lfs"], rows["pointer-link"]["format"]) == (False, None)
    sub = tuple(rows["sub"][k] for k in keys)
    assert sub == (False, None, None, False, "unsupported", None)


def test_a_head_is_told_once(maker: Maker, store: LocalStore) -> None:
    visit = model_repository(maker)
    holding = hold(store, visit, [maker.pack()])
    with workbench(store, visit, holding, [(visit, holding)]) as view:
        assert list(files(view, store)) == []


def test_a_blob_a_filter_left_out_is_a_row_with_its_reason(
    maker: Maker, store: LocalStore, tmp_path: Path
) -> None:
    visit = model_repository(maker)
    pack = filtered_clone(maker, tmp_path / "filtered", "blob:limit=1000")
    oid = maker.text("rev-parse", "HEAD:large.bin")
    visit = replace(visit, filter="blob:limit=1000", not_held=(NotHeld(oid, "filtered"),))
    with workbench(store, visit, hold(store, visit, [pack])) as view:
        rows = {r["path"]: r for r in files(view, store)}
    row = rows["large.bin"]
    assert row["lfs"] is None
    assert (row["size"], row["sha256"], row["held"], row["reason"]) == (
        None,
        None,
        False,
        "filtered",
    )
    assert rows["config.json"]["held"]


def test_the_head_is_kept_pointers_listed_and_large_files_stored(
    maker: Maker, store: LocalStore
) -> None:
    visit = model_repository(maker)
    name = hashlib.sha256(LARGE).hexdigest()
    assert visit.head is not None
    expected = (
        Wanted("away.bin", AWAY.sha256, AWAY.size, lfs=True),
        Wanted("large.bin", name, len(LARGE), lfs=False),
        Wanted("model.safetensors", HERE.sha256, HERE.size, lfs=True),
    )
    for _ in range(2):
        assert look_over(maker.at_rest(), (), visit.head, store).wanted == expected
        assert store.read(name) == LARGE
    assert not store.has(HERE.sha256)


def test_keeping_a_filtered_head_passes_over_what_is_not_there_and_fetches_nothing(
    maker: Maker, store: LocalStore, tmp_path: Path
) -> None:
    """The clone knows its promisor, which could send the blobs at once."""
    visit = model_repository(maker)
    assert visit.head is not None
    pack = filtered_clone(maker, tmp_path / "filtered", "blob:none")
    assert look_over(tmp_path / "filtered", (), visit.head, store).wanted == ()
    assert list(pack.parent.glob("*.pack")) == [pack]


def deep(maker: Maker, levels: int, width: int = 1) -> str:
    """A commit whose tree nests ``levels`` deep, each level holding the next ``width`` times."""
    blob = maker.text("hash-object", "-w", "--stdin", stdin=b"x")
    entries = f"100644 blob {blob}\tf\n"
    for _ in range(levels):
        tree = maker.text("mktree", stdin=entries.encode())
        entries = "".join(f"040000 tree {tree}\td{n}\n" for n in range(width))
    return maker.text("commit-tree", maker.text("mktree", stdin=entries.encode()), "-m", "bomb")


@pytest.mark.parametrize(("levels", "width"), [(8, 20), (130, 1)])
def test_a_tree_built_to_hurt_ends_in_over_limit(maker: Maker, levels: int, width: int) -> None:
    head = deep(maker, levels, width)
    with (
        open_repository(maker.at_rest()) as repo,
        pytest.raises(SkipError) as caught,
        object_reader(repo) as reader,
    ):
        list(walk(reader, head, WalkLimits(entries=10_000)))
    assert caught.value.reason == SkipReason.OVER_LIMIT
    assert not children()


def test_a_path_beyond_measure_ends_in_over_limit(maker: Maker) -> None:
    head = deep(maker, 10)
    with open_repository(maker.at_rest()) as repo, object_reader(repo) as reader:
        assert [len(entry.path) for entry in walk(reader, head)] == [31]
        with pytest.raises(SkipError):
            list(walk(reader, head, WalkLimits(path=30)))


@pytest.mark.parametrize("data", [b"100644 a\0short", b"rubbish", b"100644 \0" + bytes(20)])
def test_a_malformed_tree_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(CorruptError):
        list(parse_tree(data))


def test_objects_are_streamed_in_order_past_any_pipe(maker: Maker) -> None:
    """Many requests and answers far larger than a pipe: no deadlock, nothing out of step."""
    oids = [
        maker.text("hash-object", "-w", "--stdin", stdin=bytes([n]) * size)
        for n, size in enumerate((0, 1, 70_000, 3_000_000, 0, 5))
    ]
    asked = [*oids, "00" * 20] * 100
    with open_repository(maker.at_rest()) as repo, object_reader(repo) as reader:
        assert [i and i.size for i in reader.infos(asked)] == [
            0,
            1,
            70_000,
            3_000_000,
            0,
            5,
            None,
        ] * 100
        assert _sizes_read(reader, asked[:14]) == [0, 1, 70_000, 3_000_000, 0, 5, None] * 2
        unread = sum(1 for _ in reader.contents(asked[:7]))
        assert (unread, reader.content(oids[5], 10)) == (7, bytes([5]) * 5)


def _sizes_read(reader: ObjectReader, oids: list[str]) -> list[int | None]:
    return [c and sum(len(chunk) for chunk in c.chunks()) for c in reader.contents(oids)]


def test_git_sees_nothing_of_this_machine(
    maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither inherited variables nor a user's configuration reach git at rest."""
    maker.write("a", b"1\n")
    oid = maker.commit()
    config = tmp_path / "config"
    config.write_text("[alias]\n\tfound = version\n[core]\n\tabbrev = 5\n")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, str(config))
    directory = maker.at_rest()
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    with open_repository(directory) as repo:
        environment = repo.git.execute(["git", "rev-parse", "--short", "HEAD"])
        assert len(str(environment)) == 7
        with object_reader(repo) as reader:
            assert reader.content(oid, 10_000) is not None


@pytest.mark.parametrize(
    ("path", "start", "expected"),
    [
        ("a.safetensors", b"", "safetensors"),
        ("a.bin", b'\x40\0\0\0\0\0\0\0{"a":', "safetensors"),
        ("a.bin", b"GGUF\3\0\0\0", "gguf"),
        ("a.bin", b"PK\x03\x04....", "torch_zip"),
        ("a.npz", b"PK\x03\x04....", "npz"),
        ("a.xyz", b"PK\x03\x04....", "zip"),
        ("a.pth", b"\x80\x02}q", "pickle"),
        ("a.xyz", b"\x80\x02}q", None),
        ("a.dat", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("a.dat", b"\x1c\0\0\0TFL3", "tflite"),
        ("x/README.MD", b"# hi", "markdown"),
        ("a.onnx", b"\x08\x07", "onnx"),
        ("LICENSE", b"Apache", None),
        ("json", b"", None),
        (".json", b"", "json"),
    ],
)
def test_a_format_is_told_by_bytes_then_by_name(
    path: str, start: bytes, expected: str | None
) -> None:
    assert format_of(path, start) == expected
