"""Two weeks of work in virtual time, with every kind of fault, on one core in minutes.

    python scripts/soak.py [--days N] [--items N] [--seed S] [--dir DIR]

Scheduler, recorder, journal, ledger and gates are the real ones; hosts, and time, are not (see
``tests/soak``). Prints a line a day, then the items by outcome, then what is wrong. Exit code 1 if
anything is: items that are missing or ended otherwise than they must, a runnable item that waited
for more than an hour, a write-ahead log, memory, tasks or open files that grow. The seed is
printed; the same seed is the same story.
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "soak"))

from soak_run import Plan, Soak  # type: ignore[import-not-found]


def main() -> int:
    """Run one soak."""
    arguments = _arguments()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ptmtorrent-soak-", dir=arguments.dir) as folder:
        plan = Plan(arguments.days, arguments.items, arguments.seed)
        soak = Soak(plan, Path(folder) / "root", say=_say)
        faults = soak.run()
        for (state, reason), count in sorted(soak.outcomes().items(), key=str):
            print(f"{count:9d} {state} {reason or ''}")
    print(f"{time.monotonic() - began:.0f} s of real time")
    for fault in faults:
        print(f"WRONG {fault}")
    return 1 if faults else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Weeks of work in virtual time.")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--dir", type=Path, help="where the root is made; a tmpfs is quicker")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
