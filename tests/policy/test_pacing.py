"""Budgets under virtual time: polite, and not too polite."""

import math

import pytest
from budget_simulation import Bucket, FixedWindow, run
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.policy.pacing import Budget
from ptmtorrent.policy.ratelimit import Advice


@pytest.mark.parametrize("quota", [100, 500, 1000, 3000])
def test_64_workers_use_95_percent_of_a_window_and_are_refused_under_1_percent(quota: int) -> None:
    log = run(Budget(), FixedWindow(quota), workers=64, seconds=3000)
    assert len(log.refused) < 0.01 * len(log.sent)
    assert len(log.sent) - len(log.refused) >= 0.95 * quota * 10


def test_a_wide_quota_lets_hundreds_of_requests_a_second_through() -> None:
    log = run(Budget(), FixedWindow(100_000), workers=256, seconds=60)
    assert len(log.sent) / 60 > 300
    assert not log.refused


def test_a_small_job_against_a_wide_quota_goes_at_once() -> None:
    budget = Budget()
    budget.advised(0.0, Advice("api", 100_000, 99_999, 299, 300))
    for _ in range(600):
        assert budget.wait(0.0) == 0
        budget.sent(0.0)


def test_no_burst_above_twice_the_average_follows_a_reset() -> None:
    log = run(Budget(), FixedWindow(500), workers=64, seconds=1500)
    for reset in (300, 600, 900, 1200):
        after = [t for t in log.sent if reset <= t < reset + 20]
        assert len(after) <= 2 * 20 * 500 / 300


def test_without_headers_the_rate_that_is_borne_is_found_and_followed() -> None:
    def limit(now: float) -> float:
        return 10.0 if now < 300 else 3.0 if now < 600 else 20.0

    log = run(Budget(), Bucket(limit), workers=64, seconds=1200)
    assert len(log.refused) < 0.03 * len(log.sent)
    for start, end, rate in ((60, 300, 10), (360, 600, 3), (700, 1200, 20)):
        used = sum(start <= t < end for t in log.sent) - sum(start <= t < end for t in log.refused)
        assert used >= 0.8 * rate * (end - start), (start, used / (end - start))


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
    for tick in range(100, 200):
        while budget.wait(tick / 10) <= 0:
            budget.sent(tick / 10)
            budget.succeeded(tick / 10)
            sent += 1
    assert sent / 10 < 0.95 * 99_794 / 241


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


def test_a_budget_survives_20_restarts_in_a_window_without_one_refusal() -> None:
    serve, state, sent, wall = FixedWindow(500), {}, 0, 1_800_000_000.0
    budget, refused = Budget(), 0
    for restart in range(20):
        for step in range(150):
            now = restart * 15 + step / 10
            if budget.wait(now) <= 0:
                budget.sent(now)
                ok, advice, _ = serve(now)
                assert advice is not None
                budget.advised(now, advice)
                budget.succeeded(now)
                sent, refused = sent + 1, refused + (not ok)
        later = (restart + 1) * 15.0
        state = budget.to_state(later, wall + later)
        budget = Budget.from_state(state, later, wall + later)
    assert refused == 0
    assert sent <= 500


@pytest.mark.parametrize("jump_s", [-3 * 86400.0, 3 * 86400.0, 10 * 365 * 86400.0, -3600.0, 0.0])
def test_a_jumping_wall_clock_never_makes_a_wait_longer_than_an_hour(jump_s: float) -> None:
    budget, wall = Budget(), 1_800_000_000.0
    budget.advised(0.0, Advice("api", 500, 0, 200, 300))
    budget.sent(0.0)
    budget.refused(0.0, 3600)
    again = Budget.from_state(budget.to_state(0.0, wall), 50.0, wall + jump_s)
    assert 0 <= again.wait(50.0) <= 3600
    if jump_s <= 0:
        assert again.wait(50.0) > 3000


def test_a_clock_that_was_set_back_counts_as_no_time_passed() -> None:
    budget, wall = Budget(), 1_800_000_000.0
    budget.sent(0.0)
    budget.refused(0.0, 100)
    again = Budget.from_state(budget.to_state(0.0, wall), 50.0, wall - 86400)
    assert again.wait(50.0) == 100


def test_a_restored_window_is_no_longer_than_the_server_said_windows_are() -> None:
    state = {"left": 0.0, "quota": 500, "window_s": 300.0, "resets_at": 1_900_000_000.0}
    assert Budget.from_state(state, 0.0, 1_800_000_000.0).wait(0.0) == 301


@pytest.mark.parametrize(
    "state",
    [{}, {"left": "many"}, {"left": None, "resets_at": 1e300}, {"rate": math.nan},
     {"rate": -1, "quota": 0, "left": 1, "resets_at": 0, "window_s": 0}, {"closed_until": 1e300},
     {"left": math.inf, "resets_at": math.nan}],
)  # fmt: skip
def test_a_state_that_makes_no_sense_is_left_out(state: dict[str, object]) -> None:
    wait = Budget.from_state(state, 0.0, 1_800_000_000.0).wait(0.0)
    assert 0 <= wait <= 3600
