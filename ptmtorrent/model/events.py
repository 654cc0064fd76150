"""Progress as frozen events: what a run did, for whoever watches."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PageListed:
    """A page of a hub's listing was kept; ``total`` counts the packages listed so far."""

    hub: str
    packages: int
    total: int


@dataclass(frozen=True, slots=True)
class PassStarted:
    """A pass began; ``items`` is how many items it will work on, where that is known."""

    name: str
    items: int | None = None


@dataclass(frozen=True, slots=True)
class WorkFound:
    """The pass has so many items more to work on than was known."""

    items: int


@dataclass(frozen=True, slots=True)
class ItemFinished:
    """An item ended (or was put off) in an outcome."""

    stage: str
    item: str
    outcome: str
    reason: str | None
    bytes: int
    message: str


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """Bytes arrived from a host."""

    host: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BudgetChanged:
    """What a host allows now.

    Attributes:
        left: requests left in the window, or None when the host does not say.
        resets_in_s: seconds until the window ends, or None.
        closed_s: seconds for which nothing may be sent; 0 when open.
    """

    host: str
    bucket: str
    left: int | None
    resets_in_s: float | None
    closed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TableBuilt:
    """A table of the snapshot was written."""

    table: str
    rows: int
    shards: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for people."""

    text: str
    fields: dict[str, str] = field(default_factory=dict)


Event = (
    PageListed
    | PassStarted
    | WorkFound
    | ItemFinished
    | BytesReceived
    | BudgetChanged
    | TableBuilt
    | Notice
)
Watcher = Callable[[Event], None]
