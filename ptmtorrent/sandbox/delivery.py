"""Puts a reply on the wire, whole or damaged on purpose."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from aiohttp import web

from ptmtorrent.sandbox.exchange import FilePart, Reply, json_reply
from ptmtorrent.sandbox.faults import Kind

_DRIP_BYTES, _DRIP_S = 64, 0.1
_PIECE_BYTES = 1 << 20
_HALTED = (Kind.TRUNCATE, Kind.STALL)
_PAGE = b"<!doctype html><title>One moment</title><p>We are checking your browser.</p>\n"


@dataclass(slots=True)
class Delivery:
    """One answer on its way out. A stall ends when its request is cancelled.

    Attributes:
        note: called once, before the last bytes leave: who has the whole answer finds it noted.
        status: what was sent; 0 until then, and for ever after a reset.
        sent: bytes of the body so far.
    """

    request: web.BaseRequest
    fault: Kind | None
    note: Callable[["Delivery"], None]
    status: int = 0
    sent: int = 0
    noted: bool = False

    async def send(self, reply: Reply) -> web.StreamResponse:
        """Send the reply; a reset sends none, and the connection is gone."""
        if self.fault is Kind.RESET:
            self.finish()
            self._reset()
            return web.Response()
        response = _response(reply)
        self.status = reply.status
        bodiless = self.request.method == "HEAD" or reply.size == 0
        if bodiless:
            self.finish()
        await response.prepare(self.request)
        if not bodiless and isinstance(reply.body, FilePart) and self._is_plain:
            await self._send_file(reply.body)
        elif not bodiless:
            await self._send_body(response, reply)
        await response.write_eof()
        return response

    def finish(self) -> None:
        """Note it, unless it is noted already."""
        if not self.noted:
            self.noted = True
            self.note(self)

    @property
    def _is_plain(self) -> bool:
        """Whether bytes go out as they are: undamaged, and not encrypted on the way."""
        return self.fault is None and self.request.scheme == "http"

    async def _send_file(self, part: FilePart) -> None:
        """Let the kernel send it (sendfile(2)), piece by piece, so that it is known how much."""
        loop, transport = asyncio.get_running_loop(), self.request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        for first in range(part.first, part.end, _PIECE_BYTES):
            size = min(_PIECE_BYTES, part.end - first)
            self.sent += size
            if first + size == part.end:
                self.finish()
            await loop.sendfile(transport, part.stream, first, size, fallback=False)

    async def _send_body(self, response: web.StreamResponse, reply: Reply) -> None:
        async for chunk, last in _with_last(_damaged(reply, self.fault)):
            self.sent += len(chunk)
            if last:
                self.finish()
            await response.write(chunk)
        if self.fault is Kind.STALL:
            await asyncio.Event().wait()
        transport = self.request.transport
        if self.fault in _HALTED and transport is not None:
            transport.close()

    def _reset(self) -> None:
        """Close so that the other side sees a reset and not an end (socket(7), SO_LINGER)."""
        transport = self.request.transport
        if transport is None:
            return
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


def instead(fault: Kind | None) -> Reply | None:
    """The reply that a fault puts in place of the host's own, if it is such a fault."""
    if fault is Kind.HTML:
        return Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=_PAGE)
    if fault is Kind.REFUSE:
        return json_reply({"error": "Too many requests at once"}, 429, {"Retry-After": "1"})
    if fault is Kind.UNAVAILABLE:
        return json_reply({"error": "Service unavailable"}, 503)
    if fault is Kind.BROKEN:
        return json_reply({"error": "Internal error"}, 500)
    return json_reply({"error": "Gone"}, 410) if fault is Kind.GONE else None


def misdirected(reply: Reply) -> Reply:
    """The reply with a ``Content-Range`` that begins one byte too late."""
    found = re.fullmatch(r"bytes ([0-9]+)(-.*)", reply.headers.get("Content-Range", ""))
    if found is None:
        return reply
    wrong = {"Content-Range": f"bytes {int(found[1]) + 1}{found[2]}"}
    return replace(reply, headers={**reply.headers, **wrong})


def _response(reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if reply.size is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = reply.size
    return response


async def _damaged(reply: Reply, fault: Kind | None) -> AsyncIterator[bytes]:
    chunks = _chunks(reply)
    if fault in _HALTED:
        chunks = _first_half(chunks, reply.size)
    elif fault is Kind.CORRUPT:
        chunks = _flipped(chunks)
    elif fault is Kind.DRIP:
        chunks = _dripping(chunks)
    async for chunk in chunks:
        yield chunk


async def _with_last(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """Each chunk, and whether it is the last one."""
    held: bytes | None = None
    async for chunk in chunks:
        if held is not None:
            yield held, False
        held = chunk
    if held is not None:
        yield held, True


async def _chunks(reply: Reply) -> AsyncIterator[bytes]:
    if isinstance(reply.body, bytes):
        yield reply.body
        return
    async for chunk in reply.body:
        yield chunk


async def _first_half(chunks: AsyncIterator[bytes], size: int | None) -> AsyncIterator[bytes]:
    """Half of the body; where its size is not known, half of its first chunk."""
    left = None if size is None else size // 2
    async for chunk in chunks:
        left = len(chunk) // 2 if left is None else left
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


async def _flipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lowest bit in the middle of the first chunk the other way round."""
    first = True
    async for chunk in chunks:
        middle = len(chunk) // 2
        bad = chunk[:middle] + bytes([chunk[middle] ^ 1]) + chunk[middle + 1 :] if chunk else b""
        yield bad if first else chunk
        first = first and not chunk


async def _dripping(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        for at in range(0, len(chunk), _DRIP_BYTES):
            yield chunk[at : at + _DRIP_BYTES]
            await asyncio.sleep(_DRIP_S)
