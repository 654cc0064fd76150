"""One life of a process in the soak: everything real but the hosts, from open files to its end."""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from soak_world import World
from virtual_time import VirtualLoop

from ptmtorrent.app.run import closed_places
from ptmtorrent.errors import RefusedError, UnansweringError
from ptmtorrent.hubs.huggingface import parse
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.roots import PageLine, VisitLine
from ptmtorrent.ledger.rows import Item
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.events import ItemFinished
from ptmtorrent.model.package import Package
from ptmtorrent.model.visit import Holding, Ref, Visit, Wanted
from ptmtorrent.model.work import Stage
from ptmtorrent.net.clock import Clock as NetClock
from ptmtorrent.net.gate import Gates
from ptmtorrent.pipeline.intake import Intake
from ptmtorrent.pipeline.lines import Kind, Line
from ptmtorrent.pipeline.pages import Pages
from ptmtorrent.pipeline.recorder import Change, Recorder
from ptmtorrent.pipeline.scheduler import Found, Lane, Scheduler
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import open_root

SNAPSHOT = "2026-11-21"
EPOCH = datetime(2026, 11, 21, tzinfo=UTC)
BASES = {"huggingface": "https://huggingface.co", "pytorchhub": "https://github.com"}
GATES_EVERY_S = 60.0
WIDTHS = {Stage.VISIT: 16, Stage.OBJECT: 16, Stage.ASSET: 8}


class DeadError(Exception):
    """The process is no more; nothing it does reaches the files."""


class MortalRecorder(Recorder):
    """A recorder that writes nothing more once its process is dead."""

    is_dead = False

    async def ask(self, question: Callable[[Ledger], Any]) -> Any:
        if self.is_dead:
            raise DeadError
        return await super().ask(question)

    def _commit(self, batch: Any) -> None:
        if self.is_dead:
            raise DeadError
        super()._commit(batch)


@dataclass(slots=True)
class Watched:
    """What the soak knows beside the files.

    Attributes:
        created: items by stage, as the plans said.
        ready_s: place -> seconds in which its gate would have let a request through at once, and
            there was none.
        due: item -> (when it was due, ``ready_s`` of its place then).
        longest: place -> the longest that a runnable item has waited there.
    """

    created: Counter[str] = field(default_factory=Counter)
    ready_s: Counter[str] = field(default_factory=Counter)
    due: dict[str, tuple[float, float]] = field(default_factory=dict)
    planned: dict[str, tuple[float, Mapping[str, float]]] = field(default_factory=dict)
    longest: Counter[str] = field(default_factory=Counter)
    finished: int = 0

    def plan(self, name: str, now: float) -> None:
        """A group of items is planned now."""
        self.planned[name] = (now, dict(self.ready_s))

    def begins(self, item: Item, host: str, now: float) -> None:
        """An item is carried out; how long has it been runnable?"""
        at, ready_s = self.due.pop(item.key, None) or self._planned(item.key, host)
        waited = max(0.0, min(now - at, self.ready_s[host] - ready_s))
        self.longest[host] = max(self.longest[host], waited)

    def is_due(self, key: str, host: str, now: float) -> None:
        """An item is to be done from now on."""
        self.due[key] = (now, self.ready_s[host])

    def _planned(self, key: str, host: str) -> tuple[float, float]:
        at, ready_s = self.planned[key.split("/")[3]]
        return at, ready_s.get(host, 0.0)


