"""Hosts that answer, refuse, stall, break and vanish, as a seed says.

What becomes of an item in the end (``fate``) depends on its key alone, so that whoever counts
afterwards knows what each should have come to, whatever happened on the way.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ptmtorrent.errors import (
    CorruptError,
    ItemError,
    NetworkError,
    RefusedError,
    SkipError,
    SkipReason,
)
from ptmtorrent.net.gate import GateKey, Gates, Pass
from ptmtorrent.policy.ratelimit import Advice

FATES = (("gone", 0.03), ("gated", 0.01), ("corrupt", 0.005), ("bug", 0.001))
BREAKS = 0.02
"""Share of the requests whose connection breaks."""
STALLS = 0.002
STALL_S = 120.0
HOUR_S = 3600.0


def fate(key: str) -> str:
    """What an item comes to when the network lets it."""
    draw = random.Random(key).random()
    for name, share in FATES:
        if draw < share:
            return name
        draw -= share
    return "done"


@dataclass(slots=True)
class Host:
    """One host, with fixed windows of requests, one a bucket.

    Attributes:
        quota: requests of a bucket in a window of ``window_s``; more are refused.
        advertises: whether it tells what is left.
        down: (from, to) when it answers nothing; in order.
    """

    name: str
    quota: int
    window_s: float
    latency_s: float
    advertises: bool = True
    down: tuple[tuple[float, float], ...] = ()
    requests: int = 0
    refused: int = 0
    under_way: int = 0
    begun: int = 0
    begun_before: int = 0
    _window: int = -1
    _used: Counter[str] = field(default_factory=Counter)

    def advice(self, bucket: str, now: float) -> Advice | None:
        """Take one request in; RefusedError when there were too many, else what it tells."""
        self.requests += 1
        window = int(now // self.window_s)
        if window != self._window:
            self._window = window
            self._used.clear()
        self._used[bucket] += 1
        ends_in = (window + 1) * self.window_s - now
        if self._used[bucket] > self.quota:
            self.refused += 1
            raise RefusedError("too many", status=429, wait_s=ends_in if self.advertises else None)
        left = self.quota - self._used[bucket]
        told = Advice(quota=self.quota, window_s=self.window_s, remaining=left, reset_s=ends_in)
        return told if self.advertises else None

    def is_down(self, now: float) -> bool:
        """Whether it answers nothing at this moment."""
        while self.down and self.down[0][1] <= now:
            self.down = self.down[1:]
        return bool(self.down) and self.down[0][0] <= now


@dataclass(slots=True)
class World:
    """All hosts, and the dice."""

    hosts: dict[str, Host]
    rng: random.Random
    loop: asyncio.AbstractEventLoop

    async def ask(self, gates: Gates, host: Host, bucket: str, key: str) -> None:
        """One request through the gate, as the transport makes it; raises what becomes of it."""
        async with gates.slot(GateKey(host.name, "anonymous", bucket)) as leave:
            host.begun += 1
            host.under_way += 1
            try:
                await self._answered(leave, host, bucket)
            finally:
                host.under_way -= 1
        raise_fate(key)

    async def _answered(self, leave: Pass, host: Host, bucket: str) -> None:
        await asyncio.sleep(self._seconds(host))
        if host.is_down(self.loop.time()) or self.rng.random() < BREAKS:
            leave.failed()
            raise NetworkError("the connection broke")
        leave.answered()
        try:
            advice = host.advice(bucket, self.loop.time())
        except RefusedError as error:
            leave.refused(error.wait_s)
            raise
        if advice is not None:
            leave.advised(advice)
        leave.succeeded()

    def _seconds(self, host: Host) -> float:
        if self.rng.random() < STALLS:
            return STALL_S
        return min(self.rng.expovariate(1 / host.latency_s), STALL_S)


def raise_fate(key: str) -> None:
    """Raise what an item comes to, unless it is done."""
    known: dict[str, ItemError | KeyError] = {
        "gone": SkipError("gone", SkipReason.GONE),
        "gated": SkipError("gated", SkipReason.GATED),
        "corrupt": CorruptError("not what was announced"),
        "bug": KeyError("a bug"),
    }
    error = known.get(fate(key))
    if error is not None:
        raise error


def make_hosts(rng: random.Random, days: float, small: int) -> dict[str, Host]:
    """Two hubs with quotas, and many small hosts of which some are away for hours."""
    hosts = [
        Host("huggingface.co", 150, 300.0, 0.6, down=tuple(_outages(rng, days, 2))),
        Host("github.com", 1000, HOUR_S, 1.0, down=tuple(_outages(rng, days, 3))),
    ]
    hosts += [
        Host(f"files{n}.example", 30, 10.0, 2.0, n % 3 == 0, tuple(_outages(rng, days, n % 4)))
        for n in range(small)
    ]
    return {host.name: host for host in hosts}


def _outages(rng: random.Random, days: float, count: int) -> Iterator[tuple[float, float]]:
    """A few spans of minutes to hours."""
    begins = sorted(rng.uniform(0, days * 24 * HOUR_S) for _ in range(count))
    return ((begin, begin + rng.uniform(300, 6 * HOUR_S)) for begin in begins)
