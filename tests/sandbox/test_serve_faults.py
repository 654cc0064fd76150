"""Faults: how they are written, when they strike, and that a client meets each of them."""

import asyncio
import json

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import UsageError
from ptmtorrent.sandbox.faults import Faults, Kind, Route, parse_rule
from ptmtorrent.sandbox.pytorchhub import WEIGHTS
from ptmtorrent.sandbox.serve import Sandbox


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_a_usage_error(text):
    try:
        rule = parse_rule(text)
    except UsageError:
        return
    assert text.startswith(f"{rule.route}={rule.kind}:")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(Route), st.sampled_from(Kind), st.integers(1, 10**6))
def test_the_nth_request_and_no_other_is_struck(route, kind, nth):
    rule = parse_rule(f"{route}={kind}:#{nth}")
    assert (rule.route, rule.kind, rule.nth, rule.probability) == (route, kind, nth, None)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("git", "ROUTE=KIND:RATE"),
        ("gti=reset:1", "resolve"),
        ("git=explode:1", "truncate"),
        ("git=reset:2", "from 0 to 1"),
        ("git=reset:#0", "#N"),
        ("git=reset:nan", "from 0 to 1"),
        ("git=reset:", "off"),
    ],
)
def test_a_wrong_rule_is_told_with_the_valid_words(text, word):
    with pytest.raises(UsageError, match=word):
        parse_rule(text)


def test_rates_count_requests_or_draw_by_the_seed():
    faults = Faults(["git=reset:#2"])
    struck = [faults.draw({Route.GIT}) for _ in range(4)]
    assert struck == [None, Kind.RESET, None, None]
    draws = [[Faults(["api=500:.5"], seed=s).draw({Route.API}) for _ in range(1)] for s in range(9)]
    assert {tuple(d) for d in draws} == {(None,), (Kind.BROKEN,)}


def test_a_fault_can_be_switched_off_and_on_again():
    faults = Faults(["cdn=500:1"])
    assert faults.draw({Route.CDN}) is Kind.BROKEN
    faults.switch("cdn=500:off")
    assert faults.draw({Route.CDN}) is None
    faults.switch("cdn=503:#1")
    assert faults.draw({Route.CDN}) is Kind.UNAVAILABLE


def test_range_faults_look_only_at_requests_for_a_range():
    faults = Faults(["cdn=norange:#1"])
    assert faults.draw({Route.CDN}, ranged=False) is None
    assert faults.draw({Route.CDN}, ranged=True) is Kind.NORANGE


@pytest.fixture
async def card(box, http, hub):
    """The URL of a small file in the hub's cache, and its bytes."""
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}/resolve/main/README.md"
    async with http.get(url) as answer:
        return str(answer.url), await answer.read()


async def _status(http, url, **headers):
    async with http.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize(
    ("kind", "status"), [("429", 429), ("503", 503), ("500", 500), ("gone", 410), ("html", 200)]
)
async def test_a_fault_can_replace_the_answer(box, http, card, kind, status):
    box.switch(f"resolve={kind}:#1")
    got, body, headers = await _status(http, card[0])
    assert (got, body != card[1]) == (status, True)
    assert ("text/html" in headers["Content-Type"]) == (kind == "html")
    assert (await _status(http, card[0]))[:2] == (200, card[1])


async def test_reset_and_truncate_break_the_connection(box, http, card):
    box.switch("resolve=reset:1")
    with pytest.raises(aiohttp.ClientConnectionError):
        await _status(http, card[0])
    box.switch("resolve=reset:off")
    box.switch("resolve=truncate:#1")
    with pytest.raises(aiohttp.ClientPayloadError):
        await _status(http, card[0])
    lines = [json.loads(line) for line in box.requests.read_text().splitlines()]
    assert lines[-2]["status"] == 0
    assert (lines[-1]["status"], lines[-1]["bytes_sent"]) == (200, len(card[1]) // 2)


async def test_stall_sends_half_and_ends_when_the_client_goes(box, http, card):
    box.switch("resolve=stall:#1")
    async with http.get(card[0]) as answer:
        half = await answer.content.readexactly(len(card[1]) // 2)
        assert card[1].startswith(half)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.content.read(), 0.05)


async def test_a_stalled_client_does_not_keep_the_sandbox_from_stopping(world, http, hub):
    async with Sandbox(world, faults=["list=stall:1"]) as box:
        answer = await http.get(box.endpoints["huggingface"] + "/api/models")
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()


async def test_corrupt_flips_exactly_one_bit(box, http, card):
    box.switch("resolve=corrupt:#1")
    _, body, _ = await _status(http, card[0])
    wrong = [a ^ b for a, b in zip(body, card[1], strict=True) if a != b]
    assert wrong == [1]


async def test_drip_is_slow_and_whole(box, http, card):
    box.switch("info=drip:#1")
    url = box.endpoints["huggingface"] + "/api/models/no/such"
    async with http.get(url) as answer:
        assert (await answer.json())["error"] == "Invalid username or password."


async def test_ranges_can_be_ignored_or_told_wrongly(box, http, card):
    box.switch("resolve=norange:#1")
    assert (await _status(http, card[0], Range="bytes=5-9"))[:2] == (200, card[1])
    box.switch("resolve=wrongrange:#1")
    status, body, headers = await _status(http, card[0], Range="bytes=5-9")
    assert (status, body) == (206, card[1][5:10])
    assert headers["Content-Range"] == f"bytes 6-9/{len(card[1])}"
    assert (await _status(http, card[0], Range="bytes=5-9"))[2]["Content-Range"].startswith(
        "bytes 5-"
    )


@pytest.mark.parametrize(
    ("route", "host", "path"),
    [
        ("api", "huggingface", "/api/models?limit=1"),
        ("list", "huggingface", "/api/models?limit=1"),
        ("info", "huggingface", "/api/models/{model}"),
        ("tree", "huggingface", "/api/models/{model}/tree/main"),
        ("git", "huggingface", "/{model}/info/refs?service=git-upload-pack"),
        ("git", "github_git", "/{repo}.git/info/refs?service=git-upload-pack"),
        ("github-git", "github_git", "/{repo}.git/info/refs?service=git-upload-pack"),
        ("release", "github_git", "/waterside-ai/tide-net/releases/download/v1.0/model.onnx"),
        ("modelzoo", "modelzoo", "/api/models/0/"),
        ("weights", "pytorch_weights", "{weights}"),
        ("github", "github_api", "/repos/{repo}"),
        ("raw", "github_raw", "/{repo}/main/README.md"),
    ],
)
async def test_each_route_is_struck_by_its_own_fault_alone(box, http, hub, told, route, host, path):
    repo = next(r.name for r in told.repositories if r.forge == "github")
    file = next(url.removeprefix(WEIGHTS) for url in told.assets if url.startswith(WEIGHTS))
    url = box.endpoints[host] + path.format(model=hub["open"].name, repo=repo, weights=file)
    for other in Route:
        box.switch(f"{other}=503:1")
    box.switch(f"{route}=503:off")
    if route in ("list", "info", "tree"):
        box.switch("api=503:off")
    if route == "github-git":
        box.switch("git=503:off")
    if route == "git":
        box.switch("github-git=503:off")
    if route == "api":
        box.switch("list=503:off")
    assert (await _status(http, url))[0] == 200
    box.switch(f"{route}=503:#1")
    assert (await _status(http, url))[0] == 503


async def test_each_answer_waits_as_long_as_asked(world, http):
    async with Sandbox(world, rtt_ms=30) as box:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await _status(http, box.endpoints["huggingface"] + "/api/models?limit=1")
        assert loop.time() - before >= 0.03
