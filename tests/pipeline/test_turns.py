"""Turns: side by side over places, within a place in order, and never stuck."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.ledger.rows import Item
from ptmtorrent.pipeline.turns import Turns


def items(place: str, count: int) -> list[Item]:
    return [Item(n, "visit", f"https://{place}/{n}", "hub", 1, place) for n in range(count)]


def test_the_place_with_the_fewest_items_under_way_is_next():
    turns = Turns()
    turns.add([*items("a", 3), *items("b", 3)], {"a": 3, "b": 3})
    first, second = turns.take(()), turns.take(())
    assert first and second
    assert {first.place, second.place} == {"a", "b"}
    turns.finished(first)
    third = turns.take(())
    assert third
    assert third.place == first.place


def test_of_several_the_one_whose_turn_is_longest_ago_is_next():
    turns = Turns()
    turns.add([*items("a", 2), *items("b", 2), *items("c", 2)], {"a": 2, "b": 2, "c": 2})
    order = []
    for _ in range(6):
        item = turns.take(())
        order.append(item.place)
        turns.finished(item)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_a_closed_place_has_no_turn():
    turns = Turns()
    turns.add([*items("a", 2), *items("b", 1)], {"a": 9, "b": 9})
    assert [item and item.place for item in (turns.take({"a"}), turns.take({"a"}))] == ["b", None]
    assert turns.take(()).place == "a"


def test_shares_level_what_is_under_way():
    turns = Turns()
    turns.add(items("a", 3), {"a": 3})
    assert turns.take(()) and turns.take(())
    assert turns.shares(["a", "b"], 5) == {"a": 1, "b": 4}
    assert turns.shares([], 5) == {}


def test_one_with_more_in_the_ledger_and_less_under_way_is_leased_for_first():
    turns = Turns()
    turns.add([*items("slow", 2), *items("quick", 1)], {"slow": 2, "quick": 1})
    taken = [turns.take(()), turns.take(())]
    turns.finished(next(item for item in taken if item.place == "quick"))
    assert turns.take(()) is None
    turns.add([], {"slow": 1, "quick": 1})
    assert turns.take(()).place == "slow"


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 12), min_size=1),
    st.integers(1, 5),
    st.lists(st.integers(0, 4), max_size=60),
)
def test_whatever_there_is_all_of_it_has_its_turn_once(stock, width, finishes):
    """A lane as the scheduler runs it, ``width`` items at a time, ending in any order."""
    turns, left, under_way, served = Turns(), dict(stock), [], Counter()
    ends = iter(finishes)
    while True:
        item = turns.take(())
        if item is None:
            due = [place for place, count in left.items() if count]
            shares = turns.shares(due, width)
            leased = []
            for place, share in shares.items():
                count = min(share, left[place])
                leased += items(place, count)
                left[place] -= count
            turns.add(leased, shares)
            if not leased and (item := turns.take(())) is None:
                break
            if item is None:
                continue
        served[item.place] += 1
        under_way.append(item)
        if len(under_way) == width:
            turns.finished(under_way.pop(next(ends, 0) % width))
    assert served == Counter({place: count for place, count in stock.items() if count})
