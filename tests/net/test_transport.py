"""The transport against real servers on loopback: redirects, credentials, bodies, refusals."""

import asyncio
import gc
import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from aiohttp import web
from loopback import HUB, OTHER, SIGNATURE, TOKEN, Handler, net, raw, serve

from ptmtorrent.errors import (
    CorruptError,
    FailError,
    ForbiddenAddressError,
    ItemError,
    NetworkError,
    RefusedError,
)
from ptmtorrent.model.events import BudgetChanged, BytesReceived
from ptmtorrent.net.answer import Limits, Stream
from ptmtorrent.net.gate import GateKey, Gates

MIB = 2**20


def always(**answer: Any) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(**answer)

    return handler


def redirect(location: str, status: int = 302) -> Handler:
    return always(status=status, headers={"Location": location})


async def body_of(stream: Stream) -> bytes:
    return b"".join([chunk async for chunk in stream.chunks])


async def read(url: str, base: str, **options: Any) -> bytes:
    async with net({HUB: base}) as n, n.transport.stream(url, **options) as stream:
        return await body_of(stream)


async def test_an_answer_carries_the_canonical_url_and_is_counted() -> None:
    async with serve(always(body=b"[]")) as server, net({HUB: server.base}) as n:
        response = await n.transport.get(f"{HUB}/api/models?limit=1")
    assert (response.url, response.status, response.body) == (
        f"{HUB}/api/models?limit=1",
        200,
        b"[]",
    )
    assert response.hops == ((200, f"{HUB}/api/models?limit=1"),)
    assert (n.transport.counts.requests, n.transport.counts.bytes) == (1, 2)
    assert BytesReceived("hub.example", 2) in n.events
    assert server.seen[0][1]["User-Agent"] == "ptmtorrent/test"


async def test_a_next_link_in_the_servers_own_words_is_understood() -> None:
    async with serve(always(body=b"[]")) as server, net({HUB: server.base}) as n:
        response = await n.transport.get(f"{server.base}/api/models?cursor=x")
    assert response.url == f"{HUB}/api/models?cursor=x"


async def test_the_token_goes_to_its_own_host_and_not_to_the_redirects_target() -> None:
    async with (
        serve(always(body=b"bytes")) as cdn,
        serve(redirect(f"{cdn.base}/blob?{SIGNATURE}")) as hub,
        net({HUB: hub.base}) as n,
    ):
        response = await n.transport.get(f"{HUB}/o/n/resolve/main/f", headers={"x-extra": "1"})
    assert hub.seen[0][1]["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in cdn.seen[0][1]
    assert "x-extra" not in cdn.seen[0][1]
    assert cdn.paths == [f"/blob?{SIGNATURE}"]
    assert response.hops == ((302, f"{HUB}/o/n/resolve/main/f"), (200, f"{cdn.base}/blob"))
    assert SIGNATURE not in repr(response)


async def test_the_same_host_on_another_port_gets_no_authorization() -> None:
    async with (
        serve(always(body=b"x")) as second,
        serve(redirect(f"{second.base}/x")) as first,
        net({HUB: first.base}) as n,
    ):
        await n.transport.get(f"{HUB}/x", headers={"Authorization": "Basic own"})
    assert first.seen[0][1]["Authorization"] == "Basic own"
    assert "Authorization" not in second.seen[0][1]


async def test_a_redirect_to_a_configured_host_comes_back_canonical() -> None:
    async with (
        serve(always(body=b"x")) as other,
        serve(redirect(f"{other.base}/moved", 301)) as hub,
        net({HUB: hub.base, OTHER: other.base}) as n,
    ):
        response = await n.transport.get(f"{HUB}/x")
    assert response.url == f"{OTHER}/moved"


async def test_a_redirect_keeps_the_range_and_the_post() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/a":
            return web.Response(status=307, headers={"Location": "/b"})
        return web.Response(text=f"{request.method} {await request.text()}")

    async with serve(handler) as server, net({HUB: server.base}) as n:
        response = await n.transport.post_json(f"{HUB}/a", {"operation": "download"})
    assert response.body == b'POST {"operation":"download"}'


@pytest.mark.parametrize("status", [400, 401, 403, 410])
async def test_a_fresh_link_that_is_refused_is_asked_for_once(status: int) -> None:
    async with (
        serve(always(status=status)) as cdn,
        serve(redirect(f"{cdn.base}/blob")) as hub,
        net({HUB: hub.base}, attempts=3) as n,
    ):
        assert (await n.transport.get(f"{HUB}/x")).status == status
    assert (len(hub.seen), len(cdn.seen)) == (1, 1)


async def test_a_link_of_an_earlier_attempt_that_has_expired_is_got_anew_once() -> None:
    answers = iter([503, 403, 403])

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=next(answers))

    async with (
        serve(handler) as cdn,
        serve(redirect(f"{cdn.base}/blob")) as hub,
        net({HUB: hub.base}, attempts=3) as n,
    ):
        assert (await n.transport.get(f"{HUB}/x")).status == 403
    assert (len(hub.seen), len(cdn.seen)) == (2, 3)


