"""The folders of a root: that nothing is in them but what belongs there.

Only ``store/`` and ``dataset/`` are ours alone; beside them people may keep what they like. What
a killed writer leaves is no fault: unfinished files, and blobs on their way in.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ptmtorrent.audit.fault import Fault
from ptmtorrent.audit.ground import Ground, entries, foreign
from ptmtorrent.store.layout import number_of

_TEMP = re.compile(r"\.(?:.+|part-[0-9a-f]{16})\.tmp", re.DOTALL)
_PARTIAL = re.compile(r"[0-9a-f]{64}(?:\..+)?|scratch-.+")
_DAMAGED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{8}")
_PAIR = re.compile(r"[0-9a-f]{2}")


def is_temp(name: str) -> bool:
    """Whether a name is that of a file a killed writer had not finished."""
    return _TEMP.fullmatch(name) is not None


def check_store(ground: Ground) -> Iterator[Fault]:
    """Everything in ``store/`` but the files of blobs, segments and journal themselves."""
    layout = ground.layout
    yield from _only(ground, layout.store.parent, {layout.store.name})
    parts = (layout.blobs.parent, layout.segments, layout.journal, layout.partial, layout.damaged)
    own = {path.name for path in (*parts, layout.garbage)}
    yield from _only(ground, layout.store, own)
    yield from _only(ground, layout.blobs.parent, {layout.blobs.name})
    yield from _numbered(ground, layout.segments, (".seg", ".idx"))
    yield from _numbered(ground, layout.journal, (".jsonl",))
    yield from _leftovers(ground, layout.partial, _PARTIAL, "unfinished, for the next run to go on")
    yield from _leftovers(ground, layout.damaged, _DAMAGED, "damaged, put aside")


def blob_files(ground: Ground) -> Iterator[Path | Fault]:
    """The files of large blobs, each in the folder its name asks for."""
    for first in _pairs(ground, ground.layout.blobs):
        if isinstance(first, Fault):
            yield first
            continue
        for second in _pairs(ground, first):
            if isinstance(second, Fault):
                yield second
                continue
            yield from _blobs_in(ground, second)


def _blobs_in(ground: Ground, folder: Path) -> Iterator[Path | Fault]:
    start = folder.parent.name + folder.name
    name = re.compile(rf"{start}[0-9a-f]{{60}}")
    for entry in entries(ground, folder):
        if isinstance(entry, Fault):
            yield entry
        elif name.fullmatch(entry.name):
            yield Path(entry.path)
        else:
            yield foreign(ground, Path(entry.path))


def _pairs(ground: Ground, folder: Path) -> Iterator[Path | Fault]:
    for entry in entries(ground, folder):
        if isinstance(entry, Fault):
            yield entry
        elif _PAIR.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
        else:
            yield foreign(ground, Path(entry.path))


def _only(ground: Ground, folder: Path, names: set[str]) -> Iterator[Fault]:
    for entry in entries(ground, folder):
        if isinstance(entry, Fault):
            yield entry
        elif entry.name not in names and not is_temp(entry.name):
            yield foreign(ground, Path(entry.path))


def _numbered(ground: Ground, folder: Path, suffixes: tuple[str, ...]) -> Iterator[Fault]:
    for entry in entries(ground, folder):
        if isinstance(entry, Fault):
            yield entry
        elif not _is_numbered(entry, suffixes) and not is_temp(entry.name):
            yield foreign(ground, Path(entry.path))


def _is_numbered(entry: os.DirEntry[str], suffixes: tuple[str, ...]) -> bool:
    path = Path(entry.path)
    return any(number_of(path, suffix) is not None for suffix in suffixes)


def _leftovers(ground: Ground, folder: Path, name: re.Pattern[str], words: str) -> Iterator[Fault]:
    """Foreign names are faults; the others are told of, for they are none."""
    count = 0
    for entry in entries(ground, folder):
        if isinstance(entry, Fault):
            yield entry
        elif name.fullmatch(entry.name):
            count += 1
        else:
            yield foreign(ground, Path(entry.path))
    if count:
        ground.say(f"{ground.name(folder)}: {count} left: {words}; no fault")
