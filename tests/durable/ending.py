"""What must hold of a root, however its way was: the same as of one that nobody disturbed."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "main_job"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "audit"))

from damage import faults as audited
from job import Job
from storm import COMMAND, Stand, asked_again, bytes_sent, left_behind, stand_of

from ptmtorrent.sandbox.generate import generate

READY_S = 2.0
"""Seconds after which a run that goes on should have asked its first question."""
PACKAGES = 12
DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """The run that nothing happened to."""

    world: Path
    content: str
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one root: a line that tells it, and what was wrong, nothing if all is well.

    Attributes:
        told: what happened to it, for people.
        count: how many things happened to it.
        ready_s: seconds from the start of the last run to its first answer; None if it asked none.
        again: bytes that were sent more than once.
    """

    told: str
    faults: tuple[str, ...]
    count: int = 1
    ready_s: float | None = None
    again: int = 0


@dataclass(frozen=True, slots=True)
class Last:
    """The run that was let through."""

    code: int
    err: str
    ready_s: float | None


def undisturbed(folder: Path) -> Undisturbed:
    """Make a small world of one hub, and its snapshot in one go."""
    world = folder / "world"
    generate(world, packages=PACKAGES, one_hub=True)
    job = Job(folder / "once", world).with_shared_key()
    with job.served():
        began = time.monotonic()
        assert finished(job).code == 0
        seconds = time.monotonic() - began
        return Undisturbed(world, job.content(), bytes_sent(job.requests()), seconds)


def finished(job: Job) -> Last:
    """Run the snapshot to its end, as a user would."""
    before, began = len(job.requests()), time.time()
    process = job.start(*COMMAND)
    _, err = process.communicate(timeout=DEADLINE_S)
    answered = [datetime.fromisoformat(r["t"]).timestamp() for r in job.requests()[before:]]
    ready_s = min(answered) - began if answered else None
    return Last(process.returncode, err.strip(), ready_s)


def wrongs(job: Job, once: Undisturbed, last: Last, stands: Sequence[Stand]) -> list[str]:
    """All that is wrong with a root after its last run; ``stands`` are those it had on its way."""
    if last.code != 0:
        return [f"exit {last.code}: {last.err}"]
    again = asked_again(job, [*stands, stand_of(job)])
    return [
        *(f"asked again: {path}" for path in again),
        *(f"left behind: {path.relative_to(job.root)}" for path in left_behind(job.root)),
        *(["other content"] if job.content() != once.content else []),
        *(f"verify: {fault}" for fault in audited(job.root)),
    ]