SENT, WANTED = "application/x-asked", "application/x-answered"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_is_exchanged_is_sent_nowhere_else(status: int) -> None:
    async with (
        serve(always(body=b"x", content_type=WANTED)) as other,
        serve(redirect(f"{other.base}/new?{SIGNATURE}", status)) as hub,
        net({HUB: hub.base, OTHER: other.base}, attempts=3) as n,
    ):
        with pytest.raises(CorruptError) as caught:
            async with n.transport.exchange(f"{HUB}/old", b"secret", sent=SENT, wanted=WANTED):
                pass
    assert (len(hub.seen), other.seen) == (1, [])
    assert str(caught.value) == f"redirected to {OTHER}/new: {HUB}/old"


async def test_a_redirect_loop_ends() -> None:
    async with serve(redirect("/again")) as server, net({HUB: server.base}) as n:
        with pytest.raises(CorruptError, match="too many redirects"):
            await n.transport.get(f"{HUB}/again")
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "http://169.254.169.254/latest", "//10.0.0.1/x",
     "http://evil.example/", "https://hub.example:8443/x", "http://user:pw@127.0.0.1/",
     "http://127.0.0.1\\@hub.example/", "http://2130706433/", "javascript:alert(1)"],
)  # fmt: skip
async def test_a_redirect_to_a_forbidden_place_is_not_followed(location: str) -> None:
    async with serve(redirect(location)) as server, net({HUB: server.base}) as n:
        with pytest.raises(ForbiddenAddressError):
            await n.transport.get(f"{HUB}/x")
    assert len(server.seen) == 1


async def test_cookies_are_never_kept() -> None:
    handler = always(body=b"x", headers={"Set-Cookie": "session=canary; Path=/"})
    async with serve(handler) as server, net({HUB: server.base}) as n:
        first = await n.transport.get(f"{HUB}/a")
        await n.transport.get(f"{HUB}/b")
    assert "set-cookie" not in first.headers
    assert all("Cookie" not in headers for _, headers in server.seen)


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil"}, {"X-A": "a\r\nX-B: b"}, {"X\nA": "b"}, {"Cookie": "a=b"}, {"X-A": "\x00"},
     {"Content-Length": "1"}, {"Accept-Encoding": "br"}, {"": "x"}, {"X-A": "ü"}],
)  # fmt: skip
async def test_headers_that_a_server_may_have_planted_are_refused(headers: dict[str, str]) -> None:
    async with serve(always(body=b"")) as server, net({HUB: server.base}) as n:
        with pytest.raises(CorruptError):
            await n.transport.get(f"{HUB}/x", headers=headers)
    assert server.seen == []


# --- bodies -------------------------------------------------------------------------------------


