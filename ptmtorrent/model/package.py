"""A package as a hub lists it, and the pages it is listed on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    """Missing from a complete listing, and the hub says that it is not there."""
    UNSEEN = "unseen"
    """Not in this listing, which was incomplete or limited; nothing is known of it today."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper a package names: ``kind`` is ``arxiv`` or ``doi``."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One record of a hub's listing, normalised. What the hub did not say is None or empty.

    Attributes:
        package_id: the hub's own immutable id (CONTRACT, "Package ids").
        name: the name people use, as the hub spells it today.
        origin: canonical URL of its git repository, or None.
        status: what the record itself says: listed, gated, private or disabled.
        collection: the part of the hub the record comes from, where a hub has several.
        head: commit the hub says the default branch is at.
        fingerprint: changes whenever the repository may have changed; None if unknown.
        parameters: number of parameters, as the hub counts them.
        used_bytes: bytes the hub says the repository uses, history included.
    """

    hub: str
    package_id: str
    name: str
    url: str
    status: PackageStatus = PackageStatus.LISTED
    origin: str | None = None
    collection: str | None = None
    owner: str | None = None
    head: str | None = None
    fingerprint: str | None = None
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
    downloads_30d: int | None = None
    downloads_all: int | None = None
    likes: int | None = None
    parameters: int | None = None
    used_bytes: int | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A record that could not be read: where it stands in its page, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """What a page body says: packages with their index in the page, and what was unreadable."""

    packages: tuple[tuple[int, Package], ...] = ()
    unparsed: tuple[Unparsed, ...] = ()


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
    """

    limit: int | None = None
    globs: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out on purpose."""
        return self.limit is None and not self.globs
