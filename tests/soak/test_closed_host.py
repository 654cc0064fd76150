"""A host that is closed costs its own items time, and nobody else's."""

import asyncio
import random
from datetime import UTC, datetime

import pytest
from soak_life import EPOCH
from virtual_time import VirtualLoop

from ptmtorrent.app.run import closed_places
from ptmtorrent.errors import RefusedError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.work import Stage
from ptmtorrent.net.clock import Clock as NetClock
from ptmtorrent.net.gate import GateKey, Gates
from ptmtorrent.pipeline.intake import Intake
from ptmtorrent.pipeline.pages import Pages
from ptmtorrent.pipeline.recorder import Recorder
from ptmtorrent.pipeline.scheduler import Found, Lane, Scheduler
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore

CLOSED_S = 1800.0
HOSTS = ("closed.example", "open.example")


class Stand:
    """A ledger with items at two hosts, and the real gates, in virtual time."""

    def __init__(self, path, loop) -> None:
        self.loop = loop
        self.ledger = Ledger.open(path / "ledger.sqlite")
        self.store = LocalStore.at(path, write=True)
        self.journal = Journal.open(path, write=True)
        wall = lambda: EPOCH.timestamp() + loop.time()  # noqa: E731
        self.clock = Clock(lambda: datetime(2026, 11, 21, tzinfo=UTC), wall)
        dice = random.Random(1)
        self.gates = Gates(NetClock(loop.time, wall, asyncio.sleep, dice.random))
        self.done: dict[str, list[float]] = {host: [] for host in HOSTS}
        self.attempts = 0

    def plan(self, counts: dict[str, int]) -> None:
        with self.ledger.transaction():
            number = self.ledger.roots.begin("2026-11-21", "2026-11-21", "x")
            for host, count in counts.items():
                for n in range(count):
                    url = f"https://{host}/{n}"
                    self.ledger.work.plan_asset(number, "modelhub", url, None)

    async def handler(self, item) -> Found:
        self.attempts += 1
        host = item.key.split("/")[2]
        async with self.gates.slot(GateKey(host, "anonymous", "pages")) as leave:
            await asyncio.sleep(0.1)
            if host == "closed.example" and self.loop.time() < CLOSED_S:
                leave.refused(CLOSED_S - self.loop.time())
                raise RefusedError("not now", wait_s=CLOSED_S - self.loop.time())
            leave.succeeded()
        self.done[host].append(self.loop.time())
        return Found()

    async def work(self, *, looks: bool = True) -> None:
        intake = Intake(self.ledger, self.store, Pages(self.store, {}))
        recorder = Recorder(self.ledger, self.store, self.journal, intake=intake, clock=self.clock)
        async with recorder:
            await Scheduler(
                number=1,
                recorder=recorder,
                clock=self.clock,
                rng=random.Random(1),
                watch=lambda event: None,
                tool="test",
                refused=lambda item, error: (),
                closed=lambda stage: closed_places(self.gates, stage) if looks else {},
            ).run([Lane(Stage.ASSET, self.handler, 4)])

    def close(self) -> None:
        self.ledger.close()
        self.journal.close()
        self.store.close()


@pytest.fixture
def stand(tmp_path):
    made = Stand(tmp_path, VirtualLoop())
    yield made
    made.close()


def run(stand: Stand, **options: bool) -> None:
    with asyncio.Runner(loop_factory=lambda: stand.loop) as runner:
        runner.run(stand.work(**options))


def test_items_of_an_open_host_do_not_wait_for_those_of_a_closed_one(stand):
    stand.plan({"closed.example": 300, "open.example": 100})
    run(stand)
    assert len(stand.done["closed.example"]) == 300
    assert len(stand.done["open.example"]) == 100
    assert max(stand.done["open.example"]) < 60
    assert min(stand.done["closed.example"]) >= CLOSED_S


def test_a_closed_host_costs_hardly_any_attempt(stand):
    stand.plan({"closed.example": 300, "open.example": 100})
    run(stand)
    assert stand.attempts < 400 + 10


def test_while_all_that_is_left_is_closed_nothing_spins(stand):
    stand.plan({"closed.example": 5})
    run(stand)
    assert len(stand.done["closed.example"]) == 5
    assert max(stand.done["closed.example"]) < CLOSED_S + 60


def test_a_slow_host_has_its_share_of_a_lane_and_no_more(stand):
    """The lane serves the host with the fewest items under way; it need not be closed for that."""
    stand.plan({"closed.example": 40, "open.example": 40})
    quick = stand.handler

    async def handler(item) -> Found:
        if "closed" in item.key:
            await asyncio.sleep(1000)
            return Found()
        return await quick(item)

    stand.handler = handler
    run(stand)
    assert max(stand.done["open.example"]) < 1000


@pytest.mark.parametrize(
    ("stage", "closed", "opened", "is_closed"),
    [
        (Stage.OBJECT, ["resolvers"], [], True),
        (Stage.OBJECT, ["lfs"], [], True),
        (Stage.OBJECT, ["lfs"], ["resolvers"], False),
        (Stage.OBJECT, ["lfs", "resolvers"], ["pages"], True),
        (Stage.ASSET, ["pages"], ["resolvers"], False),
        (Stage.ASSET, ["resolvers"], ["pages"], False),
        (Stage.ASSET, ["pages", "resolvers"], ["git"], True),
        (Stage.VISIT, ["pages", "api"], ["git"], False),
    ],
)
async def test_a_place_is_closed_when_all_doors_of_the_stage_are(stage, closed, opened, is_closed):
    gates, host = Gates(), "huggingface.co"
    for bucket in closed + opened:
        async with gates.slot(GateKey(host, "anonymous", bucket)) as leave:
            leave.refused(CLOSED_S) if bucket in closed else leave.succeeded()
    found = closed_places(gates, stage)
    assert {place: round(wait_s) for place, wait_s in found.items()} == (
        dict.fromkeys((host, "huggingface"), 1800) if is_closed else {}
    )
