"""Shelves: repositories whose files are a hub's listing.

A shelf is an origin like any other: visited, held, journalled, and in the dataset with its history.
It is visited once a snapshot, before its first page is read; all pages of a snapshot are therefore
of one state, whatever is pushed meanwhile and however often the listing is interrupted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ptmtorrent.errors import CorruptError
from ptmtorrent.extract.reading import held_tree, page_of_files
from ptmtorrent.ledger.rows import Item
from ptmtorrent.model.bundle import File
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.model.work import Attempt, Done, Moved, Stage
from ptmtorrent.pipeline.kept import read_holding, read_visit
from ptmtorrent.pipeline.recorder import Recorder
from ptmtorrent.pipeline.scheduler import Found
from ptmtorrent.store.base import BlobStore

MOST_MOVES = 5
"""Renames followed before a shelf counts as lost."""

VisitShelf = Callable[[Item], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class HeldShelves:
    """The shelves of one snapshot, for one hub (see ``hubs.base.Shelves``)."""

    hub: str
    number: int
    store: BlobStore
    recorder: Recorder
    clock: Clock
    tool: str
    visit_shelf: VisitShelf

    async def files(
        self, origin: str, wanted: Callable[[str], bool], after: str
    ) -> tuple[tuple[File, ...], bool]:
        """Some files of the shelf; it is visited first if this snapshot has not done so."""
        visit, holding = await self._held(origin)
        return await asyncio.to_thread(self._read, visit, holding, wanted, after)

    def _read(
        self, visit: Visit, holding: Holding, wanted: Callable[[str], bool], after: str
    ) -> tuple[tuple[File, ...], bool]:
        with held_tree(self.store, visit, holding) as tree:
            return page_of_files(tree, wanted, after)

    async def _held(self, origin: str) -> tuple[Visit, Holding]:
        """The shelf as this snapshot visited it; follows renames, as the ledger knows them."""
        for _ in range(MOST_MOVES):
            names = await self._visited(origin)
            held = await asyncio.to_thread(self._documents, *names) if names else None
            if held is not None:
                return held
            origin = await self._visit(origin)
        raise CorruptError("the repository of the listing moves in circles", url=origin)

    def _documents(self, visit: str, holding: str) -> tuple[Visit, Holding] | None:
        """A visit and its holding; None when one is lost, so that the shelf is visited again."""
        try:
            return read_visit(self.store, visit), read_holding(self.store, holding)
        except CorruptError:
            return None

    async def _visited(self, url: str) -> tuple[str, str] | None:
        return await self.recorder.ask(lambda led: led.reads.visited_in(self.number, url))

    async def _visit(self, origin: str) -> str:
        """Visit a shelf; returns where it is, which may be elsewhere."""
        started = time.monotonic()
        found = await self.visit_shelf(Item(0, Stage.VISIT, origin, self.hub, 1))
        attempt = Attempt(
            stage=Stage.VISIT,
            item=origin,
            outcome=found.outcome,
            at=self.clock.data(),
            seconds=time.monotonic() - started,
            bytes=found.bytes,
            hub=self.hub,
        )
        await self.recorder.record(
            found.lines,
            [*found.changes, lambda led: led.work.close(attempt, self.number, self.tool)],
        )
        is_elsewhere = isinstance(found.outcome, Done) and isinstance(found.outcome.result, Moved)
        return found.outcome.result.to if is_elsewhere else origin  # type: ignore[union-attr]
