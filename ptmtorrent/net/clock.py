"""Time and chance as values, so that tests can hold them still."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks, the sleep and the dice of the network.

    Attributes:
        now: seconds that only go forward.
        wall: Unix seconds, for what is compared with dates of servers or kept on disk.
        sleep: waits so many seconds of ``now``.
        random: a number from 0 (included) to 1 (excluded), for jitter only.
    """

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
