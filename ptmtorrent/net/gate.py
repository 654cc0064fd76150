"""One gate per (host, credential, bucket), shared by everything that sends requests.

A gate lets requests through in the order they came, when its budget and the host's concurrency
allow. Refusals close it for all. The decisions are ``policy.pacing``'s and
``policy.concurrency``'s; here is only the waiting.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ptmtorrent.errors import RefusedError, UnansweringError
from ptmtorrent.model.events import BudgetChanged, Watcher
from ptmtorrent.net.clock import Clock
from ptmtorrent.net.places import Places
from ptmtorrent.policy.concurrency import Latency
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
        concurrency: the most requests under way at one host, bodies included; fewer when it is
            no quicker for them.
        most_rps: the fastest a host without advertised limits is asked.
        patience_s: a gate closed for longer raises instead of waiting.
        outage_patience_s: the same for a host that does not answer.
    """

    concurrency: int = 32
    most_rps: float = MOST_RPS
    patience_s: float = 600.0
    outage_patience_s: float = 45.0


PACE_S = 10.0
"""A gate that lets the next request through within this only paces."""

MOST_NAMES = 64
"""Gates of one host; further names a server gives to its buckets mean nothing."""


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
    """One gate: a budget, and the queue before it.

    Attributes:
        latency: of its requests.
        is_told: the server has told its limits to this process.
    """

    def __init__(self, key: GateKey, budget: Budget) -> None:
        self.key = key
        self.budget = budget
        self.turnstile = asyncio.Lock()
        self.changed = asyncio.Event()
        self.latency = Latency()
        self.is_told = False

    def held_for(self, now: float) -> float:
        """Seconds for which the host's own word keeps everything back; 0 when it is worth a try."""
        budget = self.budget
        is_open = budget.is_new or budget.is_outage or budget.is_hopeless
        return 0.0 if is_open else budget.wait(now)


