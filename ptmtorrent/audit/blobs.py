"""Blobs that are files: each is what its name says, and read-only."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground, check_file
from ptmtorrent.audit.tree import blob_files

MODE = 0o444


def check_blobs(ground: Ground) -> Iterator[Fault]:
    """Every file under ``blobs/``; quick looks at names and modes alone."""
    for path in blob_files(ground):
        if isinstance(path, Fault):
            yield path
            continue
        yield from _blob(ground, path)
        ground.seen(ground.name(path))


def _blob(ground: Ground, path: Path) -> Findings:
    found = ground.findings(path)
    if check_file(path, found, MODE) is None or ground.quick:
        return found
    digest = digest_of(path, found)
    if digest not in (None, path.name):
        found.add(FaultKind.DIGEST, path.name, digest)
    return found


def digest_of(path: Path, found: Findings) -> str | None:
    """The sha256 of a file, read in pieces; None when it cannot be had."""
    digest: str | None = None
    with found.reading():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest
