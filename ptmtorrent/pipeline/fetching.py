"""The fetch pass: from leased items to tasks, and from what came of them to journal lines.

Handlers touch neither ledger nor each other; they take a task and return what they found. This
module is the thin layer between them and the scheduler.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ptmtorrent.errors import CorruptError, ItemError, SkipError, SkipReason
from ptmtorrent.hubs.base import Hub
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import Item
from ptmtorrent.ledger.work import OriginPlan
from ptmtorrent.model.events import Watcher, WorkFound
from ptmtorrent.model.package import AnswerKind, ListedPage
from ptmtorrent.model.visit import Holding
from ptmtorrent.model.work import (
    AssetTask,
    Depth,
    Done,
    HeldAsset,
    Moved,
    ObjectTask,
    OriginTask,
    Received,
    Skipped,
    Visited,
)
from ptmtorrent.pipeline.kept import pack_page, read_holding, read_visit
from ptmtorrent.pipeline.lines import Kind, Line
from ptmtorrent.pipeline.recorder import Change, Recorder
from ptmtorrent.pipeline.scheduler import Found
from ptmtorrent.store.base import BlobStore

VisitOrigin = Callable[[OriginTask], Awaitable[Visited | Moved]]
FetchObject = Callable[[ObjectTask], Awaitable[int]]
FetchAsset = Callable[[AssetTask], Awaitable[Received]]
IsAsHeld = Callable[[str, HeldAsset], Awaitable[bool]]


@dataclass(slots=True)
class ByteBudget:
    """How many bytes a run may still receive; None for no limit.

    Objects are reserved by their announced size before they are asked for; packs, whose size
    nobody announces, are counted when they have arrived.
    """

    limit: int | None
    used: int = 0
    was_reached: bool = False

    def reserve(self, size: int) -> None:
        """SkipError (over_limit) when ``size`` bytes more are too many."""
        if self.limit is not None and self.used + max(size, 1) > self.limit:
            self.was_reached = True
            raise SkipError(f"more than the limit of {self.limit} bytes", SkipReason.OVER_LIMIT)
        self.used += size

    def give_back(self, size: int) -> None:
        """What was reserved did not come."""
        self.used -= size


@dataclass(frozen=True, slots=True)
class Fetching:
    """The handlers of one snapshot's fetch pass.

    Attributes:
        late: origins whose host has lost their objects, so that others must bring them: they are
            planned last. A rename adds to it.
        caseless: base URLs of hosts where names that differ in letter case alone are one.
    """

    snapshot_id: str
    number: int
    depth: Depth
    hubs: Mapping[str, Hub]
    store: BlobStore
    recorder: Recorder
    budget: ByteBudget
    watch: Watcher
    visit_origin: VisitOrigin
    fetch_object: FetchObject
    fetch_asset: FetchAsset
    is_as_held: IsAsHeld
    late: set[str] = field(default_factory=set)
    caseless: frozenset[str] = frozenset()

    async def ask(self, item: Item) -> Found:
        """Ask a hub for a package that its listing did not show."""
        task = await self.recorder.ask(lambda ledger: ledger.work.ask_task(item))
        answer = await self.hubs[item.hub].ask(task.name, task.package_id)
        if answer.kind is AnswerKind.GONE:
            reason = SkipReason.GONE
            line = self._line(Kind.ANSWER, item, stage=item.stage, key=item.key, reason=reason)
            return Found(Skipped(reason), [line])
        return Found() if answer.page is None else self._present(item, answer.page)

    async def visit(self, item: Item) -> Found:
        """Visit an origin, unless another spelling of its name stands for it.

        One that has moved stands where it is now: readers follow one move and no chain of them.
        """
        spellings = await self._spellings(item.key)
        if spellings[0] != item.key:
            stand_in = await self._where_now(spellings[0])
            if stand_in != item.key:
                return self._moved(item, [item.key], stand_in)
        return await self._visit(item, spellings)

    async def visit_shelf(self, item: Item) -> Found:
        """Visit an origin that a hub's listing is read from."""
        return await self._visit(item, [item.key], is_shelf=True)

    async def _visit(
        self, item: Item, spellings: Sequence[str], *, is_shelf: bool = False
    ) -> Found:
        plan = await self.recorder.ask(lambda ledger: ledger.work.origin_plan(item, self.number))
        if not is_shelf:
            self.budget.reserve(0)
        task = self._task(plan)
        try:
            result = await self.visit_origin(task)
            if isinstance(result, Moved) and not is_shelf and self._is_spelling(item.key, result):
                result = await self.visit_origin(replace(task, url=result.to))
        except SkipError as error:
            raise as_listed(error, plan.status) from error
        if isinstance(result, Moved):
            self.watch(WorkFound(1))
            to = result.to if is_shelf else (await self._spellings(result.to))[0]
            return self._moved(item, spellings, to)
        found = self._visited(item, plan, result, is_shelf=is_shelf)
        if result.visit.url != item.key:
            moved = self._moved(item, spellings, result.visit.url)
            found = replace(found, lines=[*found.lines, *moved.lines])
        is_base_lost = plan.holding is not None and task.base is None
        if not (result.replaced or is_base_lost):
            return found
        earlier = await self.recorder.ask(lambda ledger: ledger.reads.kept_visits(item.key))
        return replace(found, lines=[*found.lines, *self._repacked(item, result, earlier)])

    async def _spellings(self, url: str) -> list[str]:
        """How else the name of an origin is spelled, itself included; see ``Reads.spellings``."""
        host = self._caseless_host(url)
        if host is None:
            return [url]
        known = await self.recorder.ask(lambda ledger: ledger.reads.spellings(url, host))
        return known or [url]

    async def _where_now(self, url: str) -> str:
        found = await self.recorder.ask(lambda ledger: ledger.reads.where_now([url]))
        return next(iter(found - {url}), url)

    def _caseless_host(self, url: str) -> str | None:
        return next((host for host in self.caseless if url.startswith(f"{host}/")), None)

    def _is_spelling(self, url: str, moved: Moved) -> bool:
        """Whether a host that does not tell letter case apart yet insists on it."""
        return self._caseless_host(url) is not None and moved.to.lower() == url.lower()

    def _moved(self, item: Item, spellings: Iterable[str], to: str) -> Found:
        """An origin is elsewhere, and with it all spellings of its name."""
        if item.key in self.late:
            self.late.add(to)
        names = [one for one in spellings if one != to]
        lines = [self._line(Kind.MOVED, item, origin=one, to=to) for one in names]
        return Found(Done(Moved(to)), lines)

    async def fetch(self, item: Item) -> Found:
        """Fetch one object."""

        def task_of(ledger: Ledger) -> ObjectTask:
            size = ledger.work.object_size(item.key)
            return ObjectTask(item.key, size, ledger.work.object_sources(item.key))

        task = await self.recorder.ask(task_of)
        received = 0
        if not self.store.has(task.sha256):
            received = await self._within_budget(task)
        held = [(task.sha256, self.store.size(task.sha256))]
        return Found(changes=[lambda ledger: ledger.roots.hold(held)], bytes=received)

    async def asset(self, item: Item) -> Found:
        """Fetch one asset, whose size nobody announced, unless it is what is held."""
        task = await self.recorder.ask(lambda ledger: ledger.work.asset_task(item.key))
        if task.held is not None and await self.is_as_held(task.url, task.held):
            return Found()
        self.budget.reserve(0)
        got = await self.fetch_asset(task)
        self.budget.used += got.size
        line = self._line(Kind.ASSET, item, url=item.key, sha256=got.sha256, size=got.size)
        return Found(Done(got), [line], bytes=got.size)

    async def _within_budget(self, task: ObjectTask) -> int:
        self.budget.reserve(task.size)
        try:
            return await self.fetch_object(task)
        except ItemError:
            self.budget.give_back(task.size)
            raise

    def refused(self, item: Item, error: ItemError) -> Sequence[Line]:
        """A final "no" is journalled when it is the world's answer."""
        if not isinstance(error, SkipError):
            return ()
        words = {"stage": item.stage, "key": item.key, "reason": error.reason}
        return [self._line(Kind.ANSWER, item, **words)]

    def _present(self, item: Item, page: ListedPage) -> Found:
        sha256 = self.store.put(pack_page(page.body))
        line = self._line(Kind.RECORD, item, sha256=sha256, cursor=page.cursor)
        return Found(lines=[line], bytes=len(page.body))

    def _task(self, plan: OriginPlan) -> OriginTask:
        """What to visit, and what to build upon; nothing, where that is lost."""
        task = OriginTask(plan.url, self.depth, fingerprint=plan.fingerprint)
        if plan.holding is None or plan.visit is None:
            return task
        try:
            visit, holding = (
                read_visit(self.store, plan.visit),
                read_holding(self.store, plan.holding),
            )
        except CorruptError:
            return task
        return replace(task, base=holding, base_visit=visit)

    def _visited(self, item: Item, plan: OriginPlan, found: Visited, *, is_shelf: bool) -> Found:
        self.budget.used += found.received
        line = self._line(
            Kind.VISIT,
            item,
            origin=found.visit.url,
            visit=self.store.put(found.visit.to_bytes()),
            holding=self.store.put(found.holding.to_bytes()),
            fingerprint=plan.fingerprint,
            depth=int(self.depth),
            **({"shelf": True} if is_shelf else {}),
        )
        changes: list[Change] = [self._find_held(found.holding)]
        if self.depth >= Depth.FULL and item.key not in self.late:
            changes.append(self._plan_objects(item.hub, found.visit.url))
        return Found(Done(found), [line], changes, bytes=found.received)

    def _repacked(
        self, item: Item, found: Visited, earlier: Sequence[tuple[str, str]]
    ) -> Iterator[Line]:
        """Earlier visits are kept by the new packs, where those keep all that is needed."""
        for visit, name in earlier:
            after = self._heir(found, visit, name)
            if after is not None:
                holding = self.store.put(after.to_bytes())
                names = {"visit": visit, "holding": holding, "replaces": name}
                yield self._line(Kind.REPACK, item, **names)

    def _heir(self, found: Visited, visit: str, name: str) -> Holding | None:
        """What keeps an earlier visit from now on, if packs of it were replaced.

        Of one that is lost nobody knows the packs; the same state found again can be kept.
        """
        try:
            before = read_holding(self.store, name)
        except CorruptError:
            return found.holding if found.holding.visit == visit else None
        rest = [pack for pack in before.packs if pack not in found.replaced]
        if len(rest) == len(before.packs):
            return None
        packs = tuple(dict.fromkeys([*rest, *found.holding.packs, *found.beyond]))
        return replace(before, packs=packs, pack_bytes=sum(map(self.store.size, packs)))

    def _find_held(self, holding: Holding) -> Change:
        """Objects of a new head that the store has already, whoever brought them."""
        wanted = {blob.sha256 for blob in holding.wanted}
        held = [(name, self.store.size(name)) for name in wanted if self.store.has(name)]
        return lambda ledger: ledger.roots.hold(held)

    def _plan_objects(self, hub: str, url: str) -> Change:
        def plan(ledger: Ledger) -> None:
            planned = ledger.work.plan_objects_of(self.number, hub, url)
            self.watch(WorkFound(planned))

        return plan

    def _line(self, kind: Kind, item: Item, **payload: object) -> Line:
        return Line(kind, {"snapshot": self.snapshot_id, "hub": item.hub, **payload})


def as_listed(error: SkipError, status: str | None) -> SkipError:
    """A git host says "not there" of what one may not read; the hub's listing knows better."""
    known = {reason.value for reason in (SkipReason.GATED, SkipReason.PRIVATE, SkipReason.DISABLED)}
    if error.reason in (SkipReason.GONE, SkipReason.PRIVATE) and status in known:
        return SkipError(str(error), SkipReason(status), url=error.url, status=error.status)
    return error
