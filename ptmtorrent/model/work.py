"""Work items and the outcomes they end in."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from ptmtorrent.errors import FailReason, SkipReason
from ptmtorrent.model.package import Answer
from ptmtorrent.model.visit import Holding, Visit


class Depth(IntEnum):
    """How much of an origin is held; ordered."""

    LISTING = 0
    HISTORY = 1
    FULL = 3

    @property
    def word(self) -> str:
        """The word people write."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Depth":
        """The depth a word names; ValueError if none does."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(word) from None


class Stage(StrEnum):
    """What an attempt was for; also the kind of an item."""

    LIST = "list"
    ASK = "ask"
    VISIT = "visit"
    OBJECT = "object"
    ASSET = "asset"


@dataclass(frozen=True, slots=True)
class OriginTask:
    """Look at one origin and bring in what is new.

    Attributes:
        url: canonical URL.
        depth: how much is wanted.
        base: holding to build upon (of this origin, or of the one it was renamed from), or None.
        base_visit: the visit of ``base``.
        fingerprint: what the hub's listing said of its state, or None.
    """

    url: str
    depth: Depth
    base: Holding | None = None
    base_visit: Visit | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class AskTask:
    """Ask a hub for one package that its complete listing did not show."""

    hub: str
    package_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """Where a blob can be had: a path at a revision of an origin.

    Attributes:
        size: what the pointer there says, for one that lies must not spoil the others; None when
            it says what the task says.
    """

    origin: str
    revision: str
    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectTask:
    """Fetch one blob by sha256 from any of its sources."""

    sha256: str
    size: int
    sources: tuple[ObjectSource, ...]


@dataclass(frozen=True, slots=True)
class HeldAsset:
    """What is held of a file that is known by its URL: its bytes, and since when."""

    size: int
    since: datetime


@dataclass(frozen=True, slots=True)
class AssetTask:
    """Fetch a file by its URL.

    Attributes:
        sha256_prefix: what its name promises, or None.
        held: what is held of it, from an earlier snapshot; None for nothing.
    """

    url: str
    sha256_prefix: str | None
    held: HeldAsset | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A file whose name was not known beforehand is in the store."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Visited:
    """An origin was looked at, and this is what it is and how we keep it.

    Attributes:
        received: bytes of the packs that came for it.
        replaced: held packs whose every object is in the packs of ``holding``, or in ``beyond``.
        beyond: packs with what the replaced ones held and ``holding`` has no need of.
    """

    visit: Visit
    holding: Holding
    received: int = field(default=0, compare=False)
    replaced: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """The origin is now to be found at another canonical URL, and visited there."""

    to: str


@dataclass(frozen=True, slots=True)
class Done:
    """The item is finished; ``result`` is what was found out, where there is something to tell."""

    result: Visited | Moved | Received | Answer | None = None


@dataclass(frozen=True, slots=True)
class Postponed:
    """Not now; lease it again at ``not_before``."""

    not_before: datetime
    reason: FailReason


@dataclass(frozen=True, slots=True)
class Skipped:
    """The world's answer, final for this snapshot."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Failed:
    """Could not be had after all attempts."""

    reason: FailReason


Outcome = Done | Postponed | Skipped | Failed
Task = AskTask | OriginTask | ObjectTask | AssetTask


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one item, for the ledger and the ``attempts`` table.

    Attributes:
        bytes: bytes received.
        seconds: wall time.
        message: what happened, for people; no secrets.
    """

    stage: Stage
    item: str
    outcome: Outcome
    at: datetime
    seconds: float
    bytes: int = 0
    status: int | None = None
    message: str = ""
    hub: str = field(default="")
