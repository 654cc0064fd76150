"""A blob store on a local file system: small blobs in segments, large ones as files.

What one process promises another: a name is seen only when its bytes are whole, verified and
synced. A store that was opened sees its own writes, all large blobs, and the small blobs that
were there at the open; small blobs of another live process are seen at the next open.
"""

import hashlib
import io
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError, IntegrityError, NotFoundError
from ptmtorrent.model.oid import is_sha256, sha256_of
from ptmtorrent.store.base import BlobWriter
from ptmtorrent.store.compaction import compact, give_up
from ptmtorrent.store.files import BlobFiles
from ptmtorrent.store.incoming import FileWriter, SmallWriter
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.partials import Partials
from ptmtorrent.store.records import SMALL
from ptmtorrent.store.segments import Segments
from ptmtorrent.store.writers import WriterId


class LocalStore:
    """The BlobStore of a root. Use as a context manager, or ``close`` it."""

    def __init__(
        self, layout: Layout, files: BlobFiles, segments: Segments, partials: Partials | None
    ) -> None:
        self._layout = layout
        self._files = files
        self._segments = segments
        self._partials = partials
        self._setting_aside = Lock()

    @classmethod
    def at(cls, root: Path, *, write: bool) -> "LocalStore":
        """Open the store of a root.

        As a writer, makes missing folders and puts in order what killed writers left. As a
        reader, writes nothing at all. Raises FatalError when the machine refuses.
        """
        layout, fuse = Layout(root), disk.Fuse()
        files = BlobFiles(layout, fuse)
        partials = _prepare(layout, files) if write else None
        segments = Segments.open(layout.segments, write=write, fuse=fuse)
        return cls(layout, files, segments, partials)

    def has(self, sha256: str) -> bool:
        """Whether the blob is here."""
        return self._find_size(sha256) is not None

    def size(self, sha256: str) -> int:
        """Its size in bytes. NotFoundError if it is not here."""
        size = self._find_size(sha256)
        if size is None:
            raise _missing(sha256)
        return size

    def open(self, sha256: str) -> BinaryIO:
        """Its bytes, unverified when it is large. NotFoundError if it is not here."""
        file = self._files.open(sha256)
        return io.BytesIO(self.read(sha256)) if file is None else file

    def read(self, sha256: str) -> bytes:
        """All its bytes, verified. NotFoundError; IntegrityError when they do not match."""
        file = self._files.open(sha256)
        if file is not None:
            with disk.refusals(self._layout.blob(sha256)):
                return _read_verified(file, sha256)
        data = self._segments.read(bytes.fromhex(sha256))
        if data is None:
            raise _missing(sha256)
        return data

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its name. Known content is not written twice, unless damaged."""
        partials, digest = self._for_writing(), hashlib.sha256(data)
        name, is_small = digest.hexdigest(), len(data) < SMALL
        known = self._segments.size(digest.digest()) if is_small else self._files.size(name)
        if known is not None and not self.is_sound(name):
            self.set_aside(name)
        if is_small:
            self._segments.append(digest.digest(), data)
        elif not self._files.keep(name):
            self._files.put(partials.fresh(name), name, data)
        return name

    def adopt(self, path: Path, sha256: str) -> None:
        """Take over a finished file of this file system whose sha256 the caller has computed.

        The file is gone from ``path`` afterwards. A small one is hashed again on its way in:
        CorruptError if it is not what the caller said.
        """
        partials = self._for_writing()
        with disk.refusals(path):
            is_small = path.lstat().st_size < SMALL
        if is_small:
            self._adopt_small(path, sha256)
        else:
            self._adopt_large(path, sha256, partials)

    def writer(self, sha256: str, size: int) -> BlobWriter:
        """A writer for a blob of known name and size; a large one resumes."""
        partials = self._for_writing()
        if not is_sha256(sha256):
            raise ValueError(f"not a sha256: {sha256!r}")
        if size < SMALL:
            return SmallWriter(sha256, size, self._segments)
        return FileWriter(sha256, size, self._files, partials)

    def scratch(self) -> Path:
        """A new empty directory on this file system, for work in progress.

        A store open for reading only has it in the system's temporary directory instead.
        """
        if self._partials is None:
            return Path(tempfile.mkdtemp(prefix="ptmtorrent-"))
        return self._partials.scratch()

    def place(self, sha256: str, path: Path) -> None:
        """Make the blob readable at ``path``: a hard link where possible, else a copy.

        Raises NotFoundError if the blob is not here, FileExistsError if ``path`` is taken.
        """
        if not self._files.link(sha256, path):
            with self.open(sha256) as source:
                disk.copy_new(source, path, mode=0o444)

    def flush(self) -> None:
        """After this returns, everything added before the call survives a power cut."""
        self._files.flush()
        self._segments.flush()

    def names(self) -> Iterator[str]:
        """The names of all blobs here, each once, in no particular order."""
        small = (digest.hex() for digest in self._segments.digests())
        return chain(small, self._files.names())

    def is_sound(self, sha256: str) -> bool:
        """Whether the bytes of a blob are what its name says, by reading all of them."""
        file = self._files.open(sha256)
        if file is None:
            return self._has_good_record(sha256)
        with file, disk.refusals(self._layout.blob(sha256)):
            return _digest_of(file) == sha256

    def set_aside(self, sha256: str) -> bool:
        """Move bytes that are not what their name says to ``damaged``, so that good ones can come.

        Returns whether there were any. Nothing that is sound is touched, nothing is deleted. One
        thread at a time: it closes a segment that another would look for its own bytes in.
        """
        self._for_writing()
        self.flush()
        with self._setting_aside:
            if self._files.size(sha256) is None:
                return give_up(self._segments, bytes.fromhex(sha256), partial(self._keep, sha256))
            if self.is_sound(sha256):
                return False
            self._files.set_aside(sha256, self._place_aside(sha256))
            return True

    def remove(self, sha256: str) -> int:
        """Remove a large blob; returns its bytes. Small ones go by ``compact``."""
        self._for_writing()
        return self._files.remove(sha256)

    def compact(self, is_garbage: Callable[[bytes], bool]) -> int:
        """Rewrite segments that are mostly garbage, told by digest; returns the bytes freed."""
        self._for_writing()
        return compact(self._segments, is_garbage)

    def close(self) -> None:
        """Let go. What was not flushed is not acknowledged; large blobs stay for a next writer."""
        if self._partials is not None:
            self._files.release(self._partials)
        self._segments.close()

    def __enter__(self) -> "LocalStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close; after success flush first, and seal the open segment."""
        try:
            if kind is None and self._partials is not None:
                self._files.flush()
                self._segments.seal()
        finally:
            self.close()

    def _has_good_record(self, sha256: str) -> bool:
        try:
            return self._segments.read(bytes.fromhex(sha256)) is not None
        except IntegrityError:
            return False

    def _place_aside(self, sha256: str) -> Path:
        """A free name in ``damaged``."""
        disk.make_dirs(self._layout.damaged)
        return self._layout.damaged / f"{sha256}.{secrets.token_hex(4)}"

    def _keep(self, sha256: str, data: bytes) -> None:
        disk.write_once(self._place_aside(sha256), data, mode=0o444)

    def _find_size(self, sha256: str) -> int | None:
        size = self._files.size(sha256)
        return self._segments.size(bytes.fromhex(sha256)) if size is None else size

    def _for_writing(self) -> Partials:
        if self._partials is None:
            raise ValueError("this store was opened for reading only")
        return self._partials

    def _adopt_small(self, path: Path, sha256: str) -> None:
        with disk.refusals(path):
            data = path.read_bytes()
            if sha256_of(data) != sha256:
                raise CorruptError(f"{path}: sha256 is not {sha256}")
            self.put(data)
            path.unlink()

    def _adopt_large(self, path: Path, sha256: str, partials: Partials) -> None:
        own = partials.fresh(sha256)
        with disk.refusals(path):
            path.rename(own)
        self._files.receive(own, sha256)


def _prepare(layout: Layout, files: BlobFiles) -> Partials:
    for folder in (layout.blobs, layout.segments, layout.journal, layout.partial):
        disk.make_dirs(folder)
    partials = Partials(layout.partial, WriterId.here())
    now = time.time()
    with disk.refusals(layout.store):
        disk.remove_stale_temps(layout.segments, now)
        disk.remove_stale_temps(layout.root, now)
    partials.sweep(now)
    files.finish_interrupted(partials)
    return partials


def _digest_of(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(disk.CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _read_verified(file: BinaryIO, sha256: str) -> bytes:
    with file:
        data = file.read()
    found = sha256_of(data)
    if found != sha256:
        raise IntegrityError(f"blob {sha256}: its bytes have sha256 {found}")
    return data


def _missing(sha256: str) -> NotFoundError:
    return NotFoundError(f"blob {sha256} is not in the store")
