"""git trees: parsed by ourselves, walked with limits, searched by path.

A tree may be built to hurt: a few kilobytes of git objects can stand for 10^8 paths, or for
directories nested without end. A walk therefore counts, and stops with a typed error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ptmtorrent.errors import CorruptError, SkipError, SkipReason
from ptmtorrent.extract.objects import ObjectReader

MAX_ENTRIES = 1_000_000
MAX_DEPTH = 128
MAX_PATH = 4096
MAX_TREE_BYTES = 256 * 1024 * 1024

MAX_PATHS = 128 * 1024 * 1024
"""Bytes in all paths of a walk together."""

_SMALL = 16 * 1024
_REMEMBERED = 1024

_ENTRY = re.compile(rb"0*([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree; ``path`` is raw, ``mode`` has six octal digits."""

    path: bytes
    mode: str
    oid: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a directory."""
        return self.mode == "040000"

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file: neither link, submodule nor directory."""
        return self.mode.startswith("100")

    @property
    def is_submodule(self) -> bool:
        """Whether it names a commit of another repository."""
        return self.mode == "160000"


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """How far a walk goes: entries in all, levels of directories, bytes in a path, in all paths."""

    entries: int = MAX_ENTRIES
    depth: int = MAX_DEPTH
    path: int = MAX_PATH
    paths: int = MAX_PATHS


def parse_tree(data: bytes) -> Iterator[Entry]:
    """The entries of a raw tree object, in git's order. Raises CorruptError.

    Format: ``<octal mode> <name> NUL <20 bytes of oid>``, again and again.
    """
    position = 0
    while position < len(data):
        match = _ENTRY.match(data, position)
        if match is None:
            raise CorruptError(f"malformed tree at byte {position}")
        yield Entry(match[2], match[1].decode().zfill(6), match[3].hex())
        position = match.end()


def walk(reader: ObjectReader, revision: str, limits: WalkLimits = WalkLimits()) -> Iterator[Entry]:
    """Every entry below a commit that is not a directory, by path in byte order.

    Raises SkipError (over_limit) when a limit is passed, CorruptError when a tree is malformed or
    not here. Asks ``reader`` only between two results, so the caller may use it as well.
    """
    known: dict[str, bytes] = {}
    stack = [_entries(reader, f"{revision}^{{tree}}", b"", known)]
    seen = size = 0
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        seen, size = seen + 1, size + len(entry.path)
        _check(entry, (seen, size, len(stack)), limits)
        if entry.is_tree:
            stack.append(_entries(reader, entry.oid, entry.path + b"/", known))
        else:
            yield entry


def _entries(
    reader: ObjectReader, tree: str, prefix: bytes, known: dict[str, bytes]
) -> Iterator[Entry]:
    """The entries of a tree. Small trees are remembered: a bomb has few, and each very often."""
    data = known.get(tree) or reader.content(tree, MAX_TREE_BYTES)
    if data is None:
        raise CorruptError(f"no such tree: {tree}")
    if len(data) <= _SMALL and len(known) < _REMEMBERED:
        known[tree] = data
    return (Entry(prefix + entry.path, entry.mode, entry.oid) for entry in parse_tree(data))


def _check(entry: Entry, so_far: tuple[int, int, int], limits: WalkLimits) -> None:
    seen, size, depth = so_far
    facts = (
        ("entries", seen, limits.entries),
        ("bytes in all paths", size, limits.paths),
        ("levels of directories", depth, limits.depth),
        ("bytes in a path", len(entry.path), limits.path),
    )
    for what, value, limit in facts:
        if value > limit:
            raise SkipError(f"more than {limit} {what}", SkipReason.OVER_LIMIT)
