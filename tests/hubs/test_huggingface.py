"""The Hugging Face adapter against recorded answers and against records made to hurt."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hub_contract import kept
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import CorruptError, FailError, SkipError, SkipReason
from ptmtorrent.hubs.huggingface import (
    HuggingFace,
    HuggingFaceForge,
    _next_cursor,
    outline,
    package_of,
    parse,
)
from ptmtorrent.hubs.reading import fields
from ptmtorrent.hubs.reading.licenses import spdx
from ptmtorrent.hubs.shapes.huggingface import SHAPE
from ptmtorrent.model.package import PackageStatus, Paper, Scope
from ptmtorrent.net.access import Access
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport

PAGE = (Path(__file__).parent / "samples/page.json").read_bytes()


@pytest.fixture
async def hub() -> HuggingFace:
    return HuggingFace(Transport(Access.of([]), Gates()), has_token=False)


def test_a_record_becomes_a_package():
    package = parse(PAGE).packages[0][1]
    assert package.package_id == "66aa00010000000000000001"
    assert package.origin == "https://huggingface.co/quiet-river-lab/otter-base"
    assert package.fingerprint == f"{package.head} 2026-05-01T10:11:12.000Z"
    assert package.license_spdx == "Apache-2.0"
    assert package.framework == "pytorch"
    assert package.architecture == "OtterForCausalLM"
    assert package.parameters == 1024
    assert package.languages == ("en", "de")
    assert package.datasets == ("quiet-river-lab/logs",)
    assert package.papers == (Paper("arxiv", "2601.00001"), Paper("doi", "10.57967/hf/9999"))
    assert package.created_at == datetime(2024, 7, 31, 9, 28, 33, tzinfo=UTC)


def test_what_the_hub_did_not_say_is_absent_and_legacy_names_have_no_owner():
    package = parse(PAGE).packages[1][1]
    assert package.status is PackageStatus.GATED
    assert (package.owner, package.head, package.fingerprint, package.created_at) == (None,) * 4
    assert (package.parameters, package.architecture) == (7000, "llama")
    assert package.license_raw == "mit"
    assert package.languages == ("fr",)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("3", "int"),
        ("null", "NoneType"),
        ("{}", "_id"),
        ('{"_id": "zz", "id": "a/b"}', "_id"),
        ('{"_id": "66aa00010000000000000003"}', "repository id"),
        ('{"_id": "66aa00010000000000000003", "id": "../etc/passwd"}', "repository id"),
        ('{"_id": "66aa00010000000000000003", "id": "a/--b"}', "repository id"),
        ('{"_id": "66aa00010000000000000003", "id": "a/b\\u202e"}', "repository id"),
        ('{"_id": 1, "id": "a/b"}', "_id"),
        ("{broken}", "JSON"),
        ("[" * 3000 + "]" * 3000, "deep"),
    ],
)
def test_a_record_that_cannot_be_read_costs_itself_only(record, why):
    good = json.loads(PAGE)[0]
    body = f"[{record}, {json.dumps(good)}]".encode()
    parsed = parse(body)
    assert [index for index, _ in parsed.packages] == [1]
    assert [u.index for u in parsed.unparsed] == [0]
    assert why in parsed.unparsed[0].reason


@pytest.mark.parametrize(
    "change",
    [
        {"tags": "solo"},
        {"tags": [1, None, "x"]},
        {"downloads": 10**30},
        {"downloads": "many"},
        {"likes": True},
        {"cardData": []},
        {"config": {"architectures": "One"}},
        {"createdAt": "2023-02-30"},
        {"lastModified": 5},
        {"library_name": "\ud800x\0"},
        {"pipeline_tag": ""},
        {"gated": {}},
    ],
)
def test_a_field_of_another_type_counts_as_absent(change):
    record = json.loads(PAGE)[0] | change
    parsed = parse(json.dumps([record]).encode())
    assert len(parsed.packages) == 1
    text = str(parsed.packages[0][1])
    text.encode("utf-8")
    assert "\0" not in text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_parse_never_raises(body):
    parsed = parse(body)
    assert parsed.packages == ()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=4), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_cutting_an_array_by_hand_gives_what_json_gives(values):
    text = json.dumps(values, ensure_ascii=False)
    assert [json.loads(part) for part in fields._split(text)] == values


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
EDGES = [sign * 2**bits + step for sign in (1, -1) for bits in (63, 64) for step in (-1, 0, 1)]


@settings(max_examples=100, deadline=None)
@given(JSON | st.sampled_from(EDGES), st.booleans())
def test_the_fast_reader_of_json_and_the_slow_one_agree(value, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii)
    fast, slow = fields.loads(text), fields._slow_loads(text)
    assert (fast, repr(fast)) == (slow, repr(slow))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": NaN, "b": [-Infinity]}', {"a": None, "b": [None]}),
        ("9" * 400, float("inf")),
        ('"\\ud800"', "\ud800"),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_traps_of_json_are_read(text, value):
    assert fields.loads(text) == value


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([f.name for f in SHAPE]), JSON), max_size=3))
def test_the_outline_of_any_record_is_that_of_the_package_it_makes(changes):
    good = json.loads(PAGE)[0]
    body = json.dumps([good | change for change in changes]).encode()
    assert kept(outline(body)) == kept(parse(body))


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        (
            '<https://huggingface.co/api/models?limit=1&cursor=a%3D>; rel="next"',
            "?limit=1&cursor=a%3D",
        ),
        ('<https://x/prev>; rel="prev", <https://x/api/models?p=1>; rel="next"', "?p=1"),
        ('<https://x/xet>; rel="xet-auth", <https://y/z>; rel="other"', None),
        ("", None),
        ("garbage; rel=next", None),
    ],
)
def test_the_next_link_is_kept_as_path_and_query(link, cursor):
    assert _next_cursor(link) == (None if cursor is None else f"/api/models{cursor}")


def test_a_glob_with_a_literal_owner_is_left_to_the_hub(hub):
    assert "author=org" in hub.first_cursor(Scope(globs=("org/*",)))
    assert "author=" not in hub.first_cursor(Scope(globs=("o*/x",)))
    assert "author=" not in hub.first_cursor(Scope(globs=("a/*", "b/*")))
    assert "limit=7" in hub.first_cursor(Scope(limit=7))


ERRORS = [
    (401, {}, "Invalid username or password.", False, SkipReason.GONE),
    (404, {"x-error-code": "RepoNotFound"}, "", True, SkipReason.GONE),
    (404, {"x-error-code": "EntryNotFound"}, "", False, SkipReason.MISSING_AT_ORIGIN),
    (404, {"x-error-code": "RevisionNotFound"}, "", False, SkipReason.MISSING_AT_ORIGIN),
    (401, {"x-error-code": "GatedRepo"}, "", False, SkipReason.GATED),
    (403, {"x-error-code": "GatedRepo"}, "", True, SkipReason.GATED),
    (
        403,
        {"x-error-message": "Access to this resource is disabled."},
        "",
        True,
        SkipReason.DISABLED,
    ),
    (451, {}, "", False, SkipReason.LEGAL),
]


@pytest.mark.parametrize(("status", "headers", "body", "token", "reason"), ERRORS)
def test_each_answer_is_told_apart(status, headers, body, token, reason):
    error = HuggingFaceForge(has_token=token).explain("u", status, headers, body.encode())
    assert isinstance(error, SkipError)
    assert error.reason is reason


def test_a_refused_token_never_means_that_a_package_is_gone():
    error = HuggingFaceForge(has_token=True).explain("u", 401, {}, b"Invalid credentials")
    assert isinstance(error, FailError)
    assert not isinstance(error, SkipError)


def test_a_request_the_hub_does_not_understand_is_not_the_worlds_answer():
    error = HuggingFaceForge(has_token=False).explain("u", 400, {}, b"Invalid option")
    assert isinstance(error, CorruptError)


def test_licences_become_spdx_where_there_is_one():
    assert spdx("apache-2.0") == "Apache-2.0"
    assert spdx("cc-by-nc-4.0") == "CC-BY-NC-4.0"
    assert spdx("openrail") is None
    assert spdx(None) is None


def test_every_recorded_record_of_the_real_hub_is_read_without_loss(samples):
    records = []
    for path in sorted((samples / "huggingface").rglob("*.json")):
        value = json.loads(path.read_text())
        body = value.get("body") if isinstance(value, dict) and "request" in value else value
        found = body if isinstance(body, list) else [body]
        records += [(path, r) for r in found if isinstance(r, dict) and {"_id", "id"} <= set(r)]
    assert len(records) >= 6
    for path, record in records:
        package = package_of(record)
        assert (package.package_id, package.name) == (record["_id"], record["id"]), path
        for ours, theirs in {
            "head": "sha",
            "task": "pipeline_tag",
            "library": "library_name",
            "downloads_30d": "downloads",
            "downloads_all": "downloadsAllTime",
            "likes": "likes",
            "used_bytes": "usedStorage",
        }.items():
            assert getattr(package, ours) == record.get(theirs), (path, ours)
        assert list(package.tags) == record.get("tags", []), path
        assert (package.created_at is not None) == ("createdAt" in record), path
        if "gated" in record:
            assert (package.status is PackageStatus.GATED) == bool(record["gated"])


def test_every_key_of_every_recorded_record_has_a_column_or_is_named_as_kept_raw(
    samples, repository
):
    text = (repository / "docs/FORMATS.md").read_text().split("### huggingface")[1]
    keys = set()
    for path in sorted((samples / "huggingface").rglob("model*.json")):
        value = json.loads(path.read_text())
        body = value.get("body") if isinstance(value, dict) and "request" in value else value
        for record in body if isinstance(body, list) else [body]:
            if isinstance(record, dict) and "_id" in record:
                keys |= set(record)
    columns = {"_id", "id", "author", "private", "disabled", "gated", "lastModified", "sha"}
    columns |= {"pipeline_tag", "tags", "likes", "downloads", "downloadsAllTime", "createdAt"}
    columns |= {"library_name", "usedStorage"}
    assert {key for key in keys - columns if f"`{key}`" not in text} == set()


def test_the_recorded_error_table_is_told_apart(samples):
    cases = json.loads((samples / "huggingface/http/errors.json").read_text())
    for case in cases:
        token = "authenticated" in case["case"] or case["case"] == "invalid token"
        headers = case.get("headers", {})
        error = HuggingFaceForge(has_token=token).explain("u", case["status"], headers, b"")
        if case["status"] == 400 or case["case"] == "invalid token":
            assert not isinstance(error, SkipError), case
        else:
            assert isinstance(error, SkipError), case
