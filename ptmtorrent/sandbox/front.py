"""What stands before every host: counts requests, delays, refuses, damages and writes down."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from aiohttp import web

from ptmtorrent.sandbox.delivery import Delivery, instead, misdirected
from ptmtorrent.sandbox.exchange import Ask, Host, Reply, ReplyError, Who, credential, json_reply
from ptmtorrent.sandbox.faults import Faults, Kind, Route
from ptmtorrent.sandbox.journal import Journal, Line, blotted, instant
from ptmtorrent.sandbox.limits import Bucket, Limiter, Standing, github_headers, hub_headers
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.routes import Classify


@dataclass(frozen=True, slots=True)
class Site:
    """A host and its name in the journal."""

    name: str
    host: Host
    classify: Classify


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all hosts have in common.

    Attributes:
        clock: seconds since 1970.
        rtt_s: seconds to wait before each answer.
    """

    live: Live
    clock: Callable[[], float]
    limiter: Limiter
    faults: Faults
    journal: Journal
    rtt_s: float


class Front:
    """The request handler of one site, for ``aiohttp.web.Server``."""

    def __init__(self, site: Site, shared: Shared) -> None:
        self._site = site
        self._shared = shared

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, and note it even when the client went away in the middle."""
        place = self._site.classify(request.raw_path.partition("?")[0])
        fault = self._shared.faults.draw(place.routes, ranged="Range" in request.headers)
        delivery = Delivery(request, fault, self._note)
        try:
            async with AsyncExitStack() as cleanup:
                ask = self._ask(request, cleanup, fault)
                reply = await self._reply(ask, place.bucket, lfs=Route.LFS in place.routes)
                await asyncio.sleep(self._shared.rtt_s)
                return await delivery.send(reply)
        except ConnectionError:
            return web.Response()
        finally:
            delivery.finish()

    async def _reply(self, ask: Ask, bucket: Bucket | None, *, lfs: bool) -> Reply:
        standing = self._charge(ask, bucket)
        if standing is not None and standing.refused:
            reply = _too_many(standing)
        elif (put := instead(ask.fault)) is not None and not (lfs and ask.fault is Kind.GONE):
            reply = put
        else:
            reply = await _answer(self._site.host, ask)
        return _with_standing(
            misdirected(reply) if ask.fault is Kind.WRONGRANGE else reply, standing
        )

    def _charge(self, ask: Ask, bucket: Bucket | None) -> Standing | None:
        if bucket is None:
            return None
        client = "token" if ask.who is Who.GRANTED else "address"
        return self._shared.limiter.charge(client, bucket)

    def _ask(self, request: web.BaseRequest, cleanup: AsyncExitStack, fault: Kind | None) -> Ask:
        headers = request.headers.copy()
        if fault is Kind.NORANGE:
            headers.popall("Range", None)
        return Ask(
            method=request.method,
            target=request.raw_path,
            base=f"{request.scheme}://{request.host}",
            headers=headers,
            who=credential(headers.get("Authorization"), self._shared.live.world.token),
            now=self._shared.clock(),
            body=request.content,
            cleanup=cleanup,
            fault=fault,
        )

    def _note(self, delivery: Delivery) -> None:
        request = delivery.request
        line = Line(
            t=instant(self._shared.clock()),
            host=self._site.name,
            method=request.method,
            path=blotted(request.raw_path, request.headers),
            status=delivery.status,
            range=request.headers.get("Range"),
            bytes_sent=delivery.sent,
            auth="Authorization" in request.headers,
        )
        self._shared.journal.write(line)


async def _answer(host: Host, ask: Ask) -> Reply:
    try:
        return await host(ask)
    except ReplyError as early:
        return early.reply


def _with_standing(reply: Reply, standing: Standing | None) -> Reply:
    if standing is None:
        return reply
    tell = github_headers if standing.bucket is Bucket.GITHUB else hub_headers
    return replace(reply, headers={**reply.headers, **tell(standing)})


def _too_many(standing: Standing) -> Reply:
    if standing.bucket is Bucket.GITHUB:
        return json_reply({"message": "API rate limit exceeded for your address."}, 403)
    minutes, bucket = standing.window_s // 60, standing.bucket
    words = f"We had to rate limit you: {standing.quota} {bucket} requests in {minutes} minutes."
    return json_reply({"error": words}, 429)
