"""Raw git commit objects, read leniently: history is full of what git would refuse today.

Format (git's commit.c): header lines ``key value``, continued by lines that begin with a space; an
empty line; the message. ``tree`` comes first, then each ``parent``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, takewhile

from ptmtorrent.errors import CorruptError
from ptmtorrent.extract.charset import decode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OID = re.compile(rb"[0-9a-f]{40}")
_WHEN = re.compile(rb"(-?[0-9]{1,20})(?:[ \t]+([+-]?[0-9]{1,8}))?[ \t]*")
_MAX_OFFSET_MIN = 2**15 - 1


@dataclass(frozen=True, slots=True)
class Ident:
    """Who and when, as the commit says.

    Attributes:
        name: raw bytes, without surrounding blanks.
        mail: raw bytes between ``<`` and ``>``, or empty.
        time: seconds since the epoch, or None when it cannot be read.
        offset_min: minutes east of UTC, or None when it cannot be read; any value is possible.
    """

    name: bytes = b""
    mail: bytes = b""
    time: int | None = None
    offset_min: int | None = None

    @property
    def at(self) -> datetime | None:
        """The instant, or None when it is unreadable or outside the years 1 to 9999."""
        try:
            return None if self.time is None else _EPOCH + timedelta(seconds=self.time)
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class CommitObject:
    """A commit: what its headers say and its raw message.

    Attributes:
        encoding: the declared encoding of names and message, or None (then it is UTF-8).
        signature: the armored signature, or None.
        headers: all other headers, in order, continuation lines joined.
    """

    tree: str
    parents: tuple[str, ...]
    author: Ident
    committer: Ident
    encoding: str | None
    signature: bytes | None
    headers: tuple[tuple[bytes, bytes], ...]
    message: bytes

    @property
    def text(self) -> str:
        """The message, decoded as declared."""
        return decode(self.message, self.encoding)


def parse_commit(data: bytes) -> CommitObject:
    """Read a raw commit object. Raises CorruptError when tree or parents cannot be told."""
    head, _, message = data.partition(b"\n\n")
    headers = list(_headers(head.removesuffix(b"\n")))
    first = dict(reversed(headers))
    encoding = first.get(b"encoding")
    return CommitObject(
        tree=_tree(headers),
        parents=tuple(_oid(value) for key, value in headers if key == b"parent"),
        author=parse_ident(first.get(b"author", b"")),
        committer=parse_ident(first.get(b"committer", b"")),
        encoding=None if encoding is None else encoding.decode("ascii", "replace"),
        signature=first.get(b"gpgsig") or first.get(b"gpgsig-sha256"),
        headers=tuple((key, value) for key, value in headers if key not in _KNOWN),
        message=message,
    )


_KNOWN = frozenset(
    (b"tree", b"parent", b"author", b"committer", b"encoding", b"gpgsig", b"gpgsig-sha256")
)


def _headers(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in re.split(rb"\n(?! )", head):
        key, _, value = line.partition(b" ")
        yield key, value.replace(b"\n ", b"\n")


def _tree(headers: list[tuple[bytes, bytes]]) -> str:
    key, value = headers[0]
    if key != b"tree":
        raise CorruptError("a commit that does not begin with its tree")
    return _oid(value)


def _oid(value: bytes) -> str:
    if not _OID.fullmatch(value):
        raise CorruptError(f"a commit that names {value[:60]!r} as an object")
    return value.decode()


def parse_ident(value: bytes) -> Ident:
    """Read ``name <mail> seconds +hhmm``; whatever is missing or odd is empty or None."""
    name, bracket, rest = value.partition(b"<")
    mail, closed, _ = rest.partition(b">")
    when = value.rpartition(b">")[2] if closed else value
    if not bracket:
        name, mail = _before_time(value), b""
    elif not closed:
        mail = _before_time(mail)
    time, offset = _when(when)
    return Ident(name.strip(), mail.strip(), time, offset)


def _before_time(value: bytes) -> bytes:
    words = value.split()
    while words and _WHEN.fullmatch(words[-1].replace(b"+", b"")):
        words.pop()
    return b" ".join(words)


def _when(value: bytes) -> tuple[int | None, int | None]:
    words = value.split()[-2:]
    candidates = (b" ".join(words), *words)
    match = next((m for one in candidates if (m := _WHEN.fullmatch(one))), None)
    return (None, None) if match is None else (int(match[1]), _minutes(match[2]))


def _minutes(zone: bytes | None) -> int | None:
    if zone is None:
        return None
    hours, minutes = divmod(abs(int(zone)), 100)
    total = hours * 60 + minutes
    return None if total > _MAX_OFFSET_MIN else (-total if zone.startswith(b"-") else total)


def subject_of(message: str) -> str:
    """The first paragraph on one line, as ``git log --format=%s`` shows it."""
    lines = message.split("\n")
    started = dropwhile(lambda line: not line, (line.rstrip(" \t\r") for line in lines))
    return " ".join(takewhile(bool, started))
