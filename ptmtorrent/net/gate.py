"""One gate per (host, credential, bucket), shared by everything that sends requests.

A gate lets requests through in the order they came, when its budget and the host's concurrency
allow. Refusals close it for all. The decisions are ``policy.pacing``'s; here is only the waiting.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from ptmtorrent.errors import RefusedError, UnansweringError
from ptmtorrent.model.events import BudgetChanged, Watcher
from ptmtorrent.net.clock import Clock
from ptmtorrent.policy.pacing import MOST_RPS, Budget, State
from ptmtorrent.policy.ratelimit import Advice


@dataclass(frozen=True, slots=True)
class GateKey:
    """What a limit applies to: a canonical host, who we are there, and a kind of request."""

    host: str
    credential: str
    bucket: str

    def __str__(self) -> str:
        return f"{self.host} {self.credential} {self.bucket}"


@dataclass(frozen=True, slots=True)
class GateLimits:
    """How gates behave.

    Attributes:
        concurrency: requests under way at one host, bodies included.
        most_rps: the fastest a host without advertised limits is asked.
        patience_s: a gate closed for longer raises instead of waiting.
        outage_patience_s: the same for a host that does not answer.
    """

    concurrency: int = 8
    most_rps: float = MOST_RPS
    patience_s: float = 600.0
    outage_patience_s: float = 45.0


def bucket_of(url: str) -> str:
    """The bucket a canonical URL most likely counts in; the response corrects it."""
    path = urlsplit(url).path
    if "/info/lfs" in path:
        return "lfs"
    if path.endswith(("/info/refs", "/git-upload-pack")):
        return "git"
    if "/resolve/" in path or "/raw/" in path or path.startswith("/api/resolve-cache/"):
        return "resolvers"
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("api", "search", "graphql") else "pages"


class Gate:
    """One gate: a budget, and the queue before it."""

    def __init__(self, key: GateKey, budget: Budget) -> None:
        self.key = key
        self.budget = budget
        self.turnstile = asyncio.Lock()
        self.changed = asyncio.Event()


class Pass:
    """A request's leave to go; it reports what became of it, once."""

    def __init__(self, gates: "Gates", gate: Gate, cost: float) -> None:
        self._gates = gates
        self._gate = gate
        self._cost = cost
        self._is_open = True

    def advised(self, advice: Advice) -> None:
        """The response told about limits."""
        self._gates.advise(self._gate, advice)

    def succeeded(self) -> None:
        """The server answered."""
        if self._closes():
            self._gate.budget.succeeded(self._gates.clock.now(), self._cost)

    def refused(self, wait_s: float | None = None) -> None:
        """The server said "not now"."""
        if self._closes():
            self._gate.budget.refused(self._gates.clock.now(), wait_s, self._cost)
            self._gates.announce(self._gate)

    def failed(self) -> None:
        """The connection broke, or the server erred."""
        if self._closes():
            self._gate.budget.failed(self._gates.clock.now(), self._cost)
            self._gates.announce(self._gate)

    def drop(self) -> None:
        """Nothing was learnt; does nothing after a report."""
        if self._closes():
            self._gate.budget.dropped(self._cost)

    def _closes(self) -> bool:
        was_open, self._is_open = self._is_open, False
        self._gate.changed.set()
        return was_open


class Gates:
    """All gates of a run. Not for use by several threads."""

    def __init__(
        self,
        clock: Clock | None = None,
        limits: GateLimits | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self._limits = limits or GateLimits()
        self._watcher = watcher
        self._gates: dict[GateKey, Gate] = {}
        self._renamed: dict[GateKey, GateKey] = {}
        self._hosts: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def slot(self, key: GateKey, cost: float = 1.0) -> AsyncIterator[Pass]:
        """Wait for leave, and hold a place at the host until the block ends.

        Raises:
            RefusedError: the gate is closed for longer than we are patient.
            UnansweringError: the same, because the host does not answer.
        """
        gate, places = self._gate(key), self._places(key.host)
        await self._enter(gate, places, cost)
        leave = Pass(self, gate, cost)
        try:
            yield leave
        finally:
            leave.drop()
            places.release()

    def advise(self, gate: Gate, advice: Advice) -> None:
        """Hand advice to the gate that the server named, and remember the name."""
        if advice.bucket and advice.bucket != gate.key.bucket:
            named = GateKey(gate.key.host, gate.key.credential, advice.bucket)
            if gate.budget.left(self.clock.now()) is None:
                self._renamed.setdefault(gate.key, named)
            gate = self._gate(named)
        gate.budget.advised(self.clock.now(), advice)
        gate.changed.set()
        self.announce(gate)

    def announce(self, gate: Gate) -> None:
        """Tell the watcher what the gate allows now."""
        if self._watcher is None:
            return
        now, budget = self.clock.now(), gate.budget
        left, resets_in = budget.left(now), budget.resets_in(now)
        closed = budget.closed_for(now)
        self._watcher(BudgetChanged(gate.key.host, gate.key.bucket, left, resets_in, closed))

    def snapshot(self) -> dict[str, State]:
        """The budgets, to be kept across restarts."""
        now, wall = self.clock.now(), self.clock.wall()
        return {str(key): gate.budget.to_state(now, wall) for key, gate in self._gates.items()}

    def restore(self, states: Mapping[str, Mapping[str, object]]) -> None:
        """Take up budgets that an earlier run left; what cannot be read is left out."""
        now, wall = self.clock.now(), self.clock.wall()
        for name, state in states.items():
            words = name.split(" ")
            if len(words) == 3:
                key = GateKey(*words)
                most = self._limits.most_rps
                budget = Budget.from_state(state, now, wall, most_rps=most)
                self._gates[key] = Gate(key, budget)

    async def _enter(self, gate: Gate, places: asyncio.Semaphore, cost: float) -> None:
        async with gate.turnstile:
            while True:
                await self._until_open(gate, cost)
                await places.acquire()
                if gate.budget.wait(self.clock.now(), cost) <= 0:
                    gate.budget.sent(self.clock.now(), cost)
                    return
                places.release()

    async def _until_open(self, gate: Gate, cost: float) -> None:
        while (wait := gate.budget.wait(self.clock.now(), cost)) > 0:
            if math.isinf(wait):
                gate.changed.clear()
                await gate.changed.wait()
                continue
            self._check_patience(gate, wait)
            await self.clock.sleep(wait)

    def _check_patience(self, gate: Gate, wait: float) -> None:
        limits, host = self._limits, gate.key.host
        if gate.budget.is_outage and wait > limits.outage_patience_s:
            raise UnansweringError(f"{host} has not answered for a while", wait_s=wait)
        if wait <= limits.patience_s:
            return
        raise RefusedError(f"{host} allows nothing for {wait:.0f} s", wait_s=wait)

    def _gate(self, key: GateKey) -> Gate:
        key = self._renamed.get(key, key)
        if key not in self._gates:
            self._gates[key] = Gate(key, Budget(most_rps=self._limits.most_rps))
        return self._gates[key]

    def _places(self, host: str) -> asyncio.Semaphore:
        if host not in self._hosts:
            self._hosts[host] = asyncio.Semaphore(self._limits.concurrency)
        return self._hosts[host]
