"""Pages, visits and holdings in the store; one that is lost costs its item alone."""

import gzip

from ptmtorrent.errors import CorruptError, IntegrityError, NotFoundError
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.store.base import BlobStore


def read_page(store: BlobStore, sha256: str) -> bytes:
    """The body of a listing page as the hub sent it. CorruptError when it is lost."""
    return gzip.decompress(_read(store, "page", sha256))


def pack_page(body: bytes) -> bytes:
    """A page body as it is kept: gzip without name or time, so equal bodies are equal blobs."""
    return gzip.compress(body, 6, mtime=0)


def read_visit(store: BlobStore, sha256: str) -> Visit:
    """A visit by name. CorruptError when it is lost."""
    return Visit.from_bytes(_read(store, "visit", sha256))


def read_holding(store: BlobStore, sha256: str) -> Holding:
    """A holding by name. CorruptError when it is lost."""
    return Holding.from_bytes(_read(store, "holding", sha256))


def _read(store: BlobStore, kind: str, sha256: str) -> bytes:
    """Bytes that the journal names; what the machine refuses is no loss, and stays FatalError."""
    try:
        return store.read(sha256)
    except (NotFoundError, IntegrityError) as error:
        raise CorruptError(f"the {kind} {sha256} is lost ({error})") from error
