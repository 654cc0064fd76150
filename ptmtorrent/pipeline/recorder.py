"""Making results durable: store, then journal, then ledger, in that order, many at once.

Everything that touches store sync, journal or ledger runs on one thread, one batch after another.
While a batch is being synced the next one gathers, so one sync acknowledges many results. A result
is acknowledged when ``record`` returns; a process killed at any instruction before that has only
done work that is found again: blobs under their names, lines that the ledger takes in on start.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from ptmtorrent.errors import CommandError, FatalError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.clock import Clock
from ptmtorrent.pipeline.intake import Intake
from ptmtorrent.pipeline.lines import Line
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Journal

T = TypeVar("T")
Change = Callable[[Ledger], object]


@dataclass(frozen=True, slots=True)
class Result:
    """What one piece of work found out.

    Attributes:
        lines: roots to journal; the ledger takes them in.
        changes: further changes to the ledger, made in the same transaction.
    """

    lines: tuple[Line, ...] = ()
    changes: tuple[Change, ...] = ()
    done: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Recorder:
    """The only writer of journal and ledger while a run goes on."""

    def __init__(
        self, ledger: Ledger, store: BlobStore, journal: Journal, *, intake: Intake, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._journal = journal
        self._intake = intake
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._waiting: list[Result] = []
        self._writing: asyncio.Task[None] | None = None
        self._broken: Exception | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._writing is not None:
                await asyncio.wait([self._writing])
        finally:
            self._thread.shutdown(wait=True)

    async def ask(self, question: Callable[[Ledger], T]) -> T:
        """Ask the ledger something, on its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, question, self._ledger)

    async def change(self, change: Callable[[Ledger], T]) -> T:
        """Change the ledger in a transaction of its own."""
        self._check()
        return await self.ask(lambda ledger: _in_transaction(ledger, change))

    async def record(self, lines: Iterable[Line] = (), changes: Iterable[Change] = ()) -> None:
        """Make a result durable; returns when it is. Safe from cancellation once begun."""
        self._check()
        result = Result(tuple(lines), tuple(changes))
        self._waiting.append(result)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(result.done)

    def _check(self) -> None:
        if isinstance(self._broken, CommandError):
            raise self._broken
        if self._broken is not None:
            raise FatalError("an earlier write failed; nothing more is written by this run")

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(self._thread, self._commit, batch)
            except Exception as error:  # every waiter gets it, and the run ends
                self._broken = error
                waiting, self._waiting = (*batch, *self._waiting), []
                for result in waiting:
                    result.done.set_exception(error)
                return
            for result in batch:
                result.done.set_result(None)

    def _commit(self, batch: list[Result]) -> None:
        self._store.flush()
        at = self._clock.data()
        with self._ledger.transaction():  # begun first: nobody else may append meanwhile
            entries = [
                self._journal.append(line.kind, at, **line.payload)
                for result in batch
                for line in result.lines
            ]
            if entries:
                self._journal.sync()
            self._intake.take(entries)
            for result in batch:
                for change in result.changes:
                    change(self._ledger)


def _in_transaction(ledger: Ledger, change: Callable[[Ledger], T]) -> T:
    with ledger.transaction():
        return change(ledger)
