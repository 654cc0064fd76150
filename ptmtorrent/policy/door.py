"""Open or closed: after a refusal or an outage one probe goes first, and the rest wait for it."""

import math
from dataclasses import dataclass, replace

_FAILURES = 10
_OUTAGE_S = 30.0
_LONGEST_OUTAGE_S = 900.0
_LONGEST_GUESS_S = 300.0
_SHORTEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Door:
    """Whether a bucket may be entered. Times are seconds on the caller's clock.

    Attributes:
        closed_until: nothing may be sent before this.
        reopening: it is new, or was closed and no request has succeeded since.
        probe_out: the one request that may try is under way.
        refusals: times it was closed in a row without a success between.
        pause_s: how long the last of them closed it.
        failures: requests that failed in a row (connection or server error).
        outages: times the circuit breaker has opened in a row.
    """

    closed_until: float = -math.inf
    reopening: bool = True
    probe_out: bool = False
    refusals: int = 0
    pause_s: float = 0.0
    failures: int = 0
    outages: int = 0

    @property
    def is_new(self) -> bool:
        """Whether nobody has been told anything here yet."""
        return self.reopening and math.isinf(self.closed_until)

    def wait(self, now: float) -> float:
        """Seconds until one may enter; infinite while only the probe's end can tell."""
        if now < self.closed_until:
            return self.closed_until - now
        return math.inf if self.probe_out else 0.0

    def entered(self) -> "Door":
        """A request goes through; while reopening it is the probe."""
        return replace(self, probe_out=True) if self.reopening else self

    def heard(self) -> "Door":
        """The server told its limits: at a new door, that is enough to let the others in."""
        return replace(self, reopening=False, probe_out=False) if self.is_new else self

    def refused(self, now: float, wait_s: float | None) -> "Door":
        """Close for ``wait_s``, but twice as long as before when it was the probe that was refused.

        A refusal while it is closed is a late one of the same burst, and can only add its wait.
        """
        if now < self.closed_until:
            return self._closed(now + (wait_s or 0.0))
        again = min(2 * self.pause_s, _LONGEST_GUESS_S)
        pause = max(wait_s or 0.0, again, _SHORTEST_PAUSE_S)
        closed = replace(self._closed(now + pause), failures=0)
        return replace(closed, refusals=self.refusals + 1, pause_s=pause)

    def failed(self, now: float) -> "Door":
        """Count a failure; ten in a row, or a failed probe after that, open the breaker."""
        still = self.reopening and not self.is_new
        door = replace(self, failures=self.failures + 1, probe_out=False, reopening=still)
        if door.failures < _FAILURES or now < self.closed_until:
            return door
        pause = min(_OUTAGE_S * 2.0 ** min(self.outages, 10), _LONGEST_OUTAGE_S)
        return replace(door._closed(now + pause), outages=self.outages + 1)

    def succeeded(self, now: float) -> "Door":
        """An answer came; it reopens the door unless the time to wait is not over."""
        if now < self.closed_until:
            return self
        return Door(closed_until=self.closed_until, reopening=False)

    def forgotten(self) -> "Door":
        """What was known of the limits is over: an open door is new again."""
        return self if self.reopening else Door()

    def left(self) -> "Door":
        """A request ended without telling anything about the server."""
        return replace(self, probe_out=False)

    def _closed(self, until: float) -> "Door":
        until = max(until, self.closed_until)
        return replace(self, closed_until=until, reopening=True, probe_out=False)
