"""What a run has done so far, counted from events. Pure; the console shows it."""

from collections import Counter, deque
from dataclasses import dataclass, field

from ptmtorrent.model.events import (
    BudgetChanged,
    BytesReceived,
    Event,
    ItemFinished,
    PageListed,
    PassStarted,
    TableBuilt,
)

WINDOW_S = 20.0
"""Rates are over the last so many seconds."""


@dataclass(slots=True)
class Tally:
    """Counts of a run.

    Attributes:
        outcomes: (stage, outcome) -> items.
        reasons: reason code -> items.
        listed: hub -> packages listed.
        budgets: host and bucket -> (requests left, time of reset, closed until).
        expected: items of the pass that were known when it began, or None.
    """

    pass_name: str = ""
    expected: int | None = None
    bytes: int = 0
    rows: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    listed: dict[str, int] = field(default_factory=dict)
    budgets: dict[str, tuple[int | None, float | None, float]] = field(default_factory=dict)
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def take(self, event: Event, now: float) -> None:
        """Count an event that happened at ``now`` (seconds, monotonic)."""
        match event:
            case PassStarted(name, items):
                self.pass_name, self.expected = name, items
            case PageListed(hub, _, total):
                self.listed[hub] = total
            case ItemFinished(stage=stage, outcome=outcome, reason=reason):
                self.outcomes[stage, outcome] += 1
                if reason and outcome in ("skipped", "failed"):
                    self.reasons[reason] += 1
            case BytesReceived(_, count):
                self.bytes += count
            case BudgetChanged(host, bucket, left, resets, closed):
                reset_at = None if resets is None else now + resets
                self.budgets[f"{host} {bucket}"] = (left, reset_at, now + closed)
            case TableBuilt(_, rows, _):
                self.rows += rows
        self._marks.append((now, self.bytes, self.finished))
        while self._marks and self._marks[0][0] < now - WINDOW_S:
            self._marks.popleft()

    @property
    def finished(self) -> int:
        """Items that ended: done, skipped or failed."""
        return sum(n for (_, outcome), n in self.outcomes.items() if outcome != "postponed")

    def rates(self, now: float) -> tuple[float, float]:
        """(bytes per second, items per second) over the last seconds."""
        if not self._marks:
            return 0.0, 0.0
        at, size, items = self._marks[0]
        seconds = max(now - at, 1.0)
        return (self.bytes - size) / seconds, (self.finished - items) / seconds

    def to_go_s(self, now: float) -> float | None:
        """Seconds the rest of the pass should take at this rate, or None when nobody can tell."""
        _, rate = self.rates(now)
        if not self.expected or rate <= 0:
            return None
        return max(0, self.expected - self.finished) / rate

    def of(self, outcome: str) -> int:
        """Items with an outcome, over all stages."""
        return sum(n for (_, word), n in self.outcomes.items() if word == outcome)
