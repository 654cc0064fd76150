"""Leases, handlers, outcomes: the engine of the fetch pass.

One lane a stage. The workers of a lane share a small buffer of leased items; when nothing is due
they wait for news: an outcome (a visit may bring objects), or the time at which a postponed item
is due. A lane ends when its stage has nothing left and no lane before it can bring more. Which
items are due, and what an error means, are decisions of others (SQL, policy); the outcome write is
the only thing shielded from cancellation.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ptmtorrent.errors import CommandError, FailReason, ItemError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import Item
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.events import ItemFinished, Watcher
from ptmtorrent.model.work import Attempt, Done, Failed, Outcome, Postponed, Stage
from ptmtorrent.pipeline.lines import Line
from ptmtorrent.pipeline.recorder import Change, Recorder
from ptmtorrent.policy.outcome import outcome_of

FAR = 1e17
"""Due times beyond this mean "leased, wait for news"."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What a handler found out about an item.

    Attributes:
        lines: roots to journal.
        changes: changes to the ledger beside the outcome, in the same transaction.
        bytes: bytes received for the item.
    """

    outcome: Outcome = field(default_factory=Done)
    lines: Sequence[Line] = ()
    changes: Sequence[Change] = ()
    bytes: int = 0
    message: str = ""


Handler = Callable[[Item], Awaitable[Found]]
"""Carries out one item; idempotent. Raises ItemError only; anything else is a bug."""

Refused = Callable[[Item, ItemError], Sequence[Line]]
"""The lines that an item's final "no" is worth."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One stage: how its items are carried out, and how many at the same time."""

    stage: Stage
    handler: Handler
    width: int


@dataclass(slots=True)
class _News:
    """Tells whoever waits that something changed, with no news lost between look and wait."""

    count: int = 0
    _condition: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self) -> None:
        """Something changed."""
        async with self._condition:
            self.count += 1
            self._condition.notify_all()

    async def since(self, count: int, timeout_s: float | None) -> None:
        """Wait until there is news after ``count``, or for ``timeout_s`` seconds."""
        try:
            async with asyncio.timeout(timeout_s), self._condition:
                await self._condition.wait_for(lambda: self.count != count)
        except TimeoutError:
            return


@dataclass(slots=True)
class Scheduler:
    """Runs lanes until nothing is left to do."""

    number: int
    recorder: Recorder
    clock: Clock
    rng: random.Random
    watch: Watcher
    tool: str
    refused: Refused
    _news: _News = field(default_factory=_News)
    _open: set[Stage] = field(default_factory=set)

    async def run(self, lanes: Sequence[Lane]) -> None:
        """Carry out everything that is due in these lanes, and what comes of it."""
        await self.recorder.change(lambda ledger: ledger.work.release())
        self._open = {lane.stage for lane in lanes}
        async with asyncio.TaskGroup() as group:
            for place, lane in enumerate(lanes):
                before = frozenset(other.stage for other in lanes[:place])
                group.create_task(self._run_lane(lane, before))

    async def _run_lane(self, lane: Lane, before: frozenset[Stage]) -> None:
        leased: deque[Item] = deque()
        turn = asyncio.Lock()

        async def work() -> None:
            while (item := await self._next(lane, before, leased, turn)) is not None:
                await self._one(lane, item)
                await self._news.tell()

        async with asyncio.TaskGroup() as group:
            for _ in range(lane.width):
                group.create_task(work())
        self._open.discard(lane.stage)
        await self._news.tell()

    async def _next(
        self, lane: Lane, before: frozenset[Stage], leased: deque[Item], turn: asyncio.Lock
    ) -> Item | None:
        """The next item of a lane; None when it is over."""
        async with turn:
            while not leased:
                news = self._news.count
                items, due = await self._lease(lane)
                leased.extend(items)
                if not items and due is None and not before & self._open:
                    return None
                if not items:
                    await self._news.since(news, self._wait(due))
            return leased.popleft()

    async def _lease(self, lane: Lane) -> tuple[list[Item], float | None]:
        """Items that are due; and when the next one is (None: none is left at all)."""

        def lease(ledger: Ledger) -> tuple[list[Item], float | None]:
            now = self.clock.wall()
            items = ledger.work.lease(lane.stage, self.number, now=now, count=lane.width)
            return items, None if items else ledger.work.next_due(lane.stage, self.number)

        return await self.recorder.change(lease)

    def _wait(self, due: float | None) -> float | None:
        return None if due is None or due > FAR else max(0.0, due - self.clock.wall())

    async def _one(self, lane: Lane, item: Item) -> None:
        started = time.monotonic()
        status = None
        try:
            found = await lane.handler(item)
        except ItemError as error:
            status = error.status
            found = self._trouble(item, error)
        except CommandError:
            raise
        except Exception as error:  # costs this item, and is reported as our fault
            log.exception("%s %s: a bug of ours", item.stage, item.key)
            found = Found(Failed(FailReason.BUG), message=f"{type(error).__name__}: {error}")
        attempt = Attempt(
            stage=lane.stage,
            item=item.key,
            outcome=found.outcome,
            at=self.clock.data(),
            seconds=time.monotonic() - started,
            bytes=found.bytes,
            status=status,
            message=found.message,
            hub=item.hub,
        )
        await self._write(attempt, found)

    def _trouble(self, item: Item, error: ItemError) -> Found:
        outcome = outcome_of(error, item.attempts, self.clock.wall(), self.rng)
        lines = () if isinstance(outcome, Postponed) else self.refused(item, error)
        return Found(outcome, lines, message=str(error))

    async def _write(self, attempt: Attempt, found: Found) -> None:
        def close(ledger: Ledger) -> None:
            ledger.work.close(attempt, self.number, self.tool)

        await self.recorder.record(found.lines, [*found.changes, close])
        word, reason = words(attempt.outcome)
        self.watch(
            ItemFinished(attempt.stage, attempt.item, word, reason, attempt.bytes, attempt.message)
        )


def words(outcome: Outcome) -> tuple[str, str | None]:
    """An outcome as CONTRACT's words: the state, and the reason if it has one."""
    return type(outcome).__name__.lower(), getattr(outcome, "reason", None)
