"""Bare git repositories on disk: made from objects, and read back by git itself.

git runs without any configuration but the repository's own, so a world is the same wherever and
by whomever it is made.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.errors import CommandError
from ptmtorrent.model.oid import Pointer, parse_pointer
from ptmtorrent.sandbox.objects import Entry, Objects

MAIN = "refs/heads/main"

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[http]
\treceivepack = false
[gc]
\tauto = 0
"""


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file of the head tree.

    Attributes:
        path: bytes, as git holds them.
        data: what git holds: content, link target or pointer text.
        pointer: what it stands for, when it is a git-LFS pointer.
    """

    path: bytes
    entry: Entry
    data: bytes
    pointer: Pointer | None

    @property
    def size(self) -> int:
        """Bytes of the content: of the LFS object where it stands for one."""
        return self.pointer.size if self.pointer else len(self.data)


@dataclass(frozen=True, slots=True)
class Contents:
    """What git says a repository holds.

    Attributes:
        refs: full name -> oid of what it points at (a tag object for annotated tags).
        commits: how many are reached from branches and tags.
        files: the tree of ``main``, in path order.
        objects: every LFS object that any blob of the repository stands for.
    """

    refs: Mapping[str, str]
    commits: int
    files: tuple[HeadFile, ...]
    objects: tuple[Pointer, ...]

    @property
    def head(self) -> str | None:
        """The commit of ``main``, or None for an empty repository."""
        return self.refs.get(MAIN)


def create(path: Path) -> None:
    """Make an empty bare repository whose HEAD is ``main`` (gitrepository-layout(5))."""
    (path / "objects/pack").mkdir(parents=True)
    (path / "refs").mkdir()
    (path / "HEAD").write_text(f"ref: {MAIN}\n")
    (path / "config").write_text(_CONFIG)


def store(path: Path, objects: Objects, refs: Mapping[str, str]) -> None:
    """Put objects into a repository, checked by git as strictly as it can, and set all its refs."""
    git(path, "index-pack", "--stdin", "--strict", "--fsck-objects", given=objects.pack())
    lines = [f"{oid} {name}\n" for name, oid in sorted(refs.items())]
    (path / "packed-refs").write_text("".join(lines))


def tidy(path: Path) -> None:
    """Make it one pack again, and let go of what no ref reaches."""
    git(path, "repack", "-a", "-d", "-q")


def refs_of(path: Path) -> dict[str, str]:
    """Every ref and what it points at."""
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
    return {name: oid for name, _, oid in (line.partition(" ") for line in lines)}


def tree_of(path: Path, revision: str) -> dict[bytes, Entry]:
    """The files of a revision, flat."""
    files = {}
    for row in git(path, "ls-tree", "-r", "-z", revision).split(b"\0")[:-1]:
        head, _, name = row.partition(b"\t")
        mode, _, oid = head.decode().split(" ")
        files[name] = Entry(mode, oid)
    return files


def read(path: Path) -> Contents:
    """Read a repository whole, by git."""
    refs = refs_of(path)
    if not refs:
        return Contents({}, 0, (), ())
    count = int(git(path, "rev-list", "--count", "--branches", "--tags"))
    blobs = _blobs(path)
    pointers = {oid: parse_pointer(data) for oid, data in blobs.items()}
    files = tuple(
        HeadFile(name, entry, blobs[entry.oid], _pointer(entry, pointers))
        for name, entry in tree_of(path, MAIN).items()
    )
    distinct = {p.sha256: p for p in pointers.values() if p}
    return Contents(refs, count, files, tuple(distinct[key] for key in sorted(distinct)))


def git(path: Path, *arguments: str, given: bytes | None = None) -> bytes:
    """Run git on a repository and return what it prints; CommandError when it fails."""
    done = subprocess.run(
        ["git", "--git-dir", str(path), "-c", "core.fsync=none", *arguments],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        check=False,
        env=environment(),
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise CommandError(f"git {arguments[0]} failed in the sandbox: {words}")
    return done.stdout


def environment() -> dict[str, str]:
    """The whole environment git gets: no user's and no system's settings, one zone and locale."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def _pointer(entry: Entry, pointers: Mapping[str, Pointer | None]) -> Pointer | None:
    return pointers[entry.oid] if entry.mode.startswith("100") else None


def _blobs(path: Path) -> dict[str, bytes]:
    stream = git(path, "cat-file", "--batch", "--batch-all-objects", "--buffer", "--unordered")
    blobs, at = {}, 0
    while at < len(stream):
        end = stream.index(b"\n", at)
        oid, kind, size = stream[at:end].decode().split(" ")
        at = end + 1 + int(size) + 1
        if kind == "blob":
            blobs[oid] = stream[end + 1 : at - 1]
    return blobs
