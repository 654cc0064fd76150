"""Weeks of work in virtual time, and what must hold all the while.

A day lists packages and plans their visits; the process that works on it is killed every few hours
and begun anew on what lies on the disk, until the day's work is done.
"""

import asyncio
import logging
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak_life import DeadError, Life, Watched
from soak_world import HOUR_S, World, fate, make_hosts
from virtual_time import VirtualLoop

DAY_S = 24 * HOUR_S
TICK_S = 60.0
MOST_WAL = 64 * 2**20
MOST_GROWTH = 128 * 2**20
"""Of resident memory, over what the process had when the first life began."""
MOST_WAIT_S = HOUR_S
SMALL_HOSTS = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much, and which dice; a process lives ``life_s`` on average."""

    days: int
    items: int
    seed: int
    life_s: float = 2 * HOUR_S


@dataclass(slots=True)
class Seen:
    """What was measured on the way: the most of each; ``memory`` at the end of each day."""

    wal: int = 0
    tasks: int = 0
    files: int = 0
    memory: list[int] = field(default_factory=list)
    kills: int = 0


class Soak:
    """One soak; ``run`` returns what is wrong, nothing if all is well."""

    def __init__(
        self, plan: Plan, path: Path, say: Callable[[str], object] = lambda line: None
    ) -> None:
        self._plan = plan
        self._say = say
        self._path = path
        self._rng = random.Random(plan.seed)
        self.loop = VirtualLoop()
        hosts = make_hosts(self._rng, plan.days, SMALL_HOSTS)
        self.world = World(hosts, self._rng, self.loop)
        self.watched = Watched()
        self.seen = Seen()
        self._life: Life | None = None

    def run(self) -> list[str]:
        """Live through it."""
        logging.getLogger("ptmtorrent").setLevel(logging.CRITICAL)
        self.seen.memory.append(_memory())
        self.loop.set_exception_handler(_quiet_about_the_dead)
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._days())
        return list(self._faults())

    def standing(self) -> str:
        """Where it stands, in a line."""
        seen, watched = self.seen, self.watched
        longest = max(watched.longest.values(), default=0.0)
        return (
            f"day {self.loop.now / DAY_S:.2f}: {watched.created.total()} created,"
            f" {watched.finished} finished, {seen.kills} kills, longest wait {longest:.0f} s,"
            f" log at most {seen.wal / 2**20:.1f} MiB, memory {seen.memory[-1] >> 20} MiB,"
            f" {seen.tasks} tasks, {seen.files} files"
        )

    def outcomes(self) -> Counter[tuple[str, str | None]]:
        """Items by state and reason, as the ledger has them."""
        with sqlite3.connect(self._path / "ledger.sqlite") as ledger:
            rows = ledger.execute("SELECT state, reason, count(*) FROM items GROUP BY 1, 2")
            counts = Counter({(state, reason): count for state, reason, count in rows})
        ledger.close()
        return counts

    async def _days(self) -> None:
        ticking = asyncio.create_task(self._tick())
        for day in range(self._plan.days):
            await asyncio.sleep(max(0.0, day * DAY_S - self.loop.time()))
            await self._day(day)
            self.seen.memory.append(_memory())
            self._say(self.standing())
        ticking.cancel()

    async def _day(self, day: int) -> None:
        portion = self._plan.items // self._plan.days
        packages = {"huggingface": round(portion * 0.35), "pytorchhub": round(portion * 0.15)}
        hosts = [f"files{n}.example" for n in range(SMALL_HOSTS)]
        assets = [f"https://{hosts[n % SMALL_HOSTS]}/day{day}/{n}" for n in range(portion // 20)]
        is_planned = False
        while True:
            life = Life(self._path, self.world, self.watched, self.loop)
            life.open()
            self._life = life
            try:
                async with life.recorder:
                    if not is_planned:
                        await life.plan_day(day, packages, assets)
                        is_planned = True
                    if await self._live(life):
                        return
            finally:
                self._life = None
                life.close()

    async def _live(self, life: Life) -> bool:
        """Let a process work until it has finished (True), or is killed."""
        work = asyncio.create_task(life.work())
        lasts = self._rng.expovariate(1 / self._plan.life_s)
        await asyncio.wait([work], timeout=lasts)
        if work.done():
            await work
            return True
        life.recorder.is_dead = True
        work.cancel()
        await asyncio.wait([work])
        self.seen.kills += 1
        return False

    async def _tick(self) -> None:
        """Look around once a minute."""
        while True:
            await asyncio.sleep(TICK_S)
            if self._life is not None:
                self._look_around(self._life)

    def _look_around(self, life: Life) -> None:
        for name in life.ready():
            host = self.world.hosts[name]
            if host.begun == host.begun_before:
                self.watched.ready_s[name] += TICK_S
        for host in self.world.hosts.values():
            host.begun_before = host.begun
        wal, files = self._path / "ledger.sqlite-wal", Path("/proc/self/fd")
        self.seen.wal = max(self.seen.wal, wal.stat().st_size if wal.exists() else 0)
        self.seen.tasks = max(self.seen.tasks, len(asyncio.all_tasks()))
        self.seen.files = max(self.seen.files, sum(1 for _ in files.iterdir()))

    def _faults(self) -> Iterator[str]:
        counts, created = self.outcomes(), self.watched.created.total()
        ended = sum(n for (state, _), n in counts.items() if state not in ("todo", "leased"))
        if not created == counts.total() == ended:
            yield f"{created} items created, {counts.total()} known, {ended} ended"
        yield from self._wrong_ends()
        for host, waited in self.watched.longest.items():
            if waited > MOST_WAIT_S:
                yield f"{host}: a runnable item waited {waited:.0f} s"
        if self.seen.wal > MOST_WAL:
            yield f"a write-ahead log of {self.seen.wal} bytes"
        if self.seen.tasks > 100 or self.seen.files > 100:
            yield f"{self.seen.tasks} tasks, {self.seen.files} open files"
        if max(self.seen.memory) > self.seen.memory[0] + MOST_GROWTH:
            yield f"memory grew: {[size // 2**20 for size in self.seen.memory]} MiB"

    def _wrong_ends(self) -> Iterator[str]:
        """Items that are not what their key says, and were not lost to the network either."""
        meant = {
            "done": ("done", None), "gone": ("skipped", "gone"), "gated": ("skipped", "gated"),
            "corrupt": ("failed", "corrupt"), "bug": ("failed", "bug"),
        }  # fmt: skip
        lost = (("failed", "network"), ("failed", "refused"), ("postponed", "network"))
        with sqlite3.connect(self._path / "ledger.sqlite") as ledger:
            for key, state, reason in ledger.execute("SELECT key, state, reason FROM items"):
                if (state, reason) not in (meant[fate(key)], *lost):
                    yield f"{key}: {state} {reason}"
        ledger.close()


def _memory() -> int:
    """Resident bytes of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _quiet_about_the_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), DeadError):
        loop.default_exception_handler(context)
