"""Refs as git servers advertise them: git's own output, and everything that is not."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import CorruptError, ItemError, SkipError
from ptmtorrent.net.advertisement import is_ref_name, parse_advertisement

A, B, C = "a" * 40, "b" * 40, "c" * 40
ENVIRON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
}  # fmt: skip


def pkt(line: bytes) -> bytes:
    return b"%04x" % (len(line) + 4) + line


def advertise(*lines: bytes) -> bytes:
    head = pkt(b"# service=git-upload-pack\n") + b"0000"
    return head + b"".join(pkt(line) for line in lines) + b"0000"


def git(where: Path, *args: str) -> bytes:
    return subprocess.run(
        ["git", *args], cwd=where, env=ENVIRON, check=True, capture_output=True
    ).stdout


def test_gits_own_advertisement_is_read(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", ".")
    empty = _of(tmp_path)
    assert (empty.refs, empty.head) == ({}, None)
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    git(tmp_path, "tag", "-a", "-m", "x", "v1")
    git(tmp_path, "tag", "light")
    git(tmp_path, "branch", "other")
    git(tmp_path, "update-ref", "refs/pull/1/head", "HEAD")
    seen, head = _of(tmp_path), git(tmp_path, "rev-parse", "HEAD").decode().strip()
    assert seen.head == head
    assert seen.head_ref == "refs/heads/main"
    assert set(seen.refs) == {
        "refs/heads/main", "refs/heads/other", "refs/tags/light", "refs/tags/v1"
    }  # fmt: skip
    assert seen.refs["refs/tags/v1"] != head
    assert "multi_ack" in seen.capabilities


def _of(where: Path):  # type: ignore[no-untyped-def]
    refs = git(where, "upload-pack", "--advertise-refs", "--stateless-rpc", ".git")
    return parse_advertisement(pkt(b"# service=git-upload-pack\n") + b"0000" + refs)


MALFORMED = {
    "nothing": b"",
    "a web page": b"<!DOCTYPE html><p>log in",
    "json": b"{}",
    "no service": pkt(f"{A} HEAD\n".encode()) + b"0000",
    "another service": pkt(b"# service=git-receive-pack\n") + b"00000000",
    "no list at all": pkt(b"# service=git-upload-pack\n") + b"0000",
    "no flush": advertise(f"{A} HEAD\0\n".encode())[:-4],
    "no flush after two": advertise(f"{A} HEAD\0\n".encode(), f"{A} refs/heads/m".encode())[:-4],
    "cut": advertise(f"{A} HEAD\0\n".encode())[:-9],
    "something after the flush": advertise(f"{A} HEAD\0\n".encode()) + b"x",
    "a second list": advertise(f"{A} HEAD\0\n".encode()) + pkt(f"{A} refs/heads/x\n".encode()),
    "a short oid": advertise(b"abc HEAD\0\n"),
    "upper case": advertise(f"{'A' * 40} HEAD\0\n".encode()),
    "no name": advertise(f"{A} \0\n".encode()),
    "a zero oid": advertise(f"{'0' * 40} refs/heads/a\0\n".encode()),
    "twice": advertise(f"{A} refs/heads/a\0\n".encode(), f"{B} refs/heads/a\n".encode()),
    "peeled alone": advertise(f"{A} refs/tags/a^{{}}\0\n".encode()),
    "shallow": advertise(f"{A} HEAD\0\n".encode(), f"shallow {A}".encode()),
    "an error": advertise(b"ERR access denied\x1b]0;x\x07\n"),
    "length ffff": pkt(b"# service=git-upload-pack\n") + b"0000ffffx",
    "length 0003": pkt(b"# service=git-upload-pack\n") + b"00000003",
    "length -1": pkt(b"# service=git-upload-pack\n") + b"0000 -1x",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_an_advertisement_is_corrupt(body: bytes) -> None:
    with pytest.raises(CorruptError) as caught:
        parse_advertisement(body)
    assert "\x1b" not in str(caught.value)


HOSTILE = [
    "refs/heads/../../x", "refs/heads/a..b", "refs/heads/.a", "refs/heads/a.lock", "refs/heads/a/",
    "refs/heads//a", "refs/heads/a b", "refs/heads/a~1", "refs/heads/a^", "refs/heads/a:b",
    "refs/heads/a?", "refs/heads/a*", "refs/heads/[a", "refs/heads/a\\b", "refs/heads/@{1}",
    "refs/heads/\x1b[31m", "refs/heads/a.", "refs/heads/a.lock/b", "refs/heads/" + "a" * 5000,
    "refs/tags/\x7f", "refs/heads/a\tb",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_git_refuses_are_refused(name: str) -> None:
    assert not is_ref_name(name)
    with pytest.raises(CorruptError):
        parse_advertisement(advertise(f"{A} {name}\0\n".encode()))


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab./~^:?*[\\@{- \x1b-é"), min_size=1, max_size=12))
def test_the_rules_for_names_are_gits_own(tail: str) -> None:
    name = f"refs/heads/{tail}"
    run = subprocess.run(["git", "check-ref-format", name], env=ENVIRON, check=False)
    assert is_ref_name(name) == (run.returncode == 0)


def test_other_refs_are_left_out_and_odd_bytes_survive() -> None:
    seen = parse_advertisement(
        advertise(
            f"{A} HEAD\0symref=HEAD:refs/heads/m agent=git/2\n".encode(),
            f"{B} refs/changes/..".encode(),
            f"{A} refs/heads/".encode() + b"\xff",
            f"{C} refs/tags/t".encode(),
            f"{A} refs/tags/t^{{}}".encode(),
        )
    )
    assert seen.refs == {"refs/heads/\udcff": A, "refs/tags/t": C}
    assert (seen.head, seen.head_ref) == (A, "refs/heads/m")


def test_sha256_repositories_are_unsupported() -> None:
    with pytest.raises(SkipError):
        parse_advertisement(advertise(f"{'a' * 64} HEAD\0object-format=sha256\n".encode()))


PIECES = st.sampled_from(
    [
        *(A.encode(), B.encode(), b" ", b"HEAD", b"refs/heads/a", b"refs/tags/t", b"refs/x", b"/"),
        *(b"^{}", b"\0", b"symref=HEAD:refs/heads/a", b"ERR ", b"\n", b"\xff", b"capabilities"),
    ]
)
NAMES = st.sampled_from(
    ["HEAD", "refs/heads/a", "refs/heads/\udcff", "refs/tags/t", "refs/tags/t^{}", "refs/x/y"]
)
LISTS = st.tuples(
    st.dictionaries(NAMES, st.sampled_from([A, B]), min_size=1),
    st.sampled_from(["", "\0", "\0symref=HEAD:refs/heads/a agent=git/2"]),
).map(lambda told: advertise(*lines_of(*told)))
JUNK = st.lists(st.lists(PIECES, max_size=5).map(b"".join) | st.binary(max_size=60), max_size=4)


def lines_of(refs: dict[str, str], words: str) -> list[bytes]:
    first, *rest = (f"{oid} {name}" for name, oid in refs.items())
    return [line.encode("utf-8", "surrogateescape") for line in (first + words, *rest)]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | JUNK.map(lambda lines: advertise(*lines)) | LISTS)
def test_any_bytes_are_a_typed_error_or_refs_that_read_the_same_when_told_again(
    body: bytes,
) -> None:
    try:
        seen = parse_advertisement(body)
    except ItemError:
        return
    head = {"HEAD": seen.head} if seen.head else {}
    refs = head | seen.refs or {"capabilities^{}": "0" * 40}
    again = advertise(*lines_of(refs, "\0" + " ".join(seen.capabilities)))
    assert parse_advertisement(again) == seen
    assert all(name.startswith(("refs/heads/", "refs/tags/")) for name in seen.refs)


REF_NAMES = st.lists(st.sampled_from(["a", "a-", "a.b", "b"]), min_size=1, max_size=3).map(
    lambda parts: "refs/heads/" + "/".join(parts)
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(REF_NAMES, st.sampled_from([A, B]), min_size=1))
def test_what_is_advertised_is_what_is_read_if_a_disk_could_hold_it(refs: dict[str, str]) -> None:
    """A name above another would be a file and a folder."""
    lines = [f"{oid} {name}\n".encode() for name, oid in refs.items()]
    lines[0] = lines[0].rstrip() + b"\0multi_ack\n"
    if any(below.startswith(name + "/") for name in refs for below in refs):
        with pytest.raises(CorruptError, match="refuses"):
            parse_advertisement(advertise(*lines))
    else:
        assert parse_advertisement(advertise(*lines)).refs == refs
