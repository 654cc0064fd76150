"""Leases, handlers, outcomes: the engine of the fetch pass.

One lane a stage. The workers of a lane share a small buffer of leased items; when nothing is due
they wait for news: an outcome (a visit may bring objects), the time at which a postponed item is
due, or the opening of a place that is closed. A lane ends when its stage has nothing left and no
lane before it can bring more. Which items are due, whose turn it is, and what an error means, are
decisions of others (SQL, turns, policy); the outcome write is the only thing shielded from
cancellation.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ptmtorrent.errors import CommandError, FailReason, ItemError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import Item
from ptmtorrent.ledger.work import Waiting
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.events import ItemFinished, Watcher
from ptmtorrent.model.work import Attempt, Done, Failed, Outcome, Postponed, Stage
from ptmtorrent.pipeline.lines import Line
from ptmtorrent.pipeline.recorder import Change, Recorder
from ptmtorrent.pipeline.turns import Turns
from ptmtorrent.policy.outcome import outcome_of

GLANCE_S = 1.0
"""For so long what was seen of the places counts."""

LOOK_AGAIN_S = 5.0
"""A place may open earlier than it said."""

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

Closed = Callable[[Stage], Mapping[str, float]]
"""The places where items of a stage need not be tried now, and for how many seconds."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One stage: how its items are carried out, and how many at the same time."""

    stage: Stage
    handler: Handler
    width: int


def nowhere(stage: Stage) -> Mapping[str, float]:
    """No place is closed."""
    return {}


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
class _Doors:
    """What is closed, looked at now and then."""

    closed: Closed
    stage: Stage
    _looked_at: float = -math.inf
    _seen: Mapping[str, float] = field(default_factory=dict)

    def look(self, now: float) -> Mapping[str, float]:
        """The places that are closed, as of a moment ago."""
        if not 0 <= now - self._looked_at < GLANCE_S:
            self._looked_at, self._seen = now, self.closed(self.stage)
        return self._seen

    def forget(self) -> None:
        """Something has just been put off; look again."""
        self._looked_at = -math.inf


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
    closed: Closed = nowhere
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
        turns, doors = Turns(), _Doors(self.closed, lane.stage)
        lock = asyncio.Lock()

        async def take() -> Item | None:
            async with lock:
                return await self._next(lane, before, turns, doors)

        async def work() -> None:
            while (item := await take()) is not None:
                outcome = await self._one(lane, item)
                turns.finished(item)
                if isinstance(outcome, Postponed):
                    doors.forget()
                await self._news.tell()

        async with asyncio.TaskGroup() as group:
            for _ in range(lane.width):
                group.create_task(work())
        self._open.discard(lane.stage)
        await self._news.tell()

    async def _next(
        self, lane: Lane, before: frozenset[Stage], turns: Turns, doors: _Doors
    ) -> Item | None:
        """The next item of a lane; None when it is over."""
        while True:
            closed = doors.look(self.clock.wall())
            news = self._news.count
            item = turns.take(closed)
            if item is not None:
                return item
            waiting = await self._lease(lane, turns, closed)
            item = turns.take(closed)
            if item is not None:
                return item
            if not waiting.places and not waiting.is_under_way and not before & self._open:
                return None
            await self._news.since(news, self._pause(waiting, closed))

    async def _lease(self, lane: Lane, turns: Turns, closed: Mapping[str, float]) -> Waiting:
        """Lease items that are due at open places; returns what waited, these included."""

        def lease(ledger: Ledger) -> tuple[list[Item], Mapping[str, int], Waiting]:
            now = self.clock.wall()
            waiting = ledger.work.waiting(lane.stage, self.number)
            places = [place for place, due in waiting.places.items() if due <= now]
            shares = turns.shares((place for place in places if place not in closed), lane.width)
            items = ledger.work.lease(lane.stage, self.number, now=now, shares=shares)
            return items, shares, waiting

        items, shares, waiting = await self.recorder.change(lease)
        turns.add(items, shares)
        return waiting

    def _pause(self, waiting: Waiting, closed: Mapping[str, float]) -> float | None:
        """Seconds until something may be due at an open place; None when only news can tell."""
        now = self.clock.wall()
        waits = [due - now for place, due in waiting.places.items() if place not in closed]
        waits += [min(closed_s, LOOK_AGAIN_S) for closed_s in closed.values()]
        return max(0.0, min(waits)) if waits else None

    async def _one(self, lane: Lane, item: Item) -> Outcome:
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
        return found.outcome

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
