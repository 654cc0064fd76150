"""What a check-up found, a finding a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ptmtorrent.console.terminal import Console

COLUMNS = ("check", "state", "found", "advice")


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question of a check-up.

    Attributes:
        check: what was looked at.
        found: what was seen there.
        advice: what to do about it, or nothing.
        exit_code: what the command ends with for it, when it is bad.
    """

    check: str
    state: State
    found: str
    advice: str = ""
    exit_code: int = 0


def show_health(console: Console, findings: Sequence[Finding]) -> None:
    """JSON Lines; or for people a table, and a sentence that sums it up."""
    if console.as_json:
        for finding in findings:
            console.record({name: getattr(finding, name) for name in COLUMNS})
        return
    console.table(COLUMNS, [[getattr(finding, name) for name in COLUMNS] for finding in findings])
    console.result(f"\n{verdict(findings)}")


def verdict(findings: Sequence[Finding]) -> str:
    """The findings in one sentence."""
    named = {
        state: ", ".join(finding.check for finding in findings if finding.state is state)
        for state in State
    }
    rest = "; ".join(
        words
        for words in (
            named[State.WARN] and f"worth a look: {named[State.WARN]}",
            named[State.UNKNOWN] and f"could not tell: {named[State.UNKNOWN]}",
        )
        if words
    )
    first = f"Bad: {named[State.BAD]}" if named[State.BAD] else "Nothing is bad"
    return f"{first}; {rest}." if rest else f"{first}."
