"""Whether and when to try again."""

import pytest

from ptmtorrent.errors import (
    CorruptError,
    NetworkError,
    RefusedError,
    SkipError,
    SkipReason,
    UnansweringError,
)
from ptmtorrent.policy.backoff import RetryBudget, RetryPolicy, decide

POLICY = RetryPolicy(attempts=5, base_s=1, cap_s=8, patience_s=600)


@pytest.mark.parametrize("error", [CorruptError("x"), SkipError("x", SkipReason.GONE)])
def test_what_asking_again_cannot_help_is_not_asked_again(error: Exception) -> None:
    assert decide(error, 1, POLICY, lambda: 0.5) is None  # type: ignore[arg-type]


def test_broken_connections_wait_a_random_part_of_a_doubling_time() -> None:
    waits = [decide(NetworkError("x"), attempt, POLICY, lambda: 0.5) for attempt in range(1, 6)]
    assert waits == [0.5, 1.0, 2.0, 4.0, None]


def test_a_host_that_does_not_answer_is_not_asked_again_in_place() -> None:
    assert decide(UnansweringError("x", wait_s=60), 1, POLICY, lambda: 0.5) is None


def test_the_cap_holds_for_any_attempt() -> None:
    many = RetryPolicy(attempts=10**6, cap_s=8)
    assert decide(NetworkError("x"), 10**5, many, lambda: 1.0) == 8


def test_the_servers_word_wins_over_our_guess() -> None:
    error = RefusedError("x", wait_s=100)
    assert decide(error, 1, POLICY, lambda: 0.0) == 100
    assert decide(error, 1, POLICY, lambda: 1.0) == 102


def test_a_refusal_without_a_word_never_waits_for_nearly_nothing() -> None:
    assert decide(RefusedError("x"), 3, POLICY, lambda: 0.0) == 2


def test_a_server_that_asks_for_too_long_is_not_waited_for_in_place() -> None:
    assert decide(RefusedError("x", wait_s=601), 1, POLICY, lambda: 0.0) is None


def test_retries_stay_a_small_share_of_requests() -> None:
    budget = RetryBudget(most=10)
    spent = 0
    for _ in range(1000):
        budget.earned()
        spent += budget.spend(now=0.0)
    assert spent <= 10 + 100


def test_a_retry_budget_recovers_with_time() -> None:
    budget = RetryBudget(most=2)
    assert [budget.spend(0.0) for _ in range(3)] == [True, True, False]
    assert budget.spend(1.0)
