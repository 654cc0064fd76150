"""Downloads into a sink: what breaks off goes on, and nothing goes on for ever."""

import asyncio
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from loopback import HUB, Handler, net, serve

from ptmtorrent.errors import CorruptError, NetworkError
from ptmtorrent.net import http
from ptmtorrent.net.answer import Limits

DATA = bytes(range(256)) * 40
ETAG = '"one"'


@dataclass
class Memory:
    """A sink, and how often it had to begin anew."""

    data: bytearray = field(default_factory=bytearray)
    restarts: int = 0

    @property
    def offset(self) -> int:
        return len(self.data)

    async def write(self, chunk: bytes) -> None:
        self.data += chunk

    async def restart(self) -> None:
        self.restarts += 1
        self.data.clear()


def start_of(request: web.Request) -> int:
    """First byte asked for."""
    return int(request.headers.get("Range", "bytes=0-")[6:-1])


async def cut(request: web.Request, data: bytes, size: int | None = None) -> web.StreamResponse:
    """These bytes of a thing that has this size, or does not say, and the connection is cut."""
    start = start_of(request)
    end = start + len(data) + 1 if size is None else size
    response = web.StreamResponse(status=206 if start else 200, headers={"ETag": ETAG})
    response.content_length = end - start
    if start:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size or '*'}"
    await response.prepare(request)
    await response.write(data)
    await asyncio.sleep(0)
    assert request.transport is not None
    request.transport.close()
    return response


def in_pieces(size: int) -> Handler:
    """The file, so many bytes an answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        start = start_of(request)
        if start + size < len(DATA):
            return await cut(request, DATA[start : start + size], len(DATA))
        headers = {"ETag": ETAG, "Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"}
        return web.Response(status=206, body=DATA[start:], headers=headers)

    return handler


async def test_a_file_of_unknown_size_that_is_cut_and_continued_for_ever_is_given_up() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await cut(request, bytes(4000))

    sink, limits = Memory(), Limits(stream_bytes=10_000)
    async with serve(handler) as server, net({HUB: server.base}, attempts=9, limits=limits) as n:
        with pytest.raises(CorruptError, match="more than 10000 bytes"):
            await n.transport.download(f"{HUB}/x", sink)
    assert sink.offset <= 10_000
    assert len(server.seen) == 3


async def test_a_rest_that_is_not_there_costs_a_new_start() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if start_of(request):
            return web.Response(status=416)
        return await first(request) if len(server.seen) == 1 else web.Response(body=DATA)

    first, sink = in_pieces(4000), Memory()
    async with serve(handler) as server, net({HUB: server.base}, attempts=3) as n:
        await n.transport.download(f"{HUB}/x", sink)
    assert (bytes(sink.data), sink.restarts) == (DATA, 1)
    assert [headers.get("Range") for _, headers in server.seen] == [None, "bytes=4000-", None]


async def test_a_rest_that_is_never_there_is_a_network_error_and_nothing_is_kept() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=416) if start_of(request) else await first(request)

    first, sink = in_pieces(4000), Memory()
    async with serve(handler) as server, net({HUB: server.base}, attempts=4) as n:
        with pytest.raises(NetworkError):
            await n.transport.download(f"{HUB}/x", sink)
    assert (len(server.seen), sink.offset) == (4, 0)


async def test_a_file_that_comes_in_many_pieces_is_continued_beyond_the_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Much that was brought in is worth as many attempts again, and is not brought in again."""
    monkeypatch.setattr(http, "MUCH", 2000)
    sink = Memory()
    async with serve(in_pieces(1500)) as server, net({HUB: server.base}, attempts=2) as n:
        await n.transport.download(f"{HUB}/x", sink)
    assert (bytes(sink.data), sink.restarts) == (DATA, 0)
    assert len(server.seen) == 7
