"""Looks for a secret in whatever encoding, in whatever was written."""

import base64
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from ptmtorrent.store.local import LocalStore

ZSTD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def forms(secret: str) -> tuple[bytes, ...]:
    """A secret plain, in base64 at any offset, in hex, in UTF-16, quoted, and as Basic."""
    raw = secret.encode()
    shifted = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw)
        shifted.append(text[4 * (before > 0) : len(text) - 4])
    basic = [
        base64.b64encode(f"{user}:{secret}".encode()) for user in ("", "x-access-token", "user")
    ]
    escaped = "".join(f"%{byte:02X}" for byte in raw).encode()
    plain = (
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        raw[::-1],
        escaped,
        quote(secret).encode(),
    )
    return (*plain, secret.encode("utf-16-le"), secret.encode("utf-16-be"), *shifted, *basic)


def found(needles: Iterable[bytes], data: bytes) -> bool:
    """Whether data, or what it unpacks to, holds one of them."""
    return any(needle in layer for layer in _layers(data) for needle in needles)


def _layers(data: bytes) -> Iterator[bytes]:
    yield data
    if data[:2] == GZIP:
        yield gzip.decompress(data)
    if data[:4] == ZSTD:
        yield pa.input_stream(io.BytesIO(data), compression="zstd").read()
    if data[:4] == b"PACK":
        yield from _objects(data)


def _objects(pack: bytes) -> Iterator[bytes]:
    """Every zlib stream of a pack."""
    at = 12
    while at < len(pack) - 20:
        unpacker = zlib.decompressobj()
        try:
            whole = unpacker.decompress(pack[at:])
        except zlib.error:
            at += 1
            continue
        yield whole
        at = len(pack) - len(unpacker.unused_data) if unpacker.eof else at + 1


def places(secret: str, *trees: Path) -> list[str]:
    """Files that hold a secret."""
    needles = forms(secret)
    files = [path for tree in trees for path in tree.rglob("*") if path.is_file()]
    hits = [str(path) for path in files if found(needles, path.read_bytes())]
    hits += [str(path) for path in files if secret in str(path)]
    for path in files:
        if path.suffix == ".parquet":
            text = repr(pq.read_table(path).to_pylist()).encode()
            hits += [f"{path} (values)"] if found(needles, text) else []
    return hits


def blobs_with(secret: str, root: Path) -> list[str]:
    """Blobs of a store that hold a secret, whatever they are packed in."""
    needles = forms(secret)
    with LocalStore.at(root, write=False) as store:
        return [name for name in store.names() if found(needles, store.read(name))]
