"""Carries one request over its hops: gate, address check, credentials, redirects.

Retries and bodies are ``net.http``'s; this module ends at the response headers.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from ptmtorrent.errors import CorruptError, ForbiddenAddressError, NetworkError, RefusedError
from ptmtorrent.model.events import BytesReceived, Watcher
from ptmtorrent.net.access import Access
from ptmtorrent.net.addresses import origin_of, parse_target
from ptmtorrent.net.answer import Counts, Hop, Limits
from ptmtorrent.net.body import CHUNK, ERROR_BYTES, BodyReader, translated
from ptmtorrent.net.gate import Gates, Pass
from ptmtorrent.net.request import Request, hop_headers
from ptmtorrent.net.resolver import CheckedResolver
from ptmtorrent.net.text import safe_url
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.policy.ratelimit import SECONDARY_WAIT_S, Advice, is_refusal, parse_advice

_REDIRECTS = (301, 302, 303, 307, 308)
EXPIRED = (400, 401, 403, 410)
"""What servers of signed links say when the time of one is over."""

_USED_UP = (507, 509)
"""Statuses of the git-LFS batch API that no waiting mends: storage or bandwidth is used up."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How the transport behaves.

    Attributes:
        agent: the User-Agent; it names the project, its version and a contact.
        tls: replaces the system's trust (a private CA).
    """

    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    agent: str = "ptmtorrent"
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The last hop of a request, its body unread.

    Attributes:
        url: canonical; without its query on another host than the one asked (it may be signed).
        leave: the gate's pass; whoever reads the body reports to it.
    """

    url: str
    status: int
    headers: dict[str, str]
    body: BodyReader
    leave: Pass
    advice: Advice | None
    hops: tuple[Hop, ...] = ()


@dataclass(slots=True)
class Trail:
    """How far the redirects of a request have been followed.

    Another attempt at the request goes on from there, so that a failure behind a redirect costs
    one request and not the whole way once more.
    """

    url: str
    hops: list[Hop] = field(default_factory=list)

    def follow(self, hop: Hop, url: str) -> None:
        """A redirect led to ``url``."""
        self.hops.append(hop)
        self.url = url

    def forget(self, url: str) -> None:
        """Begin again at ``url``."""
        self.hops.clear()
        self.url = url


