"""Kill snapshots at random moments, run them to their end, and compare with one never killed.

    python scripts/crash.py [--kills N] [--seed S] [--hubs one|five]

Each *storm* has a root of its own, is killed again and again at moments drawn over the whole time
that an uninterrupted run takes, with the ledger taken away now and then, and ends when a run gets
through. Prints a line a storm, then a table of the kills by pass. Exit code 1 if any storm ended
with other content, asked again for what it held, or left a temporary file. The seed is printed;
the same seed draws the same moments (what a machine is doing at that moment it cannot repeat).
"""

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "main_job"))

from job import Job  # type: ignore[import-not-found]
from storm import Stand, Storm, asked_again, bytes_sent, left_behind, measured, storm  # type: ignore[import-not-found]

from ptmtorrent.sandbox.generate import generate

PACKAGES = 12
RTT_MS = 5


@dataclass(frozen=True, slots=True)
class Once:
    """The run that nobody disturbed."""

    world: Path
    is_five: bool
    seconds: float
    bytes: int
    content: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a storm; ``faults`` is empty when all is well."""

    story: Storm
    refetched: int
    faults: tuple[str, ...]


def main() -> int:
    """Run storms until there were enough kills."""
    arguments = _arguments()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="ptmtorrent-crash-") as folder:
        once = _undisturbed(Path(folder), is_five=arguments.hubs == "five")
        print(f"one run undisturbed: {once.seconds:.1f} s, {once.bytes} bytes, {once.content}")
        outcomes = list(_storms(Path(folder), once, arguments))
    _table(outcomes, once)
    return 1 if any(outcome.faults for outcome in outcomes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--hubs", choices=("one", "five"), default="five")
    return parser.parse_args()


def _undisturbed(folder: Path, *, is_five: bool) -> Once:
    world = folder / "world"
    generate(world, packages=PACKAGES, one_hub=not is_five)
    job = Job(folder / "once", world, all_hubs=is_five).with_shared_key()
    with job.served(rtt_ms=RTT_MS):
        seconds = measured(job)
        return Once(world, is_five, seconds, bytes_sent(job.requests()), job.content())


def _storms(folder: Path, once: Once, arguments: argparse.Namespace) -> Iterator[Outcome]:
    rng, kills, number = random.Random(arguments.seed), 0, 0  # noqa: S311  # repeatable on purpose
    while kills < arguments.kills:
        number += 1
        job = Job(folder / f"storm-{number}", once.world, all_hubs=once.is_five).with_shared_key()
        began = time.monotonic()
        with job.served(rtt_ms=RTT_MS):
            outcome = _judged(job, once, storm(job, rng, once.seconds))
        job.close()
        kills += len(outcome.story.kills)
        print(f"{number:4} {_line(outcome)} {time.monotonic() - began:6.1f} s", flush=True)
        yield outcome


def _judged(job: Job, once: Once, story: Storm) -> Outcome:
    """Hold a storm that has come to its end against the run that nobody disturbed."""
    refetched = max(0, bytes_sent(job.requests()) - once.bytes)
    if story.code != 0:
        return Outcome(story, refetched, (f"exit {story.code}: {story.err.strip()}",))
    stands: list[Stand] = [*(kill.stand for kill in story.kills), story.end]
    faults = [f"asked again: {path}" for path in asked_again(job, stands)]
    faults += [f"left behind: {path.relative_to(job.root)}" for path in left_behind(job.root)]
    faults += ["other content"] if job.content() != once.content else []
    return Outcome(story, refetched, tuple(faults))


def _line(outcome: Outcome) -> str:
    fell = " ".join(f"{kill.fell_in}@{kill.after_s:.2f}" for kill in outcome.story.kills)
    told = "; ".join(outcome.faults) or "ok"
    return f"{outcome.refetched:9} bytes again  {told}  [{fell}]"


def _table(outcomes: list[Outcome], once: Once) -> None:
    fell: Counter[str] = sum((outcome.story.passes for outcome in outcomes), Counter())
    bad = sum(bool(outcome.faults) for outcome in outcomes)
    again = sum(outcome.refetched for outcome in outcomes)
    print(f"\n{'pass':10} {'kills':>6}")
    for name, count in sorted(fell.items()):
        print(f"{name:10} {count:6}")
    print(f"{'all':10} {fell.total():6}")
    share = again / (once.bytes * len(outcomes))
    print(f"\nstorms {len(outcomes)}, content equal and nothing asked again: {len(outcomes) - bad}")
    print(f"bytes again: {again} ({share:.1%} of what {len(outcomes)} undisturbed runs receive)")


if __name__ == "__main__":
    sys.exit(main())
