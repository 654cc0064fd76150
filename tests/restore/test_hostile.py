"""Nothing is written outside the directory, whatever a repository says; and what is, is checked."""

import errno
import json
import os
import random
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import FILE, LINK, MODULE, TREE, WHEN, Origin, held, wish_of
from restoring import files_of, git

from ptmtorrent import disk
from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError, StoppedError, UsageError
from ptmtorrent.model.oid import Pointer, sha256_of
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.restore import package, place, tree, worktree
from ptmtorrent.restore.package import restore
from ptmtorrent.restore.tree import TreeWriter
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.writers import WriterId

GIT = b".git"
TWINS = (
    GIT,
    b".GIT",
    b"git~1",
    b".g\xe2\x80\x8cit",
    b".git ",
    b".git.",
    b".git::$INDEX_ALLOCATION",
)
NAMES = (
    b"..",
    b".",
    b"NUL",
    b"con.txt",
    b"dots..",
    b"back\\slash",
    b"line\nbreak",
    b"\xff",
    b"x" * 300,
)


@pytest.fixture
def store(tmp_path):
    with LocalStore.at(tmp_path / "root", write=True) as opened:
        yield opened


@pytest.fixture
def origin(tmp_path):
    return Origin(tmp_path / "origin.git")


@pytest.fixture
def out(tmp_path):
    """A directory that is not there, in a folder that is otherwise empty."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place/out"


def put_back(origin, store, entries, out, **options):
    """Restore a head with these entries; the report's lines."""
    wish, *_ = held(origin, origin.commit(origin.tree(entries)), store)
    restore(store, wish, out, worktree=True, **options)
    lines = [json.loads(line) for line in Path(f"{out}.restore.jsonl").read_text().splitlines()]
    assert {path.name for path in out.parent.iterdir()} == {"out", "out.restore.jsonl"}
    return lines[:-1]


def test_names_that_lead_elsewhere_are_escaped_as_files_and_as_folders(origin, store, out):
    inner = origin.tree([(FILE, b"config", origin.blob(b"[core]\n\tfsmonitor = sh evil\n"))])
    folders = [(TREE, name, inner) for name in (*TWINS, *NAMES)]
    files = [(FILE, name, origin.blob(name)) for name in (*TWINS, *NAMES)]
    lines = put_back(origin, store, [*folders, *files], out)
    found = files_of(out)
    assert len(found) == 2 * len((*TWINS, *NAMES))
    assert len(lines) == len(found)
    assert all(line["what"] == ["escaped"] for line in lines)
    for path in found:
        for name in path.split(b"/"):
            assert len(name) <= 255
            assert not set(name) & {*range(32), 127, *b"/\\"}
            assert name.lower() not in {twin.lower() for twin in (*TWINS, *NAMES)}


def test_a_name_with_slashes_in_it_is_a_path_below(origin, store, out, tmp_path):
    outside = tmp_path / "place/outside"
    entries = [
        (FILE, b"../outside", origin.blob(b"1")),
        (FILE, os.fsencode(outside), origin.blob(b"2")),
        (FILE, b"a//b", origin.blob(b"3")),
        (FILE, b"a/../../outside", origin.blob(b"4")),
    ]
    put_back(origin, store, entries, out)
    found = files_of(out)
    assert sorted(found.values()) == [b"1", b"2", b"3", b"4"]
    assert found[b"%2E%2E/outside"] == b"1"
    assert not outside.exists()


