"""Bring in one pack: asked for by our own transport, written and hashed as it comes, then indexed.

git sees a pack only when all of it is here, and never the server. So redirects, limits, pace and
tokens are the transport's, as for everything else; and one request brings what ``git fetch`` needs
three for. What the server or ``index-pack`` complains of is told in git's words.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import BinaryIO

from ptmtorrent import disk
from ptmtorrent.errors import NetworkError, SkipError, SkipReason
from ptmtorrent.fetch.git import Git
from ptmtorrent.fetch.quarantine import Base, Quarantine
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.model.forge import Forge
from ptmtorrent.net.advertisement import Advertisement
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.net.http import Transport
from ptmtorrent.net.uploadpack import (
    REQUEST_TYPE,
    RESULT_TYPE,
    SIDEBAND,
    PackAnswer,
    request_of,
)

_HEADER = 12
"""Bytes of a pack before its first object; the last four count the objects (gitformat-pack)."""


@dataclass(frozen=True, slots=True)
class PackWish:
    """What is wanted of an origin: all that was announced, beyond what a complete base holds.

    Attributes:
        place: the URL that git is served at.
    """

    forge: Forge
    origin: str
    place: str
    announced: Advertisement
    base: Base | None

    @property
    def held(self) -> list[str]:
        """What the base's refs point at, and so is here with all it leads to."""
        if self.base is None or not self.base.visit.is_complete:
            return []
        return [ref.target for ref in self.base.visit.refs]

    @property
    def lacking(self) -> list[str]:
        """What was announced and is not here, as far as one can tell without asking."""
        return sorted(self.announced.targets - set(self.held))


@dataclass(slots=True)
class _PackFile:
    """A file that takes the pack out of an answer, and is hashed while it is written."""

    file: BinaryIO
    answer: PackAnswer = field(default_factory=PackAnswer)
    start: bytes = b""
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def feed(self, chunk: bytes) -> None:
        data, offset = self.answer.feed(chunk), self.answer.pack_bytes
        self.digest.update(data)
        disk.write_all(self.file.fileno(), data, offset - len(data))
        if len(self.start) < _HEADER:
            self.start = (self.start + data)[:_HEADER]

    @property
    def is_empty(self) -> bool:
        """Whether it is a pack, and of no objects."""
        return len(self.start) == _HEADER and self.start[8:] == bytes(4)


@dataclass(frozen=True, slots=True)
class PackFetcher:
    """Fetches packs of at most ``max_pack`` bytes."""

    transport: Transport
    git: Git
    max_pack: int

    async def bring(self, wish: PackWish, quarantine: Quarantine) -> GitResult | None:
        """Fetch a pack into a quarantine; None when all is well, or else what git would say.

        Raises:
            SkipError: gone, gated, ...
            FailError: it could not be had.
        """
        if not wish.lacking:
            return None
        if SIDEBAND not in wish.announced.capabilities:
            raise SkipError("a git server without side bands", SkipReason.UNSUPPORTED)
        path = quarantine.incoming
        with disk.refusals(path), path.open("wb", buffering=0) as file:
            pack = _PackFile(file)
            trouble = await self._receive(wish, pack)
        if trouble is not None:
            return trouble
        if pack.is_empty:
            path.unlink()
            return None
        return await quarantine.index(pack.digest.hexdigest(), wish.announced.refs)

    async def _receive(self, wish: PackWish, pack: _PackFile) -> GitResult | None:
        """Write a pack as it comes; the server's words when it does not come whole."""
        answer = pack.answer
        try:
            async with (
                asyncio.timeout(self.git.deadline_s),
                aclosing(self._answer(wish)) as chunks,
            ):
                async for chunk in chunks:
                    await in_thread(pack.feed, chunk)
                    if answer.pack_bytes > self.max_pack:
                        return _complaint("fatal: pack exceeds maximum allowed size")
        except TimeoutError:
            raise NetworkError("the pack took too long", url=wish.origin) from None
        except NetworkError:
            if not answer.words:
                raise
        if answer.is_whole and not answer.has_failed:
            return None
        words = self.transport.access.tokens.scrub(answer.words)
        return _complaint(f"{words}\nfatal: early EOF")

    async def _answer(self, wish: PackWish) -> AsyncGenerator[bytes, None]:
        url = f"{wish.place}/git-upload-pack"
        body = request_of(wish.lacking, wish.held, wish.announced.capabilities)
        async with self.transport.exchange(
            url, body, sent=REQUEST_TYPE, wanted=RESULT_TYPE
        ) as stream:
            if stream.status >= 400:
                raise wish.forge.explain(
                    wish.origin, stream.status, stream.headers, stream.error_body
                )
            async for chunk in stream.chunks:
                yield chunk


def _complaint(words: str) -> GitResult:
    return GitResult(128, b"", words)