async def test_one_layer_of_gzip_is_undone() -> None:
    packed = gzip.compress(b'{"a":1}')
    handler = always(body=packed, headers={"Content-Encoding": "gzip"})
    async with serve(handler) as server, net({HUB: server.base}) as n:
        assert (await n.transport.get(f"{HUB}/x")).body == b'{"a":1}'


@pytest.mark.parametrize(
    ("body", "encoding", "error"),
    [
        (gzip.compress(b"\0" * 10**7), "gzip", CorruptError),
        (gzip.compress(gzip.compress(b"\0" * 10**7)), "gzip, gzip", CorruptError),
        (gzip.compress(b"x") + b"more", "gzip", CorruptError),
        (gzip.compress(b"x" * 100)[:-9], "gzip", NetworkError),
        (b"not gzip at all", "gzip", CorruptError),
        (zlib.compress(b"x"), "deflate", CorruptError),
        (b"x", "br", CorruptError),
    ],
)
async def test_bombs_and_odd_encodings_are_refused(
    body: bytes, encoding: str, error: type[FailError]
) -> None:
    handler = always(body=body, headers={"Content-Encoding": encoding})
    async with serve(handler) as server, net({HUB: server.base}) as n:
        with pytest.raises(error):
            await n.transport.get(f"{HUB}/x", max_bytes=10**6)


async def test_a_body_over_the_cap_is_refused() -> None:
    async with serve(always(body=b"x" * 2000)) as server, net({HUB: server.base}) as n:
        with pytest.raises(CorruptError, match="more than 1000"):
            await n.transport.get(f"{HUB}/x", max_bytes=1000)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>Log in", b"  \n<html>", b"<HTML>"])
async def test_a_web_page_in_place_of_json_is_a_soft_error(page: bytes) -> None:
    async with serve(always(body=page)) as server, net({HUB: server.base}) as n:
        with pytest.raises(NetworkError, match="web page"):
            await n.transport.get(f"{HUB}/x", accept="application/json")
        assert (await n.transport.get(f"{HUB}/x", accept="text/html")).body == page


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 451, 304])
async def test_other_statuses_are_answers(status: int) -> None:
    async with serve(always(status=status)) as server, net({HUB: server.base}, attempts=3) as n:
        assert (await n.transport.get(f"{HUB}/x", accept="application/json")).status == status
        async with n.transport.stream(f"{HUB}/x") if status >= 400 else _nothing():
            pass
    assert len(server.seen) == (2 if status >= 400 else 1)


class _nothing:  # noqa: N801
    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *_: object) -> None: ...


