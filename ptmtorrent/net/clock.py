"""Time and chance as values, so that tests can hold them still."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from ptmtorrent.policy.moment import Moment


def boot_id() -> str:
    """The name of this run of the machine, or empty where the system has none (proc(5))."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks, the sleep and the dice of the network.

    Attributes:
        now: seconds that only go forward.
        wall: Unix seconds, for what is compared with dates of servers or kept on disk.
        sleep: waits so many seconds of ``now``.
        random: a number from 0 (included) to 1 (excluded), for jitter only.
        boot: names the run of the machine that ``now`` counts from, or empty.
    """

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    boot: str = field(default_factory=boot_id)

    def moment(self) -> Moment:
        """This instant on all clocks."""
        return Moment(self.now(), self.wall(), self.boot)
