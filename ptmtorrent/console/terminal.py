"""The terminal: progress on stderr, results on stdout. Nothing else prints.

With a terminal, progress is a live panel; without one it is a log line every few seconds. Text
from outside passes ``display`` first, and is never read as markup.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ptmtorrent.console.tally import Tally
from ptmtorrent.model.events import Event, ItemFinished, Notice
from ptmtorrent.model.text import display

LOG_EVERY_S = 5.0


class Console:
    """What a command shows."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._out = Terminal(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._err = Terminal(stderr=True, highlight=False, markup=False, emoji=False)
        self._tally = Tally()
        self._live: Live | None = None
        self._logged_at = 0.0

    def __enter__(self) -> Self:
        if self._err.is_terminal and not self._quiet:
            self._live = Live(
                get_renderable=self._panel, console=self._err, refresh_per_second=4, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def watch(self, event: Event) -> None:
        """Take an event in; called from wherever work is done."""
        now = time.monotonic()
        self._tally.take(event, now)
        if self._quiet:
            return
        if isinstance(event, Notice):
            self.note(event.text)
        elif isinstance(event, ItemFinished) and event.outcome == "failed":
            self.note(f"failed: {event.stage} {event.item}: {event.reason}: {event.message}")
        elif self._live is None and now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            self.note(self._line(now))

    def note(self, text: str) -> None:
        """A sentence on stderr."""
        self._err.print(Text("\n".join(map(display, text.splitlines()))), soft_wrap=True)

    def result(self, text: str) -> None:
        """A line of a result on stdout."""
        self._out.print(Text(text), soft_wrap=True)

    def record(self, value: Mapping[str, Any]) -> None:
        """One object of JSON Lines on stdout."""
        self._out.file.write(json.dumps(value, default=str) + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table on stdout; numbers to the right."""
        table = Table(title=Text(display(title)), title_justify="left")
        materialised = [list(row) for row in rows]
        for place, column in enumerate(columns):
            numeric = all(isinstance(row[place], int | float | None) for row in materialised)
            table.add_column(Text(display(column)), justify="right" if numeric else "left")
        for row in materialised:
            table.add_row(*(Text(cell(value)) for value in row))
        self._out.print(table)

    def _line(self, now: float) -> str:
        return "  ".join(f"{name} {value}" for name, value in self._facts(now))

    def _facts(self, now: float) -> list[tuple[str, str]]:
        tally = self._tally
        per_s, _ = tally.rates(now)
        to_go = tally.to_go_s(now)
        facts = [("pass", tally.pass_name or "-")]
        facts += [(f"listed {hub}", f"{count:,}") for hub, count in tally.listed.items()]
        words = ("done", "postponed", "failed", "skipped")
        facts += [(word, f"{tally.of(word):,}") for word in words]
        facts += [("received", f"{size(tally.bytes)} ({size(per_s)}/s)")]
        facts += [("to go", seconds(to_go))] if to_go is not None else []
        return facts + [budget(name, values, now) for name, values in tally.budgets.items()]

    def _panel(self) -> Table:
        panel = Table.grid(padding=(0, 2))
        for name, value in self._facts(time.monotonic()):
            panel.add_row(Text(display(name), style="bold"), Text(display(value)))
        return panel


def budget(
    name: str, values: tuple[int | None, float | None, float], now: float
) -> tuple[str, str]:
    """A host's budget in words: requests left, when they come back, whether it is closed."""
    left, reset_at, closed_until = values
    if closed_until > now:
        return f"budget {name}", f"closed for {seconds(closed_until - now)}"
    if left is None:
        return f"budget {name}", "not advertised"
    again = "" if reset_at is None else f", resets in {seconds(max(0.0, reset_at - now))}"
    return f"budget {name}", f"{left:,} left{again}"


def cell(value: object) -> str:
    """A value as a table cell: empty for NULL, thousands separated, text made safe."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return display(str(value))


def size(count: float) -> str:
    """A number of bytes in words: ``12.3 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def seconds(span: float) -> str:
    """A span in words: ``4 s``, ``3 min 20 s``, ``5 h 10 min``."""
    whole = round(span)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
