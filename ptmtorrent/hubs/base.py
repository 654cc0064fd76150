"""The seam to a hub: how it lists, what a record means, what its answers mean.

An adapter is one file that ends in a ``HubKind``; ``ptmtorrent.hubs.HUBS`` lists them.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from ptmtorrent.hubs.reading.shape import Shape
from ptmtorrent.model.bundle import File
from ptmtorrent.model.forge import Forge
from ptmtorrent.model.package import (
    Answer,
    ListedPage,
    Outline,
    Package,
    ParsedPage,
    Refined,
    Scope,
)
from ptmtorrent.net.http import Transport

HubValues = Mapping[str, bool | str]


class Hub(Protocol):
    """A hub that can be asked.

    Pages are repeatable: the same cursor asks for the same page, and the cursor of the page that
    follows comes with each page. Packages may come twice. ``page`` and ``ask`` raise ItemError.
    """

    def first_cursor(self, scope: Scope) -> str:
        """Path and query of the first page of a listing."""
        ...

    async def page(self, cursor: str) -> ListedPage:
        """One page of the listing."""
        ...

    async def ask(self, name: str, package_id: str) -> Answer:
        """Ask for one package that a complete listing did not show."""
        ...


class Shelves(Protocol):
    """Repositories whose files are a hub's listing: a shelf is fetched as an origin, then read."""

    async def files(
        self, origin: str, wanted: Callable[[str], bool], after: str
    ) -> tuple[tuple[File, ...], bool]:
        """Some files of a shelf's head, in the order of their paths; and whether more follow.

        The head is the same all through a snapshot. A file too large to be a card comes empty.

        Args:
            origin: canonical URL of the repository.
            wanted: whether the file at a path is part of the listing.
            after: only paths beyond this one.

        Raises:
            ItemError: the repository could not be had.
        """
        ...


class Tree(Protocol):
    """The files of a held repository."""

    def read(self, path: str, revision: str | None = None) -> bytes | None:
        """A file's content; None when it is not there, not held or too large to be text.

        Args:
            path: from the root of the repository.
            revision: branch, tag or commit; None for the head.
        """
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What an adapter may ask with."""

    transport: Transport
    shelves: Shelves


@dataclass(frozen=True, slots=True)
class Quota:
    """What a host allows: requests in a window, those left of them, and its end in Unix seconds.

    None is "did not say". ``bucket`` is the host's word for the kind of request that is counted.
    """

    left: int
    limit: int | None = None
    resets_at: float | None = None
    bucket: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """How to ask a host who we are there, and what it allows us.

    Attributes:
        url: canonical; answers 401 to a wrong token, and does not count much, or not at all.
        source: where a token for it is looked for, in words for people.
        read: the account's name, and the quota, if the JSON object that answers has them. Pure,
            and never raises; the object is untrusted.
    """

    url: str
    source: str
    read: Callable[[Mapping[str, Any]], tuple[str | None, Quota | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHost:
    """A git host: whose origins it has, and the rules for them.

    Attributes:
        id: its name in ``origins.kind``.
        base: canonical base URL of its origins.
        forge: its rules; told whether there is a token for it, and which of its origins have lost
            their LFS objects for good (that set may grow: origins are renamed).
        hosts: further hosts its servers may hand us; a leading dot stands for all below it.
        token: finds its access token, or None.
        bases: canonical base URLs that the token is for, that of its origins among them.
        whoami: its question for accounts and quotas, where it has one.
        is_caseless: whether names that differ in letter case alone are one repository.
    """

    id: str
    base: str
    bases: tuple[str, ...]
    forge: Callable[[bool, Set[str]], Forge]
    hosts: tuple[str, ...] = ()
    token: Callable[[], str | None] = lambda: None
    whoami: WhoAmI | None = None
    is_caseless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HubKind:
    """One hub as the list of hubs knows it.

    Attributes:
        id: hub id as in CONTRACT.
        title: its name for people.
        base: canonical base URL of the host that its listing comes from.
        settings: its keys in ``[hubs.<id>]`` with their defaults.
        shape: the fields its records are known to have.
        parse: the packages of a page body, or of an answer's body. Pure, and never raises: what it
            cannot read is ``unparsed``, one record at a time.
        outline: the same in outline, for a hub so large that it pays; differs in nothing else.
        build: makes the adapter from the means to ask and the settings.
        endpoints: canonical base URL -> the base URL that the settings give.
        hosts: further hosts its servers may hand us; a leading dot stands for all below it.
        git_host: the host of its repositories, where that is the hub itself.
        refine: reads a package's files, once its repository is held. Pure but for those reads, and
            never raises: what it cannot read it leaves out. None where a record says it all.
        bytes_at: another hub and a glob of names there, whose packages hold the objects of this
            hub's packages; None when its own origins do.
        without_lfs: its origins whose LFS objects their host does not serve any more.
        source: what its listing is read from, where the settings choose (``Scope.source``).
        lists_twice: whether the pages after the first say more of packages that it listed. They
            then show none but those that a scope takes of the first.
    """

    id: str
    title: str
    base: str
    settings: HubValues
    shape: Shape
    parse: Callable[[bytes], ParsedPage[Package]]
    build: Callable[[Means, HubValues], Hub]
    outline: Callable[[bytes], ParsedPage[Outline]] | None = None
    endpoints: Callable[[HubValues], Mapping[str, str]] = lambda _: {}
    hosts: tuple[str, ...] = field(default=())
    git_host: GitHost | None = None
    refine: Callable[[Package, Tree], Refined] | None = None
    bytes_at: Callable[[HubValues], tuple[str, str]] | None = None
    without_lfs: Callable[[HubValues], frozenset[str]] = lambda _: frozenset()
    source: Callable[[HubValues], str | None] = lambda _: None
    lists_twice: bool = False

    def in_outline(self, body: bytes) -> ParsedPage[Outline]:
        """The packages of a page body, or of an answer's body, as the ledger keeps them."""
        return (self.outline or self.parse)(body)
