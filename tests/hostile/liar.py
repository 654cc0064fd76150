"""A git server written by hand: says what git's own server could never be made to say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from raw import Raw, pkt, pkts

ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
RESULT = "application/x-git-upload-pack-result"
CAPABILITIES = ("version 2\n", "agent=git/liar\n", "ls-refs\n", "fetch=shallow filter\n",
                "object-format=sha1\n")  # fmt: skip
SERVICE = pkt("# service=git-upload-pack\n") + b"0000"

Body = bytes | Callable[[], AsyncIterator[bytes]]


def refs_v0(refs: Mapping[str, str], more: str = "", after: tuple[str, ...] = ()) -> bytes:
    """The list of refs of protocol version 0; HEAD is told first."""
    head = {"HEAD": refs["refs/heads/main"]} if "refs/heads/main" in refs else {}
    rows = [f"{oid} {name}\n" for name, oid in (head | dict(sorted(refs.items()))).items()]
    words = f"side-band-64k symref=HEAD:refs/heads/main agent=git/liar{more}"
    first = rows[0].rstrip("\n") + "\0" + words + "\n" if rows else f"{'0' * 40} capabilities^{{}}"
    return SERVICE + pkts([first, *rows[1:], *after])


def refs_v2(refs: Mapping[str, str]) -> bytes:
    """The answer to ``ls-refs``."""
    head = {"HEAD": refs["refs/heads/main"]} if "refs/heads/main" in refs else {}
    rows = [f"{oid} {name}\n" for name, oid in sorted(refs.items())]
    return pkts([*(f"{o} {n} symref-target:refs/heads/main\n" for n, o in head.items()), *rows])


PACKFILE, NAK = pkt("packfile\n"), pkt("NAK\n")
"""What the pack comes after in protocol version 2, and in version 0."""
LOST = pkt(b"ERR upload-pack: unable to read an object")


def bands(pack: bytes, *said: bytes, before: bytes = b"") -> bytes:
    """The answer to ``fetch``: words of the server in band 2, and the pack in band 1."""
    words = b"".join(pkt(b"\x02" + text) for text in said)
    parts = [pkt(b"\x01" + pack[at : at + 65000]) for at in range(0, len(pack), 65000)]
    return before + PACKFILE + words + b"".join(parts) + b"0000"


@dataclass
class Liar:
    """What the server says to each question; by default the truth about ``raw`` and ``refs``.

    Attributes:
        ours: answer to the question for refs that our own transport asks (protocol version 0).
        capabilities: answer to git's first question (version 2).
        listed: answer to git's second one.
        sent: the pack, for whoever asks.
        partly: whether the server says to us that it has lost objects, so that git is sent to ask.
    """

    raw: Raw
    refs: dict[str, str]
    ours: Body | None = None
    capabilities: Body | None = None
    listed: Body | None = None
    sent: Body | None = None
    media: str = ADVERTISEMENT
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    paths: dict[str, web.Response] = field(default_factory=dict)
    dumb: bool = False
    partly: bool = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in self.paths:
            return self.paths[request.path]
        if request.method == "GET" and request.path.endswith("/info/refs"):
            return await self._first(request)
        if request.method == "GET":
            return web.Response(status=404)
        body = await request.read()
        if b"command=ls-refs" in body:
            return await self._say(request, self.listed or refs_v2(self.refs), RESULT)
        pack = self.sent or bands(self.raw.pack())
        if b"command=fetch" not in body:
            pack = LOST if self.partly else as_version_0(pack)
        return await self._say(request, pack, RESULT)

    async def _first(self, request: web.BaseRequest) -> web.StreamResponse:
        if "version=2" in request.headers.get("Git-Protocol", ""):
            known, media = (
                SERVICE + pkts(CAPABILITIES),
                "text/plain" if self.dumb else ADVERTISEMENT,
            )
            return await self._say(request, self.capabilities or known, media)
        said = self.ours or refs_v0(self.refs)
        return await self._say(request, said, self.media, self.status)

    async def _say(
        self, request: web.BaseRequest, body: Body, media: str, status: int = 200
    ) -> web.StreamResponse:
        headers = {"Content-Type": media} | self.headers
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers)
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        async for chunk in body():
            await response.write(chunk)
            await asyncio.sleep(0)
        return response


def as_version_0(body: Body) -> Body:
    """The same lies as an answer in the older protocol."""
    if isinstance(body, bytes):
        return body.replace(PACKFILE, NAK, 1)

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in body():
            yield chunk.replace(PACKFILE, NAK, 1)

    return chunks


def endless(before: bytes, again: bytes) -> Callable[[], AsyncIterator[bytes]]:
    """Something, and then the same for ever."""

    async def chunks() -> AsyncIterator[bytes]:
        yield before
        many = again * max(1, 2**18 // len(again))
        while True:
            yield many

    return chunks


def dripping(before: bytes, again: bytes) -> Callable[[], AsyncIterator[bytes]]:
    """Something, and then the same for ever, a little at a time."""

    async def chunks() -> AsyncIterator[bytes]:
        yield before
        while True:
            yield again
            await asyncio.sleep(0.05)

    return chunks
