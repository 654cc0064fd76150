"""Real servers on loopback for the tests of the network, and a transport that may reach them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from ptmtorrent.model.events import Event
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Limits
from ptmtorrent.net.clock import Clock
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import GateLimits, Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy

HUB = "https://hub.example"
OTHER = "https://other.example"
TOKEN = "tok_canary_6f1d"
SIGNATURE = "Signature=canary_9a7c"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """A server that records what it was asked."""

    base: str = ""
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]


@asynccontextmanager
async def serve(handler: Handler) -> AsyncIterator[Server]:
    """An aiohttp server on a free port."""
    server = Server()

    async def record(request: web.Request) -> web.StreamResponse:
        server.seen.append((request.path_qs, dict(request.headers)))
        return await handler(request)

    runner = web.ServerRunner(web.Server(record), shutdown_timeout=0.01)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(answer: bytes, *, hold: bool = False) -> AsyncIterator[Server]:
    """A server that sends exactly these bytes to every connection."""
    server = Server()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            server.seen.append((head.split(b" ", 2)[1].decode(), {}))
            writer.write(answer)
            await writer.drain()
            if hold:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


class VirtualTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.time,
            wall=lambda: 1_800_000_000 + self.time,
            sleep=self.sleep,
            random=lambda: 0.5,
        )


@dataclass
class Net:
    """A transport under test, with its time and its events."""

    transport: Transport
    time: VirtualTime
    events: list[Event]


@asynccontextmanager
async def net(
    endpoints: Mapping[str, str],
    *,
    limits: Limits | None = None,
    attempts: int = 1,
    allow_private: bool = True,
) -> AsyncIterator[Net]:
    """A transport whose canonical hosts are the given loopback servers."""
    time, events = VirtualTime(), list[Event]()
    hosts = ["hub.example", ".other.example"]
    access = Access.of(hosts, endpoints, {HUB: TOKEN}, allow_private=allow_private)
    gates = Gates(time.clock(), GateLimits(concurrency=64), events.append)
    manners = Manners(limits or Limits(), RetryPolicy(attempts=attempts), "ptmtorrent/test")
    async with Transport(access, gates, manners, events.append) as transport:
        yield Net(transport, time, events)
