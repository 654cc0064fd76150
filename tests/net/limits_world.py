"""Servers with limits and workers without patience, in virtual time, through the real gates."""

import asyncio
import json
import math
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import pairwise
from typing import Any, TypeVar

from ptmtorrent.errors import RefusedError
from ptmtorrent.net.clock import Clock
from ptmtorrent.net.gate import GateKey, GateLimits, Gates
from ptmtorrent.policy.backoff import RetryPolicy, pause
from ptmtorrent.policy.ratelimit import is_refusal, parse_advice

T = TypeVar("T")

EPOCH = 1_800_000_000.0
KEY = GateKey("hub.example", "token", "api")
Answer = tuple[int, Mapping[str, str]]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when everything waits for it."""

    def __init__(self) -> None:
        self.passed = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        return self.passed


class _Skipping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits for ever"
            self._loop.passed += max(timeout, 0.0)
        return ready


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end without waiting."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


@dataclass
class Windows:
    """A server that counts in fixed windows and says so, as Hugging Face or as GitHub does."""

    quota: int = 500
    window_s: float = 300.0
    dialect: str = "hub"
    skew_s: float = 0.0
    counted: dict[int, int] = field(default_factory=dict)

    def __call__(self, now: float, cost: int = 1) -> Answer:
        number = int(now // self.window_s)
        used = self.counted[number] = self.counted.get(number, 0) + cost
        left, ends = max(self.quota - used, 0), (number + 1) * self.window_s
        if self.dialect == "hub":
            headers = {
                "RateLimit": f'"api";r={left};t={int(ends - now)}',
                "RateLimit-Policy": f'"fixed window";"api";q={self.quota};w={self.window_s:.0f}',
            }
            return 200 if used <= self.quota else 429, headers
        headers = {
            "x-ratelimit-limit": str(self.quota),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(math.ceil(EPOCH + ends)),
            "x-ratelimit-resource": "core",
            "Date": formatdate(int(EPOCH + now + self.skew_s), usegmt=True),
        }
        return 200 if used <= self.quota else 403, headers


@dataclass
class Leaky:
    """A server that bears a rate and a burst, and says nothing (nginx limit_req)."""

    rate: Callable[[float], float]
    burst: float = 20.0
    level: float = 0.0
    at: float = 0.0

    def __call__(self, now: float, cost: int = 1) -> Answer:
        self.level = max(self.level - (now - self.at) * self.rate(now), 0.0)
        self.at = now
        if self.level + cost > self.burst:
            return 429, {}
        self.level += cost
        return 200, {}


Server = Windows | Leaky


@dataclass
class Log:
    """When requests were sent, and which were refused."""

    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @property
    def share_refused(self) -> float:
        return len(self.refused) / max(len(self.sent), 1)

    def served(self, start: float, end: float) -> int:
        sent = sum(start <= when < end for when in self.sent)
        return sent - sum(start <= when < end for when in self.refused)

    def most_in(self, seconds: float, start: float = 0.0) -> int:
        """The most requests sent within so many seconds."""
        sent = sorted(when for when in self.sent if when >= start)
        first = most = 0
        for last, when in enumerate(sent):
            while when - sent[first] > seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


@dataclass
class World:
    """One server, and how long it takes."""

    server: Server
    seed: int = 0
    latency: tuple[float, float] = (0.05, 0.45)
    log: Log = field(default_factory=Log)
    wall_moves: list[float] = field(default_factory=list)
    wall_moved_s: float = 0.0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.end_s = math.inf

    def move_wall(self) -> None:
        """Somebody sets the clock."""
        if self.wall_moves:
            self.wall_moved_s += self.rng.choice(self.wall_moves)

    def clock(self) -> Clock:
        loop = asyncio.get_running_loop()

        async def sleep(seconds: float) -> None:
            assert 0 <= seconds <= 3600, seconds
            self.log.waits.append(seconds)
            await asyncio.sleep(seconds)

        def wall() -> float:
            return EPOCH + loop.time() + self.wall_moved_s

        return Clock(loop.time, wall, sleep, self.rng.random, "this-boot")

    def gates(self, **limits: float) -> Gates:
        return Gates(self.clock(), GateLimits(**limits))  # type: ignore[arg-type]

    async def ask(self, gates: Gates, key: GateKey = KEY, cost: int = 1) -> float | None:
        """One request; the time a refusal asks for, or None."""
        now, latency = asyncio.get_running_loop().time, self.rng.uniform(*self.latency)
        async with gates.slot(key, cost) as leave:
            sent_at = now()
            self.log.sent += [sent_at] * cost
            arrival = asyncio.ensure_future(self._served(latency / 2, cost))
            status, headers = await asyncio.shield(arrival)
            await asyncio.sleep(latency / 2)
            leave.answered()
            advice = parse_advice(headers, gates.clock.wall())
            if advice is not None:
                leave.advised(advice)
            if not is_refusal(status, advice):
                leave.succeeded()
                return None
            self.log.refused += [sent_at] * cost
            wait_s = advice.wait_s if advice else None
            leave.refused(wait_s)
        return pause(RefusedError("", wait_s=wait_s), 1, RetryPolicy(), self.rng.random)

    async def _served(self, after: float, cost: int) -> Answer:
        await asyncio.sleep(after)
        return self.server(asyncio.get_running_loop().time(), cost)

    async def worker(self, gates: Gates, **how: Any) -> None:
        """Always has something to ask."""
        while asyncio.get_running_loop().time() < self.end_s:
            try:
                wait_s = await self.ask(gates, **how)
            except RefusedError as error:
                wait_s = error.wait_s
            if wait_s is not None:
                await asyncio.sleep(wait_s)

    async def work(self, gates: Gates, seconds: float, workers: int = 64, **how: Any) -> Log:
        """Workers for so long; what is under way at the end is cut off."""
        self.end_s = asyncio.get_running_loop().time() + seconds
        tasks = [asyncio.create_task(self.worker(gates, **how)) for _ in range(workers)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self.log

    async def lives(self, kills: list[float], seconds: float, **how: Any) -> Log:
        """Processes one after the other, each killed and followed by the next at once.

        What they keep is what the run keeps: on news and every five seconds, and durable a little
        later. What is under way at a kill reaches the server all the same.
        """
        kept: dict[str, Any] = {}

        async def keep(gates: Gates) -> None:
            while True:
                await gates.until_news(5.0)
                states = gates.snapshot(10.0)
                await asyncio.sleep(0.02)
                kept.update(json.loads(json.dumps(states)))

        for start, end in pairwise([0.0, *kills, seconds]):
            gates = self.gates()
            gates.restore(kept)
            keeping = asyncio.create_task(keep(gates))
            await self.work(gates, end - start, **how)
            keeping.cancel()
            self.move_wall()
        return self.log
