"""Bodies: too short, too long, too slow, of other bytes; lengths and chunks that lie."""

from collections.abc import Iterator

from answers import (
    CORRUPT,
    FLIPPED,
    NETWORK,
    STORED,
    Row,
    chunked,
    cut,
    for_ever,
    says,
    slowly,
    then_hangs,
    to_range,
)
from rawhttp import DATA, SIZE, head, rest, right, whole


def bodies() -> Iterator[Row]:
    """Bodies too short, too long, too slow, and of other bytes."""
    yield Row("cut short", says(cut), NETWORK, NETWORK)
    yield Row("cut at the first byte", says(head(content_length=SIZE)), NETWORK, NETWORK)
    yield Row("cut, and no length", says(head() + DATA[:-1]), NETWORK, NETWORK)
    yield Row("whole, and no length", says(head() + DATA), STORED, STORED)
    yield Row("one byte short", says(whole(DATA[:-1])), NETWORK, NETWORK)
    yield Row("one byte long", says(whole(DATA + b"x")), CORRUPT, CORRUPT)
    yield Row("long without length", says(head() + DATA + b"x"), CORRUPT, CORRUPT)
    yield Row("long in chunks", says(chunked(DATA, b"x")), CORRUPT, CORRUPT)
    yield Row("without end", for_ever(head(), bytes(2**16)), CORRUPT, CORRUPT)
    yield Row(
        "chunks without end",
        for_ever(head(transfer_encoding="chunked"), b"10000\r\n" + bytes(2**16) + b"\r\n"),
        CORRUPT,
        CORRUPT,
    )
    yield Row("a length of a petabyte", says(head(content_length=10**15) + DATA), CORRUPT, CORRUPT)
    yield Row("an empty body", says(head(content_length=0)), NETWORK, NETWORK)
    yield Row("a flipped bit", says(whole(FLIPPED)), CORRUPT, CORRUPT)
    yield Row(
        "a flipped bit in the rest",
        to_range(lambda s: rest(s).replace(DATA[s:], FLIPPED[s:])),
        STORED,
        STORED,
    )
    yield Row("zeros", says(whole(bytes(SIZE))), CORRUPT, CORRUPT)
    yield Row("stall in the body", then_hangs(whole()[:-9]), NETWORK, NETWORK)
    yield Row("stall before the body", then_hangs(head(content_length=SIZE)), NETWORK, NETWORK)
    yield Row("stall in a chunk", then_hangs(chunked(DATA)[:-9_000]), NETWORK, NETWORK)
    yield Row("stall before the last chunk", then_hangs(chunked(DATA, last=b"")), NETWORK, NETWORK)
    yield Row("drip", slowly(1, 0.01, lambda t: whole()[:2000]), NETWORK, NETWORK)
    yield Row("slow, not too slow", slowly(60_000, 0.02), STORED, STORED)
    yield Row(
        "bytes after the body", says(lambda t: right(t) + b"HTTP/1.1 200 OK\r\n"), STORED, STORED
    )
    yield Row("a second answer after the first", says(lambda t: right(t) * 2), STORED, STORED)


def framing() -> Iterator[Row]:
    """Lengths, chunks, and what says both."""
    for name, value in {
        "negative": "-1",
        "plus": f"+{SIZE}",
        "hex": hex(SIZE),
        "fraction": f"{SIZE}.0",
        "list": f"{SIZE}, {SIZE + 1}",
        "2**62": str(2**62),
        "huge": str(10**30),
        "words": "many",
        "none": "",
        "other digits": "\u0663\u0660\u0660\u0660\u0660\u0660",
        "with a comment": f"{SIZE};x",
    }.items():
        yield Row(f"length {name}", says(head(content_length=value) + DATA), NETWORK, NETWORK)
    twice = f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nContent-Length: %d\r\n\r\n"
    yield Row("two lengths", says((twice % (SIZE - 1)).encode() + DATA), NETWORK, NETWORK)
    yield Row("the same length twice", says((twice % SIZE).encode() + DATA), NETWORK, NETWORK)
    yield Row("length and chunks", says(chunked(DATA, content_length=5)), NETWORK, NETWORK)
    yield Row("chunks, cut in data", says(chunked(DATA)[:-9_000]), NETWORK, NETWORK)
    yield Row("chunks, cut in a size", says(chunked(DATA[:9], last=b"1f")), NETWORK, NETWORK)
    yield Row("chunks without the last", says(chunked(DATA, last=b"")), NETWORK, NETWORK)
    yield Row("chunks that end early", says(chunked(DATA[:90_000])), NETWORK, NETWORK)
    yield Row("chunks, one a byte of many", says(chunked(*_each(DATA))), STORED, STORED)
    yield Row("a chunk of 2**70", says(chunked(last=b"%x\r\n" % 2**70)), NETWORK, NETWORK)
    yield Row("a chunk of -1", says(chunked(last=b"-1\r\n")), NETWORK, NETWORK)
    yield Row("a chunk of words", says(chunked(last=b"zz\r\n")), NETWORK, NETWORK)
    yield Row("a chunk longer than it says", says(chunked(last=b"5\r\n" + DATA)), NETWORK, NETWORK)
    yield Row(
        "a chunk extension of a MiB",
        says(chunked(last=b"%x;x=" % SIZE + b"a" * 2**20 + b"\r\n" + DATA + b"\r\n0\r\n\r\n")),
        STORED,
        STORED,
    )
    yield Row(
        "a chunk extension without end",
        for_ever(head(transfer_encoding="chunked") + b"5;x=", b"a" * 2**16),
        NETWORK,
        NETWORK,
    )
    yield Row(
        "trailers without end",
        for_ever(chunked(DATA, last=b"0\r\n"), b"X-A: " + b"b" * 1000 + b"\r\n"),
        NETWORK,
        NETWORK,
    )
    yield Row("a trailer", says(chunked(DATA, last=b"0\r\nX-A: b\r\n\r\n")), STORED, STORED)
    for coding in ("identity", "xchunked", "chunked, identity"):
        body = chunked(DATA).split(b"\r\n\r\n", 1)[1]
        yield Row(
            f"transfer-encoding {coding}",
            says(head(transfer_encoding=coding) + body),
            CORRUPT,
            CORRUPT,
        )


def _each(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 10] for at in range(0, len(data), 10))
