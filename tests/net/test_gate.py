"""Gates under virtual time: order, concurrency, closing, patience, state."""

import asyncio

import pytest
from loopback import VirtualTime

from ptmtorrent.errors import RefusedError, UnansweringError
from ptmtorrent.model.events import BudgetChanged
from ptmtorrent.net.gate import GateKey, GateLimits, Gates, bucket_of
from ptmtorrent.policy.ratelimit import Advice

KEY = GateKey("hub.example", "token", "api")


@pytest.mark.parametrize(
    ("path", "bucket"),
    [("/api/models", "api"), ("/api/resolve-cache/models/o/n/f", "resolvers"),
     ("/o/n/resolve/main/f", "resolvers"), ("/o/n/raw/main/f", "resolvers"), ("/docs", "pages"),
     ("", "pages"), ("/", "pages"), ("/o/n.git/info/lfs/objects/batch", "lfs"),
     ("/o/n/info/refs?service=git-upload-pack", "git"), ("/search/code?q=x", "search"),
     ("/o/n?x=/api/", "pages")],
)  # fmt: skip
def test_the_bucket_is_guessed_from_the_path(path: str, bucket: str) -> None:
    assert bucket_of(f"https://hub.example{path}") == bucket


async def test_no_more_than_the_cap_are_under_way_at_one_host() -> None:
    gates = Gates(VirtualTime().clock(), GateLimits(concurrency=3))
    under_way = most = 0

    async def work(number: int) -> None:
        nonlocal under_way, most
        key = GateKey("hub.example", "token", f"bucket{number % 2}")
        async with gates.slot(key) as leave:
            under_way += 1
            most = max(most, under_way)
            for _ in range(10):
                await asyncio.sleep(0)
            under_way -= 1
            leave.succeeded()

    await asyncio.gather(*(work(number) for number in range(30)))
    assert most == 3


async def test_requests_go_in_the_order_they_came() -> None:
    gates, order = Gates(VirtualTime().clock()), list[int]()

    async def work(number: int) -> None:
        async with gates.slot(KEY) as leave:
            order.append(number)
            leave.succeeded()

    await asyncio.gather(*(work(number) for number in range(20)))
    assert order == list(range(20))


async def test_while_a_probe_is_out_everybody_waits_for_its_end() -> None:
    time = VirtualTime()
    gates, entered = Gates(time.clock()), list[int]()
    async with gates.slot(KEY) as leave:
        leave.refused(30)
    release = asyncio.Event()

    async def work(number: int) -> None:
        async with gates.slot(KEY) as leave:
            entered.append(number)
            await release.wait()
            leave.succeeded()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert entered == [0]
    assert time.time >= 1030
    release.set()
    await asyncio.gather(*tasks)
    assert entered == list(range(5))


async def test_a_request_that_fails_in_our_own_hands_gives_the_probe_back() -> None:
    gates = Gates(VirtualTime().clock())
    async with gates.slot(KEY) as leave:
        leave.refused(30)
    with pytest.raises(ZeroDivisionError):
        async with gates.slot(KEY):
            raise ZeroDivisionError
    async with asyncio.timeout(1), gates.slot(KEY) as leave:
        leave.succeeded()


async def test_a_bucket_that_closes_while_a_request_waits_for_a_place_holds_it() -> None:
    time = VirtualTime()
    gates = Gates(time.clock(), GateLimits(concurrency=1))
    other = GateKey("hub.example", "token", "pages")

    async def later() -> float:
        async with gates.slot(KEY) as leave:
            leave.succeeded()
            return time.time

    async with gates.slot(KEY) as leave:
        leave.succeeded()
    async with gates.slot(KEY) as leave:
        task = asyncio.create_task(later())
        for _ in range(20):
            await asyncio.sleep(0)
        leave.refused(40)
    async with asyncio.timeout(5):
        assert await task >= 1040
    async with asyncio.timeout(1), gates.slot(other) as leave:
        leave.succeeded()


async def test_a_closed_bucket_leaves_the_others_of_its_host_open() -> None:
    gates = Gates(VirtualTime().clock(), GateLimits(concurrency=1, patience_s=10))
    async with gates.slot(KEY) as leave:
        leave.refused(3000)
    with pytest.raises(RefusedError) as caught:
        async with gates.slot(KEY):
            pass
    assert caught.value.wait_s == pytest.approx(3000)
    async with gates.slot(GateKey("hub.example", "token", "resolvers")) as leave:
        leave.succeeded()


async def test_a_host_that_stays_silent_fails_fast_in_the_end() -> None:
    time = VirtualTime()
    gates = Gates(time.clock(), GateLimits(outage_patience_s=45))
    with pytest.raises(UnansweringError, match="not answered") as caught:
        for _ in range(100):
            async with gates.slot(KEY) as leave:
                leave.failed()
    assert time.time - 1000 < 45
    assert caught.value.wait_s == pytest.approx(60)


async def test_advice_for_another_name_goes_to_that_bucket() -> None:
    events: list[object] = []
    gates = Gates(VirtualTime().clock(), watcher=events.append)
    async with gates.slot(GateKey("hub.example", "token", "git")) as leave:
        leave.advised(Advice("pages", 100, 40, 200, 300))
        leave.succeeded()
    assert BudgetChanged("hub.example", "pages", 40, 201.0, 0.0) in events
    assert gates.snapshot()["hub.example token pages"]["left"] == 40


async def test_states_that_make_no_sense_are_left_out() -> None:
    gates = Gates(VirtualTime().clock())
    gates.restore({"nonsense": {}, "hub.example token api": {"left": "x", "resets_at": []}})
    async with gates.slot(KEY) as leave:
        leave.succeeded()
    assert all(state["left"] is None for state in gates.snapshot().values())


@pytest.mark.parametrize("trouble", ["failed", "refused"])
async def test_a_host_in_trouble_is_asked_less_at_a_time(trouble: str) -> None:
    gates = Gates(VirtualTime().clock())
    async with gates.slot(KEY) as leave:
        before = gates.places(gates._gate(KEY)).limit
        getattr(leave, trouble)()
    assert gates.places(gates._gate(KEY)).limit < before
