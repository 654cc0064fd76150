"""Bundles give back what was packed, are equal for equal files, and take no harm from bad tars."""

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.model.bundle import bundle, unbundle

NAMES = [
    "card.md",
    "",
    ".",
    "../x",
    "/etc/passwd",
    "dir/",
    "a//b",
    "C:\\x",
    "-rf",
    " space \n",
    "n" * 99,
    "n" * 100,
    "n" * 101,
    "d/" * 5000 + "deep",
    "grün/模型.md",
    "\udcff\udcfe.md",
    "é" * 60 + "\udc80",
    "path=x\n12 y=z\n",
    "@LongLink",
    "PaxHeaders/x",
]
FILES = [(name, name.encode("utf-8", "surrogateescape") * 3) for name in NAMES]

paths = st.binary(max_size=300).map(
    lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)


def unbundled(body: bytes) -> list[tuple[str, bytes]]:
    return list(unbundle(body))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10240])
def test_a_file_of_any_name_and_size_comes_back(name, size):
    assert unbundled(bundle([(name, b"x" * size)])) == [(name, b"x" * size)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(paths, st.binary(max_size=1500)), max_size=5))
def test_files_come_back_in_order_and_as_they_were(files):
    assert unbundled(bundle(iter(files))) == files


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "é\udbff"])
def test_a_path_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        bundle([(name, b"")])


def test_any_tar_reads_a_bundle(tmp_path):
    files = [("a.md", b"one"), ("long/" * 60 + "b.md", b"two" * 999), ("grün.md", b"")]
    path = tmp_path / "page.tar"
    path.write_bytes(bundle(files))
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    command = ["tar", "--quoting-style=literal", "-tf", str(path)]
    listed = subprocess.run(command, capture_output=True, check=True, env=env)
    assert listed.stdout.decode().splitlines() == [name for name, _ in files]
    with tarfile.open(path) as tar:
        assert [(m.name, tar.extractfile(m).read()) for m in tar] == files


PRINT_DIGEST = """
import hashlib, os, sys
os.umask(int(sys.argv[1], 8))
from ptmtorrent.model.bundle import bundle
files = [("a.md", b"one"), ("gr\\u00fcn/" * 40, b"two"), ("\\u00e9\\udcff", b"three")]
print(hashlib.sha256(bundle(files)).hexdigest())
"""


def test_equal_files_make_equal_bundles_whatever_the_day_zone_locale_and_umask(repository):
    files = [("a.md", b"one"), ("grün/" * 40, b"two"), ("é\udcff", b"three")]
    here = hashlib.sha256(bundle(files)).hexdigest()
    for zone, locale, umask in (("Asia/Tokyo", "C", "000"), ("America/Lima", "POSIX", "077")):
        env = {"TZ": zone, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        ran = subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST, umask],
            capture_output=True,
            check=True,
            cwd=repository,
            env=env,
        )
        assert ran.stdout.decode().strip() == here


def test_the_bytes_of_a_bundle_are_known():
    """Pages are named by their bytes: another Python must not make others."""
    digest = hashlib.sha256(bundle(FILES)).hexdigest()
    assert digest == "201853ecee0ebc9a8b2804f7a883373d4a631c8c467c1cb3bafb876caf34eca1"


def tar_of(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT, data: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(data) if member.size else None)
    return packed.getvalue()


