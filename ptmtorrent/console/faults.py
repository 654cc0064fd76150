"""What an audit found: a line a fault, and a sentence that sums it up."""

from ptmtorrent.audit.fault import Fault
from ptmtorrent.console.terminal import Console


def show_fault(console: Console, fault: Fault) -> None:
    """One fault, as it is found."""
    if console.as_json:
        names = ("kind", "name", "expected", "found")
        console.record({name: getattr(fault, name) for name in names})
    else:
        console.result(
            f"{fault.name}: {fault.kind}: expected {fault.expected}, found {fault.found}"
        )


def show_verdict(console: Console, checked: int, bad: int) -> None:
    """How much was checked, and how much of it is bad."""
    if console.as_json:
        console.record({"checked": checked, "bad": bad})
    elif bad:
        console.result(f"\n{checked:,} things checked; {bad:,} faults.")
    else:
        console.result(f"{checked:,} things checked; nothing is wrong.")
