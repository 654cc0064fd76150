"""Rows as text: a table where it fits, a line a value where it does not."""

from collections.abc import Callable, Sequence
from typing import Literal

from rich import box
from rich.console import Console as Terminal
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ptmtorrent.console.words import cell
from ptmtorrent.model.text import display

NARROW = 16
"""A column may be folded to this many characters and can still be read."""

Rows = Sequence[Sequence[object]]
Show = Callable[[object], str]
"""A value as text that a terminal may show."""


def grid(
    columns: Sequence[str], rows: Rows, terminal: Terminal, show: Show = cell
) -> RenderableType:
    """A table, numbers to the right; too wide for the terminal, each row stands by itself."""
    texts = [[show(value) for value in row] for row in rows]
    if rows and terminal.is_terminal and _least(columns, texts) > terminal.width:
        return Group(*(_record(columns, text) for text in texts))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for place, column in enumerate(columns):
        table.add_column(Text(display(column)), justify=_side(rows, place))
    for text in texts:
        table.add_row(*map(Text, text))
    return table


def pairs(facts: Sequence[tuple[str, str]], *, least: int = 0) -> Table:
    """Names and what they are, in two columns; the first at least so wide."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=least)
    table.add_column()
    for name, value in facts:
        table.add_row(Text(display(name), style="bold"), Text(display(value)))
    return table


def _side(rows: Rows, place: int) -> Literal["left", "right"]:
    values = [row[place] for row in rows]
    numeric = all(isinstance(v, int | float | None) and not isinstance(v, bool) for v in values)
    return "right" if numeric else "left"


def _least(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> int:
    """The fewest characters in which the table can be read."""
    widths = [
        max(len(column), *(len(text[place]) for text in texts))
        for place, column in enumerate(columns)
    ]
    return sum(min(width, NARROW) + 2 for width in widths)


def _record(columns: Sequence[str], text: Sequence[str]) -> RenderableType:
    return Group(pairs(list(zip(columns, text, strict=True))), Text(""))
