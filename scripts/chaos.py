"""Snapshots of a world whose servers let 30 % of all requests fail, and what that costs.

    python scripts/chaos.py [--minutes M] [--seed S] [--rate R] [--packages N] [--hubs one|five]

A *round* is one snapshot at depth ``full`` into a fresh root: the command is run again (with
``--retry-failed``) until it ends in 0. Before the rounds one run is made that nobody disturbs: it
says what rows are right, and how many requests and bytes are the least. Where an item failed after
all its attempts the command ended in 3 and the next one made a second snapshot of the day; the rows
of that one count. Prints a line a round and at the end a table by kind of request. Exit code 1 if
any round ends with other rows, does not end, or if the requests or bytes of all rounds together are
more than allowed.
"""

import argparse
import hashlib
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "main_job"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "faults"))

from job import CLOCK, Job  # type: ignore[import-not-found]
from unruly import Toll, Unruly, unruly_in_thread  # type: ignore[import-not-found]

from ptmtorrent.sandbox.generate import generate

COMMAND = ("snapshot", "--depth", "full", "--quiet")
MOST_RUNS = 12
MOST_REQUESTS, MOST_BYTES = 1.6, 1.15
GITS_OWN = ("refs, git's own", "pack")
"""Kinds of requests that git sends by itself; it never sends one again."""

DAY = CLOCK[:10]
PATIENCE = "timeout_s = 10"


@dataclass(slots=True)
class Footprint:
    """The most that one process held at a time."""

    descriptors: int = 0
    threads: int = 0
    resident: int = 0

    def look(self, pid: int) -> None:
        """See what a process holds now."""
        here = Path(f"/proc/{pid}")
        try:
            fields = dict(line.split(":", 1) for line in (here / "status").read_text().splitlines())
            self.descriptors = max(self.descriptors, len(list((here / "fd").iterdir())))
            self.threads = max(self.threads, int(fields["Threads"]))
            self.resident = max(self.resident, int(fields.get("VmHWM", "0 kB").split()[0]) * 1024)
        except (OSError, KeyError):
            return


@dataclass(slots=True)
class Round:
    """One snapshot; ``fault`` is empty when all is well.

    Attributes:
        content: what the manifest of the day's first snapshot says of its content.
        rows: digest of the rows of the newest one.
    """

    content: str = ""
    rows: str = ""
    fault: str = ""
    runs: int = 0
    seconds: float = 0.0
    toll: Toll = field(default_factory=Toll)
    most: Footprint = field(default_factory=Footprint)


@dataclass(frozen=True, slots=True)
class Stage:
    """A served world behind its proxies."""

    folder: Path
    world: Path
    proxies: Unruly
    is_five: bool

    def round(self, name: str) -> Round:
        """Make a snapshot into a fresh root, running the command until it ends in 0."""
        found, began = Round(), time.monotonic()
        found.toll = self.proxies.toll = Toll()
        job = Job(self.folder / name, self.world, all_hubs=self.is_five).with_shared_key()
        job.config = self.world / "unruly.toml"
        code, err = -1, ""
        while code != 0 and found.runs < MOST_RUNS:
            again = ("--retry-failed",) if found.runs else ()
            code, err = _run(job, found.most, *again)
            found.runs += 1
        found.seconds = time.monotonic() - began
        if code:
            found.fault = f"exit {code}: {err.strip()[-300:]}"
        else:
            found.content, found.rows = job.content(), _rows(job)
        return found


def _rows(job: Job) -> str:
    """A digest of all rows of the newest snapshot, whichever it is of its day."""
    digest = hashlib.sha256()
    for table in sorted(set(job.dataset().tables) - {"attempts"}):
        rows = job.rows(f"SELECT * FROM {table}")  # noqa: S608  # a name of our own
        lines = sorted(re.sub(rf"{DAY}\.\d+", DAY, str(row)) for row in rows)
        digest.update("\n".join((table, *lines)).encode())
    job.close()
    return digest.hexdigest()


def _run(job: Job, most: Footprint, *more: str) -> tuple[int, str]:
    process = job.start(*COMMAND, *more)
    try:
        while process.poll() is None:
            most.look(process.pid)
            time.sleep(0.1)
        _, err = process.communicate()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process.returncode, err


