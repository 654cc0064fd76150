"""What the transport hands out, and the limits it keeps."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much an exchange may take. Times in seconds.

    Attributes:
        connect_s: to connect, TLS included.
        first_byte_s: from sending the request to the response headers.
        min_rate: bytes per second that must arrive, on average over ``rate_window_s``; so a body
            takes at most its size divided by this.
        total_s: for a whole body that is kept in memory.
        hops: redirects followed.
        stream_bytes: cap for a thing of unknown size that is streamed, however often continued.
    """

    connect_s: float = 10.0
    first_byte_s: float = 60.0
    min_rate: float = 1000.0
    rate_window_s: float = 60.0
    total_s: float = 300.0
    hops: int = 5
    stream_bytes: int = 2**40


@dataclass(slots=True)
class Counts:
    """What went over the network so far; ``bytes`` are body bytes as received."""

    requests: int = 0
    refused: int = 0
    bytes: int = 0


Hop = tuple[int, str]
"""A status and the canonical URL that gave it (without its query, if on another host)."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. URLs are canonical; header names are lower-case.

    Attributes:
        url: where the answer came from, after redirects.
        hops: every answer on the way, this one included.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    hops: tuple[Hop, ...] = ()


@dataclass(slots=True)
class Stream:
    """An answer whose body is still arriving.

    Attributes:
        start: offset of the first byte really served: what was asked for, or 0 when the server
            sends everything from the beginning.
        chunks: the body, in pieces of at most 1 MiB. Raises NetworkError when it breaks off or
            crawls, CorruptError when it is longer than announced.
        error_body: for a status of 400 and more: the (short) body; ``chunks`` is empty then.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    start: int
    chunks: AsyncIterator[bytes]
    error_body: bytes = b""
    hops: tuple[Hop, ...] = field(default=())
