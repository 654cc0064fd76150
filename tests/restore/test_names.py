"""Every name becomes one that is safe everywhere, and safe names stay as they are."""

import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.restore.names import LONGEST, safe_name

PARTS = st.sampled_from(
    [b".git", b"..", b".", b"/", b"\\", b":", b"\0", b"\xff", b"NUL", b" ", b"~1", "é".encode()]
)
NAMES = st.one_of(st.binary(max_size=400), st.lists(PARTS, max_size=6).map(b"".join))


@given(NAMES)
@settings(max_examples=100, deadline=None)
def test_any_name_becomes_a_safe_one_and_stays_it(name):
    safe = safe_name(name)
    text = safe.decode()
    assert 0 < len(safe) <= LONGEST
    assert safe not in (b".", b"..")
    assert not text.endswith((".", " "))
    assert not set(text) & set("/\\")
    assert text[1:2] != ":" or not (text[0].isascii() and text[0].isalpha())
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
    assert safe_name(safe) == safe


HARMLESS = """README.md .gitattributes .gitignore .github 100% %2e%2e CONTRIBUTING nullable.py com10
mxnet:1.0.0 モデル ~ -rf a..b (1).txt [x]{y}'z'"q"$HOME`x`"""


@pytest.mark.parametrize("name", [*HARMLESS.split(), "two words", " leading", "x" * LONGEST])
def test_names_that_hurt_nobody_stay(name):
    assert safe_name(os.fsencode(name)) == os.fsencode(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        (b"", b"%"),
        (b".", b"%2E"),
        (b"..", b"%2E%2E"),
        (b"...", b"%2E%2E%2E"),
        (b"a.", b"a%2E"),
        (b"a/b", b"a%2Fb"),
        (b"C:x", b"%43:x"),
        (b"nul:", b"%6Eul:"),
        (b".git::$INDEX_ALLOCATION", b"%2Egit::$INDEX_ALLOCATION"),
        (b".GiT", b"%2EGiT"),
        (b"GIT~1", b"%47IT~1"),
        (b"\xe2\x80\x8b.git", b"%E2%80%8B.git"),
        (b"\xef\xbc\x8egit", b"%EF%BC%8Egit"),
        (b"nul.tar.gz", b"%6Eul.tar.gz"),
        (b"com1", b"%63om1"),
        (b"COM\xc2\xb9.txt", b"%43OM\xc2\xb9.txt"),
        (b"a\x00\x1f\x7f", b"a%00%1F%7F"),
        (b"\xc2\x9b31m", b"%C2%9B31m"),
        (b"caf\xe9", b"caf%E9"),
    ],
)
def test_what_is_not_safe_is_escaped(name, safe):
    assert safe_name(name) == safe


def test_long_names_that_begin_alike_differ_whatever_comes_first():
    assert len({safe_name(b"x" * 300 + end) for end in (b"a", b"b")}) == 2