@dataclass(slots=True)
class Life:
    """A process: opened on what lies on the disk."""

    path: Path
    world: World
    watched: Watched
    loop: VirtualLoop
    clock: Clock = field(init=False)
    gates: Gates = field(init=False)
    ledger: Ledger = field(init=False)
    journal: Journal = field(init=False)
    store: LocalStore = field(init=False)
    recorder: MortalRecorder = field(init=False)
    number: int = field(init=False)

    def open(self) -> None:
        """Open the root and take the journal in, as a command does."""
        loop = self.loop
        self.clock = Clock(
            lambda: EPOCH + timedelta(seconds=loop.time()),
            lambda: EPOCH.timestamp() + loop.time(),
        )
        root = open_root(self.path, create=True)
        self.store = LocalStore.at(root.path, write=True)
        self.journal = Journal.open(root.path, write=True)
        self.ledger = Ledger.open(root.layout.ledger)
        intake = Intake(self.ledger, self.store, Pages(self.store, {"huggingface": parse}))
        intake.catch_up(self.journal)
        self.gates = Gates(
            NetClock(loop.time, self.clock.wall, asyncio.sleep, self.world.rng.random)
        )
        states = self.ledger.reads.gates().items()
        self.gates.restore({name: json.loads(state) for name, state in states})
        self.recorder = MortalRecorder(
            self.ledger, self.store, self.journal, intake=intake, clock=self.clock
        )
        if not self.ledger.reads.snapshots():
            entry = self.journal.append(
                Kind.BEGIN, self.clock.data(), snapshot=SNAPSHOT, as_of=SNAPSHOT
            )
            self.journal.sync()
            with self.ledger.transaction():
                intake.take([entry])
        self.number = intake.number(SNAPSHOT)

    def close(self) -> None:
        """Let go of the files; what was not synced is lost."""
        self.ledger.close()
        self.journal.close()
        self.store.close()

    async def plan_day(self, day: int, packages: Mapping[str, int], assets: list[str]) -> None:
        """List a day's packages and plan their visits, and a day's assets; once."""

        def plan(ledger: Ledger) -> int:
            planned = 0
            for hub, count in packages.items():
                ledger.roots.page(_page(self.number, hub, day, count))
                planned += ledger.work.plan_visits(
                    self.number, hub, depth=3, top=None, globs=(f"day{day}/*",)
                )
            self.watched.created["visit"] += planned
            for url in assets:
                new = ledger.work.plan_asset(self.number, "huggingface", url, None)
                self.watched.created["asset"] += new
            return planned

        self.watched.plan(f"day{day}", self.loop.time())
        await self.recorder.change(plan)

    async def work(self) -> None:
        """Carry out everything there is."""
        scheduler = Scheduler(
            number=self.number,
            recorder=self.recorder,
            clock=self.clock,
            rng=random.Random(self.world.rng.random()),
            watch=self._count,
            tool="soak",
            refused=self._refused,
            closed=lambda stage: closed_places(self.gates, stage),
        )
        handlers = {
            Stage.VISIT: self._visit, Stage.OBJECT: self._object, Stage.ASSET: self._asset
        }  # fmt: skip
        saving = asyncio.create_task(self._save_gates())
        try:
            await scheduler.run([Lane(stage, handlers[stage], WIDTHS[stage]) for stage in handlers])
        finally:
            saving.cancel()

    def ready(self) -> set[str]:
        """Hosts that would let a request through at once."""
        now, busy = self.loop.time(), set[str]()
        for key, gate in self.gates._gates.items():
            is_full = self.world.hosts[key.host].under_way >= self.gates.places(gate).limit
            if is_full or gate.budget.wait(now) > 0:
                busy.add(key.host)
        return self.world.hosts.keys() - busy

    async def _save_gates(self) -> None:
        while True:
            await self.gates.until_news(GATES_EVERY_S)
            states = self.gates.snapshot(2 * GATES_EVERY_S)
            texts = {name: json.dumps(state) for name, state in states.items()}
            await self.recorder.change(lambda ledger, texts=texts: ledger.work.save_gates(texts))

    async def _visit(self, item: Item) -> Found:
        await self._ask(item, _host_of(item.key), "git")
        line = _visit_line(self.number, item, self.clock.data())
        names = [blob.sha256 for blob in line.holding.wanted]

        def plan(ledger: Ledger) -> None:
            planned = ledger.work.plan_objects_of(self.number, item.hub, item.key)
            self.watched.created["object"] += planned

        for name in names:
            self.watched.is_due(name, _host_of(item.key), self.loop.time())
        changes: list[Change] = [lambda ledger: ledger.roots.visit(line), plan]
        return Found(changes=changes[: 1 + bool(names)], bytes=1000)

    async def _object(self, item: Item) -> Found:
        size = await self.recorder.ask(lambda ledger: ledger.work.object_size(item.key))
        bucket = "resolvers" if item.hub == "huggingface" else "lfs"
        await self._ask(item, _host_of(BASES[item.hub]), bucket)
        return Found(changes=[lambda ledger: ledger.roots.hold([(item.key, size)])], bytes=size)

    async def _asset(self, item: Item) -> Found:
        await self._ask(item, _host_of(item.key), "pages")
        payload = {"hub": item.hub, "snapshot": SNAPSHOT, "url": item.key, "size": 10}
        sha256 = hashlib.sha256(item.key.encode()).hexdigest()
        return Found(lines=[Line(Kind.ASSET, payload | {"sha256": sha256})], bytes=10)

    async def _ask(self, item: Item, host: str, bucket: str) -> None:
        self.watched.begins(item, host, self.loop.time())
        wait_s = 0.0
        try:
            await self.world.ask(self.gates, self.world.hosts[host], bucket, item.key)
        except (RefusedError, UnansweringError) as error:
            wait_s = error.wait_s or 0.0
            raise
        finally:
            self.watched.is_due(item.key, host, self.loop.time() + wait_s)

    def _refused(self, item: Item, error: Any) -> list[Line]:
        reason = getattr(error, "reason", "")
        if reason not in ("gone", "gated"):
            return []
        about = {"stage": item.stage, "key": item.key, "reason": reason}
        return [Line(Kind.ANSWER, {"snapshot": SNAPSHOT, "hub": item.hub, **about})]

    def _count(self, event: object) -> None:
        if isinstance(event, ItemFinished) and event.outcome != "postponed":
            self.watched.due.pop(event.item, None)
            self.watched.finished += 1


