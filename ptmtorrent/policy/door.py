"""Open or closed: after a refusal or an outage one probe goes first, and the rest wait for it."""

import math
from dataclasses import dataclass, replace

_FAILURES = 10
_OUTAGE_S = 30.0
_LONGEST_OUTAGE_S = 900.0
_LONGEST_GUESS_S = 300.0


@dataclass(frozen=True, slots=True)
class Door:
    """Whether a bucket may be entered. Times are seconds on the caller's clock.

    Attributes:
        closed_until: nothing may be sent before this.
        reopening: it was closed, and no request has succeeded since.
        probe_out: the one request that may try is under way.
        refusals: times it was closed in a row without a success between.
        failures: requests that failed in a row (connection or server error).
        outages: times the circuit breaker has opened in a row.
    """

    closed_until: float = -math.inf
    reopening: bool = False
    probe_out: bool = False
    refusals: int = 0
    failures: int = 0
    outages: int = 0

    def wait(self, now: float) -> float:
        """Seconds until one may enter; infinite while only the probe's end can tell."""
        if now < self.closed_until:
            return self.closed_until - now
        return math.inf if self.probe_out else 0.0

    def entered(self) -> "Door":
        """A request goes through; while reopening it is the probe."""
        return replace(self, probe_out=self.reopening)

    def refused(self, now: float, wait_s: float | None) -> "Door":
        """Close for ``wait_s``, or for a doubling time when the server did not say."""
        refusals = self.refusals + (now >= self.closed_until)
        guess = min(2.0 ** min(max(refusals, 1) - 1, 20), _LONGEST_GUESS_S)
        closed = replace(self._closed(now + (guess if wait_s is None else wait_s)), failures=0)
        return replace(closed, refusals=refusals)

    def failed(self, now: float) -> "Door":
        """Count a failure; ten in a row, or a failed probe after that, open the breaker."""
        door = replace(self, failures=self.failures + 1, probe_out=False)
        if door.failures < _FAILURES or now < self.closed_until:
            return door
        pause = min(_OUTAGE_S * 2.0 ** min(self.outages, 10), _LONGEST_OUTAGE_S)
        return replace(door._closed(now + pause), outages=self.outages + 1)

    def succeeded(self, now: float) -> "Door":
        """An answer came; it reopens the door unless the time to wait is not over."""
        return Door(closed_until=self.closed_until) if now >= self.closed_until else self

    def left(self) -> "Door":
        """A request ended without telling anything about the server."""
        return replace(self, probe_out=False)

    def _closed(self, until: float) -> "Door":
        until = max(until, self.closed_until)
        return replace(self, closed_until=until, reopening=True, probe_out=False)