class Pass:
    """A request's leave to go; it reports what became of it, once."""

    def __init__(self, gates: "Gates", gate: Gate, cost: float) -> None:
        self._gates = gates
        self._gate = self._named = gate
        self._cost = cost
        self._since = gates.clock.now()
        self._is_open = True

    def answered(self) -> None:
        """The first byte of the answer is here: this tells how quick the host is."""
        waited = self._gates.clock.now() - self._since
        self._gate.latency = latency = self._gate.latency.after(waited)
        self._gates.places(self._gate).answered(latency.slowness)

    def advised(self, advice: Advice) -> None:
        """The response told about limits."""
        self._named = self._gates.advise(self._gate, advice)

    def succeeded(self) -> None:
        """The server answered."""
        if self._closes():
            self._gate.budget.succeeded(self._gates.clock.now(), self._cost)

    def refused(self, wait_s: float | None = None) -> None:
        """The server said "not now"."""
        if not self._closes():
            return
        now = self._gates.clock.now()
        self._gate.budget.refused(now, wait_s, self._cost)
        if self._named is not self._gate:
            self._named.budget.refused(now, wait_s, 0.0)
        self._gates.trouble(self._named)

    def failed(self) -> None:
        """The connection broke, or the server erred."""
        if self._closes():
            self._gate.budget.failed(self._gates.clock.now(), self._cost)
            self._gates.trouble(self._gate)

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
        self._hosts: dict[str, Places] = {}
        self._news = asyncio.Event()

    @asynccontextmanager
    async def slot(self, key: GateKey, cost: float = 1.0) -> AsyncIterator[Pass]:
        """Wait for leave, and hold a place at the host until the block ends.

        Raises:
            RefusedError: the gate is closed for longer than we are patient.
            UnansweringError: the same, because the host does not answer.
        """
        gate = await self._entered(key, cost)
        leave = Pass(self, gate, cost)
        try:
            yield leave
        finally:
            leave.drop()
            self.places(gate).give_back()

    def places(self, gate: Gate) -> Places:
        """The places at the host of a gate."""
        host = gate.key.host
        if host not in self._hosts:
            self._hosts[host] = Places(self._limits.concurrency)
        return self._hosts[host]

    def advise(self, gate: Gate, advice: Advice) -> Gate:
        """Hand advice to the gate that the server named, and remember the name; that gate."""
        gate = self._named(gate, advice.bucket) if advice.bucket else gate
        gate.budget.advised(self.clock.now(), advice)
        gate.changed.set()
        if not gate.is_told:
            gate.is_told = True
            self._news.set()
        self.announce(gate)
        return gate

    def trouble(self, gate: Gate) -> None:
        """A request failed or was refused."""
        self.places(gate).troubled(self.clock.now())
        if gate.budget.closed_for(self.clock.now()) > 0:
            self._news.set()
        self.announce(gate)

    def announce(self, gate: Gate) -> None:
        """Tell the watcher what the gate allows now."""
        if self._watcher is None:
            return
        now, budget = self.clock.now(), gate.budget
        left, resets_in = budget.left(now), budget.resets_in(now)
        closed = budget.closed_for(now)
        self._watcher(BudgetChanged(gate.key.host, gate.key.bucket, left, resets_in, closed))

    async def until_news(self, seconds: float) -> None:
        """Wait until something has changed that a restart must know, or so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    def snapshot(self, ahead_s: float = 0.0) -> dict[str, State]:
        """The budgets, to be kept across restarts.

        Args:
            ahead_s: until the next snapshot is sure to be kept; 0 when nothing more will be sent.
        """
        moment = self.clock.moment()
        states = {str(k): gate.budget.to_state(moment, ahead_s) for k, gate in self._gates.items()}
        return states | {str(key): {"bucket": to.bucket} for key, to in self._renamed.items()}

    def doors(self) -> dict[tuple[str, str], float]:
        """All (host, bucket) so far, and for how many seconds the host's own word closes them.

        Under every name a bucket goes by; 0 is open. One that merely paces is open; one whose host
        does not answer is, too, for only asking tells when it is back; and so is one that has
        refused so often without letting anything through that waiting for it would have no end.
        """
        now = self.clock.now()
        waits = {key: gate.held_for(now) for key, gate in self._gates.items()}
        waits |= {ours: waits[named] for ours, named in self._renamed.items() if named in waits}
        doors: dict[tuple[str, str], float] = {}
        for key, wait in waits.items():
            door = key.host, key.bucket
            doors[door] = max(wait if wait > PACE_S else 0.0, doors.get(door, 0.0))
        return doors

    def restore(
        self,
        states: Mapping[str, Mapping[str, object]],
        is_ours: Callable[[GateKey], bool] = lambda _: True,
    ) -> None:
        """Take up budgets that an earlier run left, of gates that this one goes through.

        What cannot be read is left out.
        """
        moment, most_rps = self.clock.moment(), self._limits.most_rps
        for name, state in states.items():
            words, named = name.split(" "), state.get("bucket")
            if len(words) != 3:
                continue
            key = GateKey(*words)
            if not is_ours(key):
                continue
            if isinstance(named, str):
                self._renamed[key] = GateKey(key.host, key.credential, named)
            else:
                budget = Budget.from_state(state, moment, most_rps=most_rps)
                self._gates[key] = Gate(key, budget)

    async def _entered(self, key: GateKey, cost: float) -> Gate:
        """Go through the gate of ``key``; through another when the server names one meanwhile."""
        while True:
            gate = self._gate(key)
            async with gate.turnstile:
                while self._gate(key) is gate:
                    if await self._has_entered(key, gate, cost):
                        return gate

    async def _has_entered(self, key: GateKey, gate: Gate, cost: float) -> bool:
        await self._until_open(gate, cost)
        await self.places(gate).take()
        now = self.clock.now()
        if self._gate(key) is gate and gate.budget.wait(now, cost) <= 0:
            gate.budget.sent(now, cost)
            return True
        self.places(gate).give_back()
        return False

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

    def _named(self, gate: Gate, bucket: str) -> Gate:
        """The gate of a bucket as its server calls it; the name holds for what comes next."""
        key = GateKey(gate.key.host, gate.key.credential, bucket)
        if key == gate.key:
            return gate
        names = sum(known.host == key.host for known in self._gates)
        if key not in self._gates and names >= MOST_NAMES:
            return gate
        if gate.budget.left(self.clock.now()) is None:
            self._renamed.setdefault(gate.key, key)
        return self._gate(key)
