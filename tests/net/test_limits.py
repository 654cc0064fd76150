"""Limits of servers under virtual time, through the real gates: polite, and not too polite."""

import asyncio
import random
import time
from typing import Any

import pytest
from limits_world import EPOCH, KEY, Leaky, Log, Server, Windows, World, in_virtual_time

from ptmtorrent.errors import RefusedError
from ptmtorrent.net.gate import MOST_NAMES, GateKey, GateLimits, Gates
from ptmtorrent.policy.ratelimit import Advice

DAY_S = 86400.0
MOVES = [-3 * DAY_S, 3 * DAY_S, 10 * 365 * DAY_S, -3600.0, 3600.0]
UNLIMITED = 1e9
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]


def run(server: Server, seconds: float, seed: int, **how: Any) -> Log:
    """One process with 64 workers that always have something to ask."""

    async def work() -> Log:
        world = World(server, seed)
        return await world.work(world.gates(), seconds, **how)

    return in_virtual_time(work())


def run_and_kill(
    server: Server, seconds: float, kills: list[float], seed: int, moves: list[float]
) -> Log:
    """The same, killed and begun again."""

    async def work() -> Log:
        return await World(server, seed, wall_moves=moves).lives(kills, seconds)

    return in_virtual_time(work())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("quota", "window_s", "windows", "dialect"),
    [(500, 300.0, 10, "hub"), (1000, 300.0, 2, "hub"), (60, 3600.0, 10, "github"),
     pytest.param(5000, 3600.0, 2, "github", marks=pytest.mark.slow)],
)  # fmt: skip
def test_64_workers_use_95_percent_of_a_window_and_are_refused_under_1_percent(
    quota: int, window_s: float, windows: int, dialect: str, seed: int
) -> None:
    log = run(Windows(quota, window_s, dialect), windows * window_s, seed)
    used = log.served(0, windows * window_s) / (quota * windows)
    print(f"{quota} in {window_s:.0f} s: refused {log.share_refused:.2%}, used {used:.1%}")
    assert log.share_refused < 0.01
    assert used >= 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_no_burst_above_twice_the_average_follows_a_reset(seed: int) -> None:
    """Over every 5 and 10 seconds of all windows but the first, and over those of a reset."""
    log, average = run(Windows(500), 1500, seed), 500 / 300
    worst = {seconds: log.most_in(seconds, start=295) / seconds / average for seconds in (5, 10)}
    print(", ".join(f"in {s} s {share:.2f} times the average" for s, share in worst.items()))
    assert all(share <= 2 for share in worst.values())


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_server_whose_date_is_an_hour_off_refuses_no_more_than_another(skew_s: float) -> None:
    log = run(Windows(1000, 3600.0, "github", skew_s), 2 * 3600.0, 1)
    assert not log.refused
    assert log.served(0, 2 * 3600) >= 0.95 * 2000


def test_git_and_the_rest_spend_one_budget() -> None:
    """A fetch counts three times; with single requests beside it the window is still kept."""

    async def work() -> Log:
        world = World(Windows(500), 1)
        gates = world.gates()
        world.end_s = 600
        clones = [asyncio.create_task(world.worker(gates, cost=3)) for _ in range(8)]
        await world.work(gates, 600, workers=32)
        await asyncio.gather(*clones, return_exceptions=True)
        return world.log

    log = in_virtual_time(work())
    assert log.share_refused < 0.01
    assert log.served(0, 600) >= 0.95 * 1000


@pytest.mark.parametrize("seed", SEEDS)
def test_without_headers_the_rate_that_is_borne_is_found_and_followed(seed: int) -> None:
    def limit(now: float) -> float:
        return 10.0 if now < 200 else 3.0 if now < 400 else 20.0

    log = run(Leaky(limit), 600, seed)
    steps = ((60, 200, 10), (260, 400, 3), (460, 600, 20))
    used = [log.served(start, end) / (rate * (end - start)) for start, end, rate in steps]
    at_once = [log.served(start, start + 30) / (rate * 30) for start, _, rate in steps]
    shares = ", ".join(f"{share:.0%}" for share in used)
    print(f"10, 3, 20 a second: refused {log.share_refused:.2%}, used {shares}")
    assert log.share_refused < 0.03
    assert min(used) >= 0.85
    assert min(at_once) >= 0.8


