"""A root that is copied quickly, damaged in one place, and audited in this process."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ptmtorrent.app.audit import is_written, rebuild
from ptmtorrent.audit.audit import audit
from ptmtorrent.audit.fault import Fault
from ptmtorrent.audit.ground import Ground
from ptmtorrent.hubs import HUBS
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.store.layout import Layout

KINDS = {
    "blob": "store/v1/blobs/sha256/*/*/*",
    "segment": "store/v1/segments/*.seg",
    "index": "store/v1/segments/*.idx",
    "journal": "store/v1/journal/*.jsonl",
    "shard": "dataset/*/v1/*/*.parquet",
    "manifest": "dataset/snapshots/*/manifest.json",
    "views": "dataset/snapshots/*/views.sql",
    "schema": "dataset/snapshots/*/SCHEMA.md",
    "ledger": "ledger.sqlite",
    "format": "ptmtorrent.json",
    "key": "privacy.key",
}
"""Every kind of file of a root whose bytes something vouches for, as globs."""


def faults(root: Path, *, quick: bool = False, said: list[str] | None = None) -> list[Fault]:
    """What an audit of a root finds."""
    layout = Layout(root)
    parsers = {kind.id: kind.parse for kind in HUBS}
    with tempfile.TemporaryDirectory() as scratch:
        ground = Ground(
            layout=layout,
            scratch=Path(scratch),
            quick=quick,
            is_written=lambda: is_written(layout),
            kinds=frozenset(Kind),
            parsers=parsers,
            rebuild=rebuild,
            seen=lambda name: None,
            say=(said if said is not None else []).append,
        )
        return list(audit(ground))


def names(found: Iterable[Fault]) -> set[str]:
    return {fault.name for fault in found}


def files(root: Path, kind: str) -> list[Path]:
    """The files of a kind, each under the root."""
    return [path.relative_to(root) for path in sorted(root.glob(KINDS[kind]))]


@dataclass(frozen=True)
class Copies:
    """Copies of one root: hard links, but for the file that is to be damaged."""

    root: Path
    place: Path

    @contextmanager
    def of(self, *changed: Path) -> Iterator[Path]:
        """A copy whose ``changed`` files are its own."""
        copy = Path(tempfile.mkdtemp(dir=self.place)) / "root"
        shutil.copytree(self.root, copy, copy_function=os.link)
        for path in changed:
            (copy / path).unlink()
            shutil.copy2(self.root / path, copy / path)
            (copy / path).chmod((self.root / path).stat().st_mode & 0o777 | 0o200)
        try:
            yield copy
        finally:
            shutil.rmtree(copy.parent)

    def after(self, path: Path, change: Callable[[Path], None]) -> list[Fault]:
        """What is found after a change of one file, its mode kept."""
        with self.of(path) as copy:
            change(copy / path)
            if (copy / path).is_file():
                (copy / path).chmod((self.root / path).stat().st_mode & 0o777)
            return faults(copy)


def flip(at: int, bit: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[at] ^= 1 << bit
        path.write_bytes(data)

    return change


def truncate(to: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, to)


def extend(data: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with path.open("ab") as file:
            file.write(data)

    return change


def zero(at: int, count: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[at : at + count] = bytes(len(data[at : at + count]))
        path.write_bytes(data)

    return change


@dataclass
class Figures:
    """How many damages were named exactly, and how those that were not went."""

    counts: Counter[str]
    odd: list[str]

    def take(self, what: str, path: Path, found: list[Fault]) -> None:
        named = names(found)
        exact = named == {path.as_posix()}
        word = "exact" if exact else "harmless" if not named else "also"
        if named and path.as_posix() not in named:
            word = "other"
        self.counts[word] += 1
        if not exact:
            shown = [f"{f.kind} {f.name} {f.expected} / {f.found}" for f in found[:3]]
            self.odd.append(f"{what} {path}: {word}: {shown}")


def flips(copies: Copies, kind: str, count: int, seed: int) -> Figures:
    """Flip random bits, one at a time, in files of a kind."""
    random, figures = Random(seed), Figures(Counter(), [])
    paths = files(copies.root, kind)
    sizes = [(copies.root / path).stat().st_size for path in paths]
    for _ in range(count):
        path = random.choices(paths, sizes)[0]
        at, bit = random.randrange((copies.root / path).stat().st_size), random.randrange(8)
        figures.take(f"bit {bit} of byte {at} of", path, copies.after(path, flip(at, bit)))
    return figures
