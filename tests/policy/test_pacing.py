"""When the next request of a bucket may be sent."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.policy.moment import Moment
from ptmtorrent.policy.pacing import Budget
from ptmtorrent.policy.ratelimit import Advice


def test_a_small_job_against_a_wide_quota_goes_at_once() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 100_000, 99_999, 299, 300))
    for _ in range(600):
        assert budget.wait(0.0) == 0
        budget.sent(0.0)


def test_a_refusal_closes_the_whole_bucket_and_one_probe_reopens_it() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 500, 400, 200, 300))
    budget.sent(0.0)
    budget.refused(1.0, 30.0)
    assert budget.wait(1.0) == 30
    assert budget.wait(31.0) == 0
    budget.sent(31.0)
    assert math.isinf(budget.wait(31.5))
    budget.succeeded(32.0)
    assert budget.wait(33.0) == 0


def test_a_late_success_does_not_reopen_a_closed_bucket() -> None:
    budget = Budget()
    budget.sent(0.0)
    budget.sent(0.0)
    budget.refused(1.0, 30.0)
    budget.succeeded(2.0)
    assert budget.wait(2.0) == 29
    budget.sent(31.0)
    assert math.isinf(budget.wait(31.5))


def test_an_empty_window_is_waited_out_with_the_second_that_rounding_hides() -> None:
    budget = Budget()
    budget.advised(10.0, Advice("api", 500, 0, 55, 300))
    assert budget.wait(10.0) == 56


def test_a_probe_that_breaks_off_lets_another_try() -> None:
    budget = Budget()
    budget.sent(0.0)
    budget.refused(1.0, 5.0)
    budget.sent(6.0)
    assert math.isinf(budget.wait(7.0))
    budget.dropped()
    assert budget.wait(7.0) == 0


def test_late_refusals_of_the_same_burst_do_not_lengthen_the_guess() -> None:
    budget = Budget()
    for _ in range(20):
        budget.sent(0.0)
    for _ in range(20):
        budget.refused(1.0, None)
    assert budget.wait(1.0) <= 1.0


def test_ten_failures_in_a_row_open_the_breaker_and_outages_double() -> None:
    budget = Budget()
    for _ in range(9):
        budget.sent(0.0)
        budget.failed(0.0)
    assert budget.closed_for(0.0) == 0
    budget.sent(0.0)
    budget.failed(0.0)
    assert budget.closed_for(0.0) == 30
    assert budget.is_outage
    budget.sent(30.0)
    budget.failed(30.0)
    assert budget.closed_for(30.0) == 60
    budget.sent(90.0)
    budget.succeeded(90.0)
    assert budget.closed_for(90.0) == 0
    assert not budget.is_outage


def test_a_429_with_quota_left_slows_the_bucket_below_what_is_advertised() -> None:
    budget = Budget()
    advice = Advice("api", 100_000, 99_794, 241, 300)
    budget.sent(0.0)
    budget.advised(0.0, advice)
    budget.refused(0.0, None)
    budget.sent(10.0)
    budget.succeeded(10.0)
    sent = 0
    for tick in range(100, 180):
        while budget.wait(tick / 10) <= 0:
            budget.sent(tick / 10)
            budget.succeeded(tick / 10)
            sent += 1
    assert sent / 8 < 0.95 * 99_794 / 241


def test_others_who_spend_the_same_quota_are_believed() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 500, 400, 200, 300))
    budget.advised(1.0, Advice("api", 500, 5, 199, 300))
    assert budget.left(1.0) == 5
    assert budget.wait(1.0) > 100


def test_an_expensive_request_is_paid_off_by_those_that_follow() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("git", 500, 500, 299, 300))
    budget.sent(0.0, cost=20)
    assert budget.wait(0.0) > 5
    assert budget.left(0.0) == 480


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**6), st.integers(0, 10**6), st.floats(0, 3600), st.floats(1, 3600))
def test_a_wait_is_never_negative_and_never_longer_than_a_window(
    quota: int, left: int, reset_s: float, window_s: float
) -> None:
    budget = Budget()
    budget.advised(0.0, Advice("a", quota, left, reset_s, window_s))
    now = 0.0
    for _ in range(50):
        wait = budget.wait(now)
        assert 0 <= wait <= 3602
        now += wait
        if wait == 0:
            budget.sent(now)
            budget.succeeded(now)


@pytest.mark.parametrize("jump_s", [-3 * 86400.0, 3 * 86400.0, 10 * 365 * 86400.0, -3600.0, 0.0])
def test_a_jumping_wall_clock_never_makes_a_wait_longer_than_an_hour(jump_s: float) -> None:
    budget, wall = Budget(), 1_800_000_000.0
    budget.advised(0.0, Advice("api", 500, 0, 200, 300))
    budget.sent(0.0)
    budget.refused(0.0, 3600)
    again = Budget.from_state(budget.to_state(Moment(0.0, wall)), Moment(50.0, wall + jump_s))
    assert 0 <= again.wait(50.0) <= 3600
    if jump_s <= 0:
        assert again.wait(50.0) > 3000


def test_a_clock_that_was_set_back_counts_as_no_time_passed() -> None:
    budget, wall = Budget(), 1_800_000_000.0
    budget.sent(0.0)
    budget.refused(0.0, 100)
    again = Budget.from_state(budget.to_state(Moment(0.0, wall)), Moment(50.0, wall - 86400))
    assert again.wait(50.0) == 100


def test_a_restored_window_is_no_longer_than_the_server_said_windows_are() -> None:
    state = {"left": 0.0, "quota": 500, "window_s": 300.0, "resets_at": 1_900_000_000.0}
    assert Budget.from_state(state, Moment(0.0, 1_800_000_000.0)).wait(0.0) == 301


@pytest.mark.parametrize(
    "state",
    [{}, {"left": "many"}, {"left": None, "resets_at": 1e300}, {"rate": math.nan},
     {"rate": -1, "quota": 0, "left": 1, "resets_at": 0, "window_s": 0}, {"closed_until": 1e300},
     {"left": math.inf, "resets_at": math.nan}],
)  # fmt: skip
def test_a_state_that_makes_no_sense_is_left_out(state: dict[str, object]) -> None:
    wait = Budget.from_state(state, Moment(0.0, 1_800_000_000.0)).wait(0.0)
    assert 0 <= wait <= 3600


def test_while_closed_nothing_is_saved_up() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 3000, 2999, 300, 300))
    budget.sent(0.0)
    budget.refused(0.0, 60.0)
    budget.sent(61.0)
    budget.succeeded(61.0)
    budget.sent(61.0)
    assert budget.wait(61.0) > 0


def test_a_refused_probe_waits_twice_as_long_as_before() -> None:
    budget, now, waits = Budget(), 0.0, []
    for _ in range(11):
        budget.sent(now)
        budget.refused(now, 0.0)
        waits.append(budget.wait(now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_what_a_window_of_unknown_length_allows_next_is_asked_for_with_one_request() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("core", 60, 0, 100))
    assert budget.wait(101.0) == 0
    budget.sent(101.0)
    assert math.isinf(budget.wait(101.1))
    budget.advised(101.5, Advice("core", 60, 59, 3599))
    budget.sent(102.0)
    assert 0 < budget.wait(102.0) < 100


def test_a_rate_beyond_the_most_is_recovered_after_a_refusal() -> None:
    """What is advertised may be more than is ever guessed; a refusal does not bind it for ever."""
    budget, now = Budget(most_rps=100), 0.0
    budget.advised(now, Advice("api", 100_000, 99_000, 300, 300))
    budget.sent(now)
    budget.refused(now, None)
    for _ in range(20_000):
        now += budget.wait(now)
        if budget.wait(now) == 0:
            budget.sent(now)
            budget.succeeded(now)
            budget.advised(now, Advice("api", 100_000, 99_000, 300, 300))
    budget_rate = budget._rate(now)
    assert budget_rate > 300


def test_what_may_be_sent_until_the_next_save_is_kept_as_spent() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 500, 400, 200, 300))
    moment = Moment(0.0, 1_800_000_000.0, "boot")
    again = Budget.from_state(budget.to_state(moment, ahead_s=10.0), moment)
    assert budget.left(0.0) == 400
    assert 400 - 8 - 10 * 2 - 1 <= (again.left(0.0) or 0) <= 400 - 8 - 10


def test_a_restored_budget_sends_one_request_first() -> None:
    moment = Moment(0.0, 1_800_000_000.0)
    budget = Budget.from_state({"left": 400.0, "resets_at": moment.wall + 200}, moment)
    budget.sent(0.0)
    assert math.isinf(budget.wait(1.0))


@pytest.mark.parametrize("jump_s", [-3 * 86400.0, 3 * 86400.0, 10 * 365 * 86400.0])
def test_within_a_boot_the_steady_clock_tells_how_much_time_has_passed(jump_s: float) -> None:
    budget, wall = Budget(), 1_800_000_000.0
    budget.sent(0.0)
    budget.refused(0.0, 100)
    state = budget.to_state(Moment(0.0, wall, "boot"))
    again = Budget.from_state(state, Moment(40.0, wall + jump_s, "boot"))
    assert again.wait(40.0) == 60


def test_what_is_under_way_at_a_reset_is_taken_from_the_next_window() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 500, 400, 200, 300))
    for _ in range(5):
        budget.sent(200.0)
    assert budget.left(202.0) == 495


def test_nothing_is_saved_up_for_the_next_window() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 500, 5, 100, 300))
    assert budget.wait(0.0) == 101
    budget.sent(101.5)
    assert budget.wait(101.5) > 0


def test_no_server_closes_a_bucket_for_longer_than_an_hour() -> None:
    budget = Budget()
    budget.sent(0.0)
    budget.refused(0.0, 1e9)
    assert budget.wait(0.0) == 3600