def member(name: str = "x", kind: bytes = tarfile.REGTYPE, **values: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in values.items():
        setattr(info, key, value)
    return info


def header(
    kind: bytes, size: int | bytes, name: bytes = b"x", magic: bytes = b"ustar\x0000"
) -> bytes:
    """A header block with a right checksum, whatever else is wrong with it."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124:136] = b"%011o\0" % size if isinstance(size, int) else size
    block[156:157] = kind
    block[257:265] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extended(records: bytes) -> bytes:
    padded = records + bytes(-len(records) % 512)
    return header(b"x", len(records)) + padded


END = bytes(1024)
PLAIN = header(b"0", 3) + b"abc".ljust(512, b"\0")
OTHER_KINDS = [bytes([kind]) for kind in b"1234567ALKSDMNVXgx\0"]

HOSTILE = {
    "empty": b"",
    "text": b"<html>not found</html>" * 100,
    "zip": b"PK\x03\x04" + bytes(2000),
    "one zero block only": bytes(512),
    "no end": PLAIN,
    "half an end": PLAIN + bytes(512),
    "more after the end": PLAIN + END + PLAIN + END,
    "something in the padding": PLAIN + END + b"x",
    **{f"kind {kind!r}": header(kind, 0) + END for kind in OTHER_KINDS},
    "a link to a member": tar_of(member("a"), member("b", tarfile.SYMTYPE, linkname="a")),
    "links in a ring": tar_of(
        member("a", tarfile.SYMTYPE, linkname="b"), member("b", tarfile.SYMTYPE, linkname="a")
    ),
    "a hard link": tar_of(member("a"), member("b", tarfile.LNKTYPE, linkname="a")),
    "gnu long name": tar_of(member("n" * 300), form=tarfile.GNU_FORMAT),
    "gnu magic": header(b"0", 0, magic=b"ustar  \0") + END,
    "old tar": header(b"0", 0, magic=bytes(8)) + END,
    "pax sparse": tar_of(member(pax_headers={"GNU.sparse.realsize": "9" * 15})),
    "pax size": tar_of(member(pax_headers={"size": "9" * 15})),
    "pax size below zero": tar_of(member(pax_headers={"size": "-512"})),
    "more than is there": header(b"0", 2**33 - 1) + bytes(5120),
    "a size below zero": header(b"0", b"\xff" * 12) + END,
    "a chain of extended headers": extended(b"8 path=\n") * 5000 + PLAIN + END,
    "an extended header for nothing": extended(b"8 path=\n") + END,
    "no records": extended(b"") + PLAIN + END,
    "no path": extended(b"21 hdrcharset=BINARY\n") + PLAIN + END,
    "a length of zero": extended(b"0 path=x\n") + PLAIN + END,
    "a length below zero": extended(b"-9 path=x\n") + PLAIN + END,
    "a length that is too long": extended(b"99 path=x\n") + PLAIN + END,
    "a length that is too short": extended(b"8 path=x\n") + PLAIN + END,
    "a length in other digits": extended("٩ path=x\n".encode()) + PLAIN + END,
    "a length of many digits": extended(b"9" * 9000 + b" path=x\n") + PLAIN + END,
    "records that do not end": extended(b"8 path=x9 path=yz") + PLAIN + END,
    "more than a path": extended(b"9 path=x\n11 size=99\n") + PLAIN + END,
    "no size": header(b"0", bytes(12)) + END,
    "a record without a key": extended(b"4 x\n") + PLAIN + END,
    "a path with NUL": extended(b"12 path=a\0b\n") + PLAIN + END,
    "a flipped checksum": bytes([PLAIN[0] ^ 1]) + PLAIN[1:] + END,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_bundle_is_refused_with_little_memory_and_no_file(body, monkeypatch):
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bundle|member|header|path"):
        unbundled(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(body) + 200_000


def test_a_bundle_cut_off_anywhere_never_gives_other_files():
    body = bundle(FILES[:4] + FILES[12:14])
    whole = unbundled(body)
    ends = len(body.rstrip(b"\0"))
    for length in range(0, len(body), 7):
        got = []
        try:
            for file in unbundle(body[:length]):
                got.append(file)  # noqa: PERF402
        except ValueError:
            assert got == whole[: len(got)]
        else:
            assert length > ends
            assert got == whole


def test_a_bundle_with_one_byte_changed_gives_bytes_or_a_value_error():
    body = bytearray(bundle([FILES[0], FILES[14]]))
    for at in range(0, 4096, 3):
        body[at] ^= 0xFF
        with contextlib.suppress(ValueError):
            assert all(isinstance(content, bytes) for _, content in unbundle(bytes(body)))
        body[at] ^= 0xFF


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_random_bytes_are_survived(body):
    with pytest.raises(ValueError, match=r"bundle|member|header|path"):
        unbundled(body)


def test_files_before_a_fault_come_before_it_is_raised():
    found = unbundle(PLAIN + header(b"2", 0) + END)
    assert next(found) == ("x", b"abc")
    with pytest.raises(ValueError, match="no file"):
        next(found)


def test_one_file_is_held_at_a_time():
    body = bundle((f"{n}.md", b"x" * 100_000) for n in range(200))
    tracemalloc.start()
    count = sum(1 for _ in unbundle(body))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200
    assert peak < 1_000_000
