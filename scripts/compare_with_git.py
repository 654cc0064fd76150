"""Compare a dataset with the bare repositories it was made from, by plain git.

    python scripts/compare_with_git.py ROOT DIR

For each repository in DIR (laid out as for ``serve_repositories.py``) whose origin is in the newest
snapshot under ROOT: ``rev-list HEAD --branches --tags`` against commits, ``ls-tree -r HEAD``
against files, objects missing there against not_held. A line each; exit code 1 if any differs.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from serve_repositories import repositories_in

import ptmtorrent as pt
from ptmtorrent.query.dataset import Dataset

COLUMNS = {
    "commits": "SELECT oid FROM commits",
    "files": "SELECT mode, oid, path FROM files",
    "missing": "SELECT oid FROM not_held",
}

Rows = set[tuple[str, ...]]


def git(path: Path, *arguments: str) -> list[str]:
    """The lines that git prints."""
    command = ["git", "-c", "safe.directory=*", "--git-dir", str(path), *arguments]
    done = subprocess.run(command, check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace").splitlines()


def rows(dataset: Dataset, what: str, url: str) -> Rows:
    """The rows of an origin, whose URL is one of ours and holds no quotes."""
    answer = dataset.sql(f"{COLUMNS[what]} WHERE origin = '{url}'")
    return {tuple(row) for row in answer.fetchall()}


def entries(path: Path) -> Rows:
    """(mode, oid, path) of each file of the head."""
    found: Rows = set()
    for entry in filter(None, "\n".join(git(path, "ls-tree", "-r", "-z", "HEAD")).split("\0")):
        about, _, name = entry.partition("\t")
        mode, _, oid = about.split(" ")
        found.add((mode, oid, name))
    return found


def missing(path: Path) -> Rows:
    """Objects that branches and tags name and the repository lacks."""
    words = ("rev-list", "--objects", "--missing=print", "HEAD", "--branches", "--tags")
    return {(line[1:],) for line in git(path, *words) if line.startswith("?")}


def compare(dataset: Dataset, name: str, path: Path) -> bool | None:
    """Whether one origin's rows are what git says; None when it is not in the dataset."""
    url = f"https://github.com/{name}"
    commits = rows(dataset, "commits", url)
    if not commits:
        return None
    reachable: Rows = {(oid,) for oid in git(path, "rev-list", "HEAD", "--branches", "--tags")}
    pairs = {
        "commits": (commits, reachable),
        "files": (rows(dataset, "files", url), entries(path)),
        "missing": (rows(dataset, "missing", url), missing(path)),
    }
    counts = ", ".join(f"{len(ours)} {what}" for what, (ours, _) in pairs.items())
    wrong = [what for what, (ours, theirs) in pairs.items() if ours != theirs]
    print(f"{'DIFFERS' if wrong else 'equal':8}{name}: {counts} {wrong or ''}")
    return not wrong


def main() -> None:
    """Compare all."""
    parser = argparse.ArgumentParser(description="Compare a dataset with bare repositories.")
    parser.add_argument("root", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    with pt.open(arguments.root) as dataset:
        found = repositories_in(arguments.directory)
        results = [compare(dataset, name, path) for name, path in found.items()]
    sys.exit(1 if False in results or not any(results) else 0)


if __name__ == "__main__":
    main()
