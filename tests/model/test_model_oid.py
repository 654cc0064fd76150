"""Names of content, checked against git, git-lfs and the SWHID recipe's own logic."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.model.key import key_of, origin_key, package_key
from ptmtorrent.model.oid import (
    EMPTY_SHA256,
    Pointer,
    git_blob_oid,
    is_git_oid,
    is_sha256,
    parse_pointer,
    sha256_of,
    swhid_snapshot,
)

QUICK = settings(max_examples=100, deadline=None)
OID = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
VERSION = b"version https://git-lfs.github.com/spec/v1\n"
VALID = VERSION + b"oid sha256:" + OID.encode() + b"\nsize 12345\n"
POINTERS = st.builds(
    Pointer, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(0, 2**63 - 1)
)


def test_the_pointer_of_the_specification_has_its_known_blob_id() -> None:
    assert parse_pointer(VALID) == Pointer(OID, 12345)
    assert git_blob_oid(VALID) == "60c8d8ab2adcf57a391163a7eeb0cdb8bf348e44"


@QUICK
@given(POINTERS)
def test_a_pointer_is_read_back(pointer: Pointer) -> None:
    assert parse_pointer(pointer.to_bytes()) == pointer


@QUICK
@given(st.binary(max_size=1100) | st.binary(max_size=100).map(lambda tail: VERSION + tail))
def test_any_bytes_are_a_pointer_or_not(data: bytes) -> None:
    pointer = parse_pointer(data)
    assert pointer is None or (is_sha256(pointer.sha256) and 0 <= pointer.size < 2**63)


@QUICK
@given(POINTERS, st.integers(0, 200), st.sampled_from(b"\r\n \0A0+-"))
def test_a_pointer_with_one_byte_more_is_none_or_says_what_it_shows(
    pointer: Pointer, at: int, byte: int
) -> None:
    data = pointer.to_bytes()
    changed = data[:at] + bytes([byte]) + data[at:]
    found = parse_pointer(changed)
    assert found is None or found.to_bytes() == changed


@pytest.mark.parametrize(
    "first", [b"http://git-media.io/v/2", b"https://hawser.github.com/spec/v1"]
)
def test_old_names_of_the_version_are_accepted(first: bytes) -> None:
    assert parse_pointer(VALID.replace(b"https://git-lfs.github.com/spec/v1", first))


def test_extensions_are_passed_over() -> None:
    extension = b"ext-0-foo sha256:" + b"0" * 64 + b"\next-1-bar sha256:" + b"1" * 64 + b"\n"
    assert parse_pointer(VERSION + extension + VALID[len(VERSION) :]) == Pointer(OID, 12345)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        VALID[:-1],
        VALID.replace(b"\n", b"\r\n"),
        VALID + b"\n",
        VALID.upper(),
        VALID.replace(b"12345", b"-1"),
        VALID.replace(b"12345", b"+5"),
        VALID.replace(b"12345", b"1e3"),
        VALID.replace(b"12345", b"012"),
        VALID.replace(b"12345", b"9223372036854775808"),
        VALID.replace(b"12345", "\u0663".encode()),
        VALID.replace(OID.encode(), OID.upper().encode()),
        VALID.replace(b"sha256:", b"sha1:"),
        VALID.replace(b"size ", b"size  "),
        VERSION + b"size 12345\noid sha256:" + OID.encode() + b"\n",
        VALID + b"size 12345\n",
        VALID + b"zed 1\n",
        VERSION + b"ext-foo 1\n" + VALID[len(VERSION) :],
        VERSION + b"ext-0-foo bar\n" + VALID[len(VERSION) :],
        VALID.replace(b"\noid", b"\next-0-a sha256:" + b"0" * 64),
        b" " + VALID,
        VALID[:-1] + b" " * 1000 + b"\n",
    ],
)
def test_what_is_no_pointer_to_the_letter_is_an_ordinary_file(data: bytes) -> None:
    assert parse_pointer(data) is None


def test_a_pointer_is_shorter_than_1024_bytes() -> None:
    def padded(length: int) -> bytes:
        name = b"ext-0-" + b"x" * (length - len(VALID) - len(b"ext-0- sha256:\n") - 64)
        return VERSION + name + b" sha256:" + b"0" * 64 + b"\n" + VALID[len(VERSION) :]

    assert (len(padded(1023)), len(padded(1024))) == (1023, 1024)
    assert parse_pointer(padded(1023)) == Pointer(OID, 12345)
    assert parse_pointer(padded(1024)) is None


@QUICK
@given(st.binary())
def test_git_gives_a_blob_the_same_id(data: bytes) -> None:
    expected = hashlib.sha1(b"blob " + str(len(data)).encode() + b"\0" + data).hexdigest()
    assert git_blob_oid(data) == expected


def test_names_are_lower_case_hex_of_their_length() -> None:
    assert is_sha256(EMPTY_SHA256)
    assert is_git_oid("0" * 40)
    for odd in ("", "0" * 41, "A" * 40, "0" * 39 + "\n", "0" * 40 + "\n", "\u0660" * 40):
        assert not is_git_oid(odd)
        assert not is_sha256(odd + "0" * 24)
    assert sha256_of(b"") == EMPTY_SHA256


def test_a_snapshot_of_real_refs_has_the_swhid_of_the_recipe(tmp_path: Path) -> None:
    """The manifest, built once more by the letter of the specification from git's own words."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "core.quotepath=false")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "surrogateescape")

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "one")
    for arguments in (
        ("tag", "light"),
        ("tag", "-a", "-m", "t", "note"),
        ("branch", "z/é"),
        ("tag", "tree", "HEAD^{tree}"),
        ("branch", "a.b"),
        ("branch", "a-b/c"),
    ):
        git(*arguments)
    lines = git("for-each-ref", "--format=%(objecttype) %(objectname) %(refname)").splitlines()
    refs = {name: (kind, oid) for kind, oid, name in (line.split(" ", 2) for line in lines)}
    types = {"commit": b"revision", "tag": b"release", "tree": b"directory", "blob": b"content"}
    branches = {n.encode(): (types[k], bytes.fromhex(o)) for n, (k, o) in refs.items()}
    branches[b"HEAD"] = (b"alias", b"refs/heads/main")
    manifest = b"".join(
        kind + b" " + name + b"\0" + str(len(target)).encode() + b":" + target
        for name, (kind, target) in sorted(branches.items())
    )
    digest = hashlib.sha1(b"snapshot %d\0" % len(manifest) + manifest).hexdigest()
    assert swhid_snapshot(refs, "refs/heads/main") == f"swh:1:snp:{digest}"


def test_the_empty_snapshot_has_its_well_known_swhid() -> None:
    assert swhid_snapshot({}, None) == "swh:1:snp:1a8893e6a86f444e8be8e7bda6cb34fb1735a00e"


@QUICK
@given(st.text(st.characters(codec="utf-8")))
def test_a_key_is_a_signed_64_bit_number(text: str) -> None:
    assert -(2**63) <= key_of(text) < 2**63
    assert origin_key(text) == key_of(text)
    assert package_key("hub", text) == key_of(f"hub:{text}")


def test_a_key_is_the_beginning_of_the_digest() -> None:
    assert key_of("") == int.from_bytes(bytes.fromhex(EMPTY_SHA256)[:8], "big", signed=True)
    assert key_of("\udcff") != key_of("?")
