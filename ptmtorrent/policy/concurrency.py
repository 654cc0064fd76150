"""How many requests a host bears at the same time, learnt from how quickly it answers.

By Little's law throughput is what is under way divided by how long each takes; so as long as more
at a time take no longer, more get done, and once they take longer they only wait there instead of
here (the gradient and AIMD limits of Netflix's concurrency-limits).
"""

from dataclasses import dataclass, replace

START = 8.0
"""Borne by any public host; latency alone never leads below it, trouble does."""

_NEAR = 2.0
_FAR = 4.0
_CUT = 0.7
_SETTLE_S = 2.0
_WARM = 20
_FORGET = 1.0005
_LEAST_S = 1e-4


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a kind of request waits for the first byte of its answer. Seconds.

    Attributes:
        usual: a moving average over some twenty answers.
        least: the lowest that average has been; it is slowly forgotten.
        answers: how many were seen, up to twenty.
    """

    usual: float = _LEAST_S
    least: float = _LEAST_S
    answers: int = 0

    @property
    def slowness(self) -> float:
        """How many times the least it usually is; 1 until twenty answers were seen."""
        return self.usual / self.least

    def after(self, seconds: float) -> "Latency":
        """What is known after another answer."""
        answers = min(self.answers + 1, _WARM)
        usual = self.usual + (max(seconds, _LEAST_S) - self.usual) / answers
        least = min(self.least * _FORGET, usual) if self.answers == _WARM else usual
        return Latency(usual, least, answers)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """A limit that grows while answers stay quick, and shrinks when they fail or are refused.

    Attributes:
        most: the limit never exceeds this.
        limit: requests under way at the same time.
        is_new: neither trouble nor slowness was met yet, so it grows fast.
        cut_at: when it was last cut, on the caller's clock.
    """

    most: float
    limit: float
    is_new: bool = True
    cut_at: float | None = None

    @classmethod
    def up_to(cls, most: int) -> "Concurrency":
        """One that has learnt nothing yet."""
        return cls(most=max(most, 1), limit=min(START, max(most, 1)))

    def answered(self, slowness: float, under_way: int) -> "Concurrency":
        """After an answer; what was not made use of says nothing."""
        if self.limit > START and slowness > _FAR:
            return replace(self, limit=max(self.limit - 1 / self.limit, START), is_new=False)
        is_slow = self.limit >= START and slowness > _NEAR
        if is_slow or under_way < self.limit / 2:
            return self
        step = 0.25 if self.is_new else 1 / self.limit
        return replace(self, limit=min(self.limit + step, self.most))

    def troubled(self, now: float) -> "Concurrency":
        """After a failure, a timeout or a refusal; a second one within two seconds is the same."""
        if self.cut_at is not None and now - self.cut_at < _SETTLE_S:
            return self
        return replace(self, limit=max(self.limit * _CUT, 1.0), is_new=False, cut_at=now)