def _host_of(url: str) -> str:
    return url.split("/")[2]


def _page(number: int, hub: str, day: int, count: int) -> PageLine:
    names = [f"day{day}/m{n}" for n in range(count)]
    packages = (
        Package(
            hub=hub,
            package_id=f"{day}-{n}",
            name=name,
            url=f"{BASES[hub]}/{name}",
            origin=f"{BASES[hub]}/{name}",
            fingerprint="f",
        )
        for n, name in enumerate(names)
    )
    return PageLine(
        snapshot=number,
        hub=hub,
        sha256="p" * 64,
        at="2026-11-21T00:00:00.000000Z",
        cursor="/0",
        next_cursor=None,
        packages=tuple(enumerate(packages)),
        unparsed=0,
        is_answer=False,
    )


def _visit_line(number: int, item: Item, at: datetime) -> VisitLine:
    """A visit whose head stands for nought to two objects; some are another's, too."""
    digest = hashlib.sha256(item.key.encode()).hexdigest()
    head = digest[:40]
    state = Visit(
        item.key, (Ref("refs/heads/main", head, "commit", head),), "refs/heads/main", head
    )
    names = [
        hashlib.sha256(f"{digest}{n}".encode()).hexdigest() for n in range(int(digest[0], 16) % 3)
    ]
    shared = [f"{int(digest[1:4], 16):064x}"] if digest[4] == "0" else []
    wanted = tuple(Wanted(f"w{n}", sha256, 10, lfs=True) for n, sha256 in enumerate(names + shared))
    return VisitLine(
        snapshot=number,
        hub=item.hub,
        at=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        url=item.key,
        visit=state,
        visit_sha256=digest,
        holding=Holding(digest, (digest,), wanted, 100, "git"),
        holding_sha256=digest,
        fingerprint="f",
        depth=3,
    )
