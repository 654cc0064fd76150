"""A root: the folder that holds one collection, and who may write to it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from ptmtorrent import disk
from ptmtorrent.errors import (
    FatalError,
    IntegrityError,
    NotFoundError,
    UsageError,
    WriterActiveError,
)
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.writers import WriterId

FORMAT = 1
"""The format of a root that this version reads and writes."""

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Root:
    """An opened root.

    Attributes:
        path: absolute path of the folder.
    """

    path: Path

    @property
    def layout(self) -> Layout:
        """Where everything is."""
        return Layout(self.path)

    @property
    def privacy_key(self) -> bytes:
        """The key of the pseudonyms, never made twice.

        Raises NotFoundError if it is lost, IntegrityError if it is not the one of this root.
        """
        path = self.layout.privacy_key
        with disk.refusals(path):
            key = path.read_bytes() if path.exists() else b""
        if len(key) != _KEY_BYTES:
            raise NotFoundError(f"{path}: no such key; put it back from a copy of this root")
        if self._key_sha256() not in (None, sha256_of(key)):
            raise IntegrityError(f"{path}: another key; put it back from a copy of this root")
        return key

    def _key_sha256(self) -> object:
        """What the format file names; None while there is no such file, and in old roots."""
        path = self.layout.format_file
        return _content_of(path).get("key_sha256") if path.exists() else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer of this root until the block ends, or the process does.

        Raises WriterActiveError, naming the holder, when another process is. Keeps people from
        starting two runs; that bytes stay right does not depend on it.
        """
        path = self.layout.lock
        with disk.refusals(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            with disk.refusals(path):
                _take_lock(fd, path)
            yield
        finally:
            os.close(fd)


def open_root(path: Path, *, create: bool, key: bytes | None = None) -> Root:
    """Open a root, or make one of a folder that is missing or empty.

    Args:
        path: the folder.
        create: make it if there is none.
        key: the key of pseudonyms that a new one gets; None for one that nobody else has.

    Raises:
        NotFoundError: there is no root at ``path`` (and ``create`` is false).
        UsageError: a newer version made it, the folder holds something else, or is none.
        IntegrityError: its format file cannot be read.
        FatalError: the machine refuses.
    """
    root = Root(path.absolute())
    try:
        with disk.refusals(root.path):
            if not root.layout.format_file.exists():
                if not create:
                    _miss(root)
                _make(root, key)
    except OSError as error:
        raise UsageError(f"{root.path}: no place for a root: {error.strerror}") from error
    _check_format(root.layout.format_file)
    return root


def _miss(root: Root) -> NoReturn:
    words = "`ptmtorrent list` or `ptmtorrent snapshot` makes one"
    raise NotFoundError(f"{root.path}: no ptmtorrent root here; {words}")


def _make(root: Root, key: bytes | None) -> None:
    """Key first, format file last: a root exists when it is whole."""
    if root.path.exists() and not root.path.is_dir():
        raise UsageError(f"{root.path}: not a folder")
    disk.make_dirs(root.path)
    strangers = sorted(entry.name for entry in root.path.iterdir() if not _is_ours(entry.name))
    if strangers:
        raise UsageError(f"{root.path}: not empty and not a root (holds {strangers[0]!r})")
    layout = root.layout
    disk.write_once(layout.privacy_key, key or secrets.token_bytes(_KEY_BYTES), mode=0o600)
    digest = sha256_of(root.privacy_key)
    disk.write_once(layout.format_file, format_bytes(version("ptmtorrent"), digest))


def format_bytes(created_by: str, key_sha256: str | None) -> bytes:
    """What ``ptmtorrent.json`` holds: it vouches for the key beside it, and ``check`` for it.

    Old roots have neither (None).
    """
    content = {"created_by": created_by, "format": FORMAT}
    if key_sha256 is None:
        return canonical_json(content) + b"\n"
    content |= {"key_sha256": key_sha256}
    check = sha256_of(canonical_json(content))
    return canonical_json({**content, "check": check}) + b"\n"


def _is_ours(name: str) -> bool:
    """Whether a name may be what a killed creation left."""
    return name == "privacy.key" or name.startswith((".privacy.key.", ".ptmtorrent.json."))


def _content_of(path: Path) -> dict[str, object]:
    with disk.refusals(path):
        text = path.read_bytes()
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{path}: not readable as the format of a root") from error


def _check_format(path: Path) -> None:
    found = _content_of(path).get("format")
    if not isinstance(found, int) or found < 1:
        raise IntegrityError(f"{path}: format {found!r} is none")
    if found > FORMAT:
        raise UsageError(f"{path}: made by a newer ptmtorrent (format {found}); update this one")


def _take_lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 1024, 0).decode("utf-8", "replace").strip()
        raise WriterActiveError(f"{path}: another process writes here: {holder}") from None
    me = WriterId.here()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(fd, 0)
    disk.write_all(fd, canonical_json({"host": me.host, "pid": me.pid, "since": since}), 0)


@dataclass(frozen=True, slots=True)
class Space:
    """What a file system has left; ``free_inodes`` is None where inodes are not counted."""

    free_bytes: int
    free_inodes: int | None


def space_at(path: Path) -> Space:
    """What is left for us on the file system of ``path``."""
    with disk.refusals(path):
        found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def shortage(space: Space, min_bytes: int, min_inodes: int) -> str | None:
    """What there is too little of, in words, or None."""
    if space.free_bytes < min_bytes:
        return f"{space.free_bytes} bytes are free, {min_bytes} must stay free"
    if space.free_inodes is not None and space.free_inodes < min_inodes:
        return f"{space.free_inodes} inodes are free, {min_inodes} must stay free"
    return None


def check_space(path: Path, min_bytes: int, min_inodes: int) -> None:
    """Stop before the disk is full. FatalError when less than the given is free."""
    problem = shortage(space_at(path), min_bytes, min_inodes)
    if problem:
        raise FatalError(f"{path}: {problem}; free some and run the same command again")
