"""A server that writes bytes: what is right about an answer is right only because a row says so."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from ptmtorrent.model.oid import sha256_of

SIZE = 150_000
DATA = bytes((i * 7 + i // 251) % 256 for i in range(SIZE))
SHA = sha256_of(DATA)
PARTED = 50_001
"""Where an earlier process stopped."""

ETAG = '"one"'


@dataclass
class Talk:
    """One request on one connection.

    Attributes:
        number: of the request, from 1, over all connections.
        start: first byte asked for; None when the whole was asked for.
        base: of this server.
    """

    number: int
    target: str
    headers: dict[str, str]
    base: str
    writer: asyncio.StreamWriter

    @property
    def start(self) -> int | None:
        found = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("range", ""))
        return int(found[1]) if found else None

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def slowly(self, data: bytes, piece: int, pause_s: float) -> None:
        for at in range(0, len(data), piece):
            await self.send(data[at : at + piece])
            await asyncio.sleep(pause_s)

    async def for_ever(self, data: bytes) -> None:
        while True:
            await self.send(data)
            await asyncio.sleep(0.002)

    async def hang(self) -> None:
        await asyncio.Event().wait()

    def reset(self) -> None:
        """Close so that the other side sees a reset (socket(7), SO_LINGER)."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Talk], Awaitable[None]]
"""Answers one request; the connection is closed after it unless it was honest."""


def head(status: str = "200 OK", **headers: object) -> bytes:
    """The head of an answer; ``content_length`` is written ``Content-Length``."""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def whole(body: bytes = DATA, **more: object) -> bytes:
    return head(content_length=len(body), **more) + body


def rest(start: int, **more: object) -> bytes:
    shown = {"content_range": f"bytes {start}-{SIZE - 1}/{SIZE}", "etag": ETAG, **more}
    return head("206 Partial Content", content_length=SIZE - start, **shown) + DATA[start:]


def right(talk: Talk) -> bytes:
    """What a good server answers."""
    return whole(etag=ETAG) if talk.start is None else rest(talk.start)


async def honest(talk: Talk) -> None:
    await talk.send(right(talk))


@dataclass
class Served:
    """A server at work, and what it was asked."""

    base: str = ""
    asked: list[Talk] = field(default_factory=list)


@asynccontextmanager
async def served(script: Script, batch: Script | None = None) -> AsyncIterator[Served]:
    """Serve ``script`` on a free port; the LFS API is ``batch``'s, or there is none."""
    found = Served()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                talk = await _read(reader, writer, found)
                if talk.target.endswith("/info/lfs/objects/batch"):
                    await (batch or _no_lfs)(talk)
                    continue
                found.asked.append(talk)
                talk.number = len(found.asked)
                await script(talk)
                if script is not honest:
                    return

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.current_task())
        try:
            await one(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            tasks.discard(task)

    tasks: set[asyncio.Task[None] | None] = set()
    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    found.base = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        listener.close()
        for task in list(tasks):
            if task is not None:
                task.cancel()
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, found: Served) -> Talk:
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = text.split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
    await reader.readexactly(int(headers.get("content-length", "0")))
    return Talk(0, first.split(" ")[1], headers, found.base, writer)


async def _no_lfs(talk: Talk) -> None:
    await talk.send(head("404 Not Found", content_length=0, x_error_code="EntryNotFound"))
