"""What the store has, for a look-up by name, however damaged it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from ptmtorrent import disk
from ptmtorrent.audit.fault import Fault, FaultKind
from ptmtorrent.audit.ground import Ground
from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError
from ptmtorrent.model.oid import is_sha256
from ptmtorrent.store.files import BlobFiles
from ptmtorrent.store.layout import number_of
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.records import Index
from ptmtorrent.store.segments import Segment, Segments

MOST_TOLD = 65_536
"""Missing blobs that are remembered, so that each is told once; more would grow memory."""


class Stock:
    """The blobs of a root, and which were missed."""

    def __init__(self, ground: Ground, store: LocalStore) -> None:
        self.store = store
        self._ground = ground
        self._told: set[str] = set()

    def has(self, name: object) -> bool:
        """Whether that names a blob, and it is here."""
        return isinstance(name, str) and is_sha256(name) and self.store.has(name)

    def is_sound(self, name: str) -> bool:
        """Whether the bytes of a blob that is here are what its name says."""
        try:
            return self.store.is_sound(name)
        except (IntegrityError, NotFoundError, FatalError, OSError):
            return False

    def wants(self, name: object, by: str, size: int | None = None) -> Iterator[Fault]:
        """A blob that ``by`` names, of that size where it is known: a fault if it is not here.

        Each missing blob is told once. Its name is where it would be looked for first.
        """
        if not isinstance(name, str) or not is_sha256(name):
            return
        actual = self.store.size(name) if self.store.has(name) else None
        if name in self._told or (actual is not None and size in (None, actual)):
            return
        if len(self._told) < MOST_TOLD:
            self._told.add(name)
        kind = FaultKind.MISSING if actual is None else FaultKind.SIZE
        path = self._ground.name(self._ground.layout.blob(name))
        wanted = f"a blob{'' if size is None else f' of {size} bytes'}, named by {by}"
        yield Fault(kind, path, wanted, "nothing" if actual is None else f"{actual} bytes")


@contextmanager
def stocked(ground: Ground) -> Iterator[Stock]:
    """Open the store of a root for reading; what of it cannot be opened is left out."""
    fuse = disk.Fuse()
    segments = Segments(ground.layout.segments, list(_segments(ground)), fuse)
    store = LocalStore(ground.layout, BlobFiles(ground.layout, fuse), segments, None)
    try:
        yield Stock(ground, store)
    finally:
        store.close()


def _segments(ground: Ground) -> Iterator[Segment]:
    """The segments that can be opened; of one that is lost, its index still tells what it had."""
    folder = ground.layout.segments
    for path in sorted({path.with_suffix(".seg") for path in folder.glob("*.*")}):
        is_ours = number_of(path, ".seg") is not None and not path.is_symlink()
        if is_ours and path.is_file():
            try:
                yield Segment.open(path, write=False)
            except (OSError, ValueError):
                continue  # named where segments are checked
        elif is_ours and not path.exists():
            yield Segment(path, Index.open(path.with_suffix(".idx")), {})
