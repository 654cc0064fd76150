"""How many requests a host bears at the same time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.policy.concurrency import START, Concurrency, Latency


def after(*seconds: float) -> Latency:
    latency = Latency()
    for one in seconds:
        latency = latency.after(one)
    return latency


def test_a_host_that_stays_quick_is_asked_more_at_a_time_up_to_the_most() -> None:
    limit = Concurrency.up_to(32)
    for _ in range(100):
        limit = limit.answered(1.1, under_way=int(limit.limit))
    assert limit.limit == 32


def test_what_is_not_made_use_of_says_nothing() -> None:
    limit = Concurrency.up_to(32)
    for _ in range(100):
        limit = limit.answered(1.0, under_way=3)
    assert limit.limit == START


def test_more_that_only_take_longer_are_given_up_again() -> None:
    limit = Concurrency(most=32, limit=32)
    for _ in range(1000):
        limit = limit.answered(5.0, under_way=32)
    assert limit.limit == START


def test_latency_alone_never_leads_below_what_any_host_bears() -> None:
    limit = Concurrency(most=32, limit=2.0)
    for _ in range(100):
        limit = limit.answered(50.0, under_way=8)
    assert limit.limit >= START


def test_trouble_cuts_it_once_in_two_seconds_and_never_below_one() -> None:
    limit = Concurrency.up_to(32)
    limit = limit.troubled(0.0).troubled(0.5).troubled(1.9)
    assert limit.limit == START * 0.7
    for second in range(2, 100, 2):
        limit = limit.troubled(float(second))
    assert limit.limit == 1


def test_after_trouble_it_grows_by_one_a_round() -> None:
    limit = Concurrency.up_to(32).troubled(0.0)
    before = limit.limit
    for _ in range(int(before)):
        limit = limit.answered(1.0, under_way=int(before))
    assert before + 0.8 < limit.limit < before + 1.1


def test_a_most_below_the_start_holds() -> None:
    assert Concurrency.up_to(3).limit == 3
    assert Concurrency.up_to(0).limit == 1


def test_spread_alone_is_not_slowness() -> None:
    spread = [0.05 + 0.4 * (number * 7919 % 97) / 97 for number in range(500)]
    assert after(*spread).slowness < 2


def test_answers_that_take_longer_and_longer_are() -> None:
    assert after(*[0.05] * 50, *[0.3] * 50).slowness > 4


def test_too_few_answers_say_nothing() -> None:
    assert after(0.001, *[0.5] * 10).slowness == 1


def test_a_host_that_became_slower_for_good_is_the_measure_in_the_end() -> None:
    assert after(*[0.05] * 50, *[0.3] * 10_000).slowness < 1.1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 99), st.booleans()), max_size=60))
def test_it_stays_between_one_and_the_most(events: list[tuple[float, int, bool]]) -> None:
    limit, latency, now = Concurrency.up_to(32), Latency(), 0.0
    for seconds, under_way, is_trouble in events:
        now += seconds
        latency = latency.after(seconds)
        slowness = latency.slowness
        limit = limit.troubled(now) if is_trouble else limit.answered(slowness, under_way)
        assert 1 <= limit.limit <= 32
