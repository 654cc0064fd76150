"""Production rules on a wire of our own: every name asked and every address tried is written down.

One public address stands for all hubs and leads to a TLS server on loopback; whatever else is
tried is refused and remembered.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohappyeyeballs
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from loopback import VirtualTime

from ptmtorrent.app.session import access_of
from ptmtorrent.hubs import HUBS
from ptmtorrent.net.answer import Limits
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.net.resolver import CheckedResolver
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.sandbox.tls import server_context
from ptmtorrent.settings import defaults

HUB_ADDRESS = "8.8.8.8"


@dataclass
class Names(AbstractResolver):
    """Names with their addresses, one list an answer; the last is for ever."""

    table: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.table.get(host, [[HUB_ADDRESS]])
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=10 if ":" in ip else 2,
                          proto=0, flags=0) for ip in found
        ]  # fmt: skip

    async def close(self) -> None: ...


@dataclass
class Wire:
    """A transport, the names it asked for, the addresses it tried, and what the hub was asked."""

    transport: Transport
    names: Names
    tried: list[tuple[Any, ...]] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def strangers(self) -> list[tuple[Any, ...]]:
        return [address for address in self.tried if address != (HUB_ADDRESS, 443)]


Answer = Callable[[web.BaseRequest], web.Response]


@asynccontextmanager
async def wire(answer: Answer, directory: Path) -> AsyncIterator[Wire]:
    """The settings of every user, and hubs that answer with ``answer``."""
    names, time = Names(), VirtualTime()
    access = access_of(defaults({kind.id: kind.settings for kind in HUBS}))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    manners = Manners(Limits(), RetryPolicy(attempts=1), "test", trusting)
    resolver = CheckedResolver(access.rules, names)
    transport = Transport(access, Gates(time.clock()), manners, resolver=resolver)
    here = Wire(transport, names)

    async def handle(request: web.BaseRequest) -> web.Response:
        here.seen.append((request.host, request.path_qs, dict(request.headers)))
        response = answer(request)
        response.force_close()
        return response

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(directory)).start()
    port = runner.addresses[0][1]
    real = aiohappyeyeballs.start_connection

    async def connect(addr_infos: Any, **kwargs: Any) -> Any:
        here.tried.extend(info[4][:2] for info in addr_infos)
        if any(info[4][:2] != (HUB_ADDRESS, 443) for info in addr_infos):
            raise ConnectionRefusedError
        family, kind, proto, name, _ = addr_infos[0]
        there = [(family, kind, proto, name, ("127.0.0.1", port))]
        return await real(addr_infos=there, **kwargs)

    try:
        with patch("aiohttp.connector.aiohappyeyeballs.start_connection", connect):
            async with transport:
                yield here
    finally:
        await runner.cleanup()