def test_a_host_that_refuses_nothing_is_soon_asked_at_the_most() -> None:
    async def work() -> tuple[Log, float]:
        world = World(Leaky(lambda _: UNLIMITED, UNLIMITED), 1, latency=(0.05, 0.06))
        log = await world.work(world.gates(), 10, workers=16)
        return log, next(t for t in log.sent if log.served(t, t + 1) >= 95)

    log, after_s = in_virtual_time(work())
    print(f"95 requests a second after {after_s:.1f} s, 300 requests after {log.sent[299]:.1f} s")
    assert after_s < 3
    assert log.most_in(1.0) <= 100 + 25


def test_concurrency_grows_where_the_host_stays_quick() -> None:
    async def work(latency: tuple[float, float]) -> int:
        world = World(Windows(100_000), 1, latency=latency)
        gates = world.gates()
        await world.work(gates, 10)
        return gates.places(gates._gate(KEY)).limit

    assert in_virtual_time(work((0.2, 0.25))) == 32


@pytest.mark.parametrize("moves", [pytest.param([], marks=pytest.mark.slow), MOVES])
@pytest.mark.parametrize(
    ("quota", "window_s", "dialect"),
    [(500, 300.0, "hub"), (100, 300.0, "hub"), (60, 3600.0, "github")],
)
@pytest.mark.parametrize("when", ["any time", "at the start", "at the end"])
def test_20_kills_in_a_window_cause_no_refusal(
    quota: int, window_s: float, dialect: str, when: str, moves: list[float]
) -> None:
    rng = random.Random(f"{quota} {when}")
    first, last = {"any time": (0.0, 1.0), "at the start": (0.0, 0.02)}.get(when, (0.97, 1.0))
    kills = sorted(rng.uniform(first, last) * window_s for _ in range(20))
    server = Windows(quota, window_s, dialect)
    log = run_and_kill(server, 1.5 * window_s, kills, 1, moves)
    assert not log.refused
    assert all(0 <= wait <= 3600 for wait in log.waits)
    assert server.counted[0] >= 0.9 * quota


@pytest.mark.parametrize("moved_s", [0.0, *MOVES])
def test_a_bucket_closed_by_its_server_stays_closed_over_a_kill_and_a_change_of_date(
    moved_s: float,
) -> None:
    async def work() -> float:
        world = World(Leaky(lambda _: UNLIMITED))
        gates = world.gates()
        async with gates.slot(KEY) as leave:
            leave.refused(120)
        await gates.until_news(5)
        kept = gates.snapshot(10)
        world.wall_moved_s = moved_s
        await asyncio.sleep(30)
        gates = world.gates()
        gates.restore(kept)
        async with gates.slot(KEY) as leave:
            leave.succeeded()
            return asyncio.get_running_loop().time()

    assert in_virtual_time(work()) == pytest.approx(120, abs=1)


async def test_after_a_start_of_the_machine_the_wall_clock_counts() -> None:
    world = World(Windows())
    gates = world.gates()
    async with gates.slot(KEY) as leave:
        leave.refused(120)
    kept = gates.snapshot()
    kept[str(KEY)] |= {"boot": "another", "steady_at": 1e9, "saved_at": EPOCH}
    kept[str(KEY)]["closed_until"] = EPOCH + 120
    clock = world.clock()
    later = Gates(type(clock)(clock.now, lambda: EPOCH + 50, clock.sleep, clock.random, "this"))
    later.restore(kept)
    assert later.doors()[(KEY.host, KEY.bucket)] == pytest.approx(70, abs=0.1)


