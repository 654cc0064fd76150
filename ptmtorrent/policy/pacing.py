"""When the next request of a bucket may be sent.

A ``Budget`` is a state machine without a clock: every method takes ``now`` (seconds, monotonic).
It spreads what the server advertises over the time that is left, guesses a rate where nothing is
advertised, and closes the whole bucket on a refusal. Every ``sent`` is followed by exactly one of
``succeeded``, ``refused``, ``failed`` and ``dropped``.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from ptmtorrent.policy.allowance import Allowance, advised
from ptmtorrent.policy.door import Door
from ptmtorrent.policy.guess import Guess
from ptmtorrent.policy.moment import Moment
from ptmtorrent.policy.ratelimit import MOST_WAIT_S, Advice, clamp_wait

State = dict[str, float | str | None]

START_RPS = 10.0
MOST_RPS = 100.0
MOST_REFUSALS = 20
_BURST = 8.0
_NEARLY = 1e-6
_TICK_S = 1e-3
"""No wait is shorter; a shorter one could be lost in the rounding of a clock."""


class Budget:
    """How many requests one (host, credential, bucket) bears, and when."""

    def __init__(self, *, start_rps: float = START_RPS, most_rps: float = MOST_RPS) -> None:
        self._guess = Guess(rate=min(start_rps, most_rps), most=most_rps)
        self._allowance: Allowance | None = None
        self._door = Door()
        self._in_flight = 0.0
        self._tokens = 1.0
        self._filled_at: float | None = None
        self._is_told = False

    @property
    def is_outage(self) -> bool:
        """Whether it is closed because the host does not answer (and not by its own word)."""
        return self._door.reopening and self._door.outages > 0

    @property
    def is_new(self) -> bool:
        """Whether its first request has not told anything yet."""
        return self._door.is_new

    @property
    def is_hopeless(self) -> bool:
        """Whether it has refused many probes in a row, and may go on doing so for ever."""
        return self._door.refusals > MOST_REFUSALS

    def left(self, now: float) -> int | None:
        """Requests left in the advertised window, or None."""
        allowance = self._current(now)
        return None if allowance is None else max(math.floor(allowance.left), 0)

    def resets_in(self, now: float) -> float | None:
        """Seconds until the advertised window ends, or None."""
        allowance = self._current(now)
        return None if allowance is None else allowance.resets_at - now

    def closed_for(self, now: float) -> float:
        """Seconds for which nothing at all may be sent."""
        return max(self._door.closed_until - now, 0.0)

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Seconds before a request of ``cost`` may be sent; 0 is now.

        Infinite while a probe is under way: then only its end tells. After a finite wait ask
        again, for things may have changed.
        """
        self._fill(now)
        closed = self._door.wait(now)
        if closed > 0:
            return max(closed, _TICK_S)
        allowance, rate = self._current(now), self._rate(now)
        if allowance is not None and allowance.spare < _need(allowance, cost):
            return max(clamp_wait(allowance.resets_at - now), _TICK_S)
        missing = min(cost, self._burst(rate)) - self._tokens
        return max(clamp_wait(missing / rate), _TICK_S) if missing > _NEARLY else 0.0

    def sent(self, now: float, cost: float = 1.0) -> None:
        """A request goes out; a ``cost`` above the burst is paid off by those that follow."""
        self._fill(now)
        self._door = self._door.entered()
        self._tokens -= cost
        self._in_flight += cost
        allowance = self._current(now)
        if allowance is not None:
            self._allowance = replace(allowance, left=allowance.left - cost)

    def advised(self, now: float, advice: Advice) -> None:
        """A response carried advice; it may come for any request, once or never."""
        self._fill(now)
        self._allowance = advised(self._current(now), advice, now, self._in_flight)
        if self._allowance is None:
            return
        if self._door.is_new:
            self._start_pacing(now)
        self._door = self._door.heard()
        if not self._is_told and advice.remaining:
            self._tokens = max(self._tokens, self._burst(self._rate(now)))
        self._is_told = True

    def succeeded(self, now: float, cost: float = 1.0) -> None:
        """The server answered, whatever it said."""
        self._ended(cost)
        if self._door.reopening:
            self._start_pacing(now)
            self._guess = self._guess.resumed(now)
        self._door = self._door.succeeded(now)
        is_guided = self._allowance is None or self._guess.ceiling is not None
        if is_guided and self._tokens < self._burst(self._guess.rate) / 2:
            self._guess = self._guess.grown(now)

    def refused(self, now: float, wait_s: float | None = None, cost: float = 1.0) -> None:
        """The server said "not now": the whole bucket closes, and one probe reopens it."""
        self._ended(cost)
        allowance = self._current(now)
        exhausted = allowance is not None and allowance.left <= 0
        if not exhausted:
            self._guess = self._guess.cut(now, self._rate(now))
        if wait_s is None and allowance is not None and exhausted:
            wait_s = allowance.resets_at - now
        self._door = self._door.refused(now, None if wait_s is None else clamp_wait(wait_s))
        self._tokens = min(self._tokens, 1.0)

    def failed(self, now: float, cost: float = 1.0) -> None:
        """The connection broke or the server erred; ten in a row open the circuit breaker."""
        self._ended(cost)
        self._door = self._door.failed(now)

    def dropped(self, cost: float = 1.0) -> None:
        """The request was given up by us; nothing was learnt."""
        self._ended(cost)
        self._door = self._door.left()

    def to_state(self, moment: Moment, ahead_s: float = 0.0) -> State:
        """What outlives the process, with times on the wall clock (Unix seconds).

        Args:
            moment: when.
            ahead_s: for so long this may be the last that is kept. What may be sent by then is
                kept as spent (``ahead``), so that a killed process has sent no more than it says.
        """
        now, wall = moment.now, moment.wall
        allowance = self._current(now)
        self._fill(now)
        ahead = max(self._tokens, 0.0) + self._rate(now) * ahead_s if ahead_s else 0.0
        return {
            "saved_at": wall,
            "steady_at": now,
            "boot": moment.boot,
            "left": None if allowance is None else allowance.left,
            "ahead": ahead,
            "resets_at": None if allowance is None else wall + allowance.resets_at - now,
            "quota": None if allowance is None else allowance.quota,
            "window_s": None if allowance is None else allowance.window_s,
            "closed_until": wall + self.closed_for(now) if self.closed_for(now) else None,
            "pause_s": self._door.pause_s,
            "rate": self._guess.rate,
            "ceiling": self._guess.ceiling,
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, object], moment: Moment, *, most_rps: float = MOST_RPS
    ) -> "Budget":
        """Read what ``to_state`` wrote; what makes no sense is left out. No wait exceeds an hour.

        The first request is a probe: its answer tells what was spent since the state was written.
        """
        budget, value, now = cls(most_rps=most_rps), _numbers(state), moment.now
        saved_at = value.get("saved_at", moment.wall)
        saved = Moment(value.get("steady_at", math.inf), saved_at, str(state.get("boot", "")))
        passed = moment.since(saved)
        rate, ceiling = value.get("rate", START_RPS), value.get("ceiling")
        budget._guess = Guess(min(max(rate, 0.05), most_rps), most_rps, ceiling, since=now)
        if "left" in value and "resets_at" in value:
            quota, window_s = value.get("quota"), value.get("window_s")
            if window_s is not None and not 1 <= window_s <= MOST_WAIT_S:
                window_s = None
            longest = MOST_WAIT_S if window_s is None else window_s + 1
            budget._allowance = Allowance(
                left=value["left"] - value.get("ahead", 0.0),
                resets_at=now + min(value["resets_at"] - saved_at, longest) - passed,
                quota=None if quota is None else int(quota),
                window_s=window_s,
            )
        closed_s = clamp_wait(value.get("closed_until", 0.0) - saved_at) - passed
        if closed_s > 0:
            pause_s = clamp_wait(value.get("pause_s", 0.0))
            budget._door = Door(closed_until=now + closed_s, pause_s=pause_s)
        return budget

    def _ended(self, cost: float) -> None:
        self._in_flight = max(self._in_flight - cost, 0.0)

    def _current(self, now: float) -> Allowance | None:
        allowance = self._allowance
        if allowance is None or now < allowance.resets_at:
            return allowance
        self._allowance = allowance.at(now, self._in_flight)
        self._start_pacing(now)
        if self._allowance is None:
            self._door = self._door.forgotten()
        return self._allowance

    def _start_pacing(self, now: float) -> None:
        """Nothing is saved up while nothing may be sent."""
        self._tokens, self._filled_at = min(self._tokens, 1.0), now

    def _rate(self, now: float) -> float:
        allowance = self._current(now)
        if allowance is None:
            return min(self._guess.rate, self._guess.most)
        rate = allowance.rate(now)
        refused_though_allowed = self._guess.ceiling is not None
        return min(rate, self._guess.rate) if refused_though_allowed else rate

    def _burst(self, rate: float) -> float:
        return max(_BURST, 2 * rate) if self._allowance is not None else max(2.0, rate / 4)

    def _fill(self, now: float) -> None:
        rate = self._rate(now)
        elapsed = now - self._filled_at if self._filled_at is not None else 0.0
        self._tokens = min(self._tokens + rate * max(elapsed, 0.0), self._burst(rate))
        self._filled_at = now


def _need(allowance: Allowance, cost: float) -> float:
    """What must be spare: the cost, but never more than half of what a window gives."""
    return min(cost, max(allowance.quota / 2, 1.0)) if allowance.quota else min(cost, 1.0)


def _numbers(state: Mapping[str, object]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in state.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
