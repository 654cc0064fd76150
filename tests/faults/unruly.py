"""A proxy before each host of a sandbox that lets some requests fail, in ways drawn from a seed.

Every connection carries one request. An answer is read whole from the host behind and then sent on,
right or not, so that what was asked and what was sent is known to the byte.
"""

import asyncio
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from threading import Thread
from typing import Self
from urllib.parse import urlsplit


class Fault(StrEnum):
    RESET = "reset"
    TRUNCATE = "truncate"
    BROKEN = "500"
    GATEWAY = "502"
    UNAVAILABLE = "503"
    STALL = "stall"
    SLOW = "slow"
    REFUSE = "429"
    REFUSE_FOR = "429 with a time"
    RANGE = "wrong 206"
    PAGE = "web page"
    FLIP = "flipped bit"
    ETAG = "other etag"


FAULTS = tuple(Fault)
NAMED = ("object", "pack")
"""Kinds of answers whose bytes have a name to be checked by; a bit flipped in any other shows only
where there is TLS."""

_PAGE = b"<!doctype html><title>One moment</title><p>We are checking your browser.</p>\n"
_STATUS = {
    Fault.BROKEN: "500 Internal Server Error",
    Fault.GATEWAY: "502 Bad Gateway",
    Fault.UNAVAILABLE: "503 Service Unavailable",
    Fault.REFUSE: "429 Too Many Requests",
    Fault.REFUSE_FOR: "429 Too Many Requests\r\nRetry-After: 1",
}


@dataclass(slots=True)
class Toll:
    """What went through, by kind of request."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as it came, and what kind it is of."""

    raw: bytes
    kind: str

    @property
    def is_ranged(self) -> bool:
        return b"\nrange:" in self.raw.lower()


@dataclass
class Unruly:
    """The proxies of one sandbox; ``endpoints`` are theirs while they serve.

    Attributes:
        rate: share of the requests that fail, from 0 to 1; may be changed while serving.
        stall_s: seconds after which a stalled connection is closed at last.
    """

    behind: dict[str, str]
    rng: random.Random
    rate: float = 0.0
    stall_s: float = 75.0
    toll: Toll = field(default_factory=Toll)
    endpoints: dict[str, str] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        for name, base in self.behind.items():
            talk = partial(self._connected, urlsplit(base).port or 0)
            server = await asyncio.start_server(talk, "127.0.0.1", 0)
            self._stack.callback(server.close)
            self.endpoints[name] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def through(self, text: bytes) -> bytes:
        """Addresses of the hosts behind become those of the proxies; lengths stay."""
        for name, base in self.behind.items():
            assert len(base) == len(self.endpoints[name])
            text = text.replace(base.encode(), self.endpoints[name].encode())
        return text

    async def _connected(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        broken = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with suppress(*broken):
            await self._exchange(await _read_ask(reader), writer, port)
        writer.close()

    async def _exchange(self, ask: Ask, writer: asyncio.StreamWriter, port: int) -> None:
        self.toll.requests[ask.kind] += 1
        fault = self._drawn(ask)
        if fault is not None:
            self.toll.faults[fault] += 1
        if fault is Fault.RESET:
            _reset(writer)
            return
        head, body = _instead(fault) or await self._answer(ask, port)
        head, body = _spoilt(head, body, fault, self.rng)
        self.toll.bytes[ask.kind] += len(body)
        await self._send(writer, head, body, fault)

    def _drawn(self, ask: Ask) -> Fault | None:
        if self.rng.random() >= self.rate:
            return None
        fault = self.rng.choice(FAULTS)
        fits = {
            Fault.FLIP: ask.kind in NAMED,
            Fault.RANGE: ask.is_ranged,
            Fault.ETAG: ask.kind == "object",
        }
        return fault if fits.get(fault, True) else Fault.GATEWAY

    async def _answer(self, ask: Ask, port: int) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(ask.raw)
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        body = self.through(body) if b"json" in head.lower() else body
        return self.through(head), body

    async def _send(
        self, writer: asyncio.StreamWriter, head: bytes, body: bytes, fault: Fault | None
    ) -> None:
        writer.write(head + b"\r\n\r\n")
        pieces = 10 if fault is Fault.SLOW else 1
        step = len(body) // pieces + 1
        for at in range(0, len(body), step):
            writer.write(body[at : at + step])
            await writer.drain()
            await asyncio.sleep(0.05 if fault is Fault.SLOW else 0)
        if fault is Fault.STALL:
            await asyncio.sleep(self.stall_s)


async def _read_ask(reader: asyncio.StreamReader) -> Ask:
    head = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
    body = await _read_body(reader, head)
    first, _, rest = head.partition(b"\r\n")
    rest = re.sub(rb"(?mi)^connection:.*\r?\n?", b"", rest + b"\r\n").removesuffix(b"\r\n")
    raw = first + b"\r\nConnection: close\r\n" + rest + b"\r\n\r\n" + body
    return Ask(raw, _kind(first.split(b" ")[1].decode().partition("?")[0], head))


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"\ntransfer-encoding: chunked" in head.lower():
        return await reader.readuntil(b"\r\n0\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: *([0-9]+)", head)
    return await reader.readexactly(int(length[1])) if length else b""


def _kind(path: str, head: bytes) -> str:
    if path.endswith("/git-upload-pack"):
        return "pack"
    if path.endswith("/info/refs"):
        return "refs, git's own" if b"\ngit-protocol:" in head.lower() else "refs"
    if path.endswith("/objects/batch"):
        return "batch"
    if path.startswith("/objects/"):
        return "object"
    return "resolve" if "/resolve/" in path else "api"


def _instead(fault: Fault | None) -> tuple[bytes, bytes] | None:
    if fault is Fault.PAGE:
        status, body = "200 OK\r\nContent-Type: text/html", _PAGE
    elif fault in _STATUS:
        status, body = _STATUS[fault], b"no\n"
    else:
        return None
    text = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return text.encode(), body


def _spoilt(
    head: bytes, body: bytes, fault: Fault | None, rng: random.Random
) -> tuple[bytes, bytes]:
    if fault in (Fault.TRUNCATE, Fault.STALL):
        return head, body[: len(body) * rng.randrange(100) // 100]
    if fault is Fault.FLIP and body:
        at = rng.randrange(len(body))
        return head, body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
    if fault is Fault.ETAG:
        return re.sub(rb"(?i)(\netag: *)[^\r]*", rb'\1"another"', head), body
    if fault is Fault.RANGE:
        found = re.search(rb"(?i)\ncontent-range: bytes ([0-9]+)-", head)
        late = int(found[1]) + 1 if found else 0
        return re.sub(rb"(?i)(\ncontent-range: bytes )[0-9]+", rb"\g<1>%d" % late, head), body
    return head, body


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset and not an end (socket(7), SO_LINGER)."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@contextmanager
def unruly_in_thread(proxies: Unruly) -> Iterator[Unruly]:
    """Proxies served by a thread of their own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="unruly")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxies.__aenter__(), loop).result()
        yield proxies
    finally:
        asyncio.run_coroutine_threadsafe(_end(proxies), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(proxies: Unruly) -> None:
    await proxies.__aexit__()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
