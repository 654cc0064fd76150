"""Bring a file in by its URL: one whose bytes nobody named beforehand.

The bytes are hashed as they come, and are a blob under their sha256 when they are all there. A
name that promises leading digits of it (``resnet18-5c106cde.pth``, torch.hub's ``check_hash``) is
held to that. Nothing is kept of a download that did not come to its end: without a digest for the
whole, halves of two versions could meet.

Whether a file is still the one that is held is told by its headers, for the price of its last byte:
its size, and when it was changed. A file of the same size is missed where its server tells no time,
or always the present one.
"""

import asyncio
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError, ItemError, SkipError, SkipReason
from ptmtorrent.fetch.sinks import LargeSink
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.model.work import AssetTask, HeldAsset, Received
from ptmtorrent.net.checks import last_modified, size_of_whole
from ptmtorrent.net.http import Transport
from ptmtorrent.store.base import BlobStore


@dataclass(frozen=True, slots=True)
class AssetFetcher:
    """Fetches assets into the store."""

    transport: Transport
    store: BlobStore

    async def fetch(self, task: AssetTask) -> Received:
        """Bring an asset in.

        Raises:
            SkipError: it is not there, or nobody may have it.
            FailError: it could not be had, or is not what its name promises.
        """
        directory = await in_thread(self.store.scratch)
        try:
            file = await in_thread(HashedFile, directory / "asset")
            await self._download(task, file)
            return await self._keep(task, file)
        finally:
            await asyncio.shield(in_thread(disk.remove_tree, directory))

    async def is_as_held(self, url: str, held: HeldAsset) -> bool:
        """Whether an asset is what was received, as far as its server tells; errors as above."""
        try:
            async with self.transport.stream(url, start=max(held.size - 1, 0)) as stream:
                if stream.status >= 400:
                    raise explain(url, stream.status)
                return is_the_same(stream.headers, held)
        except CorruptError as error:
            if error.status == 416:  # it ends earlier
                return False
            raise

    async def _download(self, task: AssetTask, file: "HashedFile") -> None:
        sink = LargeSink(file)
        try:
            answer = await self.transport.download(task.url, sink)
        finally:
            await sink.close()
        if answer.status >= 400:
            raise explain(task.url, answer.status)

    async def _keep(self, task: AssetTask, file: "HashedFile") -> Received:
        sha256 = file.sha256
        if not sha256.startswith(task.sha256_prefix or ""):
            text = f"its name promises sha256 {task.sha256_prefix}..., the bytes have {sha256}"
            raise CorruptError(text, url=task.url)
        await in_thread(self.store.adopt, file.path, sha256)
        return Received(sha256, file.offset)


class HashedFile:
    """A new file, hashed as it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._hash = hashlib.sha256()
        with disk.refusals(path):
            os.close(disk.create(path))
            self._file = disk.Appender(path)

    @property
    def sha256(self) -> str:
        """Of everything written."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append."""
        with disk.refusals(self.path):
            self._file.append(chunk)
        self._hash.update(chunk)
        self.offset += len(chunk)

    def restart(self) -> None:
        """Forget what is here."""
        with disk.refusals(self.path):
            self._file.truncate()
        self._hash, self.offset = hashlib.sha256(), 0

    def close(self) -> None:
        """Bring everything to the file."""
        with disk.refusals(self.path):
            self._file.close()


def is_the_same(headers: Mapping[str, str], held: HeldAsset) -> bool:
    """Whether nothing in an answer's headers (lower-case) says that a file was changed."""
    size, changed = size_of_whole(headers), last_modified(headers)
    is_newer = changed is not None and changed > held.since.timestamp()
    return size in (None, held.size) and not is_newer


def explain(url: str, status: int) -> ItemError:
    """What a file server's refusal means; object stores answer 403 for what is not there."""
    known = {404: SkipReason.MISSING_AT_ORIGIN, 410: SkipReason.MISSING_AT_ORIGIN}
    known |= {401: SkipReason.PRIVATE, 403: SkipReason.PRIVATE, 451: SkipReason.LEGAL}
    reason = known.get(status)
    if reason is None:
        return CorruptError(f"unexpected answer {status}", url=url, status=status)
    return SkipError(f"{reason}: the server answers {status}", reason, url=url, status=status)
