"""Measure the fetch engine side by side with what a user would take instead.

    python scripts/bench.py [--world DIR] [--endpoint URL] [--only ROW ...] [--quick] [--millions]

Makes its worlds below DIR once (1.5 + 2 GiB, and a root of a million items), runs every row, prints
what came of it, and writes docs/BENCHMARKS.md from the latest result of each row. With --endpoint
the packages of another hub (at most 1,000) are measured, and nothing is written. Rows: packages,
large, listing, restart, blobs, second, fairness. The page says how to read the figures.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from compileall import compile_dir
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent))

from benchmarks.packages import packages
from benchmarks.report import Section, machine, page
from benchmarks.rows import blobs, fairness, large, listing, restart, second
from benchmarks.setup import Setup

ROWS: Mapping[str, Callable[[Setup], Section]] = {
    "packages": packages,
    "large": large,
    "listing": listing,
    "restart": restart,
    "blobs": blobs,
    "second": second,
    "fairness": fairness,
}
HOME = Path(__file__).resolve().parent.parent
PAGE, PACKAGE = HOME / "docs" / "BENCHMARKS.md", HOME / "ptmtorrent"
KEPT = Path(tempfile.gettempdir()) / "ptmtorrent-bench"


def main() -> int:
    """Run the rows that were asked for."""
    arguments = _arguments()
    folder = arguments.world.resolve()
    (folder / "scratch").mkdir(parents=True, exist_ok=True)
    setup = Setup(
        folder=folder,
        endpoint=arguments.endpoint,
        is_quick=arguments.quick,
        rounds=1 if arguments.quick else arguments.rounds,
        millions=arguments.millions,
    )
    compile_dir(PACKAGE, quiet=1)  # as pip has done with what we are measured against
    print(machine(), flush=True)
    for name in arguments.only or (["packages"] if setup.endpoint else ROWS):
        began = monotonic()
        section = ROWS[name](setup)
        print(f"\n{section.to_text()}\n({monotonic() - began:.0f} s)", flush=True)
        if not (setup.is_quick or setup.endpoint):
            section.save(setup.results)
            PAGE.write_text(page(setup.results, ROWS))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--world", type=Path, default=KEPT, metavar="DIR")
    parser.add_argument("--endpoint", metavar="URL", help="a hub that is not ours")
    parser.add_argument("--only", action="append", choices=tuple(ROWS), metavar="ROW")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the script")
    parser.add_argument("--millions", action="store_true", help="also list two million records")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
