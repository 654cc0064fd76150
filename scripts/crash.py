"""Let the worst happen to snapshots, run them to their end, and compare with one undisturbed.

    python scripts/crash.py [--kills N] [--points N] [--power N] [--errors N]
                            [--seed S] [--hubs one|five]

``--kills``: *storms*. Each has a root of its own, is killed again and again at moments drawn over
the whole time that an uninterrupted run takes, with the ledger taken away now and then, and ends
when a run gets through. Prints a line a storm, then a table of the kills by pass.

``--points``: killed at calls of the system that change the root, each kind of call in its turn, and
again while the next run opens the root (strace; without it, at calls made from Python).
``--power``: the power of the disk is cut while a run writes (Linux and root; ext4 in a file).
``--errors``: a call answers ENOSPC, EIO, EMFILE or EROFS, once or from then on (strace).

Exit code 1 if anything ended with other content, asked again for what it held, lost what it had
acknowledged, left a temporary file, or failed verification; if an error of the machine ended in
anything but its exit code. The seed is printed; the same seed draws the same moments (what a
machine is doing at that moment it cannot repeat). With none of these options: ``--kills 100``.
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
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "durable"))

import io_errors  # type: ignore[import-not-found]
import kill_points  # type: ignore[import-not-found]
import power_cuts  # type: ignore[import-not-found]
from ending import READY_S, Verdict, undisturbed  # type: ignore[import-not-found]
from job import Job  # type: ignore[import-not-found]
from storm import Stand, Storm, asked_again, bytes_sent, left_behind, measured, storm  # type: ignore[import-not-found]

from ptmtorrent.sandbox.generate import generate

PACKAGES = 12
RTT_MS = 5
KILLS = 100


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


WAYS = {"points": kill_points, "power": power_cuts, "errors": io_errors}
"""What can happen but a storm, and the module that makes it happen."""


def main() -> int:
    """Do what was asked for; 1 if anything was wrong."""
    arguments = _arguments()
    print(f"seed {arguments.seed}")
    asked = {way: count for way in WAYS if (count := getattr(arguments, way))}
    are_well = [_stood(way, count, arguments.seed) for way, count in asked.items()]
    if arguments.kills or not asked:
        are_well.append(_weathered(arguments))
    return 0 if all(are_well) else 1


def _stood(way: str, count: int, seed: int) -> bool:
    """Make something happen so often; whether all was well. What cannot happen here is told."""
    rng = random.Random(seed)  # noqa: S311  # repeatable on purpose
    with tempfile.TemporaryDirectory(prefix=f"ptmtorrent-{way}-") as folder:
        place = Path(folder)
        if why := WAYS[way].cannot(place):
            print(why)
            return True
        print(f"{way}: {WAYS[way].how()}")
        began, verdicts = time.monotonic(), list[Verdict]()
        for verdict in WAYS[way].verdicts(place, undisturbed(place), count, rng):
            verdicts.append(verdict)
            told = "; ".join(verdict.faults) or "ok"
            print(f"{time.monotonic() - began:7.1f} s  {told}  [{verdict.told}]", flush=True)
    return _summed_up(way, verdicts)


def _summed_up(way: str, verdicts: list[Verdict]) -> bool:
    bad = sum(bool(verdict.faults) for verdict in verdicts)
    ready = [verdict.ready_s for verdict in verdicts if verdict.ready_s is not None]
    happened = sum(verdict.count for verdict in verdicts)
    print(f"{way}: {happened} on {len(verdicts)} roots, {bad} of them with something wrong")
    if again := sum(verdict.again for verdict in verdicts):
        print(f"bytes sent again: {again}, on one root {max(v.again for v in verdicts)} at most")
    if ready:
        late = sum(seconds > READY_S for seconds in ready)
        print(f"first answer after {max(ready):.2f} s at most; {late} of {len(ready)} late")
    return not bad


def _weathered(arguments: argparse.Namespace) -> bool:
    """Run storms until there were enough kills; whether all was well."""
    with tempfile.TemporaryDirectory(prefix="ptmtorrent-crash-") as folder:
        once = _undisturbed(Path(folder), is_five=arguments.hubs == "five")
        print(f"one run undisturbed: {once.seconds:.1f} s, {once.bytes} bytes, {once.content}")
        outcomes = list(_storms(Path(folder), once, arguments))
    _table(outcomes, once)
    return not any(outcome.faults for outcome in outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=0, help="kills at random moments")
    for way in WAYS:
        parser.add_argument(f"--{way}", type=int, default=0, help=f"how many {way}, see above")
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
    while kills < (arguments.kills or KILLS):
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
