"""The rate a server bears when it does not say: what was refused is come near slowly.

It grows fast until the first refusal. After that its growth is that of TCP CUBIC (RFC 9438): back
to the rate that was refused in so many seconds whatever that rate is, slowly there, and faster
again beyond.
"""

from dataclasses import dataclass, replace

_FAST = 1.0
_CUT = 0.7
_BACK_S = 20.0
_BEYOND = 1.2
_LEAST = 0.05
_SETTLE_S = 2.0
"""Refusals this close together are one event: they were in flight together."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A rate that grows with success and shrinks with refusals.

    Attributes:
        rate: requests per second.
        most: where nothing is advertised, no more than this is asked for.
        ceiling: the rate that was last refused, or None.
        cut_at: when it was last cut, on the caller's clock.
        since: when it began to grow again.
    """

    rate: float
    most: float
    ceiling: float | None = None
    cut_at: float | None = None
    since: float = 0.0

    def grown(self, now: float) -> "Guess":
        """After a success that the rate had held back."""
        if self.ceiling is None:
            return replace(self, rate=min(self.rate + _FAST, max(self.most, self.rate)))
        after = (now - self.since) / _BACK_S - 1
        share = 1 + (1 - _CUT) * min(after, 1.0) ** 3
        if share > _BEYOND:
            return replace(self, ceiling=None)
        return replace(self, rate=max(self.rate, share * self.ceiling))

    def cut(self, now: float, rate: float) -> "Guess":
        """After a refusal at ``rate``; a second one within two seconds changes nothing."""
        if self.cut_at is not None and now - self.cut_at < _SETTLE_S:
            return self
        return Guess(max(rate * _CUT, _LEAST), self.most, ceiling=rate, cut_at=now, since=now)

    def resumed(self, now: float) -> "Guess":
        """The bucket is open again: what it was closed for does not count as growing."""
        return replace(self, since=now)
