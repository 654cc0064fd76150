"""Objects from a server where 30 % of all requests fail, over and over in one process."""

import asyncio
import gc
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import chaos
import pytest
from aiohttp import web
from unruly import Unruly

from ptmtorrent.errors import FailError
from ptmtorrent.fetch.objects import ObjectFetcher
from ptmtorrent.hubs.huggingface import BASE, HuggingFaceForge
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.work import ObjectSource, ObjectTask
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Limits
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.store.local import LocalStore

BATCHES, WIDE = 4, 40
SEED = 20
LIMITS = Limits(connect_s=2, first_byte_s=2, min_rate=20_000, rate_window_s=1)


def bytes_of(number: int) -> bytes:
    rng = random.Random(number)
    return rng.randbytes(rng.choice((900, 30_000, 70_000, 200_000)))


def task(number: int) -> ObjectTask:
    data = bytes_of(number)
    source = ObjectSource(f"{BASE}/meadow/bird", "1" * 40, str(number), len(data))
    return ObjectTask(sha256_of(data), len(data), (source,))


async def answer(request: web.BaseRequest) -> web.Response:
    """``resolve`` leads to the content network, as at the real hub."""
    number = request.path.rsplit("/", 1)[-1]
    if "/resolve/" in request.path:
        return web.Response(status=302, headers={"Location": f"/objects/{number}"})
    if not number.isdigit():
        return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
    data, headers = bytes_of(int(number)), {"ETag": f'"{number}"'}
    found = re.fullmatch("bytes=([0-9]+)-", request.headers.get("Range", ""))
    if found is None:
        return web.Response(body=data, headers=headers)
    start = int(found[1])
    headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return web.Response(status=206, body=data[start:], headers=headers)


@asynccontextmanager
async def unruly() -> AsyncIterator[Unruly]:
    """The server behind a proxy."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    behind = {"hub": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    try:
        async with Unruly(behind, random.Random(SEED), rate=0.3, stall_s=4) as proxies:
            yield proxies
    finally:
        await runner.cleanup()


@dataclass
class Held:
    """What a process holds between batches."""

    tasks: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def look(self) -> None:
        gc.collect()
        self.tasks.append(len(asyncio.all_tasks()))
        self.descriptors.append(len(list(Path("/proc/self/fd").iterdir())))


async def until_had(objects: ObjectFetcher, number: int) -> None:
    """As the scheduler does it: an item that may pass is tried again."""
    for _ in range(20):
        try:
            await objects.fetch(task(number))
        except FailError as error:
            last = error
        else:
            return
    raise last


async def in_batches(objects: ObjectFetcher, held: Held) -> None:
    for batch in range(BATCHES):
        numbers = range(batch * WIDE, (batch + 1) * WIDE)
        await asyncio.gather(*(until_had(objects, number) for number in numbers))
        objects.store.flush()
        held.look()


@pytest.mark.slow
async def test_everything_is_had_at_a_bounded_price_and_nothing_piles_up(tmp_path: Path) -> None:
    held = Held()
    with LocalStore.at(tmp_path, write=True) as store:
        async with unruly() as proxies:
            access = Access.of([], {BASE: proxies.endpoints["hub"]}, allow_private=True)
            manners = Manners(LIMITS, RetryPolicy(base_s=0.1), "test")
            async with Transport(access, Gates(), manners) as transport:
                forge = HuggingFaceForge(has_token=False)
                objects = ObjectFetcher(transport, store, lambda _: forge)
                await in_batches(objects, held)
        held_names = set(store.names())
        assert all(store.is_sound(name) for name in held_names)
    numbers = range(BATCHES * WIDE)
    assert held_names == {task(number).sha256 for number in numbers}
    assert proxies.toll.requests.total() <= 1.6 * 2 * len(numbers)
    least = sum(len(bytes_of(number)) for number in numbers)
    assert proxies.toll.bytes.total() <= 1.15 * least
    for seen in (held.tasks, held.descriptors):
        assert max(seen) - min(seen) <= 5


@pytest.mark.slow
def test_a_snapshot_of_unruly_servers_has_the_rows_of_an_undisturbed_one(tmp_path: Path) -> None:
    arguments = chaos.arguments(["--packages", "6", "--stall", "5", "--seed", str(SEED)])
    with chaos.stage(tmp_path, arguments) as here:
        least = here.round("least")
        here.proxies.rate = arguments.rate
        found = here.round("unruly")
    assert (least.fault, found.fault) == ("", "")
    assert found.rows == least.rows
    assert found.toll.faults.total() > 0
    assert found.toll.bytes.total() <= 2 * least.toll.bytes.total()
