"""Work done before its turn, in threads, while results are taken in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_THREADS = 4


def ahead(
    items: Iterable[T], work: Callable[[T], R], is_small: Callable[[T], bool]
) -> Generator[tuple[T, Callable[[], R]], None, None]:
    """Each item in order, with what gives the result of its work or raises what the work raised.

    The work on small items is begun before their turn, one for each processor (at most four), so
    what lies waiting is bounded; that on the others is done in their turn, by the caller. Items
    are taken by the caller's thread. Close the generator: then no thread is at work any more.
    """
    threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    waiting: deque[tuple[T, Callable[[], R]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            result = pool.submit(work, item).result if is_small(item) else partial(work, item)
            waiting.append((item, result))
            if len(waiting) > threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
