"""SIGKILL at durable steps: in the middle of a run, and again while the next one opens the root."""

import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from ending import DEADLINE_S, Undisturbed, Verdict, finished, wrongs
from injection import (
    HAS_STRACE,
    WITHOUT_STRACE,
    Step,
    calls_of,
    killed_at,
    start,
    steps_of,
    watched,
)
from job import Job
from storm import Stand, bytes_sent, stand_of

AGAIN = 2
"""Kills of the runs that follow, before one is let through."""
OPENING = {"openat": 30, "pwrite64": 12, "fsync": 6, "fdatasync": 3, "ftruncate": 2, "pwrite": 3}
"""So many calls of a kind fall into the opening of a root that was begun, or soon after."""
REFETCHED = 16 << 20
"""Bytes that a kill may cost for each file that was on its way; here it is all that it may cost."""


@dataclass(slots=True)
class Struck:
    """One root that was killed at steps."""

    steps: list[Step] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def steps_to_kill(folder: Path, once: Undisturbed) -> list[Step]:
    """Every step of one run, in order."""
    job = Job(folder / "counted", once.world).with_shared_key()
    log = folder / "counted.log"
    with job.served():
        process = start(job, watched(log))
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    return steps_of(calls_of(log), job.root)


def spread(steps: Sequence[Step], rng: random.Random) -> Iterator[Step]:
    """Steps without end: each kind of call in its turn, within a kind spread over the whole run.

    Each step once before any comes again; the rare kinds are all in before the many writes of
    SQLite take the rest.
    """
    while True:
        kinds: dict[str, list[Step]] = {}
        for step in rng.sample(steps, len(steps)):
            kinds.setdefault(step.call, []).append(step)
        yield from (step for step in chain(*zip_longest(*kinds.values())) if step is not None)


def how() -> str:
    """How it is done here; says so when that is not at every step."""
    with_all = "strace kills at calls of the system, SQLite's included"
    return with_all if HAS_STRACE else WITHOUT_STRACE


def cannot(_: Path) -> str | None:
    """Why nothing can be killed here: there is always a way."""
    return None


def verdicts(folder: Path, once: Undisturbed, count: int, rng: random.Random) -> Iterator[Verdict]:
    """Roots killed at steps until there were ``count`` kills; each is finished and judged."""
    steps = steps_to_kill(folder, once)
    planned, kills = spread(steps, rng), 0
    calls = sorted({step.call for step in steps} & OPENING.keys())
    while kills < count:
        opening = [in_the_opening(calls, rng) for _ in range(AGAIN)]
        job = Job(folder / f"killed-{kills}", once.world).with_shared_key()
        verdict = _judged(job, once, [next(planned), *opening][: count - kills])
        shutil.rmtree(job.root)
        kills += verdict.count
        yield verdict


def in_the_opening(calls: Sequence[str], rng: random.Random) -> Step:
    """A step of a run that goes on with a root."""
    call = rng.choice(calls)
    return Step(call, rng.randint(1, OPENING[call]), "going on")


def _judged(job: Job, once: Undisturbed, plan: Sequence[Step]) -> Verdict:
    with job.served():
        struck = _struck(job, plan)
        last = finished(job)
        faults = struck.faults + wrongs(job, once, last, struck.stands)
        again = max(0, bytes_sent(job.requests()) - once.bytes)
    job.close()
    if again > REFETCHED * max(1, len(struck.steps)):
        faults.append(f"{again} bytes were sent again")
    told = " ".join(f"{step.call}#{step.number}({step.path})" for step in struck.steps)
    return Verdict(told, tuple(faults), len(struck.steps), last.ready_s, again)


def _struck(job: Job, plan: Sequence[Step]) -> Struck:
    """Kill one run after the other; one that gets to its end before its step ends this."""
    struck = Struck()
    for step in plan:
        process = start(job, killed_at(step))
        _, err = process.communicate(timeout=DEADLINE_S)
        if process.returncode == 0:
            break
        if process.returncode != -signal.SIGKILL:
            struck.faults.append(f"exit {process.returncode} before {step}: {err.strip()}")
        struck.steps.append(step)
        struck.stands.append(stand_of(job))
    return struck
