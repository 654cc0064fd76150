"""Stopping on SIGINT and SIGTERM: once, cleanly, at a point where nothing is lost."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from ptmtorrent.errors import StoppedError

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_stoppably(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work; a signal cancels it, and StoppedError says which signal it was.

    Cancellation reaches every task; only the write of a finished outcome is shielded from it.
    """
    return asyncio.run(_cancelled_by_signal(work))


async def _cancelled_by_signal(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    caught: list[int] = []

    def stop(signum: int) -> None:
        caught.append(signum)
        task.cancel()

    for signum in SIGNALS:
        loop.add_signal_handler(signum, stop, signum)
    try:
        return await task
    except asyncio.CancelledError:
        if caught:
            raise StoppedError(caught[0]) from None
        raise
    finally:
        for signum in SIGNALS:
            loop.remove_signal_handler(signum)


@contextmanager
def stoppable() -> Iterator[None]:
    """Around synchronous work that may be cut anywhere: a signal raises StoppedError in it."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise StoppedError(signum)

    before = {signum: signal.signal(signum, stop) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
