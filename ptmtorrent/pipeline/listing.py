"""The list pass: a hub's pages into store, journal and ledger, each with the cursor after it."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from ptmtorrent.errors import (
    CorruptError,
    FailError,
    ItemError,
    SkipError,
    SkipReason,
    UsageError,
)
from ptmtorrent.hubs.base import Hub
from ptmtorrent.ledger.rows import Listing
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.events import PageListed, Watcher
from ptmtorrent.model.package import ListedPage, Scope
from ptmtorrent.model.work import Attempt, Done, Failed, Outcome, Skipped, Stage
from ptmtorrent.pipeline.lines import Kind, Line
from ptmtorrent.pipeline.pages import Pages
from ptmtorrent.pipeline.recorder import Change, Recorder

WAITS_S = (1.0, 5.0)
"""Pauses before a page is asked for again."""

AHEAD = 4
"""Pages of a hub that may have come and are not kept yet; one sync acknowledges them together."""

ENDED = ("complete", "limited")
"""Outcomes of a listing that came to its end; any other is gone on with."""


@dataclass(frozen=True, slots=True)
class Lister:
    """Walks the listings of one snapshot.

    A page and its next cursor are durable together, so a killed listing goes on where it was. An
    error ends that hub's listing as ``cut`` (or ``unreachable`` when not even one page came); the
    packages it did not reach stay in the dataset as ``unseen``, and the other hubs go on. The
    reason of an ``optional`` hub begins with ``hub_unreachable``. A listing of a hub that lists
    ``twice`` does not end when there are enough packages, for its later pages say more of them.
    """

    snapshot_id: str
    number: int
    hubs: Mapping[str, Hub]
    pages: Pages
    recorder: Recorder
    clock: Clock
    watch: Watcher
    tool: str
    optional: frozenset[str] = frozenset()
    twice: frozenset[str] = frozenset()
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _told_of: dict[str, int] = field(default_factory=dict)

    async def list_hub(self, hub: str, scope: Scope) -> None:
        """List one hub to its end, unless this snapshot has done so already.

        A listing that was limited is made anew when the whole hub is wanted. Call ``check`` first.
        """
        state = await self._state(hub)
        if state is not None and _is_ended(state, scope):
            return
        has_begun = state is not None and state.first_page_at and state.outcome not in ENDED
        if state is not None and has_begun:
            scope = replace(scope_of(state.scope), source=scope.source)
        cursor = state.next_cursor if state and has_begun else self.hubs[hub].first_cursor(scope)
        listed = state.listed if state and has_begun else 0
        outcome, reason = "complete" if scope.is_whole else "limited", None
        self._told_of[hub] = listed
        try:
            await self._pages(hub, scope, cursor, listed)
        except ItemError as error:
            code = SkipReason.HUB_UNREACHABLE if hub in self.optional else _code(error)
            reason = f"{code}: {error}"
            state = await self._state(hub)
            outcome = "cut" if state is not None and state.first_page_at else "unreachable"
        await self._end(hub, outcome, reason, scope)

    async def check(self, hub: str, source: str | None) -> None:
        """UsageError when this snapshot has pages of the hub that are from another source.

        A listing of both would be one of neither; what the other lacks must not look gone.
        """
        state = await self._state(hub)
        if state is None or not state.first_page_at:
            return
        before = scope_of(state.scope).source
        if before not in (None, source):
            text = (
                f"snapshot {self.snapshot_id} lists {hub} from {before}, and the settings now say"
                f" {source}: set [hubs.{hub}] back until that snapshot is finished, or finish"
                " it as it is with `ptmtorrent build`"
            )
            raise UsageError(text)

    async def skip_hub(self, hub: str) -> None:
        """Write down that a hub was left out on purpose."""
        state = await self._state(hub)
        if state is None or state.outcome == "running":
            await self._end(hub, "not_asked", None, Scope())

    async def _pages(self, hub: str, scope: Scope, cursor: str | None, listed: int) -> None:
        """Ask for page after page; while some are on their way, those before them are journalled.

        A page is in the store before anything of a later one is written, so that no journal line
        can name a page behind one that is lost.
        """
        keeping: deque[asyncio.Task[int]] = deque()
        most = AHEAD if scope.limit is None else 0
        try:
            while cursor is not None and (take := self._take(hub, scope, listed)) != 0:
                page, attempt = await self._page(hub, cursor)
                sha256 = await asyncio.to_thread(self.pages.keep, hub, page.body)
                line = self._line(hub, page, sha256, scope, take)
                kept = self.recorder.record([line], [self._written(attempt)])
                keeping.append(asyncio.create_task(self._told(hub, kept)))
                cursor = page.next_cursor
                while len(keeping) > most:
                    listed = await keeping.popleft()
        finally:
            for task in keeping:
                await task

    def _take(self, hub: str, scope: Scope, listed: int) -> int | None:
        """How many records of the next page count; None for all."""
        if scope.limit is None or hub in self.twice:
            return scope.limit
        return scope.limit - listed

    async def _page(self, hub: str, cursor: str) -> tuple[ListedPage, Attempt]:
        """A page; an answer that makes no sense is asked for again, a few times.

        What the transport gave up on (it has tried again itself) is not.
        """
        for wait in (*WAITS_S, None):
            try:
                return await self._attempt(hub, cursor)
            except FailError as error:
                if wait is None or not error.transient or error.was_retried:
                    raise
                await self.pause(wait)
        raise AssertionError

    async def _attempt(self, hub: str, cursor: str) -> tuple[ListedPage, Attempt]:
        """A page and the attempt that brought it, which is written down with it.

        One that brought nothing is written down at once.
        """
        started, at = time.monotonic(), self.clock.data()
        attempt = Attempt(Stage.LIST, cursor, Done(), at, seconds=0.0, status=200, hub=hub)
        try:
            page = await self.hubs[hub].page(cursor)
            if page.next_cursor == cursor:
                raise CorruptError(f"the page at {cursor} names itself as the next one")
        except ItemError as error:
            attempt = replace(
                attempt, outcome=_outcome(error), status=error.status, message=str(error)
            )
            await self.recorder.record(changes=[self._written(_lasted(attempt, started))])
            raise
        return page, replace(_lasted(attempt, started), bytes=len(page.body))

    def _written(self, attempt: Attempt) -> Change:
        return lambda ledger: ledger.work.attempt(attempt, self.number, self.tool)

    def _line(
        self, hub: str, page: ListedPage, sha256: str, scope: Scope, take: int | None
    ) -> Line:
        payload = {
            "snapshot": self.snapshot_id,
            "hub": hub,
            "sha256": sha256,
            "cursor": page.cursor,
            "next": page.next_cursor,
            "take": take,
            "globs": list(scope.globs),
            "scope": scope_text(scope),
        }
        return Line(Kind.PAGE, payload)

    async def _told(self, hub: str, kept: Awaitable[None]) -> int:
        """Wait until a page is kept, and say so; returns how many packages are listed by then."""
        await kept
        state = await self._state(hub)
        listed = state.listed if state else 0
        self.watch(PageListed(hub, listed - self._told_of.get(hub, 0), listed))
        self._told_of[hub] = listed
        return listed

    async def _end(self, hub: str, outcome: str, reason: str | None, scope: Scope) -> None:
        payload = {"hub": hub, "outcome": outcome, "reason": reason, "scope": scope_text(scope)}
        payload["snapshot"] = self.snapshot_id
        await self.recorder.record([Line(Kind.LISTING, payload)])

    async def _state(self, hub: str) -> Listing | None:
        listings = await self.recorder.ask(lambda ledger: ledger.reads.listings(self.number))
        return next((listing for listing in listings if listing.hub == hub), None)


def _lasted(attempt: Attempt, started: float) -> Attempt:
    return replace(attempt, seconds=time.monotonic() - started)


def _is_ended(state: Listing, scope: Scope) -> bool:
    return state.outcome == "complete" or (state.outcome == "limited" and not scope.is_whole)


def scope_text(scope: Scope) -> str:
    """A scope as it is kept, and shown in ``hubs.scope``."""
    names = {"limit": scope.limit, "only": list(scope.globs) or None, "from": scope.source}
    return json.dumps({k: v for k, v in names.items() if v is not None}, sort_keys=True)


def scope_of(text: str) -> Scope:
    """Read what ``scope_text`` wrote."""
    value = json.loads(text)
    globs = tuple(value.get("only", ()))
    return Scope(limit=value.get("limit"), globs=globs, source=value.get("from"))


def _outcome(error: ItemError) -> Outcome:
    if isinstance(error, SkipError):
        return Skipped(error.reason)
    assert isinstance(error, FailError)  # noqa: S101  # ItemError has these two families
    return Failed(error.reason)


def _code(error: ItemError) -> str:
    outcome = _outcome(error)
    assert isinstance(outcome, Skipped | Failed)  # noqa: S101
    return outcome.reason
