"""Which snapshot a command works on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ptmtorrent.ledger.rows import Snapshot
from ptmtorrent.shards.manifest import next_snapshot_id


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with the unfinished snapshot, whatever the day."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a new one."""

    id: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The day's snapshot is finished, and nobody asked for another."""

    snapshot: Snapshot


def choose(snapshots: Sequence[Snapshot], day: str, *, again: bool) -> Resume | Begin | Finished:
    """Resume the unfinished one; else begin the day's first; else another one if ``again``."""
    if snapshots and snapshots[-1].finished_at is None:
        return Resume(snapshots[-1])
    of_day = [snapshot for snapshot in snapshots if snapshot.as_of == day]
    if of_day and not again:
        return Finished(of_day[-1])
    return Begin(next_snapshot_id(day, [snapshot.id for snapshot in of_day]), day)
