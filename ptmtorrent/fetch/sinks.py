"""Where the bytes of a download go: into a writer of the store, or into memory when they are few.

Disk and hash work in threads. A large object is written while its next bytes are on their way, a
few pieces behind, so that network, hash and disk run side by side and memory stays flat. A small
one is kept in one go at the end, which saves it every other hop into a thread.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

from ptmtorrent.errors import CorruptError
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.net.download import Sink
from ptmtorrent.store.base import BlobStore, BlobWriter
from ptmtorrent.store.records import SMALL

BEHIND = 3
"""Pieces of a large object, of at most a MiB each, that have come and are not written yet."""


class ObjectSink(Sink, Protocol):
    """Takes one object whose name and size are known; ``received`` counts every byte taken."""

    received: int

    async def commit(self) -> None:
        """Check what is here and make it a blob. CorruptError, and all is forgotten, if not."""
        ...

    async def close(self) -> None:
        """Let go; what a store keeps of an unfinished object stays for the next attempt."""
        ...


async def sink_for(store: BlobStore, sha256: str, size: int) -> ObjectSink:
    """The sink for an object; a large one goes on where an earlier process stopped."""
    if size < SMALL:
        return SmallSink(store, sha256, size)
    return BlobSink(await in_thread(store.writer, sha256, size))


class SmallSink:
    """Holds a small object in memory."""

    def __init__(self, store: BlobStore, sha256: str, size: int) -> None:
        self.received = 0
        self._store = store
        self._sha256 = sha256
        self._size = size
        self._data = bytearray()

    @property
    def offset(self) -> int:
        """How many bytes are here."""
        return len(self._data)

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; CorruptError when there are more than announced."""
        self.received += len(chunk)
        if len(self._data) + len(chunk) > self._size:
            self._data.clear()
            raise CorruptError(f"blob {self._sha256}: more than the {self._size} bytes announced")
        self._data += chunk

    async def restart(self) -> None:
        """Forget what is here."""
        self._data.clear()

    async def commit(self) -> None:
        """Check and keep it."""
        data = bytes(self._data)
        self._data.clear()
        await in_thread(self._keep, data)

    async def close(self) -> None:
        """Forget what is here."""
        self._data.clear()

    def _keep(self, data: bytes) -> None:
        with closing(self._store.writer(self._sha256, self._size)) as writer:
            writer.write(data)
            writer.commit()


class Writer(Protocol):
    """What a large sink writes into; its methods block."""

    @property
    def offset(self) -> int:
        """How many bytes are here."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append."""
        ...

    def restart(self) -> None:
        """Forget what is here."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class LargeSink:
    """Writes some pieces behind what arrives, one after the other, in a thread of its own.

    After a piece that could not be written, those behind it are dropped.
    """

    def __init__(self, writer: Writer) -> None:
        self.received = 0
        self._writer = writer
        self._offset = writer.offset
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink")
        self._writing: deque[Future[None]] = deque()
        self._is_torn = False

    @property
    def offset(self) -> int:
        """How many bytes are here or on their way to the disk."""
        return self._offset

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes, when few enough are waiting; raises what went wrong before."""
        if len(self._writing) == BEHIND:
            await asyncio.wait([asyncio.wrap_future(self._writing[0])])
        while self._writing and self._writing[0].done():
            self._writing.popleft().result()
        self.received += len(chunk)
        self._offset += len(chunk)
        self._writing.append(self._thread.submit(self._write, chunk))

    async def restart(self) -> None:
        """Forget what is here."""
        await self._settle()
        await in_thread(self._writer.restart)
        self._offset, self._is_torn = 0, False

    async def close(self) -> None:
        """Let go; what is here stays for the next attempt."""
        try:
            await self._settle()
        finally:
            self._thread.shutdown(wait=False)
            await in_thread(self._writer.close)

    async def _settle(self) -> None:
        """Wait for all pieces on their way to the disk; what went wrong with one is raised."""
        writing = tuple(self._writing)
        self._writing.clear()
        if writing:
            await in_thread(_finished, writing)

    def _write(self, chunk: bytes) -> None:
        if self._is_torn:
            return
        self._is_torn = True
        self._writer.write(chunk)
        self._is_torn = False


def _finished(writing: Iterable[Future[None]]) -> None:
    for piece in writing:
        piece.result()


class BlobSink(LargeSink):
    """Writes a large object."""

    def __init__(self, writer: BlobWriter) -> None:
        super().__init__(writer)
        self._blob = writer

    async def commit(self) -> None:
        """Check and keep it."""
        await self._settle()
        try:
            await in_thread(self._blob.commit)
        except CorruptError:
            self._offset = 0
            raise
