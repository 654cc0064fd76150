"""The passes of one snapshot, in order: over the network, and then without it."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from ptmtorrent.app.session import Held, Online, online, seeded, without_lfs
from ptmtorrent.hubs import GIT_HOSTS, HUBS
from ptmtorrent.hubs.base import Hub, Means
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import Snapshot
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.events import PassStarted, Watcher, WorkFound
from ptmtorrent.model.package import Asset, Scope
from ptmtorrent.model.work import Depth, Stage
from ptmtorrent.net.gate import Gates
from ptmtorrent.pipeline.fetching import ByteBudget, Fetching
from ptmtorrent.pipeline.listing import ENDED, Lister
from ptmtorrent.pipeline.scheduler import Lane, Scheduler
from ptmtorrent.pipeline.shelves import HeldShelves
from ptmtorrent.settings import Settings

ASK_WIDTH = 8
OBJECT_WIDTH = 16
ASSET_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What an item of a stage costs, and how many requests an hour its bucket allows."""

    bucket: str
    requests: int
    inodes: int
    per_hour: int


COSTS = {
    Stage.ASK: Cost("api", 1, 0, 6000),
    Stage.VISIT: Cost("pages", 4, 1, 1200),
    Stage.OBJECT: Cost("resolvers", 2, 1, 36000),
    Stage.ASSET: Cost("files", 2, 1, 36000),
}


DOORS = {
    Stage.ASK: ("api",),
    Stage.VISIT: ("git",),
    Stage.OBJECT: ("resolvers", "lfs"),
    Stage.ASSET: ("pages", "resolvers"),
}
"""Stage -> the buckets its requests count in, one or the other (``net.gate.bucket_of``)."""


