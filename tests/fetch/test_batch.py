"""The LFS batch answer: what may be believed of it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import CorruptError, ItemError, SkipError, SkipReason
from ptmtorrent.fetch.batch import action_of, request_of
from ptmtorrent.model.oid import Pointer

POINTER = Pointer("a" * 64, 12)


def answer(**entry: object) -> bytes:
    return json.dumps({"objects": [{"oid": POINTER.sha256, "size": 12} | entry]}).encode()


def download(**fields: object) -> dict[str, object]:
    return {"actions": {"download": {"href": "https://cdn.example/x"} | fields}}


def test_one_object_is_asked_for_by_the_basic_transfer():
    assert request_of(POINTER) == {
        "operation": "download",
        "transfers": ["basic"],
        "objects": [{"oid": "a" * 64, "size": 12}],
        "hash_algo": "sha256",
    }


def test_a_download_action_is_read_without_optional_keys():
    assert action_of(answer(**download()), POINTER).href == "https://cdn.example/x"


def test_headers_that_are_ours_to_set_or_break_out_are_not_sent():
    header = {"X-Ok": "1", "Host": "evil", "Cookie": "a", "X-Bad": "a\r\nB: c", "Range": "bytes=0-"}
    assert action_of(answer(**download(header=header)), POINTER).headers == {"X-Ok": "1"}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, SkipReason.MISSING_AT_ORIGIN),
        ({"error": {"code": 404, "message": "no"}}, SkipReason.MISSING_AT_ORIGIN),
        ({"error": {"code": 410, "message": "no"}}, SkipReason.MISSING_AT_ORIGIN),
        ({"error": {"code": 509, "message": "no"}}, SkipReason.LFS_QUOTA),
        ({"error": {"code": 403, "message": "over its data quota"}}, SkipReason.LFS_QUOTA),
    ],
)
def test_what_the_server_does_not_have_is_its_final_word(entry, reason):
    with pytest.raises(SkipError) as caught:
        action_of(answer(**entry), POINTER)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"objects": 3}',
        b'{"objects": [3]}',
        b'{"objects": []}',
        b'{"objects": [{"oid": "other"}]}',
        answer(size=13, **download()),
        answer(**download(href=3)),
        answer(actions=[]),
        answer(**download(header=[])),
        answer(error="plainly no"),
        b"[" * 100_000,
    ],
)
def test_an_answer_to_something_else_is_corrupt(body):
    with pytest.raises(CorruptError):
        action_of(body, POINTER)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_an_item_error_or_give_an_action(body):
    with pytest.raises(ItemError):
        action_of(body, POINTER)


def test_recorded_answers_of_real_servers_are_read(samples):
    batch = samples / "git-lfs/batch"
    for name in ("response.download.ok.json", "github.response.2026-01-05.json"):
        value = json.loads((batch / name).read_text())
        body = json.dumps(value.get("body", value)).encode()
        entry = json.loads(body)["objects"][0]
        pointer = Pointer(entry["oid"], entry["size"])
        assert action_of(body, pointer).href == entry["actions"]["download"]["href"]