BAD_HTTP = [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
    b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 999999 OK\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("answer", BAD_HTTP)
async def test_broken_http_is_a_network_error_without_secrets(answer: bytes) -> None:
    async with raw(answer) as server, net({HUB: server.base}) as n:
        with pytest.raises(NetworkError) as caught:
            await n.transport.get(f"{HUB}/x?{SIGNATURE}")
    assert SIGNATURE not in str(caught.value) + caught.value.url
    assert TOKEN not in str(caught.value)


async def test_a_closed_port_is_a_network_error() -> None:
    async with serve(always()) as server:
        base = server.base
    async with net({HUB: base}) as n:
        with pytest.raises(NetworkError):
            await n.transport.get(f"{HUB}/x")


QUICK = Limits(first_byte_s=0.1, min_rate=1000, rate_window_s=0.1, total_s=0.3)


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with raw(b"", hold=True) as server, net({HUB: server.base}, limits=QUICK) as n:
        with pytest.raises(NetworkError, match="no answer in time"):
            await n.transport.get(f"{HUB}/x")


async def test_a_body_that_stalls_is_given_up() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"
    async with raw(head, hold=True) as server, net({HUB: server.base}, limits=QUICK) as n:
        with pytest.raises(NetworkError, match="too slow"):
            await n.transport.get(f"{HUB}/x")


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 1000
    await response.prepare(request)
    try:
        for _ in range(1000):
            await response.write(b"x")
            await asyncio.sleep(0.01)
    except ConnectionError:
        pass
    return response


async def test_a_drip_does_not_escape_the_minimum_rate() -> None:
    async with (
        serve(drip) as server,
        net({HUB: server.base}, limits=QUICK) as n,
        n.transport.stream(f"{HUB}/x", size=1000) as stream,
    ):
        with pytest.raises(NetworkError, match="too slow"):
            await body_of(stream)


async def test_a_slow_consumer_is_not_taken_for_a_slow_server() -> None:
    async with (
        serve(always(body=b"x" * 3 * 2**20)) as server,
        net({HUB: server.base}, limits=QUICK) as n,
        n.transport.stream(f"{HUB}/x", size=3 * 2**20) as stream,
    ):
        total = 0
        async for chunk in stream.chunks:
            total += len(chunk)
            if total == len(chunk):
                await asyncio.sleep(0.15)
    assert total == 3 * 2**20


# --- ranges -------------------------------------------------------------------------------------

DATA = bytes(range(256)) * 40


def ranged(content_range: str, body: bytes, status: int = 206) -> Handler:
    return always(status=status, body=body, headers={"Content-Range": content_range})


async def test_a_range_is_served_from_where_it_was_asked() -> None:
    async with (
        serve(ranged("bytes 1000-10239/10240", DATA[1000:])) as server,
        net({HUB: server.base}) as n,
        n.transport.stream(f"{HUB}/x", start=1000, size=10240) as stream,
    ):
        assert stream.start == 1000
        assert await body_of(stream) == DATA[1000:]
    assert server.seen[0][1]["Range"] == "bytes=1000-"
    assert server.seen[0][1]["Accept-Encoding"] == "identity"


async def test_a_whole_body_in_answer_to_a_range_starts_at_zero() -> None:
    async with (
        serve(always(body=DATA)) as server,
        net({HUB: server.base}) as n,
        n.transport.stream(f"{HUB}/x", start=1000, size=10240) as stream,
    ):
        assert stream.start == 0
        assert await body_of(stream) == DATA


@pytest.mark.parametrize(
    "content_range",
    ["", "bytes 0-10239/10240", "bytes 999-10239/10240", "bytes 1000-10239/10241",
     "bytes 1000-5000/10240", "bytes 1000-10240/10240", "bytes */10240", "bytes 1000-10239",
     "items 1000-10239/10240", "bytes -1000-10239/10240", "bytes 10239-1000/10240",
     "bytes 1000-10239/10240, bytes 0-1/2", "bytes \u0661000-10239/10240", "multipart/byteranges"],
)  # fmt: skip
async def test_a_wrong_content_range_is_refused(content_range: str) -> None:
    async with serve(ranged(content_range, DATA[1000:])) as server:
        with pytest.raises(CorruptError):
            await read(f"{HUB}/x", server.base, start=1000, size=10240)


async def test_a_range_nobody_asked_for_is_refused() -> None:
    async with serve(ranged("bytes 0-9/10", b"0123456789")) as server:
        with pytest.raises(CorruptError):
            await read(f"{HUB}/x", server.base)


async def test_no_such_range_is_told_apart() -> None:
    async with serve(always(status=416)) as server:
        with pytest.raises(CorruptError) as caught:
            await read(f"{HUB}/x", server.base, start=10240, size=10240)
    assert caught.value.status == 416


@pytest.mark.parametrize(
    ("size", "error"), [(10239, CorruptError), (1, CorruptError), (10241, NetworkError)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_longer_is_corrupt_and_shorter_is_broken(
    size: int, error: type[FailError], chunked: bool
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(DATA)
        await response.prepare(request)
        await response.write(DATA)
        return response

    async with serve(handler) as server:
        with pytest.raises(error):
            await read(f"{HUB}/x", server.base, size=size)


async def test_a_body_cut_short_without_a_length_is_noticed_by_its_size() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf") as server:
        with pytest.raises(NetworkError, match="4 bytes in place of 8"):
            await read(f"{HUB}/x", server.base, size=8)


async def test_encoded_blobs_are_refused() -> None:
    packed = gzip.compress(DATA)
    async with serve(always(body=packed, headers={"Content-Encoding": "gzip"})) as server:
        with pytest.raises(CorruptError, match="encoding"):
            await read(f"{HUB}/x", server.base, size=len(packed))


async def test_a_web_page_of_another_size_in_place_of_a_blob_is_a_soft_error() -> None:
    async with serve(always(text="<html>Please wait", content_type="text/html")) as server:
        with pytest.raises(NetworkError):
            await read(f"{HUB}/x", server.base, size=5)


async def test_an_error_answer_to_a_stream_brings_its_body() -> None:
    handler = always(status=404, text="Entry not found", headers={"X-Error-Code": "EntryNotFound"})
    async with (
        serve(handler) as server,
        net({HUB: server.base}) as n,
        n.transport.stream(f"{HUB}/x", start=5, size=10) as stream,
    ):
        assert (stream.status, stream.error_body) == (404, b"Entry not found")
        assert stream.headers["x-error-code"] == "EntryNotFound"
        assert await body_of(stream) == b""


async def test_a_blob_of_many_chunks_arrives_whole_in_bounded_pieces() -> None:
    data = DATA * 1000
    async with (
        serve(always(body=data)) as server,
        net({HUB: server.base}) as n,
        n.transport.stream(f"{HUB}/x", size=len(data)) as stream,
    ):
        pieces = [chunk async for chunk in stream.chunks]
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 2**20


# --- refusals and retries -----------------------------------------------------------------------


def failing(times: int, **answer: Any) -> Handler:
    count = 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(**answer) if count <= times else web.Response(body=b"ok")

    return handler


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_server_errors_are_tried_again(status: int) -> None:
    async with (
        serve(failing(2, status=status)) as server,
        net({HUB: server.base}, attempts=3) as n,
    ):
        assert (await n.transport.get(f"{HUB}/x")).body == b"ok"
    assert len(server.seen) == 3


async def test_the_last_error_comes_out_typed() -> None:
    async with serve(always(status=502)) as server, net({HUB: server.base}, attempts=3) as n:
        with pytest.raises(NetworkError) as caught:
            await n.transport.get(f"{HUB}/x?secret=1")
    assert (caught.value.status, caught.value.url) == (502, f"{HUB}/x")
    assert len(server.seen) == 3


async def test_a_429_closes_the_bucket_for_all_and_one_probe_reopens_it() -> None:
    refused_at: list[float] = []
    times: list[float] = []

    async def handler(_: web.Request) -> web.Response:
        times.append(n.time.time)
        if not refused_at:
            refused_at.append(n.time.time)
            return web.Response(status=429, headers={"Retry-After": "40"})
        return web.Response(body=b"ok")

    async with serve(handler) as server, net({HUB: server.base}, attempts=3) as n:
        first = await n.transport.get(f"{HUB}/api/first")
        rest = await asyncio.gather(
            *(n.transport.get(f"{HUB}/api/{number}") for number in range(20))
        )
    assert first.body == b"ok"
    assert all(response.body == b"ok" for response in rest)
    assert times[1] >= refused_at[0] + 40
    assert n.transport.counts.refused == 1
    closed = [e.closed_s for e in n.events if isinstance(e, BudgetChanged)]
    assert max(closed) == 40


async def test_a_refusal_holds_requests_already_waiting() -> None:
    answers = iter([429])
    times: list[float] = []

    async def handler(_: web.Request) -> web.Response:
        times.append(n.time.time)
        status = next(answers, 200)
        return web.Response(status=status, headers={"Retry-After": "40"} if status == 429 else {})

    async with serve(handler) as server, net({HUB: server.base}, attempts=5) as n:
        await asyncio.gather(*(n.transport.get(f"{HUB}/api/{number}") for number in range(30)))
    early = [when for when in times if when < times[0] + 40]
    assert len(early) < 15
    assert len(times) == 31


async def test_a_refusal_in_words_is_a_refusal() -> None:
    body = b'{"error":"We had to rate limit your IP (203.0.113.7)."}'
    async with serve(always(body=body)) as server, net({HUB: server.base}) as n:
        with pytest.raises(RefusedError) as caught:
            await n.transport.get(f"{HUB}/api/models")
    assert caught.value.wait_s == 60


async def test_a_host_that_closes_for_longer_than_we_are_patient_is_not_waited_for() -> None:
    handler = always(status=429, headers={"Retry-After": "3600"})
    async with serve(handler) as server, net({HUB: server.base}, attempts=5) as n:
        for _ in range(3):
            with pytest.raises(RefusedError) as caught:
                await n.transport.get(f"{HUB}/x")
            assert caught.value.wait_s is not None
            assert caught.value.wait_s > 3000
    assert len(server.seen) == 1


async def test_budgets_are_restored_by_the_next_run() -> None:
    headers = {
        "RateLimit": '"api";r=0;t=200',
        "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
    }
    async with serve(always(body=b"[]", headers=headers)) as server:
        async with net({HUB: server.base}) as n:
            await n.transport.get(f"{HUB}/api/models")
            states = n.transport.gates.snapshot()
        async with net({HUB: server.base}) as again:
            again.transport.gates.restore(states)
            await again.transport.get(f"{HUB}/api/models")
    assert sum(again.time.slept) > 200
    assert TOKEN not in repr(states)


async def test_what_was_refused_to_somebody_else_is_not_waited_for() -> None:
    async with serve(always(body=b"[]")) as server, net({HUB: server.base}) as n:
        gates, token = n.transport.gates, "hub.example token api"
        async with gates.slot(GateKey("hub.example", "anonymous", "api")) as leave:
            leave.refused(900)
        states = gates.snapshot()
        again = Gates(gates.clock)
        again.restore(states | {token: {}}, n.transport.access.is_ours)
    assert not any(again.doors().values())
    assert list(again.snapshot()) == [token]


async def test_a_bucket_is_called_what_the_server_calls_it() -> None:
    headers = {"x-ratelimit-resource": "core", "x-ratelimit-limit": "60"}
    headers |= {"x-ratelimit-remaining": "59", "x-ratelimit-reset": "1800002000"}
    async with serve(always(body=b"[]", headers=headers)) as server, net({HUB: server.base}) as n:
        await n.transport.get(f"{HUB}/repos/o/r")
        await n.transport.get(f"{HUB}/repos/o/r")
    named = {e.bucket for e in n.events if isinstance(e, BudgetChanged)}
    assert named == {"core"}


async def test_a_cancelled_request_gives_its_place_back() -> None:
    async with raw(b"", hold=True) as server, net({HUB: server.base}) as n:
        task = asyncio.create_task(n.transport.get(f"{HUB}/x"))
        while not server.seen:  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        key = n.transport.access.gate_key(f"{HUB}/x")
        async with (
            asyncio.timeout(1),
            n.transport.gates.slot(key),
        ):
            pass


async def test_an_answer_that_is_none_is_not_kept_with_its_error() -> None:
    """It would be until garbage is collected, which is seldom."""
    page = always(body=b"<html>" + bytes(4 * MIB), content_type="text/html")
    async with serve(page) as server, net({HUB: server.base}, attempts=2) as n:
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(5):
                with pytest.raises(ItemError):
                    await n.transport.get(
                        f"{HUB}/api/models", headers={"accept": "application/json"}
                    )
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert kept < 8 * MIB


def test_errors_are_item_errors() -> None:
    assert issubclass(ForbiddenAddressError, ItemError)
