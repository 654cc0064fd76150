"""Commit objects, signatures and pseudonyms, from real tools and from arbitrary bytes."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import Maker

from ptmtorrent.errors import CorruptError
from ptmtorrent.extract.charset import decode
from ptmtorrent.extract.commit import parse_commit, parse_ident, subject_of
from ptmtorrent.extract.privacy import Person, Pseudonyms
from ptmtorrent.extract.signature import (
    HUB_KEYS,
    Signature,
    SignatureKind,
    Signer,
    parse_signature,
    signer_of,
)

PSEUDONYMS = Pseudonyms(b"k" * 32)
HEADER = b"tree " + b"a" * 40 + b"\n"
QUICK = settings(max_examples=100, deadline=None)


def raw(maker: Maker, oid: str) -> bytes:
    command = ["git", "cat-file", "commit", oid]
    return subprocess.run(command, cwd=maker.path, capture_output=True, check=True).stdout


@QUICK
@given(st.binary() | st.binary().map(lambda tail: HEADER + tail))
def test_any_bytes_are_a_commit_or_a_typed_error(data: bytes) -> None:
    try:
        commit = parse_commit(data)
    except CorruptError:
        return
    commit.text.encode()
    assert commit.author.at is None or commit.author.at.year >= 1
    assert parse_signature(commit.signature).kind in SignatureKind


IDENT_BYTES = st.text("ab<> 0123456789+-@\t", max_size=60).map(str.encode)


@QUICK
@given(IDENT_BYTES)
def test_any_ident_is_read(value: bytes) -> None:
    ident = parse_ident(value)
    assert ident.offset_min is None or abs(ident.offset_min) < 2**15
    assert b"<" not in ident.name


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="<>\n\0"), max_size=20).map(
    str.strip
)


@QUICK
@given(NAMES, NAMES, st.integers(-(2**40), 2**62), st.integers(-9959, 9959))
def test_a_well_formed_ident_is_read_back(name: str, mail: str, time: int, zone: int) -> None:
    ident = parse_ident(f"{name} <{mail}> {time} {zone:+05d}".encode())
    told = (ident.name.decode().strip(), ident.mail.decode().strip(), ident.time)
    assert told == (name, mail, time)


def test_headers_are_kept_with_their_continuation_lines() -> None:
    parents = b"parent " + b"b" * 40 + b"\nparent " + b"c" * 40 + b"\n"
    signature = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
    more = b"mergetag object x\n type commit\nHG:extra odd\n"
    data = HEADER + parents + b"author a <a@x> 1 +0000\n" + signature + more + b"\n\nbody\n\nmore"
    commit = parse_commit(data)
    assert commit.parents == ("b" * 40, "c" * 40)
    assert commit.signature == (
        b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----"
    )
    assert commit.headers == ((b"mergetag", b"object x\ntype commit"), (b"HG:extra", b"odd"))
    assert commit.message == b"\nbody\n\nmore"


@pytest.mark.parametrize(
    "message",
    ["", "\n\n", "one", "one\ntwo\n\nthree", "  indented \n more ", "\n \nlate\n", "a\r\n\r\nb"],
)
def test_the_subject_is_gits(maker: Maker, message: str) -> None:
    oid = maker.commit(message)
    assert subject_of(parse_commit(raw(maker, oid)).text) == maker.text(
        "log", "-1", "--format=%s", oid
    ).rstrip("\r")


def test_an_encoding_only_chooses_from_a_table() -> None:
    assert decode("é".encode("latin-1"), "ISO-8859-1") == "é"
    assert decode("日本".encode("euc-jp"), "EUC-JP") == "日本"
    assert decode(b"\xff", "utf-8") == decode(b"\xff", "unicode_escape") == "\ufffd"
    assert decode(b"+2AA-", "utf-7") == "+2AA-"


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_a_real_openpgp_signature_names_its_key(maker: Maker, tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    make = ["--passphrase", "", "--quick-gen-key", "x <x@example.org>", "ed25519", "sign"]
    subprocess.run([*gpg, *make], check=True, capture_output=True)
    told = subprocess.run([*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True)
    (key,) = re.findall(rb"^pub:(?:[^:]*:){3}([0-9A-F]{16})", told.stdout, re.MULTILINE)
    try:
        oid = maker.commit("signed", f"-S{key.decode()}", GNUPGHOME=str(home))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    commit = parse_commit(raw(maker, oid))
    assert commit.signature is not None
    assert parse_signature(commit.signature) == Signature(SignatureKind.OPENPGP, key.decode())


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_real_ssh_signature_names_its_key(maker: Maker, tmp_path: Path) -> None:
    key = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make, check=True, capture_output=True)
    told = subprocess.run(["ssh-keygen", "-lf", str(key)], check=True, capture_output=True)
    maker.git("config", "gpg.format", "ssh")
    oid = maker.commit("signed", f"-S{key}")
    commit = parse_commit(raw(maker, oid))
    assert commit.signature is not None
    fingerprint = told.stdout.decode().split()[1]
    assert parse_signature(commit.signature) == Signature(SignatureKind.SSH, fingerprint)


ARMOR = b"-----BEGIN %s-----\n\n%s\n-----END %s-----\n"


def armored(kind: bytes, data: bytes) -> bytes:
    return ARMOR % (kind, base64.b64encode(data), kind)


@pytest.mark.parametrize(
    ("packet", "key"),
    [
        (
            bytes.fromhex("88 13 03 05 00 00000000 0011223344556677 0000000000".replace(" ", "")),
            "0011223344556677",
        ),
        (b"\xc2\x10\x04\x00\x01\x08\x00\x00\x00\x0a\x09\x10" + bytes(8)[:4], None),
        (b"\xc2\x12\x04\x00\x01\x08\x00\x00\x00\x0a\x09\x10" + bytes(range(8)), "0001020304050607"),
        (
            b"\xc2\x2f\x06\x00\x1b\x08\x00\x00\x00\x23\x22\x21\x06"
            + bytes(range(32))
            + b"\0\0\0\0",
            "0001020304050607",
        ),
        (b"", None),
    ],
)
def test_signature_packets_of_every_version_are_read(packet: bytes, key: str | None) -> None:
    found = parse_signature(armored(b"PGP SIGNATURE", packet))
    assert found == Signature(SignatureKind.OPENPGP, key)


@QUICK
@given(st.binary(), st.sampled_from([b"PGP SIGNATURE", b"SSH SIGNATURE", b"SIGNED MESSAGE", b"X"]))
def test_no_signature_is_too_odd_to_read(data: bytes, kind: bytes) -> None:
    for text in (armored(kind, data), armored(kind, b"SSHSIG\0\0\0\1" + data), data):
        assert parse_signature(text).kind in SignatureKind


def test_a_hub_signs_with_its_key_or_under_its_address() -> None:
    web_flow = Signature(SignatureKind.OPENPGP, HUB_KEYS[0])
    unknown = Signature(SignatureKind.UNKNOWN)
    assert signer_of(parse_signature(None), "noreply@github.com") == Signer.NONE
    assert signer_of(web_flow, "a@x.org") == Signer.HUB
    assert signer_of(unknown, "NoReply@GitHub.com") == Signer.HUB
    assert signer_of(unknown, "a@x.org") == Signer.USER


def test_a_person_has_one_pseudonym_whatever_the_case_and_the_name() -> None:
    one = PSEUDONYMS.of(Person("A", "Ada@Example.org"))
    assert one == PSEUDONYMS.of(Person("B", "ada@example.ORG"))
    assert one is not None
    assert re.fullmatch("[0-9a-f]{32}", one)
    assert PSEUDONYMS.of(Person("Ada", "")) not in (None, one)
    assert PSEUDONYMS.of(Person("", " ")) is None
    assert Pseudonyms(b"other").of(Person("A", "ada@example.org")) != one


def mark(known_by: str) -> str:
    return f"<{PSEUDONYMS.of(Person('', known_by))}>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Signed-off-by: A B <a@x.org>", f"Signed-off-by: {mark('a@x.org')}"),
        ("Reviewed-by: A <a@x>, B <b@y>\r", f"Reviewed-by: {mark('a@x')}, {mark('b@y')}"),
        ("tested-by: Only Name", f"tested-by: {mark('only name')}"),
        ("Cc: a@x.org", f"Cc: {mark('a@x.org')}"),
        ("thanks to Ann Lee <a@x.org>!", f"thanks to {mark('a@x.org')}!"),
        ("mail a@x.org.", f"mail {mark('a@x.org')}."),
        ("see https://tok@x.org/p", f"see https://{mark('tok@x.org')}/p"),
        ("ada LOVELACE fixed it", f"{mark('ada@x.org')} fixed it"),
        ("Lovelaces, @mention, a @ b, #1", "Lovelaces, @mention, a @ b, #1"),
        ("感谢张三的帮助", f"感谢{mark('z@x.org')}的帮助"),
    ],
)
def test_people_in_text_become_pseudonyms(text: str, expected: str) -> None:
    people = [Person("Ada Lovelace", "ada@x.org"), Person("张三", "z@x.org")]
    assert PSEUDONYMS.scrub(text, people) == expected


WORDS = st.text(st.sampled_from("abcXYZ09._+-éß@<> \n:,"), max_size=30)


@QUICK
@given(st.lists(st.emails(), min_size=1, max_size=4), WORDS, WORDS)
def test_no_address_survives(mails: list[str], before: str, after: str) -> None:
    text = before + "".join(f"{mail}{after}" for mail in mails)
    scrubbed = PSEUDONYMS.scrub(text, [Person("", mail) for mail in mails])
    assert not [mail for mail in mails if mail.lower() in scrubbed.lower()]


def test_long_text_is_scrubbed_in_linear_time() -> None:
    for unit in ("a", "A ", "a@", "<a", "A <", "-by", "Cc: <", "a."):
        text = unit * (200_000 // len(unit))
        assert PSEUDONYMS.scrub(text, [Person("Ann Lee", "a@x.org")])
