"""Shards that no manifest lists: what a build left that was killed."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.shards import manifest as manifests
from ptmtorrent.store.journal import Entry

_PARTS = "*/v*/*snapshot=*/part-*.parquet"
_SNAPSHOT = "snapshot"


def finished(entries: Iterable[Entry]) -> dict[str, str]:
    """Snapshot -> sha256 of its manifest, as the journal has it."""
    return {
        entry.payload["snapshot"]: entry.payload["manifest"]
        for entry in entries
        if entry.kind == _SNAPSHOT
    }


def strays(dataset: Path, journalled: Mapping[str, str]) -> Iterator[str]:
    """Shards, by their paths under the dataset, that neither the journal's manifests list nor any.

    Raises IntegrityError when a journalled manifest is missing or changed: then nobody knows what
    it lists.
    """
    listed = _listed(dataset, journalled)
    for path in sorted(dataset.glob(_PARTS)):
        name = path.relative_to(dataset).as_posix()
        if name not in listed and path.is_file() and not path.is_symlink():
            yield name


def _listed(dataset: Path, journalled: Mapping[str, str]) -> set[str]:
    for snapshot, sha256 in journalled.items():
        path = manifests.path_of(dataset, snapshot)
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            text = f"{path}: not the manifest that was journalled"
            raise IntegrityError(f"{text}; run `ptmtorrent verify`")
    try:
        found = [manifests.load(dataset, name) for name in manifests.snapshots(dataset)]
    except NotFoundError as error:
        raise IntegrityError(str(error)) from error
    return {shard.path for manifest in found for shard in manifest.shards}
