"""The terminal: progress on stderr, results on stdout. Nothing else prints.

With a terminal, progress is a live panel; without one it is a log line every few seconds. Text
from outside passes ``display`` first, and is never read as markup. A log file gets the sentences
and the lines too.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ptmtorrent.console.grid import grid, pairs
from ptmtorrent.console.output import printing
from ptmtorrent.console.progress import bar, budgets, facts, line
from ptmtorrent.console.tally import Tally
from ptmtorrent.console.ticker import Ticker
from ptmtorrent.console.words import cell, figure
from ptmtorrent.model.events import Event, ItemFinished, Notice, PassStarted
from ptmtorrent.model.text import display

LOG_EVERY_S = 5.0
FRAMES_PER_S = 4
NAMES = 24
"""Columns that names in the panel have at least, so that it does not jump about."""

UNBOUNDED = 100_000
"""Columns of what is no terminal: nothing is folded there."""

log = logging.getLogger(__name__)


class Console:
    """What a command shows. Events may come from any thread."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._out = _Terminal(highlight=False, markup=False, emoji=False)
        self._err = _Terminal(stderr=True, highlight=False, markup=False, emoji=False)
        if not self._out.is_terminal:
            self._out.width = UNBOUNDED
        self._tally = Tally()
        self._lock = threading.Lock()
        self._showing = ExitStack()

    def __enter__(self) -> Self:
        if self._is_live:
            live = Live(
                get_renderable=self._panel,
                console=self._err,
                refresh_per_second=FRAMES_PER_S,
                transient=True,
                redirect_stdout=False,
            )
            self._showing.enter_context(live)
        self._showing.enter_context(Ticker(LOG_EVERY_S, self._tick))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._showing.close()

    @property
    def _is_live(self) -> bool:
        return self._err.is_terminal and not self._err.is_dumb_terminal and not self._quiet

    def watch(self, event: Event) -> None:
        """Take an event in; called from wherever work is done."""
        with self._lock:
            self._tally.take(event, time.monotonic())
        match event:
            case Notice(text):
                self._say(text)
            case ItemFinished(stage, item, "failed", reason, _, message):
                self._say(f"failed: {stage} {item}: {reason}: {message}")
            case PassStarted(name):
                log.info("%s begins", name)

    def note(self, text: str) -> None:
        """A sentence on stderr."""
        for sentence in map(display, text.splitlines()):
            log.info("%s", sentence)
            self._tell(sentence)

    def result(self, text: str) -> None:
        """A line of a result on stdout."""
        with printing():
            self._out.print(Text(text), soft_wrap=True)

    def record(self, value: Mapping[str, Any]) -> None:
        """One object of JSON Lines on stdout."""
        text = json.dumps(value, default=str)
        with printing():
            sys.stdout.write(text + "\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table on stdout, each value as it is."""
        table = grid(columns, list(rows), self._out, cell)
        with printing():
            self._out.print(table)

    def figures(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table on stdout, with numbers as people read them."""
        table = grid(columns, list(rows), self._out, figure)
        with printing():
            self._out.print(table)

    def budgets(self) -> list[tuple[str, str]]:
        """What the hosts that were asked allow now: (host and bucket, words)."""
        with self._lock:
            return list(budgets(self._tally, time.monotonic()))

    def _say(self, text: str) -> None:
        if self._quiet:
            log.info("%s", display(text))
        else:
            self.note(text)

    def _tick(self) -> None:
        with self._lock:
            text = display(line(self._tally, time.monotonic()))
        log.info("%s", text)
        if not self._is_live and not self._quiet:
            self._tell(text)

    def _tell(self, text: str) -> None:
        """Onto stderr. A file there that takes no more does not change how a command ends."""
        try:
            self._err.print(Text(text), soft_wrap=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            log.warning("stderr cannot be written: %s", error.strerror)

    def _panel(self) -> Table:
        with self._lock:
            now = time.monotonic()
            shown = list(facts(self._tally, now))
            if self._tally.expected:
                shown.insert(1, ("", bar(self._tally.ended, self._tally.expected)))
        return pairs(shown, least=NAMES)


class _Terminal(Terminal):
    """Rich's console, which lets the caller hear that nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """BrokenPipeError goes on, as from ``print``."""
        raise  # noqa: PLE0704  # rich calls this where it has caught the error