class Courier:
    """Owns the HTTP session and sends requests hop by hop."""

    def __init__(self, access: Access, gates: Gates, manners: Manners) -> None:
        self.counts = Counts()
        self._access = access
        self._gates = gates
        self._manners = manners
        self._watcher: Watcher | None = None
        self._session: aiohttp.ClientSession | None = None

    def open(self, resolver: CheckedResolver, watcher: Watcher | None) -> None:
        """Open the session: no cookies, no proxies, no unpacking, checked addresses only."""
        limits, tls = self._manners.limits, self._manners.tls
        self._watcher = watcher
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, use_dns_cache=False, resolver=resolver, ssl=True if tls is None else tls
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s),
            headers={"User-Agent": self._manners.agent},
            auto_decompress=False,
            read_bufsize=CHUNK // 2,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def follow(self, request: Request, trail: Trail | None = None) -> AsyncIterator[Arrival]:
        """Send a request and follow its redirects; every hop obeys the gate and the rules.

        Args:
            request: what is asked for.
            trail: how far an earlier attempt came. Where that has expired, the way begins again,
                once; a link got just now has not.
        """
        trail = trail or Trail(request.url)
        is_old = bool(trail.hops)
        while len(trail.hops) <= self._manners.limits.hops:
            async with self._hop(request, trail.url) as arrival:
                hop = (arrival.status, _shown(trail.url, request.url))
                location = arrival.headers.get("location", "")
                if arrival.status in _REDIRECTS and location:
                    trail.follow(hop, self._next(request, trail.url, location))
                elif arrival.status in EXPIRED and is_old:
                    trail.forget(request.url)
                    is_old = False
                else:
                    yield replace(arrival, url=hop[1], hops=(*trail.hops, hop))
                    return
                arrival.leave.succeeded()
                await _drain(arrival)
        raise CorruptError(f"too many redirects: {safe_url(request.url)}", url=request.url)

    def refused(self, arrival: Arrival) -> RefusedError:
        """Close the gate after an answer that means "not now", and say so."""
        said = arrival.advice.wait_s if arrival.advice else None
        wait_s = SECONDARY_WAIT_S if said is None and arrival.status not in (429, 503) else said
        self.counts.refused += 1
        arrival.leave.refused(wait_s)
        where = safe_url(arrival.url)
        return RefusedError(
            f"refused for now: {where}", url=where, status=arrival.status, wait_s=wait_s
        )

    @asynccontextmanager
    async def _hop(self, request: Request, url: str) -> AsyncIterator[Arrival]:
        actual, _ = self._access.actual(url)
        async with self._gates.slot(self._access.gate_key(url)) as leave:
            response = await self._send(request, url, actual, leave)
            try:
                yield self._judged(self._arrival(response, url, leave))
            finally:
                response.close()

    async def _send(
        self, request: Request, url: str, actual: str, leave: Pass
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the transport is not open")
        self.counts.requests += 1
        try:
            async with asyncio.timeout(self._manners.limits.first_byte_s):
                return await self._session.request(
                    request.method,
                    URL(actual, encoded=True),
                    headers=hop_headers(request, url, self._access.tokens),
                    data=request.body,
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            leave.failed()
            raise translated(error, url) from None

    def _arrival(self, response: aiohttp.ClientResponse, url: str, leave: Pass) -> Arrival:
        host = self._access.gate_key(url).host

        def received(count: int) -> None:
            self.counts.bytes += count
            if self._watcher is not None:
                self._watcher(BytesReceived(host, count))

        leave.answered()
        headers = _lower(response)
        advice = parse_advice(headers, self._gates.clock.wall())
        if advice is not None:
            leave.advised(advice)
        body = BodyReader(response, url, self._manners.limits, received)
        return Arrival(url, response.status, headers, body, leave, advice)

    def _judged(self, arrival: Arrival) -> Arrival:
        """Raise what the status alone tells: a refusal, a server error."""
        if is_refusal(arrival.status, arrival.advice):
            raise self.refused(arrival)
        has_failed = arrival.status >= 500 and arrival.status not in _USED_UP
        if has_failed or arrival.status == 408:
            arrival.leave.failed()
            where = safe_url(arrival.url)
            message = f"the server answered {arrival.status}: {where}"
            raise NetworkError(message, url=where, status=arrival.status)
        return arrival

    def _next(self, request: Request, url: str, location: str) -> str:
        """The canonical URL a redirect leads to; an error if nobody may or the request must not."""
        if self._access.tokens.are_in(location):
            raise ForbiddenAddressError(f"a redirect that repeats an access token: {safe_url(url)}")
        here = parse_target(self._access.endpoints.to_actual(url))
        there = _joined(url, location)
        parse_target(there)
        canonical = self._access.endpoints.to_canonical(there, near=url)
        _, target = self._access.actual(canonical)
        if here.scheme == "https" and target.scheme != "https":
            raise ForbiddenAddressError(f"a redirect from https to http: {safe_url(there)}")
        if not request.may_move:
            text = f"redirected to {safe_url(canonical)}: {safe_url(url)}"
            raise CorruptError(text, url=safe_url(url))
        return canonical.split("#", 1)[0]


def _joined(url: str, location: str) -> str:
    """The URL that a ``Location`` means (RFC 9110, 10.2.2), or ForbiddenAddressError."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise ForbiddenAddressError(f"a redirect to no URL at all: {safe_url(url)}") from None


async def _drain(arrival: Arrival) -> None:
    """Read the short body of a redirect, so that its connection can be used again."""
    length = arrival.headers.get("content-length", "")
    if len(length) < 6 and length.isdecimal() and int(length) <= ERROR_BYTES:
        await arrival.body.whole(ERROR_BYTES)


def _shown(url: str, asked: str) -> str:
    return url if origin_of(url) == origin_of(asked) else url.split("?", 1)[0]


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    headers.pop("set-cookie", None)
    return headers
