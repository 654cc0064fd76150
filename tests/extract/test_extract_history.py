"""Rows of ``commits`` and ``unreachable`` against what git itself says."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import URL, Maker, children, filtered_clone, hold

from ptmtorrent.errors import CorruptError, IntegrityError
from ptmtorrent.extract.history import commit_count, commits, unreachable
from ptmtorrent.extract.privacy import Person, Pseudonyms
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.model.key import origin_key
from ptmtorrent.model.visit import NotHeld, Visit
from ptmtorrent.store.local import LocalStore

KEY = b"k" * 32
NUMSTAT = ("log", "--numstat", "--no-renames", "--diff-merges=first-parent", "--format=@%H")


def rich_history(maker: Maker) -> None:
    """Merges, an octopus, a rename, binary and empty files, odd names, tags of every kind."""
    maker.write("a.txt", b"1\n2\n3\n")
    maker.write("bin", b"\0\1\2")
    maker.commit("root\r\n\r\nwith CRLF\r\n")
    for side in ("one", "two", "three"):
        maker.git("checkout", "-q", "-b", side, "main")
        maker.write(f"{side}.txt", b"x\n" * 3)
        maker.commit(side)
    maker.git("checkout", "-q", "main")
    maker.write("bin", b"\0\1\3")
    maker.write(b"odd \xff\ttab\nline", b"odd\n")
    maker.commit("")
    when = {"GIT_AUTHOR_DATE": "1700009000 -0800", "GIT_COMMITTER_DATE": "1700009000 -0800"}
    maker.git("merge", "-q", "--no-edit", "one", **when)
    maker.git("merge", "-q", "--no-edit", "two", "three", **when)
    maker.clock = 1_700_010_000
    maker.git("mv", "a.txt", "b.txt")
    maker.commit("rename\nsecond line of the subject\n\nbody")
    maker.git("tag", "light", "one")
    maker.git("tag", "-a", "-m", "t", "annotated", "two")
    maker.git("tag", "-a", "-m", "t", "of-a-tag", "annotated")
    maker.git("tag", "blob", maker.text("rev-parse", "main:b.txt"))
    maker.git("tag", "tree", "main^{tree}")
    maker.git("branch", "-D", "two")


def numstat(maker: Maker) -> dict[str, tuple[int, int, int]]:
    lines = maker.git("-c", "core.quotepath=true", *NUMSTAT, "HEAD", "--branches", "--tags")
    result: dict[str, tuple[int, int, int]] = {}
    for line in lines.decode().splitlines():
        if line.startswith("@"):
            oid = line[1:]
            result[oid] = (0, 0, 0)
        elif line:
            files, added, deleted = result[oid]
            plus, minus, _ = line.split("\t")
            numbers = (0, 0) if plus == "-" else (int(plus), int(minus))
            result[oid] = (files + 1, added + numbers[0], deleted + numbers[1])
    return result


def test_every_reachable_commit_is_a_row_with_gits_own_numbers(
    maker: Maker, store: LocalStore
) -> None:
    rich_history(maker)
    maker.git("checkout", "-q", "--orphan", "side")
    lost = maker.commit("lost")
    maker.git("checkout", "-q", "main")
    maker.git("branch", "-D", "side")
    visit = maker.visit()
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        rows, count = list(commits(view, KEY)), commit_count(view)
    told = maker.text("rev-list", "--count", "HEAD", "--branches", "--tags")
    assert len(rows) == count == int(told)
    assert [row["oid"] for row in rows] == sorted({row["oid"] for row in rows})
    assert lost not in {row["oid"] for row in rows}
    counted = {r["oid"]: (r["files"], r["additions"], r["deletions"]) for r in rows}
    assert counted == numstat(maker)


def test_a_row_says_what_the_commit_says(maker: Maker, store: LocalStore) -> None:
    rich_history(maker)
    visit = maker.visit()
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        rows = {row["oid"]: row for row in commits(view, KEY)}
    for oid, row in rows.items():
        shown = maker.git("log", "-1", "--no-walk", "--format=%P|%at|%ct|%s", oid)
        parents, author_at, committed_at, subject = shown.decode().split("|")
        assert row["parents"] == parents.split()
        assert int(row["author_at"].timestamp()) == int(author_at)
        assert int(row["committed_at"].timestamp()) == int(committed_at)
        assert row["subject"] == subject.rstrip("\r")
        assert row["swhid"] == f"swh:1:rev:{oid}"
        assert (row["origin"], row["origin_key"]) == (URL, origin_key(URL))
        people = Pseudonyms(KEY)
        assert row["author"] == people.of(Person("", "ada@example.org"))
        assert row["committer"] == people.of(Person("", "CARL@EXAMPLE.ORG"))
        assert row["author_offset_min"] in (90, -480)
        assert (row["signature"], row["signer"], row["signer_key"]) == ("none", "none", None)


def test_sha256_is_of_the_raw_object(maker: Maker, store: LocalStore) -> None:
    oid = maker.commit("one\n")
    done = subprocess.run(
        ["git", "cat-file", "commit", oid], cwd=maker.path, capture_output=True, check=True
    )
    visit = maker.visit()
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        (row,) = commits(view, KEY)
    assert row["sha256"] == hashlib.sha256(done.stdout).hexdigest()


def test_facts_are_told_once_and_a_force_push_is_remembered(
    maker: Maker, store: LocalStore
) -> None:
    base = maker.commit("base")
    old = maker.commit("to be lost")
    first = maker.visit()
    first_holding = hold(store, first, [maker.pack()])
    maker.git("reset", "-q", "--hard", base)
    new = maker.commit("instead")
    second = maker.visit()
    holding = hold(store, second, [maker.pack()])
    with workbench(store, second, holding, [(first, first_holding)]) as view:
        assert [row["oid"] for row in commits(view, KEY)] == [new]
        assert list(unreachable(view)) == [
            {"origin": URL, "origin_key": origin_key(URL), "oid": old}
        ]
        assert commit_count(view) == 2
        refs = view.repo.git.execute(["git", "for-each-ref", "--format=%(refname)"])
    assert str(refs).split() == ["refs/heads/main", "refs/visits/0/heads/main"]
    with workbench(store, second, holding, [(second, holding)]) as view:
        assert list(commits(view, KEY)) == list(unreachable(view)) == []


def test_new_commits_are_exact_even_when_dates_lie(maker: Maker, store: LocalStore) -> None:
    """A chain whose dates run backwards, longer than git's slop: nothing is told twice."""
    tree = maker.text("mktree")
    oid, chain = "", []
    for number in range(20):
        at = f"{2_000_000_000 if number % 2 else 1_000_000_000 - number * 1000} +0000"
        parent = ("-p", oid) if oid else ()
        env = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        oid = maker.git("commit-tree", tree, "-m", str(number), *parent, **env).decode()
        chain.append(oid)
    maker.git("update-ref", "refs/heads/main", chain[12])
    first = maker.visit()
    maker.git("update-ref", "refs/heads/main", chain[-1])
    second = maker.visit()
    holding = hold(store, second, [maker.pack()])
    with workbench(store, second, holding, [(first, holding)]) as view:
        assert {row["oid"] for row in commits(view, KEY)} == set(chain[13:])


