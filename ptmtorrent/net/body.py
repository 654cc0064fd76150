"""Reading a body: no longer than announced, no slower than allowed, unpacked within bounds."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable

import aiohttp

from ptmtorrent.errors import CorruptError, FailError, NetworkError
from ptmtorrent.net.answer import Limits
from ptmtorrent.net.text import safe_url

CHUNK = 2**20
ERROR_BYTES = 64 * 1024
"""How much of the body of an error answer is kept."""


class BodyReader:
    """Reads raw chunks of one response and measures how fast they come.

    Only time spent waiting for the server counts, not the time of whoever takes the chunks.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        url: str,
        limits: Limits,
        received: Callable[[int], None],
    ) -> None:
        self._content = response.content
        self._url = safe_url(url)
        self._limits = limits
        self._received = received
        self._waited = 0.0
        self._arrived = 0

    async def chunks(self, most: int, start: int = 0) -> AsyncGenerator[bytes, None]:
        """The body; CorruptError as soon as it and ``start`` before it exceed ``most`` bytes."""
        total = start
        while chunk := await self._read():
            total += len(chunk)
            if total > most:
                raise CorruptError(f"more than {most} bytes from {self._url}", url=self._url)
            self._received(len(chunk))
            yield chunk

    async def whole(self, most: int) -> bytes:
        """The body in one piece."""
        return b"".join([chunk async for chunk in self.chunks(most)])

    async def start_of(self, most: int) -> bytes:
        """The first ``most`` bytes at most; the rest is not read."""
        data = bytearray()
        while len(data) < most and (chunk := await self._read()):
            self._received(len(chunk))
            data += chunk
        return bytes(data[:most])

    async def _read(self) -> bytes:
        while True:
            try:
                return await self._read_in_window()
            except TimeoutError:
                self._close_window()
            except (aiohttp.ClientError, OSError) as error:
                raise translated(error, self._url) from None

    async def _read_in_window(self) -> bytes:
        now = asyncio.get_running_loop().time
        started = now()
        try:
            async with asyncio.timeout(self._limits.rate_window_s - self._waited):
                chunk = await self._content.read(CHUNK)
        finally:
            self._waited += now() - started
        self._arrived += len(chunk)
        if self._waited >= self._limits.rate_window_s:
            self._close_window()
        return chunk

    def _close_window(self) -> None:
        if self._arrived < self._limits.min_rate * self._limits.rate_window_s:
            raise NetworkError(f"too slow: {self._url}", url=self._url)
        self._waited, self._arrived = 0.0, 0


def translated(error: Exception, url: str) -> FailError:
    """The project's error for one of aiohttp, ssl or the system; its text holds no secret."""
    if isinstance(error, aiohttp.ClientResponseError):
        what = f"HTTP that cannot be read ({type(error).__name__})"
    elif isinstance(error, TimeoutError):
        what = "no answer in time"
    else:
        what = type(error).__name__
    return NetworkError(f"{what}: {safe_url(url)}", url=safe_url(url))


def unpacked(body: bytes, encoding: str, most: int, url: str) -> bytes:
    """Undo one layer of gzip, writing ``most`` bytes at the most.

    Raises:
        CorruptError: another encoding, broken data, something after its end, or too much of it.
        NetworkError: it ends too early.
    """
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() != "gzip":
        raise CorruptError(f"a content encoding that was not asked for: {safe_url(url)}", url=url)
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise CorruptError(f"broken gzip: {safe_url(url)}", url=safe_url(url)) from None
    if len(data) > most:
        raise CorruptError(f"unpacks to more than {most} bytes: {safe_url(url)}", url=safe_url(url))
    if not unpacker.eof:
        raise NetworkError(f"gzip ends too early: {safe_url(url)}", url=safe_url(url))
    if unpacker.unused_data:
        raise CorruptError(f"something follows the gzip: {safe_url(url)}", url=safe_url(url))
    return data
