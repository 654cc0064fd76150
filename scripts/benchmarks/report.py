"""What a row of the benchmark found, and the page that tells of all of them."""

import json
import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Taken, median_s

_HEAD = """\
# Benchmarks

Written by `scripts/bench.py` (`make bench`); by hand only when it is run again.

## How to read this

Every side is a command as a user starts it, from an empty folder, start of the process included;
ours lists, fetches, syncs to disk, writes ledger and tables. *Wall* is the median of the runs, with
the fastest and the slowest behind it; the sides take turns, so that what disturbs one disturbs the
others. *Processor* is user and system time of the command and its children; *server* is that of the
sandbox, which runs on the same machine and takes its share of the cores from whoever is measured:
with a hub at the other end of a line, both would be faster. *Added round trip* is time the sandbox
waits before each answer; connections are made without it. A goal is what was set before measuring.
Figures of one machine say little of another: read the ratios.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was aimed at; ``most`` says that it should be at most ``wanted``."""

    what: str
    measured: float
    wanted: float
    most: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is as good as was wanted."""
        return self.measured <= self.wanted if self.most else self.measured >= self.wanted

    def row(self) -> str:
        """A row of a table."""
        bound = "at most" if self.most else "at least"
        told = "reached" if self.reached else "**not reached**"
        return (
            f"| {self.what} | {self.measured:.3g}{self.unit} "
            f"| {bound} {self.wanted:g}{self.unit} | {told} |"
        )


@dataclass(slots=True)
class Section:
    """One row of the benchmark: who took how long, and what that means."""

    name: str
    title: str
    text: str
    sides: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, side: str, runs: Sequence[Taken]) -> None:
        """Add what one side took."""
        walls = [one.seconds for one in runs]
        wall = f"{median_s(runs):.2f} s"
        wall += f" ({min(walls):.2f} to {max(walls):.2f})" if len(walls) > 1 else ""
        middle = sorted(runs, key=lambda one: one.seconds)[len(runs) // 2]
        server = f"{middle.server_s:.1f} s" if middle.server_s else ""
        peak = f"{middle.peak_bytes / 1024**2:.0f} MiB"
        self.sides.append(f"| {side} | {wall} | {middle.processor_s:.1f} s | {server} | {peak} |")

    def to_text(self) -> str:
        """The section as Markdown."""
        parts = [f"## {self.title}\n\n{self.text}\n"]
        if self.sides:
            head = "| side | wall | processor | server | peak memory |\n|---|---|---|---|---|\n"
            parts.append(head + "\n".join(self.sides) + "\n")
        if self.goals:
            head = "| figure | measured | goal | |\n|---|---|---|---|\n"
            parts.append(head + "\n".join(goal.row() for goal in self.goals) + "\n")
        parts += [f"{note}\n" for note in self.notes]
        return "\n".join(parts)

    def save(self, folder: Path) -> None:
        """Keep it for the page."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1))


def page(folder: Path, names: Iterable[str]) -> str:
    """The page of all sections that were kept, in the order of ``names``."""
    found = [_load(folder / f"{name}.json") for name in names if (folder / f"{name}.json").exists()]
    return "\n".join([_HEAD, f"{machine()}\n", *(section.to_text() for section in found)])


def machine() -> str:
    """What it was measured on: a paragraph without names of places or hosts."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    free = shutil.disk_usage(".").total / 1024**3
    packages = ("aiohttp", "pyarrow", "huggingface_hub")
    tools = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    tools += [f"{name} {version(name)}" for name in packages]
    tools += [_said(*words) for words in (("git", "version"), ("git-lfs", "version"))]
    return (
        f"Machine: {os.cpu_count()} cores ({_processor()}), {pages * size / 1024**3:.0f} GiB,"
        f" Linux {platform.release()}, {_file_system()} on a virtual disk of {free:.0f} GiB."
        f" ptmtorrent {version('ptmtorrent')}; {', '.join(tool for tool in tools if tool)}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system() -> str:
    return _said("findmnt", "-n", "-o", "FSTYPE", "-T", ".")


def _said(*words: str) -> str:
    if shutil.which(words[0]) is None:
        return ""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.partition("(")[0].strip()


def _load(path: Path) -> Section:
    value = json.loads(path.read_text())
    return Section(**{**value, "goals": [Goal(**goal) for goal in value["goals"]]})
