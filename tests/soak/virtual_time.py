"""An event loop whose time jumps to the next thing to do.

Two weeks of waiting pass in the time that the work between the waits takes. Timers fire in the
order and at the times they would; only nobody waits for them. What is handed to a thread is done on
the spot, in its turn and in no time: so nothing depends on how threads are scheduled, and the same
dice give the same story.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class StuckError(RuntimeError):
    """Every task waits for something that nothing will bring."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at ``now`` seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        answer = self.create_future()

        def work() -> None:
            if answer.cancelled():
                return
            try:
                answer.set_result(func(*args))
            except Exception as error:
                answer.set_exception(error)

        self.call_soon(work)
        return answer


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for a time, goes there; instead of waiting for nothing, says so."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events and timeout is None:
            raise StuckError("nothing is ready, and nothing is scheduled")
        if not events and timeout:
            self._loop.now += timeout
        return events
