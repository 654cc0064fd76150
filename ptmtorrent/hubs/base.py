"""The seam to a hub: how it lists, what a record means, what its answers mean.

An adapter is one file that ends in a ``HubKind``; ``ptmtorrent.hubs.HUBS`` lists them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ptmtorrent.model.forge import Forge
from ptmtorrent.model.package import Answer, ListedPage, ParsedPage, Scope
from ptmtorrent.net.http import Transport

HubValues = Mapping[str, bool | str]


class Hub(Protocol):
    """A hub, asked over a transport.

    Pages are repeatable: the same cursor asks for the same page, and the cursor of the page that
    follows comes with each page. Packages may come twice. ``page`` and ``ask`` raise ItemError.
    """

    @property
    def forge(self) -> Forge:
        """The git host of the hub's origins."""
        ...

    def first_cursor(self, scope: Scope) -> str:
        """Path and query of the first page of a listing."""
        ...

    async def page(self, cursor: str) -> ListedPage:
        """One page of the listing."""
        ...

    async def ask(self, name: str, package_id: str) -> Answer:
        """Ask for one package that a complete listing did not show."""
        ...


@dataclass(frozen=True, slots=True)
class HubKind:
    """One hub as the list of hubs knows it.

    Attributes:
        id: hub id as in CONTRACT.
        title: its name for people.
        settings: its keys in ``[hubs.<id>]`` with their defaults.
        parse: the packages of a page body, or of an answer's body. Pure, and never raises: what it
            cannot read is ``unparsed``, one record at a time.
        build: makes the adapter from a transport and the settings.
        endpoints: canonical base URL -> the base URL that the settings give.
        hosts: further hosts its servers may hand us; a leading dot stands for all below it.
        token: finds its access token where the hub's own tools keep it, or None.
    """

    id: str
    title: str
    settings: HubValues
    parse: Callable[[bytes], ParsedPage]
    build: Callable[[Transport, HubValues], Hub]
    endpoints: Callable[[HubValues], Mapping[str, str]]
    hosts: tuple[str, ...] = field(default=())
    token: Callable[[], str | None] = lambda: None
