"""Reads the refs a git server advertises (smart HTTP, protocol version 0).

Grammar: git's Documentation/gitprotocol-http and gitprotocol-pack, "Reference Discovery". The
answer is untrusted; what does not follow the grammar is corrupt, never guessed at.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ptmtorrent.errors import CorruptError, SkipError, SkipReason
from ptmtorrent.net.text import printable

MEDIA_TYPE = "application/x-git-upload-pack-advertisement"
MAX_BYTES = 64 * 2**20
MAX_REFS = 500_000

_SERVICE = b"# service=git-upload-pack"
_KEPT = ("refs/heads/", "refs/tags/")
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_LINE = re.compile(rb"([0-9a-f]{40}) ([^\0\n]+)")
_SHA256_LINE = re.compile(rb"[0-9a-f]{64} [^\0\n]+")
_BAD_NAME = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^[./-]|[./]$|\.lock(?:/|$)|^@$")
_NO_REFS = "capabilities^{}"
_ZERO = "0" * 40


@dataclass(frozen=True, slots=True)
class Advertisement:
    """The refs of a repository: branches and tags; the rest is left out.

    Attributes:
        refs: full name (bytes that are not UTF-8 as surrogate escapes) -> oid.
        head: what HEAD points at, or None when it is absent or unborn.
        head_ref: the branch HEAD names, or None when HEAD is detached or the server is silent.
    """

    refs: dict[str, str] = field(default_factory=dict)
    head: str | None = None
    head_ref: str | None = None
    capabilities: frozenset[str] = frozenset()

    @property
    def targets(self) -> frozenset[str]:
        """What HEAD, branches and tags point at."""
        return frozenset(self.refs.values()) | frozenset((self.head,) if self.head else ())


def parse_advertisement(body: bytes) -> Advertisement:
    """Read the body of ``info/refs?service=git-upload-pack``.

    A repository without commits lists nothing at all (git 2.39) or one line without a ref.

    Raises:
        CorruptError: malformed, cut short, too large, a web page, an error of the server, or a
            branch or tag whose name git itself would refuse.
        SkipError: the repository names its objects by sha256 (unsupported).
    """
    if len(body) > MAX_BYTES:
        raise CorruptError("the list of refs is too large")
    lines = list(_lines(body))
    if lines == [_SERVICE, None, None]:
        return Advertisement()
    if lines[:2] != [_SERVICE, None] or lines[-1] is not None or len(lines) < 4:
        raise CorruptError("not a list of refs")
    first, *rest = lines[2:-1]
    if first is None or None in rest or len(rest) >= MAX_REFS:
        raise CorruptError("a malformed or endless list of refs")
    named, _, capabilities = first.partition(b"\0")
    words = frozenset(capabilities.decode("utf-8", "surrogateescape").split())
    entries = [_entry(line) for line in (named, *rest) if line is not None]
    return _advertisement(entries, words)


def is_ref_name(name: str) -> bool:
    """Whether git accepts a full ref name (git-check-ref-format)."""
    raw = name.encode("utf-8", "surrogateescape")
    return name.startswith("refs/") and len(raw) <= 4096 and _BAD_NAME.search(raw) is None


def _lines(body: bytes) -> Iterator[bytes | None]:
    """The pkt-lines of a body without their line feeds; None is a flush."""
    at = 0
    while at < len(body):
        size = int(body[at : at + 4], 16) if _LENGTH.fullmatch(body[at : at + 4]) else 1
        if size in (1, 2, 3, 4) or at + max(size, 4) > len(body):
            raise CorruptError("not a list of refs: a broken pkt-line")
        yield body[at + 4 : at + size].removesuffix(b"\n") if size else None
        at += max(size, 4)


def _entry(line: bytes) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is not None:
        return match[2].decode("utf-8", "surrogateescape"), match[1].decode()
    if line.startswith(b"ERR "):
        said = printable(line[4:204].decode("utf-8", "replace"))
        raise CorruptError(f"the git server reports an error: {said}")
    if _SHA256_LINE.fullmatch(line):
        raise SkipError("a repository with sha256 object names", SkipReason.UNSUPPORTED)
    raise CorruptError("not a list of refs: a broken line")


def _advertisement(entries: list[tuple[str, str]], words: frozenset[str]) -> Advertisement:
    if entries == [(_NO_REFS, _ZERO)]:
        entries = []
    refs = {name: oid for name, oid in entries if not name.endswith("^{}")}
    peeled = {name[:-3] for name, _ in entries if name.endswith("^{}")}
    if len(refs) + len(peeled) != len(entries) or not peeled <= refs.keys():
        raise CorruptError("a ref is listed twice, or peeled without being listed")
    kept = {name: oid for name, oid in refs.items() if name.startswith(_KEPT)}
    if not all(map(is_ref_name, kept)) or _ZERO in refs.values() or any(_above(kept)):
        raise CorruptError("a ref that git refuses")
    symrefs = [word[len("symref=HEAD:") :] for word in words if word.startswith("symref=HEAD:")]
    head_ref = symrefs[0] if len(symrefs) == 1 and is_ref_name(symrefs[0]) else None
    return Advertisement(kept, refs.get("HEAD"), head_ref, words)


def _above(names: Iterable[str]) -> Iterator[str]:
    """Names that another name lies below: a ref is a file, or a folder, and never both.

    In the order of names cut at their slashes a name comes right before those below it.
    """
    ordered = sorted(name.replace("/", "\0") for name in names)
    for name, following in pairwise(ordered):
        if following.startswith(name + "\0"):
            yield name
