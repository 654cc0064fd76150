"""Kills at random moments, and what must hold at every one of them and at the end.

A *storm* is one snapshot, begun again and again on one root and killed each time after a random
part of the time that an uninterrupted run takes, until a run gets to its end.
"""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from job import Job

from ptmtorrent.errors import CommandError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.visit import Visit
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.local import LocalStore

COMMAND = ("snapshot", "--depth", "full", "--quiet")
MANY = 12
"""Kills in a row, at most; then the run is let through."""
LOSE = 0.2
"""How often the ledger is taken away after a kill, so that the next run rebuilds it."""
HOSTS = {"huggingface.co": "huggingface", "github.com": "github"}
"""Canonical host -> the name it has in the log of requests."""

Asked = tuple[str, str]
"""A host as the log of requests names it, and the path of a URL."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What a root holds at a moment, and how much the servers had been asked until then.

    Attributes:
        blobs: names of the blobs that stand in the store.
        packs: where the packs of journalled holdings came from.
        assets: where journalled assets came from.
    """

    blobs: frozenset[str] = frozenset()
    packs: frozenset[Asked] = frozenset()
    assets: frozenset[Asked] = frozenset()
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: seconds after the start, and the pass the root was in."""

    after_s: float
    fell_in: str
    stand: Stand


@dataclass(slots=True)
class Storm:
    """A snapshot that was killed many times.

    Attributes:
        code: how the run that came to its end ended.
        err: what it said.
        kills: one for each run that was killed.
        end: what is held at the end.
    """

    code: int = -1
    err: str = ""
    kills: list[Kill] = field(default_factory=list)
    end: Stand = field(default_factory=Stand)

    @property
    def passes(self) -> Counter[str]:
        """How many kills fell in each pass."""
        return Counter(kill.fell_in for kill in self.kills)


def storm(job: Job, rng: random.Random, whole_s: float, most: int = MANY) -> Storm:
    """Kill a snapshot at random moments until a run gets through, or ``most`` times."""
    story, is_rebuilding = Storm(), False
    while len(story.kills) < most:
        after_s = rng.uniform(0, whole_s)
        process = job.start(*COMMAND)
        if ends_within(process, after_s):
            break
        process.kill()
        process.communicate()
        story.kills.append(Kill(after_s, pass_of(job, is_rebuilding), stand_of(job)))
        is_rebuilding = rng.random() < LOSE
        if is_rebuilding:
            lose_ledger(job.root)
    else:
        process = job.start(*COMMAND)
    _, story.err = process.communicate(timeout=60)
    story.code, story.end = process.returncode, stand_of(job)
    return story


def ends_within(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether a process ends by itself within some seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def lose_ledger(root: Path) -> None:
    """Take the ledger away with all that belongs to it."""
    for path in root.glob("ledger.sqlite*"):
        path.unlink()


def measured(job: Job) -> float:
    """How long an uninterrupted run takes, in seconds."""
    began = time.monotonic()
    code, _, err = job.end(*COMMAND)
    assert (code, err) == (0, "")
    return time.monotonic() - began


def pass_of(job: Job, is_rebuilding: bool) -> str:
    """The pass a killed run was in, by what it left."""
    if any(job.root.glob("dataset/snapshots/*/manifest.json")):
        return "finish"
    if not Layout(job.root).journal.is_dir():
        return "open"
    if is_rebuilding and not has_caught_up(job.root):
        return "rebuild"
    if any(job.root.glob("dataset/*/v1/*/*")):
        return "build"
    kinds = {entry.kind for entry in Journal.open(job.root, write=False).entries()}
    if kinds <= {"begin"}:
        return "open" if not kinds else "list"
    return "fetch" if job.items("visit", "leased") or job.items("visit", "done") > 3 else "list"


def has_caught_up(root: Path) -> bool:
    """Whether the ledger has taken in all lines of the journal."""
    try:
        ledger = Ledger.open_to_read(root / "ledger.sqlite")
    except CommandError:
        return False
    try:
        return ledger.reads.position()[0] == Journal.open(root, write=False).head.n
    finally:
        ledger.close()


def stand_of(job: Job) -> Stand:
    """What a root holds now."""
    with LocalStore.at(job.root, write=False) as store:
        entries = list(Journal.open(job.root, write=False).entries())
        visits = [e.payload["visit"] for e in entries if e.kind == "visit"]
        urls = [Visit.from_bytes(store.read(visit)).url for visit in visits]
        return Stand(
            blobs=frozenset(store.names()),
            packs=frozenset(asked_of(f"{url}/git-upload-pack") for url in urls),
            assets=frozenset(asked_of(e.payload["url"]) for e in entries if e.kind == "asset"),
            requests=settled(job),
        )


def settled(job: Job) -> int:
    """How many requests were answered, once none is under way: the log names them at their end.

    It looks until nothing new is there after a while: the client is dead, and what it sent may
    still wait in a socket where nobody has heard of it.
    """
    before, now = -1, len(job.requests())
    while before != now:
        time.sleep(0.05)
        before, now = now, len(job.requests())
    return now


def asked_of(url: str) -> Asked:
    """A canonical URL as the log of requests shows it."""
    parts = urlsplit(url)
    return HOSTS.get(parts.netloc, parts.netloc), unquote(parts.path)


def asked_again(job: Job, stands: Sequence[Stand]) -> list[str]:
    """Requests for what the root held at an earlier kill; there must be none."""
    requests, names = job.requests(), names_of_objects(job)
    return [
        request["path"]
        for before, after in pairwise(stands)
        for request in requests[before.requests : after.requests]
        if _is_held(request, before, names)
    ]


def _is_held(request: dict[str, Any], stand: Stand, names: dict[Asked, str]) -> bool:
    asked = request["host"], unquote(request["path"].split("?", 1)[0])
    head, _, last = asked[1].rpartition("/")
    sha256 = last if head.endswith("/objects") else names.get(asked)
    return sha256 in stand.blobs or asked in stand.packs or _is_asset(asked, stand)


def _is_asset(asked: Asked, stand: Stand) -> bool:
    return any(asked[1] == path and asked[0] in (host, "weights") for host, path in stand.assets)


def names_of_objects(job: Job) -> dict[Asked, str]:
    """Where a host serves a single file that stands for an object -> its sha256."""
    rows = job.rows("SELECT origin, revision, path, sha256 FROM files WHERE lfs AND held")
    return {
        asked_of(f"{origin}/resolve/{revision}/{path}"): sha256
        for origin, revision, path, sha256 in rows
    }


def left_behind(root: Path) -> Iterator[Path]:
    """Temporary files of a root; at the end of a run there are none."""
    yield from root.glob("store/v1/partial/*")
    yield from root.rglob(".*.tmp")
    yield from root.rglob("*.partial")


def bytes_sent(requests: Iterable[dict[str, Any]]) -> int:
    """How many bytes the servers sent."""
    return sum(request["bytes_sent"] for request in requests)
