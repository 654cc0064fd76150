"""A root to restore from, and what its repositories are by plain git."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptmtorrent.app import restoring
from ptmtorrent.app.context import Context, load_settings
from ptmtorrent.console.terminal import Console
from ptmtorrent.model.clock import Clock

sys.path.append(str(Path(__file__).resolve().parent.parent / "main_job"))

from job import PLAIN_GIT, Job, git, sha256

__all__ = ["PLAIN_GIT", "Job", "Truth", "clones", "context", "files_of", "git", "restore", "sha256"]

FIRST, SECOND = "2026-11-21", "2026-11-22"


def context(root: Path, *, as_json: bool = False) -> Context:
    """What a command gets; no server is known and no clock is asked."""

    def nothing() -> Any:
        raise AssertionError("nobody asks what time it is")

    return Context(
        root=root,
        settings=load_settings(None),
        clock=Clock(nothing, nothing),
        console=Console(quiet=True, as_json=as_json),
        version="0",
    )


def restore(job: Job, package: str, directory: Path, **options: Any) -> Path:
    """Restore a Hugging Face package; returns the directory."""
    job.close()
    wish = restoring.RestoreOptions(
        package=f"huggingface:{package}", directory=directory, **options
    )
    assert restoring.restore(context(job.root), wish) == 0
    return directory


@dataclass
class Truth:
    """The world at one snapshot: name -> bare clone by plain git, and what the world says of it."""

    clones: dict[str, Path] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)


def clones(job: Job, place: Path) -> Truth:
    """Clone every repository that anyone may read, while the world is served."""
    truth = Truth()
    for one in job.truth()["repositories"]:
        if one["forge"] == "huggingface" and one["status"] == "listed" and one["head"]:
            clone = place / f"{len(truth.clones)}.git"
            git("clone", "-q", "--mirror", f"{job.endpoint}/{one['name']}", str(clone))
            truth.clones[one["name"]] = clone
            truth.told[one["name"]] = one
    return truth


def files_of(folder: Path) -> dict[bytes, bytes]:
    """Path below a folder -> content of every file there; nothing is followed."""
    found = {}
    for parent, _, names in os.walk(os.fsencode(folder)):
        for path in (Path(os.fsdecode(parent)) / os.fsdecode(name) for name in names):
            assert not path.is_symlink(), path
            found[os.fsencode(path.relative_to(folder))] = path.read_bytes()
    return found
