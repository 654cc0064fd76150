"""Errors of the machine at single calls, once or from then on, and how the command ends."""

import random
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from ending import DEADLINE_S, Undisturbed, Verdict, finished, wrongs
from injection import HAS_STRACE, Call, Step, calls_of, failed_at, start
from job import Job
from kill_points import AGAIN, OPENING, in_the_opening, spread, steps_to_kill
from storm import Stand, stand_of

SOON_S = 5.0
"""Seconds from the error to the end of the command, at most."""
TYPED = (7, 5, 3)
"""Exit codes of a run that met an error: the machine's, or one hub's or item's."""

_NEW = ("ENOSPC", "EROFS", "EIO")
_OLD = ("EIO", "EROFS")
_BYTES = ("ENOSPC", "EIO")
ERRORS = {
    "openat": ("EMFILE", "ENOSPC", "EROFS", "EIO"),
    **dict.fromkeys(("write", "pwrite64", "ftruncate"), _BYTES),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC")),
    **dict.fromkeys(("rename", "renameat2", "link", "linkat", "mkdir"), _NEW),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir", "fchmod"), _OLD),
}
"""Call -> what it may answer."""
ONCE_ONLY = ("write",)
"""Calls that standard error needs too, so that a command could say nothing."""
LATER = OPENING.keys() - {"openat"}
"""Calls refused in the runs that follow; the first files they open are settings, not the root's."""
APPENDED = (".seg", ".jsonl")
"""Of these a run also syncs what earlier ones wrote, and cannot know how much of it was synced."""
SQLITE = re.compile(r"ledger\.sqlite(-\w+)?")
"""SQLite syncs its log again when it closes it; what was not committed is not in it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One error at one step; ``sticky``: at every later call of that name too."""

    step: Step
    error: str
    sticky: bool = False

    def __str__(self) -> str:
        lasting = " and on" if self.sticky else ""
        return f"{self.error} at {self.step.call}#{self.step.number}{lasting} ({self.step.path})"


def cases(steps: Sequence[Step], rng: random.Random) -> Iterator[Case]:
    """Errors without end: calls in turn, the errors of each call in turn, half of them sticky."""
    turns = {call: cycle(rng.sample(errors, len(errors))) for call, errors in ERRORS.items()}
    for step in spread(steps, rng):
        is_sticky = step.call not in ONCE_ONLY and rng.random() < 0.5
        yield Case(step, next(turns[step.call]), is_sticky)


def how() -> str:
    """How it is done here."""
    return "strace refuses calls that change the root"


def cannot(_: Path) -> str | None:
    """Why errors cannot be injected here, or None."""
    return None if HAS_STRACE else "NOT TESTED HERE: errors at single calls; there is no strace"


def verdicts(folder: Path, once: Undisturbed, count: int, rng: random.Random) -> Iterator[Verdict]:
    """Meet that many errors, a few on a root, one run each; then each is finished and judged."""
    steps, so_far = steps_to_kill(folder, once), 0
    planned, calls = cases(steps, rng), sorted({step.call for step in steps} & LATER)
    while so_far < count:
        opening = [in_the_opening(calls, rng) for _ in range(AGAIN)]
        plan = [next(planned), *(Case(step, rng.choice(ERRORS[step.call])) for step in opening)]
        job = Job(folder / "refused", once.world).with_shared_key()
        verdict = _judged(job, once, plan[: count - so_far], folder / "refused.log")
        shutil.rmtree(job.root)
        so_far += verdict.count
        yield verdict


def _judged(job: Job, once: Undisturbed, plan: Sequence[Case], log: Path) -> Verdict:
    """Run into one error after the other, take them away, run to the end."""
    runs, stands = list[Met](), list[Stand]()
    with job.served():
        for case in plan:
            runs.append(meet(job, case, log))
            stands.append(stand_of(job))
        last = finished(job)
        faults = [fault for run in runs for fault in run.faults]
        faults += wrongs(job, once, last, stands)
    job.close()
    told = "; ".join(run.told for run in runs)
    return Verdict(told, tuple(faults), sum(run.is_hit for run in runs), last.ready_s)


