"""A dataset with the bytes behind it: blobs of the store, and what the packs of origins hold."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ptmtorrent.errors import IntegrityError, NotFoundError, UsageError
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.query.dataset import Dataset
from ptmtorrent.settings import check_name
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import Root, open_root


class Verified(io.RawIOBase):
    """A blob being read: IntegrityError at its end unless the bytes were what its name says."""

    def __init__(self, source: BinaryIO, sha256: str) -> None:
        super().__init__()
        self._source = source
        self._sha256 = sha256
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, hashing them."""
        view = memoryview(buffer).cast("B")
        chunk = self._source.read(len(view))
        view[: len(chunk)] = chunk
        self._digest.update(chunk)
        if not chunk and self._digest.hexdigest() != self._sha256:
            raise IntegrityError(f"blob {self._sha256} is damaged; what was read of it is not it")
        return len(chunk)

    def close(self) -> None:
        """Let go of the blob."""
        self._source.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Contents:
    """Reads file contents of one root, without any network, and without writing to the root."""

    root: Root

    def open(self, origin: str, oid: str, sha256: str | None) -> BinaryIO:
        """The bytes of a git blob (``oid``) of an origin, or of what its pointer stands for.

        Raises:
            NotFoundError: they are not held.
            IntegrityError: what is held is not what its name says.
        """
        with ExitStack() as stack:
            store = stack.enter_context(LocalStore.at(self.root.path, write=False))
            if sha256 is not None and store.has(sha256):
                return io.BufferedReader(Verified(store.open(sha256), sha256))
            names = self._held(origin)
            visit = Visit.from_bytes(store.read(names[0]))
            holding = Holding.from_bytes(store.read(names[1]))
            view = stack.enter_context(workbench(store, visit, holding))
            for found in view.reader.contents([oid]):
                data = b"" if found is None else b"".join(found.chunks())
                if found is not None and sha256 in (None, sha256_of(data)):
                    return io.BytesIO(data)
        raise NotFoundError(f"{sha256 or oid} of {origin} is not held; fetch it at a greater depth")

    def _held(self, origin: str) -> Sequence[str]:
        ledger = Ledger.open_to_read(self.root.layout.ledger)
        try:
            names = ledger.reads.held(origin)
        finally:
            ledger.close()
        if names is None:
            raise NotFoundError(f"nothing of {origin} is held; fetch it at a greater depth")
        return names


def open_dataset(root: Path, at: str | None = None) -> Dataset:
    """The dataset of a root, with the bytes behind it."""
    opened = open_root(Path(root), create=False)
    return Dataset(opened.layout.dataset, at=at, contents=Contents(opened))


def package_of(text: str, hubs: Iterable[str]) -> tuple[str, str]:
    """Hub and name of ``HUB:NAME`` or ``HUB:id=PACKAGE_ID``. UsageError for anything else."""
    hub, _, name = text.partition(":")
    if not name:
        raise UsageError(f"write a package as HUB:NAME or HUB:id=PACKAGE_ID, not {text!r}")
    check_name(hub, hubs, "hub")
    return hub, name
