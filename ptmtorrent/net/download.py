"""A download over as many attempts as it takes: what breaks off goes on where it broke off.

A thing of known size is continued whoever sends the rest, for its taker has its sha256 and checks
the whole. A thing of unknown size is continued only where the server shows, by a strong entity tag
(RFC 9110, 13.1.5), that it is still the same one; otherwise it begins anew.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

from ptmtorrent.errors import CorruptError, NetworkError
from ptmtorrent.net.answer import Stream
from ptmtorrent.net.checks import check_end, check_page
from ptmtorrent.net.courier import Trail
from ptmtorrent.net.request import Request
from ptmtorrent.net.text import safe_url

Open = Callable[[AsyncExitStack, Request, Trail, int, int | None], Awaitable[Stream]]
"""Opens a stream: request, trail, offset of the first byte wanted, size of the whole if known."""

_BYTES = "application/octet-stream"
_STRONG = re.compile(r'"[\x21\x23-\x7e]{0,200}"')


class Sink(Protocol):
    """Takes the bytes of a download in their order."""

    @property
    def offset(self) -> int:
        """How many bytes are here; the next one wanted."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    async def restart(self) -> None:
        """Forget everything; the first byte comes next."""
        ...


class Download:
    """One download into one sink; ``attempt`` may be called until it returns."""

    def __init__(self, opened: Open, request: Request, sink: Sink, size: int | None) -> None:
        self._opened = opened
        self._request = request
        self._sink = sink
        self._size = size
        self._trail = Trail(request.url)
        self._etag = ""

    async def attempt(self) -> Stream:
        """Bring in what is missing; the answer, with its body used up.

        The status of 400 and more is an answer too: nothing was brought in then.
        """
        if self._size is None and not self._etag:
            await self._restart()
        async with AsyncExitStack() as stack:
            stream = await self._open(stack)
            if stream.status < 400:
                await self._take(stream)
        return stream

    async def _open(self, stack: AsyncExitStack) -> Stream:
        start = self._sink.offset
        request = self._request
        if start:
            since = {"if-range": self._etag} if self._etag else {}
            headers = {**request.headers, **since, "range": f"bytes={start}-"}
            request = replace(request, headers=headers)
        try:
            return await self._opened(stack, request, self._trail, start, self._size)
        except CorruptError as error:
            if error.status != 416 or not start or self._size is not None:
                raise
            await self._restart()
            raise NetworkError("it ends before what is here", url=error.url, status=416) from None

    async def _take(self, stream: Stream) -> None:
        etag = stream.headers.get("etag", "")
        if stream.start != self._sink.offset:
            await self._restart()
        elif self._size is None and stream.start and etag != self._etag:
            await self._restart()
            raise NetworkError("it changed in the middle", url=safe_url(stream.url))
        if self._size is None:
            self._etag = etag if _STRONG.fullmatch(etag) else ""
            check_end(stream.url, stream.status, stream.headers)
        async for chunk in stream.chunks:
            if self._size is None and not self._sink.offset:
                check_page(stream.url, stream.status, stream.headers, _BYTES, chunk)
            await self._sink.write(chunk)

    async def _restart(self) -> None:
        if self._sink.offset:
            await self._sink.restart()
