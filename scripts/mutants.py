"""Take protections out, one at a time, and see that a test notices.

    python scripts/mutants.py [NAME ...] [--list]

Each mutant is a change to one file that removes a protection, and the tests that must fail for it.
The tree is copied; in the copy those tests are run once as they are (they must pass), then once
for each mutant. Prints a line a mutant. Exit code 1 if one survives, if its text is no longer in
its file exactly once, or if its tests do not pass without it: so the list cannot rot.
"""

import argparse
import shutil
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from protections import MUTANTS, Mutant

REPOSITORY = Path(__file__).resolve().parent.parent
LEFT_OUT = (".git", ".venv", ".*_cache", "__pycache__", "demo", "build", "dist")
DEADLINE_S = 240.0


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    VOID = "VOID"
    """Its tests fail without it too, so that they say nothing about it."""
    STALE = "STALE"
    """Its text is not in its file exactly once."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the tree with a Python whose ``ptmtorrent`` is that of the copy."""

    tree: Path
    python: Path

    def passes(self, tests: Sequence[str]) -> bool:
        """Whether these tests pass here; what takes too long does not."""
        words = [str(self.python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(
                words, check=False, cwd=self.tree, capture_output=True, timeout=DEADLINE_S
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main() -> int:
    """Run the mutants that were named, or all."""
    arguments = _arguments()
    chosen = [m for m in MUTANTS if not arguments.names or m.name in arguments.names]
    if arguments.list:
        print(*(f"{mutant.name:28} {mutant.file}" for mutant in chosen), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="ptmtorrent-mutants-") as folder:
        fates = list(_fates(copy_of(REPOSITORY, Path(folder)), chosen))
    bad = sum(fate is not Fate.KILLED for fate in fates)
    print(f"\n{len(fates)} mutants, {len(fates) - bad} killed")
    return 1 if bad else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true", help="name the mutants and run nothing")
    return parser.parse_args()


def _fates(copy: Copy, mutants: Sequence[Mutant]) -> Iterator[Fate]:
    clean: dict[tuple[str, ...], bool] = {}
    for mutant in mutants:
        began = time.monotonic()
        if mutant.tests not in clean:
            clean[mutant.tests] = copy.passes(mutant.tests)
        fate = _fate(copy, mutant) if clean[mutant.tests] else Fate.VOID
        seconds = time.monotonic() - began
        print(f"{fate:9} {mutant.name:28} {mutant.file:36} {seconds:6.1f} s", flush=True)
        yield fate


def _fate(copy: Copy, mutant: Mutant) -> Fate:
    path = copy.tree / mutant.file
    text = path.read_text(encoding="utf-8")
    if not applies(mutant, text):
        return Fate.STALE
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return Fate.SURVIVED if copy.passes(mutant.tests) else Fate.KILLED
    finally:
        path.write_text(text, encoding="utf-8")


def applies(mutant: Mutant, text: str) -> bool:
    """Whether a mutant's text is in its file exactly once, and would change it."""
    return text.count(mutant.old) == 1 and mutant.old != mutant.new


def copy_of(repository: Path, folder: Path) -> Copy:
    """Copy the tree, and make a Python that imports from the copy and else what this one does."""
    tree, home = folder / "tree", folder / "python"
    shutil.copytree(repository, tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    own = next(home.glob("lib/python*/site-packages"))
    (own / "copy.pth").write_text("\n".join([str(tree), *site.getsitepackages()]) + "\n")
    return Copy(tree, home / "bin" / "python")


if __name__ == "__main__":
    sys.exit(main())
