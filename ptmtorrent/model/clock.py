"""The two clocks of a run, passed in where time is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as data, and time as waiting.

    Attributes:
        data: the time that goes into journal, ledger and tables; may be frozen.
        wall: seconds since the epoch, for leases and waiting; never frozen.
    """

    data: Callable[[], datetime]
    wall: Callable[[], float]


def rfc3339(at: datetime) -> str:
    """A time as UTC text with microseconds, the one form that is stored."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> datetime:
    """Read what ``rfc3339`` wrote, or any ISO 8601 time with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return at.astimezone(UTC)
