"""Whether to try again, and when. Nothing here sleeps, counts or rolls dice by itself."""

from collections.abc import Callable
from dataclasses import dataclass

from ptmtorrent.errors import FailError, ItemError, RefusedError, UnansweringError

Random = Callable[[], float]
"""Gives a number from 0 (included) to 1 (excluded)."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try again.

    Attributes:
        attempts: tries in all, the first included.
        base_s: upper bound of the first pause; it doubles with each attempt.
        cap_s: no pause of our own is longer.
        patience_s: a server that asks for more than this is not waited for in place.
    """

    attempts: int = 5
    base_s: float = 1.0
    cap_s: float = 60.0
    patience_s: float = 600.0


def may_retry(error: BaseException | None, attempt: int, policy: RetryPolicy) -> bool:
    """Whether a failed ``attempt`` (counted from 1) may be followed by another."""
    if attempt >= policy.attempts or not isinstance(error, FailError) or not error.transient:
        return False
    if isinstance(error, UnansweringError):
        return False
    wait_s = error.wait_s if isinstance(error, RefusedError) else None
    return wait_s is None or wait_s <= policy.patience_s


def pause(error: BaseException | None, attempt: int, policy: RetryPolicy, random: Random) -> float:
    """Seconds before the next attempt.

    Full jitter for broken connections; for refusals the server's word and a little on top, or
    equal jitter without its word (full jitter falls to near zero: aws-sdk-net #4341).
    """
    ceiling = min(policy.base_s * 2.0 ** min(attempt - 1, 30), policy.cap_s)
    if not isinstance(error, RefusedError):
        return ceiling * random()
    if error.wait_s is None:
        return ceiling / 2 + ceiling / 2 * random()
    return error.wait_s + min(0.05 * error.wait_s, 2.0) * random()


def decide(error: ItemError, attempt: int, policy: RetryPolicy, random: Random) -> float | None:
    """No (None), or yes after so many seconds."""
    if not may_retry(error, attempt, policy):
        return None
    return pause(error, attempt, policy, random)


class RetryBudget:
    """Keeps retries a small share of all requests, so that an outage is not made worse.

    A request earns a tenth of a retry and each second earns one, up to ``most`` (Google SRE book,
    chapter 21: a retry budget per client).
    """

    def __init__(self, most: float = 30.0) -> None:
        self._most = most
        self._tokens = most
        self._at: float | None = None

    def earned(self) -> None:
        """A first attempt was made."""
        self._tokens = min(self._tokens + 0.1, self._most)

    def spend(self, now: float) -> bool:
        """Take one retry out; False when there is none left."""
        elapsed = max(now - self._at, 0.0) if self._at is not None else 0.0
        self._at = now
        self._tokens = min(self._tokens + elapsed, self._most)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
