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
    WorkFound,
)

WINDOW_S = 20.0
"""Rates are over the last so many seconds."""

MARK_EVERY_S = 0.5
"""So often is a point kept from which a rate is reckoned."""


@dataclass(slots=True)
class Tally:
    """Counts of a run.

    Attributes:
        expected: items of the pass that are known, or None.
        ended: items of the pass that ended: done, skipped or failed.
        bytes: received, by ourselves and by git.
        outcomes: (stage, outcome) -> items.
        listed: hub -> packages listed.
        budgets: host and bucket -> (requests left, time of reset, closed until).
        tables: table -> rows written.
    """

    pass_name: str = ""
    pass_began: float = 0.0
    expected: int | None = None
    ended: int = 0
    bytes: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    listed: dict[str, int] = field(default_factory=dict)
    budgets: dict[str, tuple[int | None, float | None, float]] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def take(self, event: Event, now: float) -> None:
        """Count an event that happened at ``now`` (seconds, monotonic)."""
        match event:
            case PassStarted(name, items):
                self.pass_name, self.pass_began = name, now
                self.expected, self.ended = items, 0
                self._marks.clear()
            case WorkFound(items):
                self.expected = (self.expected or 0) + items
            case PageListed(hub, _, total):
                self.listed[hub] = total
            case ItemFinished():
                self._item(event)
            case BytesReceived(_, count):
                self.bytes += count
            case BudgetChanged(host, bucket, left, resets, closed):
                reset_at = None if resets is None else now + resets
                self.budgets[f"{host} {bucket}"] = (left, reset_at, now + closed)
            case TableBuilt(table, rows, _):
                self.tables[table] = rows
        self._mark(now)

    def _item(self, event: ItemFinished) -> None:
        self.outcomes[event.stage, event.outcome] += 1
        self.ended += event.outcome != "postponed"
        if event.stage == "visit":  # what git received; nobody else counted it
            self.bytes += event.bytes

    def _mark(self, now: float) -> None:
        if not self._marks or now - self._marks[-1][0] >= MARK_EVERY_S:
            self._marks.append((now, self.bytes, self.ended))
        while self._marks[0][0] < now - WINDOW_S:
            self._marks.popleft()

    def rates(self, now: float) -> tuple[float, float]:
        """(bytes per second, items per second) over the last seconds."""
        if not self._marks:
            return 0.0, 0.0
        at, size, items = self._marks[0]
        seconds = max(now - at, 1.0)
        return (self.bytes - size) / seconds, (self.ended - items) / seconds

    def to_go_s(self, now: float) -> float | None:
        """Seconds the rest of the pass should take at this rate, or None when nobody can tell."""
        _, rate = self.rates(now)
        if not self.expected or rate <= 0:
            return None
        return max(0, self.expected - self.ended) / rate

    def of(self, outcome: str) -> int:
        """Items with an outcome, over all stages."""
        return sum(n for (_, word), n in self.outcomes.items() if word == outcome)
