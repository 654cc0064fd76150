"""One request as the hosts of the sandbox see it, and what they answer.

A host is a coroutine function from an ``Ask`` to a ``Reply``; the wire is none of its business.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote

from aiohttp import StreamReader

from ptmtorrent.errors import PtmError
from ptmtorrent.sandbox.faults import Kind

JSON = "application/json; charset=utf-8"
_CHUNK = 256 * 1024

Headers = Mapping[str, str]

NO_HEADERS: Headers = MappingProxyType({})


class Who(StrEnum):
    """What the credentials of a request are worth."""

    ANONYMOUS = "anonymous"
    GRANTED = "granted"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request.

    Attributes:
        target: path and query as they came, still quoted.
        base: scheme, host and port by which the client knows this host.
        who: what its credentials are worth.
        now: seconds since 1970.
        body: the request's body, unpacked.
        cleanup: what must be let go of once the answer is sent.
        fault: what will go wrong with the answer; a few hosts have words of their own for it.
    """

    method: str
    target: str
    base: str
    headers: Headers
    who: Who
    now: float
    body: StreamReader
    cleanup: AsyncExitStack
    fault: Kind | None = None

    @property
    def path(self) -> str:
        """The path, still quoted."""
        return self.target.partition("?")[0]

    @property
    def raw_query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]

    @property
    def parts(self) -> list[str]:
        """The segments of the path, unquoted."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's pairs in order, unquoted."""
        return parse_qsl(self.raw_query, keep_blank_values=True)

    def last(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return dict(self.query).get(name, default)

    def flag(self, name: str) -> bool:
        """Whether a query parameter says yes."""
        return self.last(name).lower() in ("true", "1")


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of an open file, from ``first`` up to ``end``: iterated over, or sent by the kernel."""

    stream: BinaryIO
    first: int
    end: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.stream.seek(self.first)
        left = self.end - self.first
        while left and (chunk := await asyncio.to_thread(self.stream.read, min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer.

    Attributes:
        body: all of it, a part of a file, or its pieces as they come.
        length: bytes of the body where ``body`` comes in pieces and that is known.
    """

    status: int = 200
    headers: Headers = field(default_factory=dict)
    body: bytes | FilePart | AsyncIterable[bytes] = b""
    length: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the body, if known."""
        return len(self.body) if isinstance(self.body, bytes) else self.length


Host = Callable[[Ask], Awaitable[Reply]]


class ReplyError(PtmError):
    """The answer is already known; nothing further is to be looked at."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"answered with status {reply.status}")
        self.reply = reply


def json_reply(value: object, status: int = 200, headers: Headers = NO_HEADERS) -> Reply:
    """``value`` as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status=status, headers={"Content-Type": JSON, **headers}, body=body)


def text_reply(text: str, status: int = 200, headers: Headers = NO_HEADERS) -> Reply:
    """``text`` as it is."""
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    return Reply(status=status, headers={**kind, **headers}, body=text.encode())


def redirect(status: int, location: str, headers: Headers = NO_HEADERS) -> Reply:
    """A redirect whose body says so, as the hubs' do."""
    told = {"Location": location, **headers}
    return text_reply(f"Redirecting to {location}", status, told)


async def read_json(ask: Ask, limit: int) -> Any:
    """The body of a request as JSON, or None where it is none or longer than ``limit`` bytes."""
    data = await read_body(ask, limit)
    try:
        return None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None


async def read_body(ask: Ask, limit: int) -> bytes | None:
    """The body of a request, or None where it is longer than ``limit`` bytes."""
    data = bytearray()
    async for chunk in ask.body.iter_any():
        data += chunk
        if len(data) > limit:
            return None
    return bytes(data)


def credential(header: str | None, token: str) -> Who:
    """What an ``Authorization`` header is worth: the token as Bearer or as Basic password."""
    if header is None:
        return Who.ANONYMOUS
    scheme, _, value = header.partition(" ")
    given = _basic_password(value) if scheme.lower() == "basic" else value.strip()
    return Who.GRANTED if given == token else Who.INVALID


def _basic_password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
