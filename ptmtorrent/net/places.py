"""Places at one host: a request under way holds one, its body included.

How many there are is ``policy.concurrency``'s to decide; here is only the waiting, in order.
"""

import asyncio
from collections import deque

from ptmtorrent.policy.concurrency import Concurrency


class Places:
    """A semaphore whose size follows how the host bears up. Not for use by several threads."""

    def __init__(self, most: int) -> None:
        self._policy = Concurrency.up_to(most)
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be held at the same time now."""
        return int(self._policy.limit)

    async def take(self) -> None:
        """Wait for a place, and hold it."""
        if self._held < self.limit:
            self._held += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let go of a place."""
        self._held -= 1
        self._admit()

    def answered(self, slowness: float) -> None:
        """The host answered, so many times slower than it can."""
        self._policy = self._policy.answered(slowness, self._held)
        self._admit()

    def troubled(self, now: float) -> None:
        """The host failed or refused."""
        self._policy = self._policy.troubled(now)

    def _admit(self) -> None:
        while self._waiting and self._held < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._held += 1
                turn.set_result(None)
