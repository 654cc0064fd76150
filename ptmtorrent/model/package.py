"""A package as a hub lists it, and the pages it is listed on."""

import fnmatch
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from ptmtorrent.errors import SkipReason


class PackageStatus(StrEnum):
    """What a package is at a snapshot."""

    LISTED = "listed"
    """The hub lists it and anyone may read it."""
    GATED = "gated"
    """The hub lists it and asks for consent before it hands out bytes."""
    PRIVATE = "private"
    """The hub says that it is private (seen with a token that may)."""
    DISABLED = "disabled"
    """The hub has switched it off."""
    GONE = "gone"
    """Missing from a complete listing, and the hub, or the files it lists by, say so."""
    UNSEEN = "unseen"
    """Not in this listing, which was incomplete or limited; nothing is known of it today."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper a package names: ``kind`` is ``arxiv`` or ``doi``."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """What people are told to load: ``torch.hub.load("repository:ref", "entry_point")``.

    Attributes:
        repository: ``owner/name`` at GitHub.
        ref: branch, tag or commit; None for the default branch.
        entry_point: the function to call.
    """

    repository: str
    ref: str | None
    entry_point: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """As much of a package as planning needs, and the ledger keeps.

    Attributes:
        package_id: the hub's own immutable id (CONTRACT, "Package ids").
        name: the name people use, as the hub spells it today.
        origin: canonical URL of its git repository, or None.
        status: what the record itself says: listed, gated, private or disabled.
        fingerprint: changes whenever the repository may have changed; None if unknown.
        used_bytes: bytes the hub says the repository uses, history included.
        twin: what stays when a hub without immutable ids renames a package: a digest of its bytes,
            or its link. None where the hub has immutable ids.
    """

    package_id: str
    name: str
    origin: str | None = None
    status: PackageStatus = PackageStatus.LISTED
    fingerprint: str | None = None
    downloads_30d: int | None = None
    used_bytes: int | None = None
    twin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Outline):
    """One record of a hub's listing, normalised. What the hub did not say is None or empty.

    Attributes:
        collection: the part of the hub the record comes from, where a hub has several.
        head: commit the hub says the default branch is at.
        parameters: number of parameters, as the hub counts them.
        load_targets: what its card tells people to load.
        entry_points: what its code offers to load.
        dependencies: packages its code says it needs.
    """

    hub: str
    url: str
    collection: str | None = None
    owner: str | None = None
    head: str | None = None
    task: str | None = None
    library: str | None = None
    framework: str | None = None
    architecture: str | None = None
    license_raw: str | None = None
    license_spdx: str | None = None
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    papers: tuple[Paper, ...] = ()
    downloads_all: int | None = None
    likes: int | None = None
    parameters: int | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    load_targets: tuple[LoadTarget, ...] = ()
    entry_points: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that a package needs and that is not in its repository.

    Attributes:
        url: where it is, https; as the package names it.
        place: path of the file that names it.
        path: where the package wants it, relative and without ``..``; None if it does not say.
        sha256_prefix: leading hex digits of its sha256 that its name promises, or None.
        reason: why it is not to be fetched, or None.
    """

    url: str
    place: str
    path: str | None = None
    sha256_prefix: str | None = None
    reason: SkipReason | None = None


@dataclass(frozen=True, slots=True)
class Refined:
    """A package once its repository is held: what its files add, and the assets they name."""

    package: Package
    assets: tuple[Asset, ...] = ()


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A record that could not be read: where it stands in its page, and why."""

    index: int
    reason: str


class Change(StrEnum):
    """How a field of a hub's records is not what it was."""

    GONE = "gone"
    """Records used to have it always."""
    TYPE = "type"
    """It holds another type."""
    NEW = "new"
    """It was not there before."""


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """A change in the shape of a hub's records, and how many records show it.

    Attributes:
        field: dotted name.
    """

    field: str
    change: Change
    records: int


P_co = TypeVar("P_co", bound=Outline, covariant=True)


@dataclass(frozen=True, slots=True)
class ParsedPage(Generic[P_co]):
    """What a page body says.

    Attributes:
        packages: each with its index in the page; whole, or in outline.
        unparsed: records that were unreadable.
        drift: how the records differ from what this hub used to send, sorted.
    """

    packages: tuple[tuple[int, P_co], ...] = ()
    unparsed: tuple[Unparsed, ...] = ()
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedPage:
    """One page of a listing, as received.

    Attributes:
        body: the bytes the hub sent; they are kept and are the source of every record.
        cursor: path and query that asked for this page.
        next_cursor: path and query of the page that follows, or None at the end.
    """

    body: bytes
    cursor: str
    next_cursor: str | None


class AnswerKind(StrEnum):
    """What a hub says when it is asked for one package by id."""

    PRESENT = "present"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A hub's answer about one package; ``page`` holds its record when it is present."""

    kind: AnswerKind
    page: ListedPage | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of a hub a listing covers.

    Attributes:
        limit: stop after this many packages, or None.
        globs: names to keep, as glob patterns; empty means all.
        source: what the listing is read from, where settings choose that: the canonical URL of a
            repository or a hub, or ``sha256:`` and the digest of an archive. Else None.
    """

    limit: int | None = None
    globs: tuple[str, ...] = ()
    source: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out on purpose."""
        return self.limit is None and not self.globs

    def selects(self, name: str) -> bool:
        """Whether a package of this name is to be kept, as far as globs decide."""
        return not self.globs or any(fnmatch.fnmatchcase(name, glob) for glob in self.globs)