@pytest.mark.parametrize("spec", ["blob:none", "blob:limit=10"])
def test_without_all_blobs_commits_are_told_and_line_counts_are_null(
    maker: Maker, store: LocalStore, tmp_path: Path, spec: str
) -> None:
    rich_history(maker)
    maker.write("large.txt", b"line\n" * 100)
    maker.commit("large")
    visit = replace(maker.visit(), filter=spec)
    pack = filtered_clone(maker, tmp_path / "filtered", spec)
    with workbench(store, visit, hold(store, visit, [pack])) as view:
        rows = list(commits(view, KEY))
    assert len(rows) == int(maker.text("rev-list", "--count", "HEAD", "--branches", "--tags"))
    assert {(row["files"], row["additions"], row["deletions"]) for row in rows} == {(None,) * 3}


def test_a_blob_not_held_makes_line_counts_null(maker: Maker, store: LocalStore) -> None:
    maker.write("a", b"a")
    maker.commit()
    visit = maker.visit(not_held=(NotHeld("0" * 40, "missing_at_origin"),))
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        assert [row["files"] for row in commits(view, KEY)] == [None]


def broken(maker: Maker, author: bytes, committer: bytes = b"c <c@x.org> 1 +0000") -> bytes:
    tree = maker.text("mktree").encode()
    return b"tree %s\nauthor %s\ncommitter %s\n\nmessage\n" % (tree, author, committer)


