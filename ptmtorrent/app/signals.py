"""Stopping on SIGINT and SIGTERM: once, cleanly, at a point where nothing is lost."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from ptmtorrent.errors import CommandError, StoppedError

T = TypeVar("T")
INTERNAL = 1
PRECEDENCE = (7, 6, INTERNAL, 11, 4, 2, 5, 8, 3)
"""Exit codes, the first that applies decides; a signal's (130, 143) comes before all."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_stoppably(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work; a signal cancels it, and StoppedError says which signal it was.

    Cancellation reaches every task; only the write of a finished outcome is shielded from it.
    """
    with _as_before():
        return asyncio.run(_cancelled_by_signal(work))


async def _cancelled_by_signal(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    caught: list[int] = []

    def stop(signum: int) -> None:
        if not caught:
            task.cancel()
        caught.append(signum)

    for signum in SIGNALS:
        loop.add_signal_handler(signum, stop, signum)
    try:
        return await task
    except asyncio.CancelledError:
        if caught:
            raise StoppedError(caught[0]) from None
        raise
    except BaseExceptionGroup as group:
        raise _gravest(group) from group
    finally:
        for signum in SIGNALS:
            loop.remove_signal_handler(signum)
        if caught:
            _ignore()


def _gravest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What decides when several tasks failed at once, in the order of exit codes."""

    def rank(error: BaseException) -> int:
        code = error.exit_code if isinstance(error, CommandError) else INTERNAL
        return PRECEDENCE.index(code) if code in PRECEDENCE else -1

    return min(_leaves(group), key=rank)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for part in error.exceptions:
        yield from _leaves(part)


@contextmanager
def stoppable() -> Iterator[None]:
    """Around synchronous work that may be cut anywhere: a signal raises StoppedError in it.

    So does work that made something else of it (DuckDB makes a RuntimeError).
    """
    caught: list[int] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        _ignore()
        caught.append(signum)
        raise StoppedError(signum)

    with _as_before():
        for signum in SIGNALS:
            signal.signal(signum, stop)
        try:
            yield
        except Exception as error:
            if caught and not isinstance(error, CommandError):
                raise StoppedError(caught[0]) from error
            raise


@contextmanager
def _as_before() -> Iterator[None]:
    """Signals are handled afterwards as before, unless one stopped the block: we are leaving."""
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        yield
    except StoppedError:
        _ignore()
        raise
    except BaseException:
        _restore(handlers)
        raise
    _restore(handlers)


def _ignore() -> None:
    """A second signal has nothing left to stop; it must not cut short what the first one began."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
