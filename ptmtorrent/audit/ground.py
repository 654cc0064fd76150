"""What is audited, and with whose help."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Entry
from ptmtorrent.store.layout import Layout

Parser = Callable[[bytes], object]
Rebuild = Callable[[Path, BlobStore, Iterable[Entry]], bool]
"""Makes a ledger at a path that has taken in the given journal lines; whether nothing was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A root, and what the audit is told about it.

    Attributes:
        scratch: an empty folder outside the root; nothing is written anywhere else.
        quick: whether to leave the bytes of blobs and shards unread.
        is_written: whether a run writes to the root now.
        kinds: the kinds of journal line there are.
        parsers: hub -> reader of its pages; raises when it cannot.
        rebuild: makes the ledger anew.
        seen: told the name of each thing that was checked.
        say: told sentences for people.
    """

    layout: Layout
    scratch: Path
    quick: bool
    is_written: Callable[[], bool]
    kinds: frozenset[str]
    parsers: Mapping[str, Parser]
    rebuild: Rebuild
    seen: Callable[[str], None]
    say: Callable[[str], None]

    def name(self, path: Path) -> str:
        """A path as faults name it."""
        return path.relative_to(self.layout.root).as_posix()

    def findings(self, path: Path) -> Findings:
        """An empty list of faults of a path."""
        return Findings(self.name(path))


def entries(ground: Ground, folder: Path) -> Iterator[os.DirEntry[str] | Fault]:
    """What is in a folder, by name; a folder that is not there is empty."""
    found = ground.findings(folder)
    listed: list[os.DirEntry[str]] = []
    if folder.exists() and not folder.is_dir():
        found.add(FaultKind.TYPE, "a folder", _kind_of(folder))
    with found.reading(), os.scandir(folder) as scan:
        listed = sorted(scan, key=lambda entry: entry.name)
    yield from found
    yield from listed


def foreign(ground: Ground, path: Path) -> Fault:
    """The fault of a path that nothing of ours has."""
    return Fault(FaultKind.FOREIGN, ground.name(path), "nothing", _kind_of(path))


def is_there(path: Path) -> bool:
    """Whether anything has that name, be it a link that leads nowhere."""
    return os.path.lexists(path)


def check_file(path: Path, found: Findings, mode: int | None = None) -> os.stat_result | None:
    """The status of a regular file; None, and a fault, when it is none."""
    status: os.stat_result | None = None
    with found.reading():
        status = path.lstat()
    if status is None:
        return None
    if not stat.S_ISREG(status.st_mode):
        found.add(FaultKind.TYPE, "a file", _kind_of(path))
        return None
    actual = stat.S_IMODE(status.st_mode)
    if mode not in (None, actual):
        found.add(FaultKind.MODE, f"mode {mode:04o}", f"mode {actual:04o}")
    return status


def _kind_of(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        return error.strerror or "nothing"
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFREG: "a file"}
    return kinds.get(stat.S_IFMT(mode), "neither file nor folder")
