"""Figures in words, and values as cells: pure functions from numbers to text."""

from ptmtorrent.model.text import display


def cell(value: object) -> str:
    """A value as a table cell: empty for NULL, text made safe."""
    return "" if value is None else display(str(value))


def figure(value: object) -> str:
    """A value as a figure in a report: like ``cell``, with thousands separated."""
    return f"{value:,}" if isinstance(value, int) else cell(value)


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


def budget(values: tuple[int | None, float | None, float], now: float) -> str:
    """What a host allows: requests left, when they come back, whether it is closed.

    Args:
        values: (requests left or None, time of reset or None, closed until).
        now: on the same clock.
    """
    left, reset_at, closed_until = values
    if closed_until > now:
        return f"closed for {seconds(closed_until - now)}"
    if left is None:
        return "not advertised"
    again = "" if reset_at is None else f", resets in {seconds(max(0.0, reset_at - now))}"
    return f"{left:,} requests left{again}"
