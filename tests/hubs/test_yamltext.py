"""YAML from repositories: what it may say, and what it may not do to us."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.hubs.reading import yamltext
from ptmtorrent.hubs.reading.yamltext import DEEPEST, MOST_BYTES, loads


def test_tables_lists_text_numbers_booleans_and_null_are_read():
    data = b"""
a: text
b: [1, -2, 0.5, 1.5e-05]
c:
- {d: true, e: null}
- "12"
f:
"""
    assert loads(data) == {
        "a": "text",
        "b": [1, -2, 0.5, 1.5e-05],
        "c": [{"d": True, "e": None}, "12"],
        "f": None,
    }


@pytest.mark.parametrize(
    "word",
    [
        *("2020-01-01", "2020-01-01T10:00:00Z", "no", "on", "0777", "0x1f", "1:30", "1_000"),
        *(".inf", ".nan", "1e999", "25e8999", "1.0e+999", "=", "<<"),
        *("9" * 19, "-" + "9" * 400, "1." + "0" * 400),
    ],
)
def test_a_plain_word_with_a_hidden_meaning_is_text(word):
    assert loads(f"a: {word}".encode()) == {"a": word}
    assert loads(f"{word}: a".encode()) == {word: "a"}


@pytest.mark.parametrize("body", ["a: &x [1]\nb: *x", "&x [*x]", "a: &x 1\n*x : b", "a: *gone"])
def test_an_alias_is_refused(body):
    with pytest.raises(ValueError, match=r"alias|key that is no text"):
        loads(body.encode())


def test_a_bomb_of_aliases_costs_nothing():
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    with pytest.raises(ValueError, match="alias"):
        loads("\n".join(lines).encode())


@pytest.mark.parametrize("body", [b"[" * 10**5, b"- " * 10**5, b"{a: " * 10**5])
def test_deep_nesting_is_refused(body):
    with pytest.raises(ValueError, match="deep"):
        loads(body)


def test_nesting_is_allowed_as_deep_as_people_write():
    assert loads(b"[" * DEEPEST + b"]" * DEEPEST) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"!!python/object/apply:os.system [echo]",
        b"!!python/name:os.system x",
        b"!!int 12",
        b"!x {}",
    ],
)
def test_a_tag_is_not_obeyed(body):
    assert loads(body) in (["echo"], "x", "12", {})


def test_of_a_key_that_comes_twice_the_last_counts_and_keys_are_text():
    assert loads(b"{a: 1, a: 2, 1: x, true: y, null: z}") == {
        "a": 2,
        "1": "x",
        "true": "y",
        "null": "z",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"? [a]\n: b",
        b"? {a: b}\n: c",
        b"a\n---\nb",
        b"a: \xff",
        b"a: \0",
        b"a: [",
        b"%x",
        b"a: b: c",
    ],
)
def test_what_is_no_single_document_of_tables_is_refused(body):
    with pytest.raises(ValueError, match="YAML"):
        loads(body)


def test_a_file_that_no_person_wrote_is_refused_unread():
    with pytest.raises(ValueError, match="long"):
        loads(b"#" * (MOST_BYTES + 1))


@pytest.mark.parametrize("body", [b"", b"# only a comment\n", b"---\n"])
def test_an_empty_document_is_nothing(body):
    assert loads(body) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text("ab: #-[]{}*&!|>'\"%@\n"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("aé1 .:", max_size=4), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(_JSON)
def test_what_json_says_yaml_says_too(value):
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80) | st.text("a:-?[]{}&*!|>'\"%@,# \n\t", max_size=80).map(str.encode))
def test_any_bytes_are_a_value_that_json_can_say_or_a_value_error(body):
    try:
        value = loads(body)
    except ValueError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_real_statistics_are_read_as_their_own_library_reads_them(samples):
    yaml = pytest.importorskip("yaml")
    files = sorted((samples / "onnx/turnkey_stats").glob("*.yaml"))
    assert len(files) == 17
    for path in files:
        assert yamltext.loads(path.read_bytes()) == yaml.safe_load(path.read_bytes()), path
