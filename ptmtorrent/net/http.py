"""The one transport: every HTTP request of the project goes through here.

It reads bodies within limits, retries as ``policy.backoff`` decides, and translates what goes
wrong; ``net.courier`` carries the requests. Callers give and get canonical URLs.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar

import tenacity

from ptmtorrent.errors import CorruptError, FailError, ItemError, NetworkError, RefusedError
from ptmtorrent.model.events import Watcher
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Counts, Response, Stream
from ptmtorrent.net.body import ERROR_BYTES, unpacked
from ptmtorrent.net.checks import check_end, check_page, served_from
from ptmtorrent.net.courier import Arrival, Courier, Manners, Trail
from ptmtorrent.net.download import Download, Sink
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.request import Request, checked_headers
from ptmtorrent.net.resolver import CheckedResolver
from ptmtorrent.net.text import safe_url
from ptmtorrent.policy.backoff import RetryBudget, may_retry, pause
from ptmtorrent.policy.ratelimit import is_refusal

T = TypeVar("T")

MAX_BYTES = 32 * 2**20
MUCH = 16 * 2**20
"""Bytes that make a download worth as many attempts again when it breaks off for good."""
_LFS_JSON = "application/vnd.git-lfs+json"


class Transport:
    """Asynchronous context manager that owns the HTTP session.

    Every request raises RefusedError (the host said "not now"), NetworkError (broken, timed out,
    5xx, 408, a web page in place of data), CorruptError (not what was announced) or
    ForbiddenAddressError. Any other status is an answer, for the caller to explain.
    """

    def __init__(
        self,
        access: Access,
        gates: Gates,
        manners: Manners | None = None,
        watcher: Watcher | None = None,
        resolver: CheckedResolver | None = None,
    ) -> None:
        self.access = access
        self.gates = gates
        self.resolver = resolver or CheckedResolver(access.rules)
        self._manners = manners or Manners()
        self._watcher = watcher
        self._courier = Courier(access, gates, self._manners)
        self._retries: dict[str, RetryBudget] = {}

    @property
    def counts(self) -> Counts:
        """Requests, refusals and bytes so far."""
        return self._courier.counts

    async def __aenter__(self) -> "Transport":
        """Open the session."""
        self._courier.open(self.resolver, self._watcher)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session and its connections."""
        await self._courier.close()

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
        accept: str | None = None,
    ) -> Response:
        """Ask for something small enough for memory.

        Args:
            url: canonical, or as a server handed it to us (a next link).
            headers: extra request headers.
            max_bytes: cap for the body, packed and unpacked.
            accept: the media type wanted; unless it is HTML, a web page counts as an error.
        """
        wanted = checked_headers(headers, url) | ({"accept": accept} if accept else {})
        request = Request("GET", self._canonical(url), wanted | {"accept-encoding": "gzip"})
        attempt = partial(self._whole, request, Trail(request.url), max_bytes)
        return await self._retrying(request.url, attempt)

    async def post_json(
        self,
        url: str,
        value: object,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Response:
        """Send JSON; only for requests that may be repeated (the git-LFS batch API)."""
        wanted = {"accept": _LFS_JSON, "content-type": _LFS_JSON} | checked_headers(headers, url)
        body = json.dumps(value, separators=(",", ":")).encode()
        coded = wanted | {"accept-encoding": "gzip"}
        request = Request("POST", self._canonical(url), coded, body)
        attempt = partial(self._whole, request, Trail(request.url), max_bytes)
        return await self._retrying(request.url, attempt)

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        start: int = 0,
        size: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Stream]:
        """Ask for bytes, from ``start`` on.

        The opening is retried; a body that breaks off raises (see ``download``).

        Args:
            url: canonical, or as a server handed it to us (an LFS link).
            start: offset of the first byte wanted.
            size: total size of the thing, where known; the body must fit it exactly.
            headers: extra request headers.
        """
        request = self._for_bytes(url, headers, {"range": f"bytes={start}-"} if start else {})
        trail = Trail(request.url)
        async with AsyncExitStack() as stack:
            attempt = partial(self._opened, stack, request, trail, start, size)
            yield await self._retrying(request.url, attempt)

    async def download(
        self,
        url: str,
        sink: Sink,
        *,
        size: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        """Bring bytes into a sink, from its offset on; what breaks off is continued.

        Returns the last answer, its body used up; of a status of 400 and more nothing is taken.

        Args:
            url: canonical, or as a server handed it to us (an LFS link).
            sink: takes the bytes; what it raises ends the download.
            size: total size of the thing, where known; the body must fit it exactly.
            headers: extra request headers.
        """
        request = self._for_bytes(url, headers, {})
        download = Download(self._opened, request, sink, size)
        while True:
            before = sink.offset
            try:
                return await self._retrying(request.url, download.attempt)
            except NetworkError:
                if sink.offset < before + MUCH:
                    raise

    def _for_bytes(
        self, url: str, headers: Mapping[str, str] | None, more: Mapping[str, str]
    ) -> Request:
        wanted = {**checked_headers(headers, url), "accept-encoding": "identity", **more}
        return Request("GET", self._canonical(url), wanted)

    @asynccontextmanager
    async def exchange(
        self, url: str, body: bytes, *, sent: str, wanted: str
    ) -> AsyncIterator[Stream]:
        """Send something that may be sent again, and read what comes back: git's own requests.

        The opening is retried; a body that breaks off raises. Nothing is sent to where a redirect
        leads, which is CorruptError: whoever asks has followed those already.

        Args:
            url: canonical.
            body: what is sent.
            sent: its media type.
            wanted: the media type of a successful answer.
        """
        headers = {"content-type": sent, "accept": wanted, "accept-encoding": "identity"}
        request = Request("POST", self._canonical(url), headers, body, may_move=False)
        async with AsyncExitStack() as stack:
            attempt = partial(self._opened, stack, request, Trail(request.url), 0, None)
            stream = await self._retrying(request.url, attempt)
            check_page(stream.url, stream.status, stream.headers, wanted, b"")
            if stream.status < 400 and stream.headers.get("content-type") != wanted:
                raise CorruptError(f"not {wanted}: {safe_url(url)}", url=safe_url(url))
            yield stream

    def _canonical(self, url: str) -> str:
        return self.access.endpoints.to_canonical(url)

    async def _whole(self, request: Request, trail: Trail, max_bytes: int) -> Response:
        async with self._courier.follow(request, trail) as arrival:
            try:
                body = await self._unpacked(arrival, max_bytes)
            except NetworkError:
                arrival.leave.failed()
                raise
            if is_refusal(arrival.status, arrival.advice, body):
                raise self._courier.refused(arrival)
            arrival.leave.succeeded()
        self._check_secrets(arrival, body)
        accept = request.headers.get("accept")
        check_end(arrival.url, arrival.status, arrival.headers)
        check_page(arrival.url, arrival.status, arrival.headers, accept, body)
        return Response(arrival.url, arrival.status, arrival.headers, body, arrival.hops)

    def _check_secrets(self, arrival: Arrival, body: bytes = b"") -> None:
        """What is received is kept and told: CorruptError when it repeats one of our tokens."""
        if self.access.tokens.are_in(body, arrival.url, *arrival.headers.values()):
            raise CorruptError("the answer repeats an access token", status=arrival.status)

    async def _unpacked(self, arrival: Arrival, max_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(self._manners.limits.total_s):
                packed = await arrival.body.whole(max_bytes)
        except TimeoutError:
            where = safe_url(arrival.url)
            raise NetworkError(f"took too long: {where}", url=where) from None
        encoding = arrival.headers.get("content-encoding", "")
        return unpacked(packed, encoding, max_bytes, arrival.url)

    async def _opened(
        self, outer: AsyncExitStack, request: Request, trail: Trail, start: int, size: int | None
    ) -> Stream:
        async with AsyncExitStack() as stack:
            arrival = await stack.enter_async_context(self._courier.follow(request, trail))
            if arrival.status >= 400:
                stream = await self._unsuccessful(arrival)
            else:
                arrival.leave.succeeded()
                self._check_secrets(arrival)
                stream = self._successful(arrival, start, size)
            await outer.enter_async_context(stack.pop_all())
            return stream

    async def _unsuccessful(self, arrival: Arrival) -> Stream:
        body = await arrival.body.start_of(ERROR_BYTES)
        if is_refusal(arrival.status, arrival.advice, body):
            raise self._courier.refused(arrival)
        arrival.leave.succeeded()
        self._check_secrets(arrival, body)
        where = safe_url(arrival.url)
        if arrival.status == 416:
            raise CorruptError(f"the server has no such bytes: {where}", url=where, status=416)
        return _stream(arrival, 0, _nothing(), body)

    def _successful(self, arrival: Arrival, start: int, size: int | None) -> Stream:
        begin = served_from(arrival.url, arrival.status, arrival.headers, start, size)
        if size is None:
            most = self._manners.limits.stream_bytes
            return _stream(arrival, begin, arrival.body.chunks(most, begin))
        return _stream(arrival, begin, _exactly(arrival, size - begin))

    def _retries_at(self, url: str) -> RetryBudget:
        """The retry budget of a host that may be asked at all; else ForbiddenAddressError."""
        self.access.actual(url)
        return self._retries.setdefault(self.access.gate_key(url).host, RetryBudget())

    async def _retrying(self, url: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run ``attempt`` as often as ``policy.backoff`` says; tenacity only turns the crank.

        An error leaves without its traceback: that holds the answer, in a circle with tenacity's
        note of the attempt, until garbage is collected.
        """
        retries = self._retries_at(url)
        retries.earned()
        clock, retry = self.gates.clock, self._manners.retry

        def is_last(state: tenacity.RetryCallState) -> bool:
            error = _error(state)
            if not may_retry(error, state.attempt_number, retry):
                return True
            return not isinstance(error, RefusedError) and not retries.spend(clock.now())

        crank = tenacity.AsyncRetrying(
            stop=is_last,
            wait=lambda state: pause(_error(state), state.attempt_number, retry, clock.random),
            retry=tenacity.retry_if_exception_type(ItemError),
            sleep=clock.sleep,
            reraise=True,
        )

        async def once() -> T:
            return await attempt()

        try:
            return await crank(once)
        except ItemError as error:
            if isinstance(error, FailError):
                error.was_retried = True
            raise error.with_traceback(None) from error.__cause__


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _stream(
    arrival: Arrival, start: int, chunks: AsyncIterator[bytes], error_body: bytes = b""
) -> Stream:
    url, status, headers = arrival.url, arrival.status, arrival.headers
    return Stream(url, status, headers, start, chunks, error_body, arrival.hops)


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


async def _exactly(arrival: Arrival, size: int) -> AsyncIterator[bytes]:
    """The chunks of a body of known size; NetworkError when it ends early."""
    arrived = 0
    async with aclosing(arrival.body.chunks(size)) as chunks:
        async for chunk in chunks:
            arrived += len(chunk)
            yield chunk
    if arrived < size:
        where = safe_url(arrival.url)
        raise NetworkError(f"{arrived} bytes in place of {size}: {where}", url=where)
