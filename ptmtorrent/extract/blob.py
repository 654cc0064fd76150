"""What is to be told of a blob in git: size, sha256, first bytes, and the pointer it may be."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ptmtorrent.extract.format import MAGIC_BYTES
from ptmtorrent.extract.objects import ObjectContent, ObjectReader
from ptmtorrent.model.oid import POINTER_LIMIT, Pointer, parse_pointer

_REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob that is here: size in bytes, sha256, first bytes, and the pointer it parses as."""

    size: int
    sha256: str
    start: bytes
    pointer: Pointer | None


class BlobFactsReader:
    """Reads blobs once, streaming; remembers some, for trees that repeat the same blob."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._known: dict[str, BlobFacts | None] = {}

    def facts(self, oids: Iterable[str]) -> dict[str, BlobFacts | None]:
        """The facts of each blob; None for one that is not here."""
        wanted = dict.fromkeys(oids)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        new = [oid for oid in wanted if oid not in self._known]
        for oid, found in zip(new, self._reader.contents(new), strict=True):
            self._known[oid] = None if found is None else _read(found)
        return {oid: self._known[oid] for oid in wanted}


def _read(found: ObjectContent) -> BlobFacts:
    if found.info.size < POINTER_LIMIT:
        chunks: Iterator[bytes] = iter((found.read(POINTER_LIMIT),))
    else:
        chunks = found.chunks()
    first = next(chunks, b"")
    digest = hashlib.sha256(first)
    for chunk in chunks:
        digest.update(chunk)
    size = found.info.size
    return BlobFacts(size, digest.hexdigest(), first[:MAGIC_BYTES], parse_pointer(first))
