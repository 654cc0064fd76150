"""What a perfect crawler would find, told by git and the disk, not by the generator's memory.

``truth.json``::

    {"state", "repositories": [{"forge", "id", "name", "status", "head", "refs": {name: target},
       "commit_count", "files": [{"path", "mode", "oid", "lfs", "sha256", "size"}]}],
     "hubs": {HUB: {"packages": [{"id", "name", "origin", "repository"}], "shelf", "unparsed",
       "assets": [{"url", "repository", "sha256", "size", "reason"}], "missing_objects"}},
     "totals": {FORGE: {"packages", "listed", "commits", "files", "distinct_blobs",
                        "distinct_lfs_bytes", "lfs_bytes"}}}

``status`` is ``listed``, ``gated``, ``private``, ``disabled`` or ``gone``. Totals count what
anyone may read: repositories that are ``listed``; only ``packages`` counts all that the hub's
listing shows (gated and disabled ones too). Paths that are not UTF-8 hold surrogate escapes.

Of a hub: ``origin`` is the canonical URL that a record leads to, ``repository`` its name today
(None where it is not there), ``shelf`` the repository that holds the listing, ``unparsed`` how many
records of it cannot be read. An asset with a ``reason`` cannot be had: its URL answers 404
(``missing_at_origin``) or leads elsewhere (``unsupported``). Missing objects are named by the shelf
and held by nobody.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.sandbox.listings import Disk, Files, listings
from ptmtorrent.sandbox.repository import Contents, HeadFile, read
from ptmtorrent.sandbox.world import FORGES, Repository, World

_SHOWN = ("listed", "gated", "disabled")


def write_truth(directory: Path) -> None:
    """Write ``truth.json`` for the state the world is in."""
    world = World.load(directory)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        held = tuple(pool.map(lambda one: _contents(directory, one), world.repositories))
    told = [_told(*pair) for pair in zip(world.repositories, held, strict=True)]
    totals = {forge: _totals([one for one in told if one["forge"] == forge]) for forge in FORGES}
    disk = Disk(directory, world, _heads(world, held))
    truth = {
        "state": world.state,
        "repositories": told,
        "hubs": listings(disk, [one for one in world.repositories if _is_shown(one)]),
        "totals": totals,
    }
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


def _contents(directory: Path, repository: Repository) -> Contents:
    nothing = Contents({}, 0, (), ())
    return nothing if repository.missing else read(repository.path(directory))


def _heads(world: World, held: Sequence[Contents]) -> dict[str, Files]:
    return {
        one.name: {_path(file): file.data for file in contents.files}
        for one, contents in zip(world.repositories, held, strict=True)
        if one.forge == "github"
    }


def _is_shown(one: Repository) -> bool:
    return one.forge == "huggingface" and status_of(one) in _SHOWN


def _told(repository: Repository, contents: Contents) -> dict[str, Any]:
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
        "path": _path(file),
        "mode": file.entry.mode,
        "oid": file.entry.oid,
        "lfs": file.pointer is not None,
        "sha256": file.pointer.sha256 if file.pointer else sha256_of(file.data),
        "size": file.size,
    }


def _path(file: HeadFile) -> str:
    return file.path.decode("utf-8", "surrogateescape")


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
