"""The seam to the bytes: a blob store, content under its sha256."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol


class BlobWriter(Protocol):
    """A blob on its way in, known by name before its bytes are.

    Survives the process: opening a writer for the same blob again finds what a killed one left, and
    all of what a closed one did; at most the last two MiB may have been in memory alone.
    Bytes are hashed as they are written; nothing is visible before ``commit``.
    """

    @property
    def offset(self) -> int:
        """How many bytes are already here (already hashed); write from there."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append. Raises CorruptError at once when the announced size is exceeded."""
        ...

    def restart(self) -> None:
        """Forget what is here and begin at byte 0."""
        ...

    def commit(self) -> None:
        """Check size and sha256 and make the blob visible (durable after ``flush``).

        Raises CorruptError, and forgets the bytes, when they are not what the name says.
        """
        ...

    def close(self) -> None:
        """Let go; what is not committed stays for the next writer of this blob."""
        ...


class BlobStore(Protocol):
    """Bytes under their sha256.

    A blob is visible only complete and verified, and never changes. ``put``, ``adopt`` and
    ``commit`` make it visible to this process; ``flush`` makes everything so far durable, so one
    flush acknowledges many writes. Safe to call from several threads. Raises FatalError when the
    machine refuses (disk full, no inodes, no permission) and never retries such an error.
    """

    def has(self, sha256: str) -> bool:
        """Whether the blob is here."""
        ...

    def size(self, sha256: str) -> int:
        """Its size in bytes. NotFoundError if it is not here."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """Its bytes, to be closed by the caller. NotFoundError if it is not here."""
        ...

    def read(self, sha256: str) -> bytes:
        """All its bytes, verified. NotFoundError; IntegrityError when they do not match."""
        ...

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its name. Known content is not written twice, unless damaged."""
        ...

    def adopt(self, path: Path, sha256: str) -> None:
        """Take over a finished file of this file system whose sha256 the caller has computed.

        The file is gone from ``path`` afterwards.
        """
        ...

    def writer(self, sha256: str, size: int) -> BlobWriter:
        """A writer for a blob of known name and size."""
        ...

    def scratch(self) -> Path:
        """A new empty directory on this file system, for work in progress.

        The caller removes it; what a killed process left behind is removed by the next writer.
        """
        ...

    def place(self, sha256: str, path: Path) -> None:
        """Make the blob readable at ``path``: a hard link where possible, else a copy."""
        ...

    def flush(self) -> None:
        """After this returns, everything added before the call survives a power cut."""
        ...

    def names(self) -> Iterator[str]:
        """The names of all blobs here, in no particular order."""
        ...
