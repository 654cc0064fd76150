"""How far a run is, as lines of (name, value), from a tally; and as one line of a log. Pure."""

from collections.abc import Iterator

from ptmtorrent.console.tally import Tally
from ptmtorrent.console.words import budget, seconds, size

OUTCOMES = ("done", "skipped", "failed", "postponed")
BAR_CELLS = 24


def facts(tally: Tally, now: float) -> Iterator[tuple[str, str]]:
    """What is worth knowing at ``now``; nothing that is not yet known."""
    yield tally.pass_name or "begin", _lead(tally, now)
    if any(tally.of(word) for word in OUTCOMES):
        yield "items", ", ".join(f"{tally.of(word):,} {word}" for word in OUTCOMES)
    if tally.pass_name == "build":  # noqa: S105
        return
    if tally.bytes:
        rate, _ = tally.rates(now)
        yield "received", f"{size(tally.bytes)}, {size(rate)}/s"
    yield from budgets(tally, now)


def budgets(tally: Tally, now: float) -> Iterator[tuple[str, str]]:
    """What hosts allow, where they say so or are closed."""
    for name, values in sorted(tally.budgets.items()):
        if values[0] is not None or values[2] > now:
            yield name, budget(values, now)


def line(tally: Tally, now: float) -> str:
    """The same as one line."""
    return "; ".join(f"{name}: {value}" for name, value in facts(tally, now))


def bar(part: int, whole: int) -> str:
    """A bar of ``BAR_CELLS`` cells."""
    full = BAR_CELLS if part >= whole else BAR_CELLS * part // whole
    return "━" * full + "╌" * (BAR_CELLS - full)


def _lead(tally: Tally, now: float) -> str:
    """The pass itself: what it counts, how long it takes."""
    since = f"{seconds(now - tally.pass_began)} so far"
    match tally.pass_name:
        case "list":
            counts = [f"{count:,} packages of {hub}" for hub, count in tally.listed.items()]
            return ", ".join([*counts, since])
        case "build":
            return f"tables {len(tally.tables)}, rows {sum(tally.tables.values()):,}, {since}"
        case _ if tally.expected:
            to_go = tally.to_go_s(now)
            rest = "" if to_go is None else f", {seconds(to_go)} to go"
            return f"{tally.ended:,} of {tally.expected:,}, {since}{rest}"
        case _:
            return since
