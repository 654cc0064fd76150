"""The same for answers that are held in memory, and for files whose bytes nobody named."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from answers import (
    CORRUPT,
    NETWORK,
    PAGE,
    REFUSED,
    chunked,
    cut,
    first_then,
    for_ever,
    packed,
    says,
    then_hangs,
)
from rawhttp import DATA, ETAG, SIZE, Script, Talk, head, rest, right, served, whole
from test_http_faults import fetcher, words

from ptmtorrent.errors import ItemError
from ptmtorrent.fetch.assets import AssetFetcher
from ptmtorrent.hubs.huggingface import BASE
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.work import AssetTask, HeldAsset

JSON = "application/json"
LIST = b'[{"id": "a"}]'
NEW = DATA[::-1]


def coded(body: bytes, name: str) -> bytes:
    return whole(body, content_encoding=name)


ANSWERS = {
    "a list": (whole(LIST), "answered"),
    "a list, packed": (coded(gzip.compress(LIST), "gzip"), "answered"),
    "a list in chunks": (chunked(LIST), "answered"),
    "a bomb of a GiB": (coded(packed(2**30), "gzip"), CORRUPT),
    "a bomb in a bomb": (coded(gzip.compress(packed(2**30)), "gzip, gzip"), CORRUPT),
    "a bomb that unpacks to a bomb": (coded(gzip.compress(packed(2**36)), "gzip"), CORRUPT),
    "deflate": (coded(packed(2**20, 15), "deflate"), CORRUPT),
    "br": (coded(LIST, "br"), CORRUPT),
    "zstd": (coded(LIST, "zstd"), CORRUPT),
    "gzip, cut": (coded(gzip.compress(LIST)[:-9], "gzip"), NETWORK),
    "gzip, flipped": (coded(gzip.compress(LIST)[:-9] + bytes(9), "gzip"), CORRUPT),
    "gzip and more": (coded(gzip.compress(LIST) + b"more", "gzip"), CORRUPT),
    "no gzip": (coded(LIST, "gzip"), CORRUPT),
    "cut, and no length": (head() + LIST[:5], NETWORK),
    "whole, and no length": (head() + LIST, NETWORK),
    "cut": (whole(LIST)[:-1], NETWORK),
    "chunks, cut": (chunked(LIST, last=b""), NETWORK),
    "larger than allowed": (head(content_length=2**40) + bytes(2**16), NETWORK),
    "larger than allowed, and sent": (whole(bytes(2 * 2**20)), CORRUPT),
    "a web page": (whole(PAGE), NETWORK),
    "a web page by its type": (whole(b"hello", content_type="text/html"), NETWORK),
    "a refusal in words": (whole(b'{"error":"We had to rate limit you"}'), REFUSED),
    "429": (head("429 Slow", content_length=0), REFUSED),
    "500": (head("500 No", content_length=0), NETWORK),
    "404": (head("404 No", content_length=0), "answered"),
    "204": (head("204 None"), "answered"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_held_in_memory_ends_as_it_must(name: str, tmp_path: Path) -> None:
    answer, expected = ANSWERS[name]
    async with served(says(answer)) as server, fetcher(tmp_path, server) as objects:
        outcome = "answered"
        try:
            await objects.transport.get(f"{BASE}/api/models", accept=JSON, max_bytes=2**20)
        except ItemError as error:
            outcome = words(error)
    assert outcome == expected


def other_version(talk: Talk) -> bytes:
    """The file has changed; a good server answers a conditional range with all of it."""
    is_same = talk.headers.get("if-range") == '"two"'
    if talk.start is None or not is_same:
        return whole(NEW, etag='"two"')
    return rest(talk.start, etag='"two"').replace(DATA[talk.start :], NEW[talk.start :])


def careless(talk: Talk) -> bytes:
    """The file has changed, and the rest of it is sent as if nobody had set a condition."""
    if talk.start is None:
        return whole(NEW, etag='"two"')
    return rest(talk.start, etag='"two"').replace(DATA[talk.start :], NEW[talk.start :])


def without(tag: bytes, answer: bytes) -> bytes:
    return answer.replace(b"Etag: " + ETAG.encode(), tag)


NO_RANGE = head("416 No", content_length=0)
ASSETS: dict[str, tuple[Script, str, int]] = {
    "whole": (says(right), sha256_of(DATA), 1),
    "cut, then the rest": (first_then(says(cut), says(right)), sha256_of(DATA), 2),
    "cut, then changed": (first_then(says(cut), says(other_version)), sha256_of(NEW), 2),
    "cut, then halves of two": (first_then(says(cut), says(careless)), NETWORK, 2),
    "cut, then no such range": (first_then(says(cut), says(NO_RANGE)), NETWORK, 2),
    "416 to everything": (says(NO_RANGE), CORRUPT, 1),
    "cut, of no tag": (
        first_then(says(lambda t: without(b"X-A: b", cut(t))), says(right)),
        sha256_of(DATA),
        2,
    ),
    "cut, of a weak tag": (
        first_then(says(lambda t: without(b'Etag: W/"1"', cut(t))), says(right)),
        sha256_of(DATA),
        2,
    ),
    "always cut": (says(cut), NETWORK, 2),
    "no length": (says(head() + DATA), NETWORK, 2),
    "no length, cut": (says(head() + DATA[:9]), NETWORK, 2),
    "a web page": (says(whole(PAGE)), NETWORK, 2),
    "a web page by its type": (says(whole(DATA, content_type="text/html")), NETWORK, 2),
    "packed": (says(whole(DATA, content_encoding="gzip")), CORRUPT, 1),
    "404": (says(head("404 No", content_length=0)), "skipped missing_at_origin", 1),
    "another range": (says(rest(9)), CORRUPT, 1),
}


@pytest.mark.parametrize("name", ASSETS)
async def test_a_file_of_unknown_bytes_ends_as_it_must(name: str, tmp_path: Path) -> None:
    """Halves of two versions never meet: continued is only what a strong tag shows to be one."""
    script, expected, requests = ASSETS[name]
    async with served(script) as server, fetcher(tmp_path, server) as objects:
        assets, outcome = AssetFetcher(objects.transport, objects.store), ""
        try:
            outcome = (await assets.fetch(AssetTask(f"{BASE}/file.pth", None))).sha256
        except ItemError as error:
            outcome = words(error)
        assert set(objects.store.names()) <= {outcome}
    assert (outcome, len(server.asked)) == (expected, requests)
    assert list((tmp_path / "store/v1/partial").iterdir()) == []
    ranges = [talk.headers.get("range") for talk in server.asked]
    assert ranges[0] is None
    is_continued = name.startswith("cut, then ") or name == "always cut"
    assert (len(ranges) > 1 and ranges[1] is not None) == is_continued


HELD = HeldAsset(SIZE, datetime(2026, 11, 21, 12, tzinfo=UTC))
BEFORE, AFTER = "Sat, 21 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 2026 12:00:01 GMT"
LONGER = {"content_range": f"bytes {SIZE - 1}-{SIZE}/{SIZE + 1}", "content_length": 2}
SHORTER = {"content_range": f"bytes */{SIZE - 1}", "content_length": 0}
STANDS: dict[str, tuple[Script, str]] = {
    "the last byte": (says(right), "as held"),
    "all of it": (says(whole()), "as held"),
    "all of it, for ever": (for_ever(head(content_length=SIZE), b"x"), "as held"),
    "no size and no time": (says(chunked(DATA)), "as held"),
    "not changed since": (says(rest(SIZE - 1, last_modified=BEFORE)), "as held"),
    "a time that is none": (says(rest(SIZE - 1, last_modified="yesterday")), "as held"),
    "changed since": (says(rest(SIZE - 1, last_modified=AFTER)), "changed"),
    "changed a while before": (
        says(rest(SIZE - 1, last_modified=AFTER, date="Sat, 21 Nov 2026 12:01:01 GMT")),
        "changed",
    ),
    "changed, it says, now": (says(rest(SIZE - 1, last_modified=AFTER, date=AFTER)), "as held"),
    "changed, it says, just now": (
        says(rest(SIZE - 1, last_modified=AFTER, date="Sat, 21 Nov 2026 12:01:00 GMT")),
        "as held",
    ),
    "all of it, changed since": (says(whole(last_modified=AFTER)), "changed"),
    "longer": (says(head("206 Partial", **LONGER) + b"xy"), "changed"),
    "shorter": (says(head("416 No", **SHORTER)), "changed"),
    "all of another": (says(whole(DATA[1:])), "changed"),
    "404": (says(head("404 No", content_length=0)), "skipped missing_at_origin"),
    "503": (says(head("503 No", content_length=0)), NETWORK),
    "another range": (says(rest(9)), CORRUPT),
    "hangs": (then_hangs(b""), NETWORK),
}


@pytest.mark.parametrize("name", STANDS)
async def test_a_held_file_is_compared_at_the_price_of_a_byte(name: str, tmp_path: Path) -> None:
    script, expected = STANDS[name]
    async with served(script) as server, fetcher(tmp_path, server) as objects:
        assets = AssetFetcher(objects.transport, objects.store)
        try:
            stands = await assets.is_as_held(f"{BASE}/file.pth", HELD)
            outcome = "as held" if stands else "changed"
        except ItemError as error:
            outcome = words(error)
        assert objects.transport.counts.bytes < 2**16
    assert outcome == expected
    assert {talk.headers["range"] for talk in server.asked} == {f"bytes={SIZE - 1}-"}