def test_a_link_is_never_followed_by_what_comes_after_it(origin, store, out, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = origin.blob(os.fsencode(outside))
    entries = [
        (LINK, b"a", target),
        (TREE, b"a", origin.tree([(FILE, b"evil", origin.blob(b"evil"))])),
        (LINK, b"b", target),
        (FILE, b"b/evil", origin.blob(b"evil")),
    ]
    put_back(origin, store, entries, out)
    assert list(outside.iterdir()) == []
    assert files_of(out) == {
        b"a": os.fsencode(outside),
        b"a~2/evil": b"evil",
        b"b": os.fsencode(outside),
        b"b~5/evil": b"evil",
    }


def test_one_name_many_times_is_as_many_files(origin, store, out):
    entries = [(FILE, b"a", origin.blob(b"%d" % number)) for number in range(5)]
    entries.append((FILE, b"a~3", origin.blob(b"5")))
    lines = put_back(origin, store, entries, out)
    assert sorted(files_of(out).values()) == [b"%d" % number for number in range(6)]
    assert len(lines) == 5


def test_twins_that_a_file_system_does_not_tell_apart_are_both_there(tmp_path, monkeypatch):
    real = tree.safe_name
    monkeypatch.setattr(tree, "safe_name", lambda name: real(name).lower())
    with TreeWriter(tmp_path, WHEN) as writer:
        assert writer.file(b"A/x", [b"1"]) == b"a/x"
        assert writer.file(b"README.md", [b"2"]) == b"readme.md"
        assert writer.file(b"a/x", [b"3"]) == b"a~4/x"
        assert writer.file(b"readme.md", [b"4"]) == b"readme.md~6"
    assert sorted(files_of(tmp_path).values()) == [b"1", b"2", b"3", b"4"]


def test_long_names_that_begin_alike_stay_apart(tmp_path):
    with TreeWriter(tmp_path, WHEN) as writer:
        written = {writer.file(b"x" * 300 + end, []) for end in (b"a", b"b", b"a", b"a")}
    assert len(written) == 4
    assert max(map(len, written)) <= 255


def test_a_submodule_is_an_empty_folder(origin, store, out):
    [line] = put_back(origin, store, [(MODULE, b"vendor", "1" * 40)], out)
    assert line == {"path": "vendor", "written": "vendor", "what": ["submodule"]}
    assert list((out / "vendor").iterdir()) == []
    assert (out / "vendor").stat().st_mtime == WHEN


def test_attributes_filters_and_hooks_of_a_repository_mean_nothing(origin, store, out, tmp_path):
    pointer = Pointer(sha256_of(b"w" * 70_000), 70_000).to_bytes()
    store.put(b"w" * 70_000)
    entries = [
        (FILE, b".gitattributes", origin.blob(b"* filter=evil eol=crlf ident\n")),
        (FILE, b".lfsconfig", origin.blob(b"[lfs]\n\turl = http://127.0.0.1:1/\n")),
        (FILE, b"text", origin.blob(b"$Id$\n")),
        (FILE, b"weights", origin.blob(pointer)),
        (LINK, b"weights-link", origin.blob(pointer)),
    ]
    put_back(origin, store, entries, out)
    found = files_of(out)
    assert found[b"text"] == b"$Id$\n"
    assert found[b"weights"] == b"w" * 70_000
    assert found[b"weights-link"] == pointer


def test_a_tree_bomb_ends_it_with_a_word_of_what_helps(origin, store, out, monkeypatch):
    level = origin.tree([(FILE, b"a", origin.blob(b"x"))])
    for _ in range(200):
        level = origin.tree([(TREE, b"a", level)])
    wish, *_ = held(origin, origin.commit(level), store)
    with pytest.raises(UsageError, match="without --worktree"):
        restore(store, wish, out, worktree=True)
    assert list(out.parent.iterdir()) == []


def test_blobs_their_origin_had_lost_are_listed_and_git_accepts_the_rest(origin, store, out):
    lost, here = origin.blob(b"lost"), origin.blob(b"here")
    head = origin.commit(origin.tree([(FILE, b"here", here), (FILE, b"lost", lost)]))
    wish, *_ = held(origin, head, store, without=[lost])
    made = restore(store, wish, out, worktree=False)
    assert (made.complete, made.objects) == (False, 3)
    git("fsck", "--full", "--strict", cwd=out)
    assert git("config", "remote.origin.promisor", cwd=out) == b"true\n"
    files = out.with_name("files")
    assert restore(store, wish, files, worktree=True).not_held == 1
    assert files_of(files) == {b"here": b"here"}


def test_an_object_that_should_be_held_and_is_not_ends_it(origin, store, out):
    lost = origin.blob(b"lost")
    head = origin.commit(origin.tree([(FILE, b"lost", lost)]))
    _, visit, holding = held(origin, head, store, without=[lost])
    whole = Visit(visit.url, visit.refs, visit.head_ref, visit.head)
    filtered = Visit(visit.url, visit.refs, visit.head_ref, visit.head, filter="blob:none")
    for claimed in (whole, filtered):
        wish = wish_of(store, claimed, holding)
        for form in (False, True):
            with pytest.raises(IntegrityError, match=lost):
                restore(store, wish, out, worktree=form)
    assert list(out.parent.iterdir()) == []


def test_a_filtered_visit_may_lack_old_blobs_but_no_tree(origin, store, out):
    old = origin.tree([(FILE, b"old", origin.blob(b"old"))])
    first = origin.commit(old)
    new = origin.tree([(FILE, b"new", origin.blob(b"new"))])
    head = origin.put("commit", f"tree {new}\nparent {first}\n\nx\n".encode())
    wishes = {}
    for lacking in (origin.blob(b"old"), old):
        _, visit, holding = held(origin, head, store, without=[lacking])
        claimed = Visit(visit.url, visit.refs, visit.head_ref, visit.head, filter="blob:limit=1")
        wishes[lacking] = wish_of(store, claimed, holding)
    restore(store, wishes[origin.blob(b"old")], out, worktree=False)
    git("fsck", "--full", "--connectivity-only", cwd=out)
    with pytest.raises(IntegrityError, match=old):
        restore(store, wishes[old], out.with_name("other"), worktree=False)


def big(origin: Origin) -> list:
    """A head whose pack is a file of its own in the store."""
    data = random.Random(1).randbytes(200_000)
    return [(FILE, b"big", origin.blob(data))]


def blob_path(store: LocalStore, root: Path, digest: str) -> Path:
    store.flush()
    return root / "store/v1/blobs/sha256" / digest[:2] / digest[2:4] / digest


def test_a_pack_that_is_another_whole_pack_is_found_out(origin, store, out, tmp_path):
    wish, _, holding = held(origin, origin.commit(origin.tree(big(origin))), store)
    other = Origin(tmp_path / "other.git")
    more = [*big(other), (FILE, b"more", other.blob(b"more"))]
    _, _, others = held(other, other.commit(other.tree(big(other))), store)
    assert others.packs == holding.packs
    _, _, wrong = held(other, other.commit(other.tree(more)), store)
    path = blob_path(store, tmp_path / "root", holding.packs[0])
    path.unlink()
    path.write_bytes(store.read(wrong.packs[0]))
    with pytest.raises(IntegrityError, match=holding.packs[0]):
        restore(store, wish, out, worktree=False)
    assert list(out.parent.iterdir()) == []


def test_a_git_object_that_is_not_what_its_id_says_is_found_out(origin, store, tmp_path):
    right = origin.blob(b"right")
    head = origin.commit(origin.tree([(FILE, b"a", right)]))
    (origin.path / "objects" / right[:2] / right[2:]).unlink()
    origin.put("blob", b"wrong", oid=right)
    visit = Visit("", (), None, head)
    (tmp_path / "files").mkdir()
    with (tmp_path / "report").open("w") as report, pytest.raises(IntegrityError, match=right):
        worktree.write_files(store, visit, origin.path, tmp_path / "files", package.Report(report))


def test_a_holding_that_lost_its_packs_gives_way_to_another(origin, store, out):
    head = origin.commit(origin.tree(big(origin)))
    _, visit, holding = held(origin, head, store)
    lost = Holding(holding.visit, ("0" * 64,), (), 1, "2")
    empty = Holding(holding.visit, (), (), 0, "2")
    restore(store, wish_of(store, visit, lost, empty, holding), out, worktree=False)
    assert git("rev-parse", "HEAD", cwd=out).decode().strip() == head
    with pytest.raises(IntegrityError, match="0" * 64):
        restore(store, wish_of(store, visit, lost), out.with_name("b"), worktree=False)
    with pytest.raises(NotFoundError):
        restore(store, wish_of(store, visit), out.with_name("c"), worktree=False)
    assert {path.name for path in out.parent.iterdir()} == {"out", "out.restore.jsonl"}


def test_whatever_ends_it_leaves_nothing(origin, store, out, monkeypatch):
    wish, *_ = held(origin, origin.commit(origin.tree(big(origin))), store)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    ends = ((full, FatalError, "free some"), (StoppedError(15), StoppedError, "run it again"))
    for error, raised, words in ends:

        def refuse(*_, error=error):
            raise error

        with monkeypatch.context() as patch, pytest.raises(raised, match=words):
            patch.setattr(disk, "write_all", refuse)
            restore(store, wish, out, worktree=True)
        with monkeypatch.context() as patch, pytest.raises(raised, match=words):
            patch.setattr(package, "publish", refuse)
            restore(store, wish, out, worktree=False)
    assert list(out.parent.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_works_on_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    me = WriterId.here()
    left = tmp_path / f".out.{replace(me, pid=ended.pid)}"
    (left / "files").mkdir(parents=True)
    kept = [
        tmp_path / f".out.{me}",
        tmp_path / f".other.{replace(me, pid=ended.pid)}",
        tmp_path / ".out.x",
    ]
    for path in kept:
        path.mkdir()
    with place.stage(tmp_path / "out") as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
        assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_directory_that_appears_meanwhile_is_left_alone(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("taken", "file"):
        with pytest.raises(UsageError, match="already"):
            place.publish(tmp_path / "made", tmp_path / name)
    assert files_of(tmp_path) == {b"taken/mine": b"mine", b"file": b"mine"}


def test_folders_are_made_as_the_user_makes_folders(origin, store, out):
    before = os.umask(0o027)
    try:
        put_back(origin, store, [(FILE, b"a/b", origin.blob(b"x"))], out)
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o750
