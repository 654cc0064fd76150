"""Work ahead of its turn: in order, bounded, and over when nobody wants it any more."""

import threading
from contextlib import closing

import pytest

from ptmtorrent.pipeline.ahead import MOST_THREADS, ahead


def always(_: int) -> bool:
    return True


def test_results_come_in_the_order_of_the_items_whoever_is_done_first():
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            second_is_done.wait(10)
        if item == 1:
            second_is_done.set()
        return item * item

    small = {0: False}  # in its turn: the one after it must be under way by then
    turns = ahead(range(20), work, lambda item: small.get(item, True))
    assert [(item, result()) for item, result in turns] == [(n, n * n) for n in range(20)]


def test_no_more_is_taken_ahead_than_there_are_threads():
    taken: list[int] = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    with closing(ahead(items(), abs, always)) as turns:
        for item, _ in turns:
            assert len(taken) - item <= MOST_THREADS + 1


def test_what_is_not_small_is_worked_on_by_the_caller_in_its_turn():
    def work(_: int) -> threading.Thread:
        return threading.current_thread()

    turns = ahead(range(10), work, lambda item: item % 2 == 0)
    callers = [item for item, result in turns if result() is threading.current_thread()]
    assert callers == [1, 3, 5, 7, 9]


def test_an_error_is_raised_in_the_turn_of_its_item_and_costs_no_other():
    def work(item: int) -> int:
        if item == 3:
            raise KeyError(item)
        return item

    ended = []
    for item, result in ahead(range(6), work, always):
        try:
            ended.append(result())
        except KeyError:
            ended.append(-item)
    assert ended == [0, 1, 2, -3, 4, 5]


def test_after_closing_no_thread_is_left():
    before = set(threading.enumerate())
    with pytest.raises(ValueError), closing(ahead(range(50), abs, always)) as turns:
        next(turns)
        raise ValueError
    assert set(threading.enumerate()) <= before
