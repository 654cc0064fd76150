"""Web pages in place of bytes, redirects, signed links, refusals."""

from collections.abc import Iterator

from answers import (
    CORRUPT,
    GONE,
    LEGAL,
    NETWORK,
    PAGE,
    REFUSED,
    STORED,
    Row,
    by_path,
    chunked,
    cut,
    first_then,
    for_ever,
    moved,
    says,
    then_hangs,
    to,
)
from rawhttp import SIZE, head, honest, whole


def pages() -> Iterator[Row]:
    """Web pages in place of bytes, and refusals in words."""
    html = {"content_type": "text/html"}
    yield Row("a web page", says(whole(PAGE, **html)), NETWORK, NETWORK)
    yield Row("a web page of no type", says(whole(PAGE)), NETWORK, NETWORK)
    yield Row(
        "a web page of the same size", says(whole(PAGE.ljust(SIZE), **html)), CORRUPT, CORRUPT
    )
    yield Row("a longer web page", says(whole(PAGE.ljust(SIZE + 9), **html)), NETWORK, NETWORK)
    yield Row("a web page in chunks", says(chunked(PAGE, **html)), NETWORK, NETWORK)
    yield Row(
        "a longer web page in chunks", says(chunked(PAGE.ljust(SIZE + 9), **html)), NETWORK, NETWORK
    )
    yield Row(
        "a sign-in behind a redirect",
        by_path(a=to("/login"), login=says(whole(PAGE, **html))),
        NETWORK,
        NETWORK,
    )
    yield Row(
        "an error in a 200", says(whole(b'{"error":"We had to rate limit you"}')), NETWORK, NETWORK
    )


def redirects() -> Iterator[Row]:
    """Where a server would like to send us."""
    yield Row("a loop", to("/again"), CORRUPT, CORRUPT)
    yield Row("a loop of two", by_path(a=to("/b"), b=to("/a")), CORRUPT, CORRUPT)
    for status in ("301 M", "302 F", "303 O", "307 T", "308 P"):
        yield Row(
            f"{status} to another path", by_path(a=moved("/b", status), b=honest), STORED, STORED
        )
    yield Row(
        "five hops",
        by_path(a=to("/b"), b=to("/c"), c=to("/d"), d=to("/e"), e=to("/f"), f=honest),
        STORED,
        STORED,
    )
    yield Row(
        "six hops",
        by_path(a=to("/b"), b=to("/c"), c=to("/d"), d=to("/e"), e=to("/f"), f=to("/g"), g=honest),
        CORRUPT,
        CORRUPT,
    )
    for place in (
        "file:///etc/passwd",
        "ftp://hub.example/x",
        "data:,x",
        "javascript:alert(1)",
        "ext::sh",
        "http://169.254.169.254/latest",
        "http://hub.example/down",
        "https://evil.example/x",
        "//10.0.0.1/x",
        "http://u:p@127.0.0.1/",
        "https://hub.example:8443/x",
        "http://[::1",
    ):
        yield Row(f"to {place}", moved(place), REFUSED, REFUSED, once=REFUSED)
    yield Row("to nowhere", says(head("302 Found", content_length=0)), CORRUPT, CORRUPT)
    yield Row(
        "300 choices", says(head("300 Many", location="/b", content_length=0)), CORRUPT, CORRUPT
    )
    yield Row(
        "305 proxy",
        says(head("305 Proxy", location="http://127.0.0.1:1", content_length=0)),
        CORRUPT,
        CORRUPT,
    )
    yield Row(
        "a redirect with a body without end",
        for_ever(head("302 F", location="/b", content_length=2**40), bytes(2**16)),
        CORRUPT,
        CORRUPT,
    )
    yield Row(
        "a redirect whose body stalls",
        then_hangs(head("302 F", location="/b", content_length=900)),
        NETWORK,
        NETWORK,
    )


def links() -> Iterator[Row]:
    """Signed links: a redirect leads to one, and its time is over."""
    denied = says(head("403 Forbidden", content_length=7) + b"expired")
    yield Row(
        "a fresh link that is refused is not asked for again",
        by_path(a=to("/s"), s=first_then(to("/s"), denied, honest)),
        REFUSED,
        REFUSED,
        once="",
    )
    yield Row(
        "a link that expires in the middle",
        first_then(to("/s?1"), says(cut), denied, to("/s?2"), honest),
        STORED,
        STORED,
    )
    yield Row(
        "links that are always expired", by_path(a=to("/s"), s=denied), REFUSED, REFUSED, once=""
    )
    yield Row(
        "a link that answers 404",
        by_path(a=to("/s"), s=says(head("404 No", content_length=0))),
        GONE,
        GONE,
    )


def refusals() -> Iterator[Row]:
    """Not now, and server errors."""
    for name, value in {
        "seconds": "7",
        "0": "0",
        "a date": "Wed, 21 Oct 2099 07:28:00 GMT",
        "a past date": "Wed, 21 Oct 2015 07:28:00 GMT",
        "negative": "-5",
        "huge": str(10**30),
        "words": "soon",
        "a fraction": "1.5",
        "nothing": "",
        "other digits": "\u0663",
        "a list": "7, 9",
        "a date of no month": "Wed, 21 Foo 2099 07:28:00 GMT",
    }.items():
        yield Row(
            f"429 after {name} (curl 366, 1594-1596)",
            says(head("429 Slow", retry_after=value, content_length=0)),
            REFUSED,
            REFUSED,
            once=REFUSED if name == "a date" else STORED,
        )
    yield Row("429 without a time", says(head("429 Slow", content_length=0)), REFUSED, REFUSED)
    yield Row(
        "503 with a time", says(head("503 Busy", retry_after=3, content_length=0)), REFUSED, REFUSED
    )
    yield Row(
        "403 in words",
        says(head("403 No", content_length=35) + b"You exceeded a secondary rate limit"),
        REFUSED,
        REFUSED,
    )
    for status in (500, 502, 503, 504, 505, 520, 599, 408):
        yield Row(f"{status}", says(head(f"{status} Error", content_length=0)), NETWORK, NETWORK)
    yield Row(
        "500 with a body without end", for_ever(head("500 Error"), bytes(2**16)), NETWORK, NETWORK
    )
    for status in (400, 402, 405, 406, 409, 412, 413, 418, 421, 425, 431):
        yield Row(f"{status}", says(head(f"{status} Error", content_length=0)), CORRUPT, CORRUPT)
    yield Row("403", says(head("403 No", content_length=0)), REFUSED, REFUSED, once="")
    yield Row("404", says(head("404 No", content_length=0)), GONE, GONE)
    yield Row("404 with a body without end", for_ever(head("404 No"), bytes(2**16)), GONE, GONE)
    yield Row("410", says(head("410 Gone", content_length=0)), GONE, GONE)
    yield Row("451", says(head("451 Law", content_length=0)), LEGAL, LEGAL)
