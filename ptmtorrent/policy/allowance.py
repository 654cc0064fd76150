"""What an advertised window still allows."""

import math
from dataclasses import dataclass, replace

from ptmtorrent.policy.ratelimit import Advice

_RESERVE = 0.02
"""Share of the quota that is never spent: it absorbs miscounts around a reset."""

_SLACK_S = 1.0
"""Servers send whole seconds, so a window may end up to one second later than they say."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A window of requests. Times are seconds on the caller's clock.

    Attributes:
        left: requests not yet spent, by our own count as corrected by the server.
        resets_at: when the window ends.
        quota: requests in a whole window, or None.
        window_s: length of a window, or None.
    """

    left: float
    resets_at: float
    quota: int | None = None
    window_s: float | None = None

    @property
    def spare(self) -> float:
        """What may be spent: what is left without the reserve."""
        whole = self.left if self.quota is None else self.quota
        return self.left - math.floor(_RESERVE * max(whole, 0.0))

    def rate(self, now: float) -> float:
        """Requests per second that use up what is spare exactly when the window ends."""
        return max(self.spare, 0.0) / max(self.resets_at - now, 1.0)

    def at(self, now: float, in_flight: float) -> "Allowance | None":
        """The window that holds ``now``: this one, the next one, or None when not known."""
        if now < self.resets_at:
            return self
        if not self.quota or not self.window_s:
            return None
        windows = math.floor((now - self.resets_at) / self.window_s) + 1
        resets_at = self.resets_at + windows * self.window_s
        return replace(self, left=self.quota - in_flight, resets_at=resets_at)


def advised(
    known: Allowance | None, advice: Advice, now: float, in_flight: float
) -> Allowance | None:
    """The allowance after a response; ``known`` when the response said nothing usable.

    The server has counted between none and all of the requests in flight, so the truth lies
    between ``remaining - in_flight`` and ``remaining``. Our own count is kept where it lies in
    there, and moved to the nearer end where it does not (a new window, or others spending too).
    """
    if advice.remaining is None or advice.reset_s is None:
        return known
    least = advice.remaining - in_flight
    left = least if known is None else min(max(known.left, least), advice.remaining)
    quota, window_s = advice.quota, advice.window_s
    return Allowance(
        left=left,
        resets_at=now + advice.reset_s + _SLACK_S,
        quota=quota if quota is not None or known is None else known.quota,
        window_s=window_s if window_s is not None or known is None else known.window_s,
    )
