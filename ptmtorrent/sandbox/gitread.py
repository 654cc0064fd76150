"""What the hubs' APIs tell of a bare repository: refs, trees with their pointers, commits."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from ptmtorrent.errors import CommandError
from ptmtorrent.model.oid import POINTER_LIMIT, Pointer, is_git_oid, parse_pointer
from ptmtorrent.sandbox.repository import git

P = ParamSpec("P")
T = TypeVar("T")

Stamp = tuple[tuple[str, int, int], ...]
"""What the files that hold a repository's refs look like from outside."""

_HEX = re.compile(r"[0-9a-f]{4,40}")
_MOST_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref and the commit it leads to (an annotated tag is looked through)."""

    name: str
    commit: str


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of a tree.

    Attributes:
        kind: ``blob`` or ``tree``.
        size: bytes of what git holds; 0 for a tree.
        pointer: what it stands for, when it is a git-LFS pointer.
    """

    kind: str
    oid: str
    path: str
    size: int
    pointer: Pointer | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as an API lists it."""

    oid: str
    author: str
    date: str
    title: str
    message: str


def kept(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a function on a thread, once for equal arguments: what never changes is read once."""
    known: dict[object, T] = {}

    async def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        if args not in known:
            found = await asyncio.to_thread(function, *args, **kwargs)
            if len(known) >= _MOST_KEPT:
                known.clear()
            known[args] = found
        return known[args]

    return ask


def stamp(path: Path) -> Stamp:
    """Something that changes whenever a ref of the repository does."""
    files = [path / "HEAD", path / "packed-refs"]
    for folder, _, names in os.walk(path / "refs"):
        files += [Path(folder, name) for name in names]
    return tuple(_seen(file) for file in sorted(files))


async def refs(path: Path) -> tuple[Ref, ...]:
    """Every ref of a repository, by name."""
    return await _refs(path, stamp(path))


async def resolve(path: Path, revision: str) -> str | None:
    """The full id of the commit that a branch, tag, ref or (short) commit id stands for."""
    targets = {ref.name: ref.commit for ref in await refs(path)}
    for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
        if name in targets:
            return targets[name]
    if not _HEX.fullmatch(revision):
        return None
    return revision if revision in targets.values() else await _commit_of(path, revision)


async def tree(path: Path, commit: str) -> tuple[Node, ...]:
    """Every directory and file of a commit, in git's order; submodules are left out."""
    return await _tree(path, commit)


async def blob(path: Path, oid: str) -> bytes:
    """The bytes of a blob."""
    return await _blob(path, oid)


async def commits(path: Path, commit: str, skip: int, limit: int) -> list[Commit]:
    """Commits reached from ``commit``, newest first."""
    page = (f"--skip={skip}", f"--max-count={limit}")
    return await _log(path, *page, commit, "--")


async def last_commit(path: Path, commit: str, name: str) -> Commit | None:
    """The newest commit that touched ``name``."""
    found = await _log(path, "--max-count=1", commit, "--", f":(top,literal){name}")
    return found[0] if found else None


async def count(path: Path, commit: str) -> int:
    """How many commits are reached from ``commit``."""
    return int(await _git(path, "rev-list", "--count", commit, "--"))


async def _commit_of(path: Path, revision: str) -> str | None:
    try:
        found = await _git(path, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except CommandError:
        return None
    oid = found.decode().strip()
    return oid if is_git_oid(oid) else None


async def _log(path: Path, *arguments: str) -> list[Commit]:
    form = ("-z", "--format=%H%n%an%n%ct%n%B", "--encoding=UTF-8", "--no-color")
    text = (await _git(path, "log", *form, *arguments)).decode(errors="replace")
    return [_commit(entry) for entry in text.split("\0") if entry]


def _commit(entry: str) -> Commit:
    oid, author, seconds, text = entry.split("\n", 3)
    title, _, message = text.partition("\n")
    return Commit(oid, author, _date(int(seconds)), title, message)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def _git(path: Path, *arguments: str) -> bytes:
    return await asyncio.to_thread(git, path, *arguments)


@kept
def _refs(path: Path, _: Stamp) -> tuple[Ref, ...]:
    form = "--format=%(refname)%00%(objectname)%00%(*objectname)"
    rows = git(path, "for-each-ref", form).decode(errors="replace").splitlines()
    fields = [row.split("\0") for row in rows]
    return tuple(Ref(name, peeled or oid) for name, oid, peeled in fields)


def _seen(file: Path) -> tuple[str, int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:
        return str(file), 0, 0
    return str(file), status.st_mtime_ns, status.st_size


@kept
def _blob(path: Path, oid: str) -> bytes:
    return git(path, "cat-file", "blob", oid)


@kept
def _tree(path: Path, commit: str) -> tuple[Node, ...]:
    listing = git(path, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit)
    rows = [row.partition(b"\t")[::2] for row in listing.split(b"\0")[:-1]]
    nodes = [_node(head, name) for head, name in rows if b" commit " not in head]
    links = {name for head, name in rows if head.startswith(b"120000")}
    small = {n.oid for n in nodes if n.kind == "blob" and n.size < POINTER_LIMIT}
    pointers = _pointers(path, sorted(small))
    return tuple(
        n if n.path.encode() in links else Node(n.kind, n.oid, n.path, n.size, pointers.get(n.oid))
        for n in nodes
    )


def _node(head: bytes, name: bytes) -> Node:
    _, kind, oid, size = head.decode().split()
    return Node(kind, oid, name.decode(errors="replace"), 0 if size == "-" else int(size))


def _pointers(path: Path, oids: list[str]) -> dict[str, Pointer]:
    stream = git(path, "cat-file", "--batch", given="".join(f"{oid}\n" for oid in oids).encode())
    found, at = {}, 0
    for oid in oids:
        end = stream.index(b"\n", at) + 1
        size = int(stream[at:end].split()[2])
        if pointer := parse_pointer(stream[end : end + size]):
            found[oid] = pointer
        at = end + size + 1
    return found
