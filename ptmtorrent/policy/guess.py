"""The rate a server bears when it does not say: additive increase, multiplicative decrease."""

from dataclasses import dataclass, replace

_CUT = 0.7
_SETTLE_S = 2.0
"""Refusals this close together are one event: they were in flight together."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A rate that grows with success and shrinks with refusals.

    It grows fast until the first refusal, then fast only up to just below the rate that was
    refused, and slowly through it (the shape of TCP CUBIC, RFC 9438, in two straight lines).

    Attributes:
        rate: requests per second.
        most: the rate never exceeds this.
        ceiling: the rate that was last refused, or None.
        cut_at: when it was last cut, on the caller's clock.
    """

    rate: float
    most: float
    ceiling: float | None = None
    cut_at: float | None = None

    def grown(self) -> "Guess":
        """After a success that the rate had held back."""
        if self.ceiling is None:
            return replace(self, rate=min(self.rate + 0.5, self.most))
        if self.rate > 1.2 * self.ceiling:
            return replace(self, ceiling=None)
        step = 0.1 if self.rate < 0.9 * self.ceiling else 0.01
        return replace(self, rate=min(self.rate + step, self.most))

    def cut(self, now: float, rate: float) -> "Guess":
        """After a refusal at ``rate``; a second one within two seconds changes nothing."""
        if self.cut_at is not None and now - self.cut_at < _SETTLE_S:
            return self
        return replace(self, rate=max(rate * _CUT, 0.05), ceiling=rate, cut_at=now)
