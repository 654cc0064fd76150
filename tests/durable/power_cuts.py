"""Power cuts at random moments of a run: what was acknowledged before is there after.

Acknowledged is what another process could read in the ledger a moment before the cut: the ledger
shows a line or an outcome only when it is on the disk, and with it all that it stands for.
"""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from disk_in_a_file import LOG_FLUSHED, LOG_LOST, DiskInAFile, lacking
from ending import DEADLINE_S, Undisturbed, Verdict, audited, finished, wrongs
from job import Job
from storm import COMMAND, Stand, ends_within, stand_of

from ptmtorrent.errors import PtmError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.visit import Holding
from ptmtorrent.store.journal import Entry, Journal
from ptmtorrent.store.local import LocalStore

IN_A_ROW = 3
"""Cuts in the middle of one snapshot; one more comes when it has said that it is finished."""
IMPORTS_S = 0.5
"""Seconds in which a run does nothing yet. The later the cut, the less is left for the next run."""
APPENDED = (".jsonl", ".seg", "-wal", "-shm", "-journal", "lock")
"""Ends of names of files that begin empty; each has an end of its own inside."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a root has said is done.

    Attributes:
        line: number of the last journal line that the ledger has taken in.
        digest: that line's digest.
        items: (stage, key, state) of all that has come to its end.
    """

    line: int = 0
    digest: str = ""
    items: frozenset[tuple[str, str, str]] = frozenset()


def acknowledged(root: Path) -> Acknowledged:
    """Ask the ledger, in one transaction, without writing anything."""
    path = root / "ledger.sqlite"
    if not path.is_file():
        return Acknowledged()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as ledger:
        ledger.execute("BEGIN")
        if not ledger.execute("SELECT 1 FROM sqlite_schema WHERE name = 'items'").fetchone():
            return Acknowledged()
        line = ledger.execute("SELECT applied, digest FROM position").fetchone()
        over = "SELECT stage, key, state FROM items WHERE state IN ('done', 'skipped', 'failed')"
        return Acknowledged(*(line or (0, "")), frozenset(ledger.execute(over)))


def lost(root: Path, before: Acknowledged) -> Iterator[str]:
    """What was acknowledged and is not there, whole and verified."""
    try:
        entries = list(Journal.open(root, write=False).entries())
        if before.line and [e.digest for e in entries if e.n == before.line] != [before.digest]:
            yield f"line {before.line} of the journal"
        with LocalStore.at(root, write=False) as store:
            for name in _names(store, entries, before):
                store.read(name)
        now = acknowledged(root)
        if now.line < before.line or not before.items <= now.items:
            yield f"of the ledger: line {before.line - now.line}, {before.items - now.items}"
        if before.line:
            _check_ledger(root)
    except PtmError as error:
        yield str(error)


def _check_ledger(root: Path) -> None:
    ledger = Ledger.open_to_read(root / "ledger.sqlite")
    try:
        ledger.check()
    finally:
        ledger.close()


def _names(store: LocalStore, entries: list[Entry], before: Acknowledged) -> Iterator[str]:
    """The blobs that acknowledged lines and outcomes stand for."""
    for entry in entries:
        if entry.n <= before.line:
            yield from (
                str(entry.payload[key]) for key in ("sha256", "visit") if key in entry.payload
            )
            if holding := entry.payload.get("holding"):
                yield holding
                yield from Holding.from_bytes(store.read(holding)).packs
    yield from (key for stage, key, state in before.items if (stage, state) == ("object", "done"))


def empty_names(root: Path) -> Iterator[str]:
    """Files of no bytes under names that stand for something."""
    for path in root.rglob("*"):
        stands_for_nothing = path.name.startswith(".") or "partial" in path.parts
        may_be_empty = stands_for_nothing or path.name.endswith(APPENDED)
        if path.is_file() and not path.stat().st_size and not may_be_empty:
            yield f"empty: {path.relative_to(root)}"


def how() -> str:
    """How it is done here."""
    return "ext4 in a file, shut down in the middle of a run; log written or not, by turns of luck"


def cannot(folder: Path) -> str | None:
    """Why no power can be cut here, or None."""
    return lacking(folder / "trial")


def verdicts(folder: Path, once: Undisturbed, count: int, rng: random.Random) -> Iterator[Verdict]:
    """Snapshots on a disk of their own whose power is cut, until there were ``count`` cuts."""
    cuts = 0
    while cuts < count:
        place = folder / f"cut-{cuts}"
        place.mkdir()
        with DiskInAFile(place) as disk:
            verdict = _one_disk(disk, once, min(IN_A_ROW, count - cuts - 1), rng)
        shutil.rmtree(place)
        cuts += verdict.count
        yield verdict


def _one_disk(disk: DiskInAFile, once: Undisturbed, most: int, rng: random.Random) -> Verdict:
    """A snapshot with some cuts on its way, and one as soon as it is finished."""
    job = Job(disk.place / "root", once.world).with_shared_key()
    told, faults, stands = list[str](), list[str](), list[Stand]()
    with job.served(rtt_ms=2):
        for number in range(most):
            longest_s = IMPORTS_S + once.seconds / (number + 1)
            after_s, how = rng.uniform(IMPORTS_S, longest_s), rng.choice((LOG_FLUSHED, LOG_LOST))
            before = cut_while_running(job, disk, after_s, how)
            faults += found_wrong(job.root, before)
            stands.append(stand_of(job))
            told.append(f"{after_s:.2f}s/{how} (line {before.line}, {len(before.items)} items)")
        last = finished(job)
        before = acknowledged(job.root)
        disk.cut(LOG_LOST)
        disk.recover()
        faults += found_wrong(job.root, before)
        faults += wrongs(job, once, last, stands)
    job.close()
    told.append(f"when finished (line {before.line})")
    return Verdict(", ".join(told), tuple(faults), most + 1, last.ready_s)


def cut_while_running(job: Job, disk: DiskInAFile, after_s: float, how: int) -> Acknowledged:
    """Begin the snapshot, cut the power, and bring the disk back; what was acknowledged before."""
    process = job.start(*COMMAND)
    ends_within(process, after_s)
    before = acknowledged(job.root)
    disk.cut(how)
    process.kill()
    process.communicate(timeout=DEADLINE_S)
    disk.recover()
    return before


def found_wrong(root: Path, before: Acknowledged) -> list[str]:
    """All that is wrong with a root after a cut, before anything runs on it again."""
    return [
        *(f"lost: {what}" for what in lost(root, before)),
        *empty_names(root),
        *(f"verify after the cut: {fault}" for fault in audited(root)),
    ]
