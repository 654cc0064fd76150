"""Answers to a request for a range, curl's tests of it among them."""

from collections.abc import Iterator

from answers import (
    CORRUPT,
    GONE,
    NETWORK,
    PAGE,
    STORED,
    Row,
    by_path,
    first_then,
    ranged,
    says,
    to,
    to_range,
)
from rawhttp import DATA, ETAG, PARTED, SIZE, head, honest, rest, whole


def ranges() -> Iterator[Row]:
    """Answers to a request for a range, curl's tests of it among them."""
    last, page = SIZE - 1, head("416 Range Not Satisfiable", content_length=len(PAGE)) + PAGE
    for name, value in {
        "none (curl 1156)": None,
        "from 0": f"bytes 0-{last}/{SIZE}",
        "a byte early": f"bytes {PARTED - 1}-{last}/{SIZE}",
        "a byte late": f"bytes {PARTED + 1}-{last}/{SIZE}",
        "ends early": f"bytes {PARTED}-{last - 1}/{SIZE}",
        "of a longer whole": f"bytes {PARTED}-{last}/{SIZE + 1}",
        "of a shorter whole": f"bytes {PARTED}-{last}/{last}",
        "unsatisfied": f"bytes */{SIZE}",
        "without total": f"bytes {PARTED}-{last}",
        "of a whole unknown": f"bytes {PARTED}-{last}/*",
        "other unit": f"items {PARTED}-{last}/{SIZE}",
        "negative": f"bytes -{PARTED}-{last}/{SIZE}",
        "backwards": f"bytes {last}-{PARTED}/{SIZE}",
        "two ranges": f"bytes {PARTED}-{last}/{SIZE}, bytes 0-1/{SIZE}",
        "of other digits": f"bytes \u0661{PARTED}-{last}/{SIZE}",
        "of huge numbers": f"bytes {PARTED}-{10**30}/{10**31}",
        "as the request has it": f"bytes={PARTED}-",
        "of nothing": "",
    }.items():
        yield Row(f"content-range {name}", ranged(value), STORED, STORED)
    yield Row("206 and the whole", ranged(f"bytes {PARTED}-{last}/{SIZE}", DATA), STORED, STORED)
    yield Row("206 that nobody asked for", says(rest(0)), CORRUPT, CORRUPT)
    yield Row(
        "206 without content-range to all (curl 1156)",
        says(head("206 OK", content_length=SIZE) + DATA),
        CORRUPT,
        CORRUPT,
    )
    yield Row("416 (curl 1156)", to_range(lambda _: page), STORED, STORED)
    yield Row(
        "416 with content-range (curl 1040, 1042)",
        to_range(lambda _: head("416 No", content_range=f"bytes */{SIZE}", content_length=0)),
        STORED,
        STORED,
    )
    yield Row(
        "416 of a shorter whole (curl 1043)",
        to_range(lambda _: head("416 No", content_range=f"bytes */{PARTED}", content_length=0)),
        STORED,
        STORED,
    )
    yield Row("416 to everything (curl 1156)", says(page), CORRUPT, CORRUPT)
    yield Row("200 to a range (curl 38, 92, 194)", says(whole()), STORED, STORED)
    yield Row("200 to a range, no ranges here", says(whole(accept_ranges="none")), STORED, STORED)
    yield Row(
        "404 to a range (curl 99)",
        to_range(lambda _: head("404 No", content_length=0)),
        STORED,
        GONE,
    )
    yield Row(
        "resume behind a redirect (curl 188, 189)", by_path(a=to("/b"), b=honest), STORED, STORED
    )
    yield Row(
        "503, then the rest (curl 1434)",
        first_then(says(head("503 Busy", content_length=0)), honest),
        STORED,
        STORED,
    )
    yield Row(
        "500 with a body is no data (curl 3035)",
        first_then(says(whole().replace(b"200 OK", b"500 No")), honest),
        STORED,
        STORED,
    )
    yield Row(
        "a rest of other bytes",
        to_range(lambda start: rest(start, etag='"two"')[:-9] + b"x" * 9),
        STORED,
        STORED,
    )
    yield Row("another entity tag", to_range(lambda s: rest(s, etag='"two"')), STORED, STORED)
    yield Row("a weak entity tag", to_range(lambda s: rest(s, etag='W/"1"')), STORED, STORED)
    yield Row(
        "multipart/byteranges",
        to_range(
            lambda start: (
                head("206 OK", content_type="multipart/byteranges; boundary=x", content_length=9)
                + b"--x\r\n\r\nab"
            )
        ),
        STORED,
        STORED,
    )
    yield Row("206 rest, cut", to_range(lambda start: rest(start)[:-40_000]), STORED, NETWORK)
    for status in ("203 Other", "204 None", "205 Reset", "207 Many", "226 Used", "299 What"):
        yield Row(
            f"{status} to a range",
            to_range(lambda _, s=status: head(s, content_length=0)),
            STORED,
            STORED,
        )
    yield Row("304 to a range", to_range(lambda _: head("304 Same", etag=ETAG)), STORED, STORED)
