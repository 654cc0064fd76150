"""What changed between two snapshots: how many a hub and kind, then a line each."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ptmtorrent.console.terminal import Console

COLUMNS = ("hub", "package_id", "name", "change", "before", "after")
SHORT = 12
"""Digits that people see of a digest or commit."""

_DIGESTS = ("head", "weights", "card")


class Change(Protocol):
    """One thing that is not as it was."""

    @property
    def hub(self) -> str:
        """The hub's id."""
        ...

    @property
    def name(self) -> str:
        """The package's name."""
        ...

    @property
    def change(self) -> str:
        """What happened."""
        ...

    @property
    def before(self) -> str | None:
        """What was; None for nothing."""
        ...

    @property
    def after(self) -> str | None:
        """What is; None for nothing."""
        ...


def show_changes(
    console: Console, counts: Sequence[tuple[str, str, int]], changes: Iterable[Change]
) -> None:
    """JSON Lines; or for people a table of counts, and a line a change."""
    if console.as_json:
        for change in changes:
            console.record({name: getattr(change, name) for name in COLUMNS})
        return
    if not counts:
        console.result("Nothing changed.")
        return
    console.figures(("hub", "change", "packages"), counts)
    console.result("")
    for change in changes:
        console.result(sentence(change))


def sentence(change: Change) -> str:
    """A change on one line."""
    values = (change.before, change.after)
    if change.change in _DIGESTS:
        values = (_short(change.before), _short(change.after))
    before, after = ("nothing" if value is None else value for value in values)
    return f"{change.hub}:{change.name}: {change.change}: {before} -> {after}"


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:SHORT]
