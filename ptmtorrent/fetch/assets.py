"""Bring a file in by its URL: one whose bytes nobody named beforehand.

The bytes are hashed as they come, and are a blob under their sha256 when they are all there. A
name that promises leading digits of it (``resnet18-5c106cde.pth``, torch.hub's ``check_hash``) is
held to that. A download that breaks off begins anew: without a digest for the whole, halves of two
versions could meet.
"""

import asyncio
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError, ItemError, SkipError, SkipReason
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.model.work import AssetTask, Received
from ptmtorrent.net.answer import Stream
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
            async with self.transport.stream(task.url) as stream:
                if stream.status >= 400:
                    raise explain(task.url, stream.status)
                return await self._keep(task, stream, directory / "asset")
        finally:
            await asyncio.shield(in_thread(shutil.rmtree, directory))

    async def _keep(self, task: AssetTask, stream: Stream, path: Path) -> Received:
        digest, size = hashlib.sha256(), 0
        with disk.refusals(path), path.open("xb") as file:
            async for chunk in stream.chunks:
                digest.update(chunk)
                size += len(chunk)
                await in_thread(file.write, chunk)
        sha256 = digest.hexdigest()
        if not sha256.startswith(task.sha256_prefix or ""):
            text = f"its name promises sha256 {task.sha256_prefix}..., the bytes have {sha256}"
            raise CorruptError(text, url=task.url)
        await in_thread(self.store.adopt, path, sha256)
        return Received(sha256, size)


def explain(url: str, status: int) -> ItemError:
    """What a file server's refusal means; object stores answer 403 for what is not there."""
    known = {404: SkipReason.MISSING_AT_ORIGIN, 410: SkipReason.MISSING_AT_ORIGIN}
    known |= {401: SkipReason.PRIVATE, 403: SkipReason.PRIVATE, 451: SkipReason.LEGAL}
    reason = known.get(status)
    if reason is None:
        return CorruptError(f"unexpected answer {status}", url=url, status=status)
    return SkipError(f"{reason}: the server answers {status}", reason, url=url, status=status)
