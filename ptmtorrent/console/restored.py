"""What was restored: the figures, and the files that are not as they were at their origin."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from ptmtorrent.console.terminal import Console

SHOWN = 20
"""Files that are named; the report names all."""


def show_restored(
    console: Console, figures: Mapping[str, Any], files: Iterable[Mapping[str, Any]]
) -> None:
    """JSON Lines, a file that is not plain each, then the figures; or the same for people."""
    if console.as_json:
        for file in files:
            console.record(file)
        console.record(figures)
        return
    told = [(name, value) for name, value in figures.items() if value is not None]
    console.figures(("restored", ""), [(name.replace("_", " "), _plain(v)) for name, v in told])
    first = list(islice(files, SHOWN + 1))
    for file in first[:SHOWN]:
        console.result(_sentence(file))
    if len(first) > SHOWN:
        console.result(f"... all of them are in {figures['report']}")


def _plain(value: object) -> object:
    """Yes and no as words."""
    return ("no", "yes")[value] if isinstance(value, bool) else value


def _sentence(file: Mapping[str, Any]) -> str:
    """A file that is not plain, on one line."""
    written = file["written"]
    where = f" -> {written}" if written not in (None, file["path"]) else ""
    reason = f" ({file['reason']})" if file.get("reason") else ""
    return f"{file['path']}{where}: {', '.join(file['what']).replace('_', ' ')}{reason}"
