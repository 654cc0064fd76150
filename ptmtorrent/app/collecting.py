"""The command gc: show what no root reaches, and remove what has been so for long enough."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ptmtorrent.app.context import Context
from ptmtorrent.app.session import held
from ptmtorrent.collect.cycle import Collected, Cycle, Garbage
from ptmtorrent.collect.marks import GRACE
from ptmtorrent.console.words import size
from ptmtorrent.model.clock import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class GcOptions:
    """Whether to remove, and what must have been garbage for how long."""

    delete: bool = False
    grace: timedelta = GRACE


def gc(context: Context, options: GcOptions) -> int:
    """Run one cycle of collection; returns the exit code.

    Without ``delete`` nothing is removed: what is garbage is shown, and marked with the time, for
    only what an earlier cycle marked may go.
    """
    with held(context.root, create=False, say=context.console.note) as here:
        cycle = Cycle(
            layout=here.root.layout,
            store=here.store,
            journal=here.journal,
            now=context.clock.data(),
            grace=options.grace,
            delete=options.delete,
        )
        collected = cycle.run()
    _show(context, collected, options)
    return 0


def _show(context: Context, collected: Collected, options: GcOptions) -> None:
    if context.console.as_json:
        for garbage in collected.garbage:
            context.console.record(_line(garbage))
        context.console.record(_last_line(collected))
        return
    for text in sentences(collected, options):
        context.console.result(text)


def sentences(collected: Collected, options: GcOptions) -> Iterable[str]:
    """What a cycle found, in words."""
    gone = [g for g in collected.garbage if g.is_gone]
    due = [g for g in collected.garbage if g.is_due and not g.is_gone]
    waiting = [g for g in collected.garbage if not g.is_due]
    if not collected.garbage:
        yield "nothing is garbage"
    if gone:
        yield f"removed: {_sum(gone)}; {size(collected.freed)} freed"
    if due and options.delete:
        yield f"left in segments that hold more of what is needed: {_sum(due)}"
    elif due:
        yield f"can go: {_sum(due)}; `ptmtorrent gc --delete` removes it"
    if waiting:
        yield f"marked, and can go {options.grace.days} days after that: {_sum(waiting)}"


def _sum(garbage: list[Garbage]) -> str:
    things = "thing" if len(garbage) == 1 else "things"
    return f"{len(garbage)} {things} of {size(sum(g.bytes for g in garbage))}"


def _line(garbage: Garbage) -> Mapping[str, Any]:
    return {
        "name": garbage.name,
        "bytes": garbage.bytes,
        "since": rfc3339(garbage.since),
        "due": garbage.is_due,
        "removed": garbage.is_gone,
    }


def _last_line(collected: Collected) -> Mapping[str, Any]:
    return {
        "garbage": len(collected.garbage),
        "due": sum(g.is_due for g in collected.garbage),
        "removed": sum(g.is_gone for g in collected.garbage),
        "freed": collected.freed,
    }
