"""What a perfect crawler would find, told by git and the disk, not by the generator's memory.

``truth.json``::

    {"state", "repositories": [{"forge", "id", "name", "status", "head", "refs": {name: target},
       "commit_count", "files": [{"path", "mode", "oid", "lfs", "sha256", "size"}]}],
     "totals": {FORGE: {"packages", "listed", "commits", "files", "distinct_blobs",
                        "distinct_lfs_bytes", "lfs_bytes"}}}

``status`` is ``listed``, ``gated``, ``private``, ``disabled`` or ``gone``. Totals count what
anyone may read: repositories that are ``listed``; only ``packages`` counts all that the hub's
listing shows (gated and disabled ones too). Paths that are not UTF-8 hold surrogate escapes.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.sandbox.repository import Contents, HeadFile, read
from ptmtorrent.sandbox.world import FORGES, Repository, World

_SHOWN = ("listed", "gated", "disabled")


def write_truth(directory: Path) -> None:
    """Write ``truth.json`` for the state the world is in."""
    world = World.load(directory)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        told = list(pool.map(lambda one: _told(directory, one), world.repositories))
    totals = {forge: _totals([one for one in told if one["forge"] == forge]) for forge in FORGES}
    truth = {"state": world.state, "repositories": told, "totals": totals}
    text = json.dumps(truth, indent=1, sort_keys=True)
    (directory / "truth.json").write_text(text + "\n", encoding="ascii")


def status_of(repository: Repository) -> str:
    """The word for who may see a repository."""
    words = {
        "gone": repository.missing,
        "private": repository.private,
        "disabled": repository.disabled,
        "gated": bool(repository.gated),
    }
    return next((word for word, holds in words.items() if holds), "listed")


def _told(directory: Path, repository: Repository) -> dict[str, Any]:
    path = repository.path(directory)
    contents = Contents({}, 0, (), ()) if repository.missing else read(path)
    return {
        "forge": repository.forge,
        "id": repository.id,
        "name": repository.name,
        "status": status_of(repository),
        "head": contents.head,
        "refs": dict(contents.refs),
        "commit_count": contents.commits,
        "files": [_file(file) for file in contents.files],
    }


def _file(file: HeadFile) -> dict[str, Any]:
    return {
        "path": file.path.decode("utf-8", "surrogateescape"),
        "mode": file.entry.mode,
        "oid": file.entry.oid,
        "lfs": file.pointer is not None,
        "sha256": file.pointer.sha256 if file.pointer else sha256_of(file.data),
        "size": file.size,
    }


def _totals(told: Sequence[dict[str, Any]]) -> dict[str, int]:
    listed = [one for one in told if one["status"] == "listed"]
    files = [file for one in listed for file in one["files"]]
    large = [file for file in files if file["lfs"]]
    return {
        "packages": sum(one["status"] in _SHOWN for one in told),
        "listed": len(listed),
        "commits": sum(one["commit_count"] for one in listed),
        "files": len(files),
        "distinct_blobs": len({file["sha256"] for file in files}),
        "distinct_lfs_bytes": sum({file["sha256"]: file["size"] for file in large}.values()),
        "lfs_bytes": sum(file["size"] for file in large),
    }
