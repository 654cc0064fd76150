"""Rows of the ledger as frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of the dataset; open while ``finished_at`` is None."""

    seq: int
    id: str
    as_of: str
    begun_at: str
    finished_at: str | None
    manifest: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The state of a hub's listing within a snapshot."""

    hub: str
    outcome: str
    reason: str | None
    scope: str
    listed: int
    unparsed: int
    drift: str
    first_page_at: str | None
    last_page_at: str | None
    next_cursor: str | None
    unreachable_since: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """A leased item: its stage, its key, the number of this attempt, and where it must be asked."""

    id: int
    stage: str
    key: str
    hub: str
    attempts: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package and where its record, its origin and its reasons are."""

    hub: str
    package_id: str
    name: str
    former_names: str
    raw_index: int
    status: str
    first_seen: str
    last_seen: str
    page: str
    received_at: str
    origin: str | None
    visit: str | None
    holding: str | None
    lacks_blobs: int | None
    visit_reason: str | None
    lacks_objects: int
    object_reason: str | None


@dataclass(frozen=True, slots=True)
class OriginRow:
    """An origin with its newest visit, if there is one."""

    id: int
    key: int
    url: str
    visit: str | None
    holding: str | None
    observed_at: str | None
    state: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class BlobRow:
    """A blob that heads stand for."""

    sha256: str
    size: int
    held: int
    uses: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class AssetRow:
    """What became of an asset: its blob, once it is held, or why it is not."""

    sha256: str | None = None
    size: int | None = None
    observed_at: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ItemCount:
    """How many items of a hub and stage are in a state, and the bytes received for them."""

    hub: str
    stage: str
    state: str
    reason: str | None
    items: int
    bytes: int
