"""Status lines, headers and encodings."""

import gzip
from collections.abc import Iterator

from answers import (
    CORRUPT,
    NETWORK,
    STORED,
    Row,
    cut,
    for_ever,
    packed,
    resets,
    says,
    slowly,
    then_hangs,
)
from rawhttp import DATA, SIZE, head, right, whole


def heads() -> Iterator[Row]:
    """Status lines and headers."""
    yield Row("nothing at all", says(b""), NETWORK, NETWORK)
    yield Row("HTTP/0.9", says(DATA), NETWORK, NETWORK)
    yield Row("HTTP/1.0", says(lambda t: right(t).replace(b"1.1", b"1.0", 1)), STORED, STORED)
    yield Row("HTTP/7.9", says(lambda t: right(t).replace(b"1.1", b"7.9", 1)), NETWORK, NETWORK)
    yield Row("a TLS alert", says(b"\x15\x03\x01\x00\x02\x02\x46"), NETWORK, NETWORK)
    yield Row("no reason", says(lambda t: right(t).replace(b" OK", b"", 1)), STORED, STORED)
    yield Row("a long status line", says(head("200 " + "k" * 100_000)), NETWORK, NETWORK)
    yield Row(
        "a status line without end", for_ever(b"HTTP/1.1 200 ", b"k" * 2**16), NETWORK, NETWORK
    )
    for status in ("20", "0200", "999999", "-200", "2OO", "600 No", "999 No"):
        yield Row(f"status {status}", says(head(status, content_length=0)), NETWORK, NETWORK)
    yield Row("status 000", says(head("000 No", content_length=0)), CORRUPT, CORRUPT)
    yield Row("a long header", says(head(x_a="a" * 2**20)), NETWORK, NETWORK)
    yield Row(
        "a header without end",
        for_ever(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 2**16),
        NETWORK,
        NETWORK,
    )
    yield Row(
        "headers without end",
        for_ever(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 999),
        NETWORK,
        NETWORK,
    )
    yield Row(
        "100,000 headers",
        says(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000 + b"\r\n"),
        NETWORK,
        NETWORK,
    )
    yield Row("a header without colon", says(_with(b"no colon here")), NETWORK, NETWORK)
    yield Row("a header without name", says(_with(b": x")), NETWORK, NETWORK)
    yield Row("a header with NUL", says(_with(b"X-A: \0")), NETWORK, NETWORK)
    yield Row("a header with a bare CR", says(_with(b"X-A: a\rX-B: b")), NETWORK, NETWORK)
    yield Row("a blank before the colon", says(_with(b"Content-Length : 5")), NETWORK, NETWORK)
    yield Row("headers slower than allowed", slowly(1, 0.02), NETWORK, NETWORK)
    yield Row("no answer", then_hangs(b""), NETWORK, NETWORK)
    yield Row("half a head", then_hangs(b"HTTP/1.1 200 OK\r\nContent-"), NETWORK, NETWORK)
    yield Row("100, then the answer", says(lambda t: head("100 Go on") + right(t)), STORED, STORED)
    yield Row(
        "103 hints, then the answer",
        says(lambda t: head("103 Hint", link="<x>") * 9 + right(t)),
        STORED,
        STORED,
    )
    yield Row("100 without end", for_ever(b"", head("100 Go on") * 99), NETWORK, NETWORK)
    yield Row(
        "103 without end", for_ever(b"", head("103 Hint", link="x" * 500) * 99), NETWORK, NETWORK
    )
    yield Row(
        "101 to nobody's wish",
        says(head("101 Switching", upgrade="x", connection="upgrade")),
        CORRUPT,
        CORRUPT,
    )
    yield Row("reset before the answer", resets(lambda t: b""), NETWORK, NETWORK)
    yield Row("reset in the head", resets(lambda t: right(t)[:20]), NETWORK, NETWORK)
    yield Row("reset in the body", resets(cut), NETWORK, NETWORK)
    yield Row(
        "an evil file name",
        says(lambda t: _add(right(t), b"Content-Disposition: attachment; filename=../../x")),
        STORED,
        STORED,
    )
    yield Row("cookies", says(lambda t: _add(right(t), b"Set-Cookie: a=b")), STORED, STORED)


def _with(line: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: %d\r\n\r\n" % SIZE + DATA


def _add(answer: bytes, line: bytes) -> bytes:
    return answer.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)


def encodings() -> Iterator[Row]:
    """Objects are asked for as they are."""
    bomb = packed(64 * 2**20)
    for name, body in {
        "gzip": gzip.compress(DATA),
        "gzip, gzip": gzip.compress(gzip.compress(bomb)),
        "x-gzip": bomb,
        "deflate": packed(2**26, 15),
        "br": DATA,
        "zstd": DATA,
        "compress": DATA,
        "identity, gzip": bomb,
        "aws-chunked": DATA,
        "gzip;q=1": bomb,
    }.items():
        yield Row(
            f"content-encoding {name}", says(whole(body, content_encoding=name)), CORRUPT, CORRUPT
        )
    yield Row(
        "a gzip bomb of a GiB",
        says(whole(packed(2**30), content_encoding="gzip")),
        CORRUPT,
        CORRUPT,
    )
    yield Row("content-encoding identity", says(whole(content_encoding="identity")), STORED, STORED)
    yield Row("content-encoding of nothing", says(whole(content_encoding="")), STORED, STORED)