@contextmanager
def stage(folder: Path, said: argparse.Namespace) -> Iterator[Stage]:
    """Make a world and serve it, its proxies before it."""
    world, is_five = folder / "world", said.hubs == "five"
    generate(world, packages=said.packages, one_hub=not is_five)
    job = Job(folder / "nowhere", world, all_hubs=is_five)
    rng = random.Random(said.seed)  # noqa: S311  # repeatable on purpose
    with job.served() as box:
        proxies = Unruly(box.endpoints, rng, stall_s=said.stall)
        with unruly_in_thread(proxies):
            text = job.config.read_text().replace("[network]", f"[network]\n{PATIENCE}")
            (world / "unruly.toml").write_bytes(proxies.through(text.encode()))
            yield Stage(folder, world, proxies, is_five)


def main() -> int:
    """Make rounds until the time is over."""
    said = arguments()
    print(f"seed {said.seed}")
    folder = tempfile.TemporaryDirectory(prefix="ptmtorrent-chaos-")
    with folder as name, stage(Path(name), said) as here:
        least = here.round("least")
        print(f"undisturbed: {_line(least, least)}", flush=True)
        here.proxies.rate = said.rate
        rounds = list(_rounds(here, least, said.minutes * 60))
    return _report(rounds, least)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--packages", type=int, default=40)
    parser.add_argument("--hubs", choices=("one", "five"), default="one")
    parser.add_argument("--stall", type=float, default=75, help="seconds a stall lasts")
    return parser.parse_args(words)


def _rounds(here: Stage, least: Round, seconds: float) -> Iterator[Round]:
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        number += 1
        found = here.round(f"round-{number}")
        if not found.fault and found.rows != least.rows:
            found.fault = "other rows"
        print(f"{number:4} {_line(found, least)}", flush=True)
        subprocess.run(["rm", "-rf", str(here.folder / f"round-{number}")], check=True)
        yield found


def _line(found: Round, least: Round) -> str:
    requests = found.toll.requests.total() / max(least.toll.requests.total(), 1)
    size = found.toll.bytes.total() / max(least.toll.bytes.total(), 1)
    most = found.most
    return (
        f"{found.runs:3} runs {found.seconds:6.1f} s  requests x {requests:.2f}  bytes x {size:.2f}"
        f"  at most {most.descriptors} descriptors, {most.threads} threads,"
        f" {most.resident / 2**20:.0f} MiB  {found.fault or 'ok'}"
    )


def _report(rounds: list[Round], least: Round) -> int:
    """Print the table; the exit code."""
    asked = sum((one.toll.requests for one in rounds), Counter[str]())
    sent = sum((one.toll.bytes for one in rounds), Counter[str]())
    struck = sum((one.toll.faults for one in rounds), Counter[str]())
    print(f"\n{'kind':18} {'least':>9} {'asked':>9} {'ratio':>6} {'bytes':>12} {'ratio':>6}")
    kinds = sorted(least.toll.requests | asked)
    for title, chosen in {
        **{kind: [kind] for kind in kinds},
        "without git's own": [kind for kind in kinds if kind not in GITS_OWN],
        "all": kinds,
    }.items():
        few = sum(least.toll.requests[kind] for kind in chosen) * len(rounds)
        many = sum(asked[kind] for kind in chosen)
        small = sum(least.toll.bytes[kind] for kind in chosen) * len(rounds)
        large = sum(sent[kind] for kind in chosen)
        print(
            f"{title:18} {few:9} {many:9} {many / max(few, 1):6.2f}"
            f" {large:12} {large / max(small, 1):6.2f}"
        )
    print("\nfaults: " + ", ".join(f"{name} {count}" for name, count in sorted(struck.items())))
    print(f"struck {struck.total() / max(asked.total(), 1):.1%} of {asked.total()} requests")
    same = sum(one.content == least.content for one in rounds)
    print(f"rows right in {sum(not one.fault for one in rounds)} of {len(rounds)} rounds,", end=" ")
    print(f"content_sha256 of the first snapshot too in {same}")
    good = not any(one.fault for one in rounds)
    return 0 if good and many <= MOST_REQUESTS * few and large <= MOST_BYTES * small else 1


if __name__ == "__main__":
    sys.exit(main())