async def test_the_first_request_of_a_process_goes_alone() -> None:
    gates, under_way = Gates(), list[int]()
    told = asyncio.Event()

    async def ask(number: int) -> None:
        async with gates.slot(KEY) as leave:
            under_way.append(number)
            await told.wait()
            leave.succeeded()

    tasks = [asyncio.create_task(ask(number)) for number in range(4)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert under_way == [0]
    assert not any(gates.doors().values())
    told.set()
    await asyncio.gather(*tasks)


async def test_a_first_request_that_fails_lets_the_others_try() -> None:
    gates = Gates()
    async with gates.slot(KEY) as leave:
        leave.failed()
    async with asyncio.timeout(1), gates.slot(KEY), gates.slot(KEY):
        assert not any(gates.doors().values())


def test_those_who_wait_at_a_bucket_follow_it_to_its_real_name() -> None:
    """Twenty wait where one answer tells that five are left in another bucket."""

    async def work() -> int:
        world = World(Windows())
        gates = world.gates(patience_s=10.0)
        guessed = GateKey(KEY.host, KEY.credential, "pages")
        entered = 0

        async def ask() -> None:
            nonlocal entered
            async with gates.slot(guessed) as leave:
                number = entered = entered + 1
                await asyncio.sleep(0.1)
                leave.advised(Advice("core", 60, 6 - number, 3000, 3600))
                await asyncio.sleep(0.1)
                leave.succeeded()

        asked = await asyncio.gather(*(ask() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(error, RefusedError) for error in asked if error is not None)
        return entered

    assert in_virtual_time(work()) == 5


def test_whoever_waits_for_the_first_answer_does_not_slip_into_a_closed_bucket() -> None:
    async def work() -> int:
        gates = World(Windows()).gates(patience_s=10.0)
        async with gates.slot(GateKey(KEY.host, KEY.credential, "core")) as leave:
            leave.refused(3000)
        entered = 0

        async def ask() -> None:
            nonlocal entered
            async with gates.slot(GateKey(KEY.host, KEY.credential, "pages")) as leave:
                entered += 1
                await asyncio.sleep(0.1)
                leave.advised(Advice("core", 60, 50, 3000, 3600))
                await asyncio.sleep(0.1)
                leave.succeeded()

        await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
        return entered

    assert in_virtual_time(work()) == 1


async def test_names_of_buckets_outlive_the_process() -> None:
    gates, again = Gates(), Gates()
    guessed = GateKey(KEY.host, KEY.credential, "pages")
    async with gates.slot(guessed) as leave:
        leave.advised(Advice("core", 60, 0, 3000, 3600))
        leave.succeeded()
    again.restore(gates.snapshot())
    with pytest.raises(RefusedError):
        async with again.slot(guessed):
            pass


async def test_a_server_that_makes_up_names_fills_no_memory() -> None:
    gates = Gates(limits=GateLimits(most_rps=1e6))
    for number in range(3 * MOST_NAMES):
        async with gates.slot(KEY) as leave:
            leave.advised(Advice(f"b{number}", 10**9, 10**9, 300, 300))
            leave.succeeded()
    assert len(gates.snapshot()) <= 2 * MOST_NAMES


def test_news_wakes_whoever_keeps_the_budgets_and_nothing_else_does() -> None:
    async def work() -> list[float]:
        gates, loop = World(Windows()).gates(), asyncio.get_running_loop()
        waits = list[float]()

        async def wait() -> None:
            began = loop.time()
            await gates.until_news(3600)
            waits.append(loop.time() - began)

        async with gates.slot(KEY) as leave:
            leave.advised(Advice("api", 500, 400, 200, 300))
            leave.succeeded()
        await wait()
        await wait()
        async with gates.slot(KEY) as leave:
            leave.refused(30)
        await wait()
        return waits

    assert in_virtual_time(work()) == [0, 3600, 0]


async def test_a_slot_costs_next_to_nothing() -> None:
    gates, slots = Gates(limits=GateLimits(concurrency=32)), 5000

    async def ask(times: int) -> None:
        for _ in range(times):
            async with gates.slot(KEY) as leave:
                await asyncio.sleep(0)
                leave.answered()
                leave.succeeded()

    async with gates.slot(KEY) as leave:
        leave.advised(Advice("api", 10**9, 10**9 - 1, 300, 300))
        leave.succeeded()
    before = time.process_time()
    await asyncio.gather(*(ask(slots // 50) for _ in range(50)))
    rate = slots / (time.process_time() - before)
    print(f"{rate:,.0f} slots a second of processor time")
    assert rate > 8000
