"""Bring one object in by its sha256: ranged, resumed, verified, from whoever has it.

An object is known by name before its bytes are, so nothing is fetched that the store has. Each
source is tried file by file first (``resolve``, which has the larger budget) and then by the
git-LFS batch API. A partial left by a killed process is continued: the name decides at the end
whether the bytes are right, whoever sent the halves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ptmtorrent.errors import CorruptError, ItemError, SkipError, SkipReason
from ptmtorrent.fetch.batch import HEADERS, action_of, quota_error, request_of
from ptmtorrent.fetch.sinks import ObjectSink, sink_for
from ptmtorrent.model.forge import Forge
from ptmtorrent.model.oid import Pointer
from ptmtorrent.model.work import ObjectSource, ObjectTask
from ptmtorrent.net.courier import EXPIRED
from ptmtorrent.net.http import Transport
from ptmtorrent.store.base import BlobStore

ForgeOf = Callable[[str], Forge]
"""The forge of an origin, by its canonical URL."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One place to download an object from."""

    url: str
    headers: Mapping[str, str]
    forge: Forge


@dataclass(frozen=True, slots=True)
class ObjectFetcher:
    """Fetches objects into the store."""

    transport: Transport
    store: BlobStore
    forge_of: ForgeOf

    async def fetch(self, task: ObjectTask) -> int:
        """Bring an object in; returns how many bytes were received for it.

        Raises:
            SkipError: every source says that it is not there, gated, over quota, ...
            FailError: a source may have it, but it could not be had.
        """
        if self.store.has(task.sha256):
            return 0
        errors: list[ItemError] = []
        for source in task.sources:
            pointer = Pointer(task.sha256, task.size if source.size is None else source.size)
            for way in (self._by_file, self._by_batch):
                try:
                    return await way(pointer, source)
                except ItemError as error:
                    errors.append(error)
        raise _worst(errors)

    async def _by_file(self, pointer: Pointer, source: ObjectSource) -> int:
        forge = self.forge_of(source.origin)
        url = forge.file_url(source.origin, source.revision, source.path)
        if url is None:
            text = "this host serves no single files"
            raise SkipError(text, SkipReason.MISSING_AT_ORIGIN, url=source.origin)
        return await self._download(pointer, _Way(url, {}, forge))

    async def _by_batch(self, pointer: Pointer, source: ObjectSource) -> int:
        forge = self.forge_of(source.origin)
        base = forge.lfs_url(source.origin)
        if base is None:
            text = "this host serves no LFS objects of this repository any more"
            raise SkipError(text, SkipReason.MISSING_AT_ORIGIN, url=source.origin)
        url = f"{base}/objects/batch"
        way = await self._way(pointer, url, forge)
        try:
            return await self._download(pointer, way)
        except ItemError as error:
            if error.status not in EXPIRED:
                raise
        return await self._download(pointer, await self._way(pointer, url, forge))

    async def _way(self, pointer: Pointer, url: str, forge: Forge) -> _Way:
        """Where the LFS server offers an object, for a while."""
        response = await self.transport.post_json(url, request_of(pointer), headers=HEADERS)
        if response.status != 200:
            quota = quota_error(response.status, response.body)
            raise quota or forge.explain(url, response.status, response.headers, response.body)
        action = action_of(response.body, pointer)
        return _Way(action.href, action.headers, forge)

    async def _download(self, pointer: Pointer, way: _Way) -> int:
        """Bring it in; what was pieced together and is wrong is asked for once more, whole."""
        sink = await sink_for(self.store, pointer.sha256, pointer.size)
        may_restart = True
        try:
            while True:
                start = sink.offset
                try:
                    start = await self._receive(sink, way, pointer.size)
                    await sink.commit()
                except CorruptError:
                    if not may_restart or not (start or sink.offset):
                        raise
                else:
                    return sink.received
                may_restart = False
                await sink.restart()
        finally:
            await sink.close()

    async def _receive(self, sink: ObjectSink, way: _Way, size: int) -> int:
        """Receive what is missing; the offset that the last answer began at."""
        if sink.offset >= size:
            return size
        answer = await self.transport.download(way.url, sink, size=size, headers=way.headers)
        if answer.status >= 400:
            raise way.forge.explain(way.url, answer.status, answer.headers, answer.error_body)
        return answer.start


def _worst(errors: list[ItemError]) -> ItemError:
    """The error that decides: what may pass, then what broke, then the plainest "no".

    "Not there" from one source says nothing about another, so it yields to every other reason.
    """
    if not errors:
        return SkipError("no origin names this object any more", SkipReason.MISSING_AT_ORIGIN)

    def weight(error: ItemError) -> tuple[bool, bool, bool]:
        missing = isinstance(error, SkipError) and error.reason is SkipReason.MISSING_AT_ORIGIN
        transient = getattr(error, "transient", False)
        return transient, not isinstance(error, SkipError), not missing

    return max(errors, key=weight)
