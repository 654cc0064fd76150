"""What servers say, as scripts; and a row of the corpus."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from rawhttp import DATA, PARTED, Script, Talk, head, right

STORED, NETWORK, CORRUPT, REFUSED = "stored", "failed network", "failed corrupt", "failed refused"
GONE, MISSING, LEGAL = "skipped gone", "skipped missing_at_origin", "skipped legal"

FLIPPED = DATA[:-9] + bytes([DATA[-9] ^ 1]) + DATA[-8:]
PAGE = b"<!DOCTYPE html><title>Sign in to the network</title>" + b" " * 2000


@dataclass(frozen=True)
class Row:
    """One fault: what a server does to every request, unless it counts them.

    Attributes:
        fresh: what becomes of an object of which nothing is here.
        resumed: what becomes of one whose first third an earlier process left.
        once: what becomes of it, fresh, when only the first answer is bad: that of an honest server
            where the fault may pass, unless the row says otherwise ("" for: not asked).
    """

    name: str
    script: Script
    fresh: str
    resumed: str
    once: str | None = None

    @property
    def after_once(self) -> str:
        if self.once is not None:
            return self.once
        return STORED if self.fresh in (NETWORK, REFUSED) else ""


def says(answer: Callable[[Talk], bytes] | bytes) -> Script:
    """Sends these bytes and closes."""

    async def script(talk: Talk) -> None:
        await talk.send(answer(talk) if callable(answer) else answer)

    return script


def then_hangs(answer: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.send(answer)
        await talk.hang()

    return script


def for_ever(first: bytes, then: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.send(first)
        await talk.for_ever(then)

    return script


def slowly(piece: int, pause_s: float, answer: Callable[[Talk], bytes] = right) -> Script:
    async def script(talk: Talk) -> None:
        await talk.slowly(answer(talk), piece, pause_s)

    return script


def resets(after: Callable[[Talk], bytes]) -> Script:
    async def script(talk: Talk) -> None:
        await talk.send(after(talk))
        talk.reset()

    return script


def to_range(answer: Callable[[int], bytes]) -> Script:
    """Bad to a request for a range, honest to others."""

    async def script(talk: Talk) -> None:
        await talk.send(right(talk) if talk.start is None else answer(talk.start))

    return script


def ranged(content_range: str | None, body: bytes = DATA[PARTED:]) -> Script:
    """206 with this Content-Range to a request for a range."""
    more = {} if content_range is None else {"content_range": content_range}
    return to_range(lambda _: head("206 Partial Content", content_length=len(body), **more) + body)


def chunked(*pieces: bytes, last: bytes = b"0\r\n\r\n", **more: object) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head(transfer_encoding="chunked", **more) + body + last


def moved(location: str, status: str = "302 Found", **more: object) -> Script:
    return says(head(status, location=location, content_length=0, **more))


def by_path(**scripts: Script) -> Script:
    """One script for each last part of the path; the first is for every other."""
    usual = next(iter(scripts.values()))

    async def script(talk: Talk) -> None:
        name = talk.target.split("?")[0].rsplit("/", 1)[-1]
        await scripts.get(name, usual)(talk)

    return script


def first_then(*scripts: Script) -> Script:
    """The n-th request meets the n-th script, the last stays."""

    async def script(talk: Talk) -> None:
        await scripts[min(talk.number, len(scripts)) - 1](talk)

    return script


def to(path: str) -> Script:
    """A redirect to a path of this server."""

    async def script(talk: Talk) -> None:
        await talk.send(head("302 Found", location=f"{talk.base}{path}", content_length=0))

    return script


def cut(talk: Talk) -> bytes:
    """The right answer, 40,000 bytes of its body."""
    start, sep, body = right(talk).partition(b"\r\n\r\n")
    return start + sep + body[:40_000]


def packed(size: int, wbits: int = 31) -> bytes:
    """So many zeros, squeezed: the same MiB again and again, and no checksum."""
    squeezing, zeros = zlib.compressobj(9, wbits=wbits), bytes(2**20)
    first = squeezing.compress(zeros) + squeezing.flush(zlib.Z_FULL_FLUSH)
    again = squeezing.compress(zeros) + squeezing.flush(zlib.Z_FULL_FLUSH)
    return first + again * (size // 2**20 - 1)