@dataclass(frozen=True, slots=True)
class Met:
    """A run with an error in it; not ``is_hit`` when it ended before the error's turn came."""

    told: str
    is_hit: bool
    faults: tuple[str, ...]


def meet(job: Job, case: Case, log: Path) -> Met:
    """Run into an error."""
    before = {path: path.stat().st_size for path in job.root.rglob("*") if path.suffix in APPENDED}
    process = start(job, failed_at(case.step, case.error, log, sticky=case.sticky))
    _, err = process.communicate(timeout=DEADLINE_S)
    ended, calls = time.time(), list(calls_of(log))
    faults = _bad_end(process.returncode, err, ended, calls)
    faults += _trusted_again(calls, job.root, before)
    is_hit = bool(_hits(calls))
    end = f"exit {process.returncode}" if is_hit else "not reached"
    return Met(f"{case}: {end}", is_hit, tuple(faults))


def _hits(calls: Sequence[Call]) -> list[Call]:
    return [call for call in calls if call.is_injected]


def _bad_end(code: int, err: str, ended: float, calls: Sequence[Call]) -> list[str]:
    """What is wrong with the end of a run that met an error."""
    hits = _hits(calls)
    wrong = [f"exit {code}: {err.strip()}"] if code not in (0, *TYPED) else []
    wrong += ["a traceback"] if "Traceback" in err or "internal error" in err else []
    if hits and code and ended - hits[0].at > SOON_S:
        wrong.append(f"{ended - hits[0].at:.1f} s from the error to the end")
    return wrong


def _trusted_again(calls: Sequence[Call], root: Path, before: Mapping[Path, int]) -> Iterator[str]:
    """Files that were synced again, named, or left as they were, after a sync of them failed.

    What was there ``before`` the run may stay: it is written again by who opens the root next.
    """
    for at, call in enumerate(calls):
        if call.is_injected and call.name in ("fsync", "fdatasync"):
            path = Path(call.arguments.partition("<")[2].rstrip(">"))
            is_ours = path.suffix not in APPENDED or _was_written(calls[:at], path)
            if is_ours and not path.is_dir() and not SQLITE.fullmatch(path.name):
                yield from _uses(calls[at + 1 :], path)
                synced = max(_synced_bytes(calls[:at], path), before.get(path, 0))
                yield from _remains(path, root, synced)


def _was_written(calls: Sequence[Call], path: Path) -> bool:
    return any(call.name == "pwrite64" and f"<{path}>" in call.arguments for call in calls)


def _uses(later: Sequence[Call], path: Path) -> Iterator[str]:
    for call in later:
        is_sync = call.name in ("fsync", "fdatasync") and f"<{path}>" in call.arguments
        is_named = call.name in ("rename", "link", "linkat") and f'"{path}"' in call.arguments
        if not call.is_injected and call.result == 0 and (is_sync or is_named):
            yield f"{call.name} of {path.name} after its sync failed"


def _remains(path: Path, root: Path, synced: int) -> Iterator[str]:
    """A file whose sync failed is gone, or ends where it was synced before."""
    for place in (path, root / "store/v1/partial" / path.name[:64]):
        if place.is_file() and place.stat().st_size > synced:
            yield f"{place.name} has {place.stat().st_size} bytes, {synced} of them synced"


def _synced_bytes(calls: Sequence[Call], path: Path) -> int:
    """Where a file ended at its last good sync."""
    end = synced = 0
    for call in calls:
        if f"<{path}>" in call.arguments and not call.is_injected:
            if call.name == "pwrite64":
                end = max(end, int(call.arguments.rpartition(", ")[2]) + call.result)
            elif call.name in ("fsync", "fdatasync"):
                synced = end
    return synced