@pytest.mark.parametrize(
    ("author", "at", "offset"),
    [
        (b"no brackets 1234567890 +0100", 1234567890, 60),
        (b"No Time <a@x.org>", None, None),
        (b"Bad Time <a@x.org> yesterday +0000", None, None),
        (b"Far <a@x.org> 31556889864403199 +0000", None, 0),
        (b"Zone <a@x.org> 1000 +9999", 1000, 99 * 60 + 99),
        (b"Zone <a@x.org> 1000 -051800", 1000, -518 * 60),
        (b"Old <a@x.org> -1000 +0000", -1000, 0),
        (b"Two <a@x.org> <b@x.org> 1000 +0000", 1000, 0),
        (b"Open <a@x.org 1000 +0000", 1000, 0),
        (b"", None, None),
    ],
)
def test_broken_idents_of_real_history_are_read(
    maker: Maker, store: LocalStore, author: bytes, at: int | None, offset: int | None
) -> None:
    maker.raw_commit(broken(maker, author))
    visit = maker.visit()
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        (row,) = commits(view, KEY)
    told = row["author_at"]
    assert (None if told is None else int(told.timestamp())) == at
    assert row["author_offset_min"] == offset
    assert (row["author"] is None) == (author == b"")


def test_a_message_is_decoded_as_declared(maker: Maker, store: LocalStore) -> None:
    text = "naïve résumé, 5 €\n"
    oid = maker.commit(
        text.encode("cp1252"),
        "-q",
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0="i18n.commitEncoding",
        GIT_CONFIG_VALUE_0="windows-1252",
    )
    visit = maker.visit()
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        (row,) = commits(view, KEY)
    assert (row["oid"], row["message"], row["encoding"]) == (oid, text, "windows-1252")


def test_people_are_in_no_row(maker: Maker, store: LocalStore) -> None:
    trailer = "Co-authored-by: Bob Builder <bob@secret.example>"
    maker.commit(f"Ada Author did this\n\nask eve@secret.example\n\n{trailer}\n")
    visit = maker.visit()
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        text = repr(list(commits(view, KEY))).lower()
    assert not [w for w in ("ada", "carl", "bob", "secret", "eve@", "builder") if w in text]
    assert f"co-authored-by: <{Pseudonyms(KEY).of(Person('', 'bob@secret.example'))}>" in text


def test_a_broken_pack_is_named_with_its_origin(maker: Maker, store: LocalStore) -> None:
    maker.commit()
    visit = maker.visit()
    data = bytearray(maker.pack().read_bytes())
    data[len(data) // 2] ^= 1
    name = store.put(bytes(data))
    holding = replace(hold(store, visit, []), packs=(name,))
    with pytest.raises(IntegrityError, match=f"{URL}.*{name}"), workbench(store, visit, holding):
        pass


def test_a_pack_that_is_not_there_is_named_with_its_origin(maker: Maker, store: LocalStore) -> None:
    maker.commit()
    visit = maker.visit()
    holding = replace(hold(store, visit, []), packs=("ab" * 32,))
    with pytest.raises(IntegrityError, match=f"{URL}.*abab"), workbench(store, visit, holding):
        pass


def test_a_tip_that_is_not_held_is_an_error_not_a_shorter_history(
    maker: Maker, store: LocalStore
) -> None:
    maker.commit()
    visit = replace(maker.visit(), head="ab" * 20)
    holding = hold(store, visit, [maker.pack()])
    with workbench(store, visit, holding) as view, pytest.raises(CorruptError):
        list(commits(view, KEY))


def test_the_workbench_leaves_no_directory_and_no_process(maker: Maker, store: LocalStore) -> None:
    for number in range(3):
        maker.commit(str(number))
    visit = maker.visit()
    holding = hold(store, visit, [maker.pack()])
    with pytest.raises(KeyError), workbench(store, visit, holding) as view:
        directory = Path(view.repo.git_dir)
        rows = commits(view, KEY)
        next(rows)
        assert children()
        rows.close()
        raise KeyError
    assert not directory.exists()
    assert store.has(holding.packs[0])


def test_an_empty_repository_has_no_commits(maker: Maker, store: LocalStore) -> None:
    visit = Visit(URL, (), "refs/heads/main", None)
    with workbench(store, visit, hold(store, visit, [])) as view:
        assert list(commits(view, KEY)) == list(unreachable(view)) == []
        assert commit_count(view) == 0


def test_a_detached_head_is_read(maker: Maker, store: LocalStore) -> None:
    oid = maker.commit()
    visit = replace(maker.visit(), refs=(), head_ref=None)
    with workbench(store, visit, hold(store, visit, [maker.pack()])) as view:
        assert view.repo.head.is_detached
        assert [row["oid"] for row in commits(view, KEY)] == [oid]
