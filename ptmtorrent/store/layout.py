"""Where everything under a root lives. Paths only: nothing here touches the disk.

::

    ROOT/
      ptmtorrent.json     what this folder is, and its format
      ledger.sqlite       index of the work
      lock                who writes now
      privacy.key         key of the pseudonyms
      dataset/            shards and manifests
      store/v1/
        blobs/sha256/ab/cd/HEX    a blob of 64 KiB or more
        segments/NNNNNN.seg       many smaller blobs
        segments/NNNNNN.idx       where they are in it
        journal/NNNNNN.jsonl      the roots of the store
        partial/                  blobs on their way in, and scratch directories
        damaged/HEX.XXXX          bytes that were not what their name says
        garbage.json              what no root reached, and since when
"""

from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.model.oid import is_sha256


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one root."""

    root: Path

    @property
    def format_file(self) -> Path:
        """The file that makes a folder a root."""
        return self.root / "ptmtorrent.json"

    @property
    def ledger(self) -> Path:
        """The SQLite database."""
        return self.root / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        """The file the one writer holds."""
        return self.root / "lock"

    @property
    def privacy_key(self) -> Path:
        """The key of the pseudonyms; never released."""
        return self.root / "privacy.key"

    @property
    def dataset(self) -> Path:
        """Shards and manifests."""
        return self.root / "dataset"

    @property
    def store(self) -> Path:
        """The store; the last part names the version of its format."""
        return self.root / "store" / "v1"

    @property
    def blobs(self) -> Path:
        """Blobs that are files of their own."""
        return self.store / "blobs" / "sha256"

    @property
    def segments(self) -> Path:
        """Segments and their indexes."""
        return self.store / "segments"

    @property
    def journal(self) -> Path:
        """Journal files."""
        return self.store / "journal"

    @property
    def partial(self) -> Path:
        """What is not finished."""
        return self.store / "partial"

    @property
    def damaged(self) -> Path:
        """Bytes that were found not to be what their name says; kept, and read by nobody."""
        return self.store / "damaged"

    @property
    def garbage(self) -> Path:
        """The list of what no root reached, and since when."""
        return self.store / "garbage.json"

    def blob(self, sha256: str) -> Path:
        """The file of a large blob. ValueError if ``sha256`` is not a digest (never a path)."""
        if not is_sha256(sha256):
            raise ValueError(f"not a sha256: {sha256!r}")
        return self.blobs / sha256[:2] / sha256[2:4] / sha256


def numbered(folder: Path, number: int, suffix: str) -> Path:
    """The file of a numbered series: ``000001.seg``."""
    return folder / f"{number:06d}{suffix}"


def number_of(path: Path, suffix: str) -> int | None:
    """The number of a file of a series, or None when it belongs to another."""
    stem = path.name.removesuffix(suffix)
    is_one = path.name.endswith(suffix) and len(stem) >= 6 and stem.isascii() and stem.isdigit()
    return int(stem) if is_one else None