@dataclass(slots=True)
class Run:
    """One command's work on one snapshot.

    Attributes:
        tool: name and version, for attempts and manifests.
        agent: the User-Agent.
        network: requests and refused requests of our own, and all bytes received.
    """

    here: Held
    settings: Settings
    snapshot: Snapshot
    clock: Clock
    watch: Watcher
    tool: str
    agent: str
    network: tuple[int, int, int] = (0, 0, 0)
    _budget: ByteBudget | None = None
    _sources: dict[str, str | None] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def selected(self) -> dict[str, tuple[str, ...]]:
        """Hubs to be listed, each with its name globs: the chosen ones, and who has their bytes."""
        chosen = self.settings.selected()
        for hub, glob in self._bytes_at(chosen):
            if chosen.get(hub) != ():
                chosen[hub] = (*chosen.get(hub, ()), glob)
        return chosen

    @property
    def optional(self) -> frozenset[str]:
        """Hubs whose absence does not count."""
        return optional_hubs(self.settings)

    @property
    def limit_reached(self) -> bool:
        """Whether the byte budget turned something away."""
        return self._budget is not None and self._budget.was_reached

    @property
    def seconds(self) -> float:
        """Wall time since the run began."""
        return time.monotonic() - self._began

    async def over_the_network(
        self, *, listing: bool, fetching: bool, retry_failed: bool = False
    ) -> None:
        """List, fetch, or both; at depth ``listing`` nothing is fetched, whatever was planned."""
        fetching = fetching and self.settings.depth > Depth.LISTING
        async with online(self.here, self.settings, self.clock, self.watch, self.agent) as net:
            try:
                lister = await self._lister(net) if listing else None
                if retry_failed:
                    number, stages = self.snapshot.seq, self._stages(listing, fetching)
                    await net.recorder.change(lambda led: led.work.retry_failed(number, stages))
                if lister is not None:
                    await self._list(net, lister)
                if fetching:
                    await self._fetch(net)
            finally:
                counts = net.transport.counts
                self.network = (counts.requests, counts.refused, counts.bytes)

    def _stages(self, listing: bool, fetching: bool) -> list[Stage]:
        """What these passes carry out."""
        passes = {
            Stage.ASK: listing,
            Stage.VISIT: fetching,
            Stage.OBJECT: fetching,
            Stage.ASSET: fetching and self.settings.depth >= Depth.FULL,
        }
        return [stage for stage, is_due in passes.items() if is_due]

    def plan(self) -> None:
        """Write down what is to be visited and fetched, without doing it."""
        with self.here.ledger.transaction():
            self._plan()

    def _plan(self) -> None:
        number, depth, work = self.snapshot.seq, self.settings.depth, self.here.ledger.work
        selected = self.settings.selected() if depth > Depth.LISTING else {}
        for hub, globs in selected.items():
            work.plan_visits(number, hub, depth=int(depth), top=self.settings.top, globs=globs)
        for hub, glob in self._bytes_at(selected):
            work.plan_visits(number, hub, depth=int(depth), top=None, globs=(glob,))
        if depth >= Depth.FULL:
            late = self.here.ledger.reads.where_now(without_lfs(self.settings))
            work.plan_objects(number, late)

    def _bytes_at(self, hubs: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(hub, glob) of packages that hold the objects of other hubs' packages."""
        if self.settings.depth < Depth.FULL:
            return
        for kind in HUBS:
            if kind.id in hubs and kind.bytes_at is not None:
                hub, glob = kind.bytes_at(self.settings.hubs[kind.id])
                if self.settings.hubs[hub].get("enabled", True):
                    yield hub, glob

    def ahead(self) -> list[tuple[str, str, int, int]]:
        """(hub, stage, items, bytes) a fetch would still have to do; nothing is written down."""
        ledger = self.here.ledger
        with ledger.transaction(keep=False):
            self._plan()
            return ledger.reads.work_ahead(self.snapshot.seq)

    async def _lister(self, net: Online) -> Lister:
        """Who lists; UsageError when a hub was listed from another source than is set now."""
        hubs = await self._adapters(net)
        lister = Lister(
            snapshot_id=self.snapshot.id,
            number=self.snapshot.seq,
            hubs=hubs,
            pages=self.here.pages,
            recorder=net.recorder,
            clock=self.clock,
            watch=self.watch,
            tool=self.tool,
            optional=self.optional,
            twice=frozenset(kind.id for kind in HUBS if kind.lists_twice),
        )
        values = self.settings.hubs
        self._sources = {kind.id: kind.source(values[kind.id]) for kind in HUBS if kind.id in hubs}
        for hub, source in self._sources.items():
            await lister.check(hub, source)
        return lister

    async def _list(self, net: Online, lister: Lister) -> None:
        self.watch(PassStarted("list"))
        selected = self.selected
        async with asyncio.TaskGroup() as group:
            for hub in lister.hubs:
                globs = selected.get(hub)
                if globs is None:
                    group.create_task(lister.skip_hub(hub))
                else:
                    scope = Scope(self.settings.limit, globs, self._sources[hub])
                    group.create_task(lister.list_hub(hub, scope))
        await self._ask_for_the_missing(net, lister.hubs)

    async def _adapters(self, net: Online) -> dict[str, Hub]:
        """The adapters of the hubs that are not switched off."""
        handlers = await self._handlers(net, max(self.settings.depth, Depth.HISTORY))
        return {
            kind.id: kind.build(
                Means(net.transport, self._shelves(net, kind.id, handlers)),
                self.settings.hubs[kind.id],
            )
            for kind in HUBS
            if self.settings.hubs[kind.id].get("enabled", True)
        }

    def _shelves(self, net: Online, hub: str, handlers: Fetching) -> HeldShelves:
        return HeldShelves(
            hub=hub,
            number=self.snapshot.seq,
            store=self.here.store,
            recorder=net.recorder,
            clock=self.clock,
            tool=self.tool,
            visit_shelf=handlers.visit_shelf,
        )

    async def _ask_for_the_missing(self, net: Online, hubs: Mapping[str, Hub]) -> None:
        listings = await net.recorder.ask(lambda led: led.reads.listings(self.snapshot.seq))
        complete = [listing.hub for listing in listings if listing.outcome == "complete"]
        for hub in complete:
            await net.recorder.change(
                lambda led, hub=hub: led.work.plan_asks(self.snapshot.seq, hub)  # type: ignore[misc]
            )
        handlers = await self._handlers(net, self.settings.depth, hubs)
        await self._schedule(net, handlers, [Lane(Stage.ASK, handlers.ask, ASK_WIDTH)])

    async def _fetch(self, net: Online) -> None:
        await net.recorder.ask(lambda _: self.plan())
        ahead = await net.recorder.ask(lambda led: led.reads.work_ahead(self.snapshot.seq))
        self.watch(PassStarted("fetch", sum(items for _, _, items, _ in ahead)))
        handlers = await self._handlers(net, self.settings.depth)
        objects = Lane(Stage.OBJECT, handlers.fetch, OBJECT_WIDTH)
        visits = Lane(Stage.VISIT, handlers.visit, self.settings.git.concurrency)
        await self._schedule(net, handlers, [visits, objects])
        if self.settings.depth >= Depth.FULL:
            self.watch(WorkFound(await net.recorder.change(self._plan_what_visits_told)))
            assets = Lane(Stage.ASSET, handlers.asset, ASSET_WIDTH)
            await self._schedule(net, handlers, [objects, assets])

    def _plan_what_visits_told(self, ledger: Ledger) -> int:
        """Plan what only held repositories tell of: objects others bring, and assets."""
        number = self.snapshot.seq
        planned = ledger.work.plan_objects(number, self._still_late(ledger))
        refining = self.here.refining(self.watch)
        selected = self.settings.selected()
        for hub in refining.refiners.keys() & selected.keys():
            scope = Scope(globs=selected[hub])
            for row, refined in refining.packages(hub):
                if row.last_seen == self.snapshot.id and scope.selects(row.name):
                    planned += plan_assets(ledger, number, hub, refined.assets)
        return planned

    def _still_late(self, ledger: Ledger) -> frozenset[str]:
        """Origins whose objects others would bring who could not be listed or visited today."""
        ended = {
            one.hub for one in ledger.reads.listings(self.snapshot.seq) if one.outcome in ENDED
        }
        failed = {
            count.hub
            for count in ledger.reads.item_counts(self.snapshot.seq)
            if count.stage == Stage.VISIT and count.state in ("failed", "postponed")
        }
        late: set[str] = set()
        for kind in HUBS:
            values = self.settings.hubs[kind.id]
            if kind.bytes_at is not None and kind.bytes_at(values)[0] not in ended - failed:
                late |= kind.without_lfs(values)
        return ledger.reads.where_now(late)

    async def _handlers(
        self, net: Online, depth: Depth, hubs: Mapping[str, Hub] | None = None
    ) -> Fetching:
        if self._budget is None:
            used = await net.recorder.ask(lambda led: led.reads.received_bytes(self.snapshot.seq))
            self._budget = ByteBudget(self.settings.max_bytes, used)
        return Fetching(
            snapshot_id=self.snapshot.id,
            number=self.snapshot.seq,
            depth=depth,
            hubs=hubs or {},
            store=self.here.store,
            recorder=net.recorder,
            budget=self._budget,
            watch=self.watch,
            visit_origin=net.mirror.visit,
            fetch_object=net.objects.fetch,
            fetch_asset=net.assets.fetch,
            is_as_held=net.assets.is_as_held,
            late=net.lost,
            caseless=frozenset(host.base for host in GIT_HOSTS if host.is_caseless),
        )

    async def _schedule(self, net: Online, handlers: Fetching, lanes: Sequence[Lane]) -> None:
        scheduler = Scheduler(
            number=self.snapshot.seq,
            recorder=net.recorder,
            clock=self.clock,
            rng=seeded(),
            watch=self.watch,
            tool=self.tool,
            refused=handlers.refused,
            closed=partial(closed_places, net.transport.gates),
        )
        await scheduler.run(lanes)


def closed_places(gates: Gates, stage: Stage) -> dict[str, float]:
    """Hosts and hubs where items of a stage need not be tried now, and for how many seconds.

    A host is closed when every door is that the stage has there, as far as any was used.
    """
    waits: dict[str, float] = {}
    for (host, bucket), wait_s in gates.doors().items():
        if bucket in DOORS[stage]:
            waits[host] = min(wait_s, waits.get(host, wait_s))
    waits |= {kind.id: waits.get(str(urlsplit(kind.base).hostname), 0.0) for kind in HUBS}
    return {place: wait_s for place, wait_s in waits.items() if wait_s}


def plan_assets(ledger: Ledger, number: int, hub: str, assets: Iterable[Asset]) -> int:
    """Plan the assets of a package that may be fetched; returns how many are new."""
    return sum(
        ledger.work.plan_asset(number, hub, asset.url, asset.sha256_prefix)
        for asset in assets
        if asset.reason is None
    )


def optional_hubs(settings: Settings) -> frozenset[str]:
    """Hubs whose settings say that their absence does not count."""
    return frozenset(hub for hub, values in settings.hubs.items() if values.get("optional"))


def plan_rows(
    ahead: Sequence[tuple[str, str, int, int]], hosts: Mapping[str, str]
) -> list[dict[str, object]]:
    """What a fetch would cost, a row a (host, bucket). Pure arithmetic on what listings say.

    A visit costs one request to look and three to clone; an object one to resolve and one to
    download. A visit leaves a pack, an object a file. Hours are at the quota an anonymous client
    has at Hugging Face (requests per 300 s: pages 100, resolvers 3,000, api 500).

    Args:
        ahead: (hub, stage, items, bytes) still to be done.
        hosts: hub id -> host.
    """
    return [
        {
            "host": hosts.get(hub, hub),
            "bucket": COSTS[Stage(stage)].bucket,
            "requests": items * COSTS[Stage(stage)].requests,
            "bytes": size,
            "inodes": items * COSTS[Stage(stage)].inodes,
            "hours": round(items * COSTS[Stage(stage)].requests / COSTS[Stage(stage)].per_hour, 3),
        }
        for hub, stage, items, size in ahead
    ]
