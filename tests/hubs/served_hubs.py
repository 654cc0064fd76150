"""A hub's adapter over a served sandbox, with one attempt for each request and a real store."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ptmtorrent.app.context import load_settings
from ptmtorrent.app.session import access_of
from ptmtorrent.extract.reading import held_tree, page_of_files
from ptmtorrent.extract.wanted import look_over
from ptmtorrent.fetch.git import Git, git_version
from ptmtorrent.fetch.mirror import Mirror
from ptmtorrent.fetch.partial import Limits
from ptmtorrent.hubs import GIT_HOSTS
from ptmtorrent.hubs.base import Hub, HubKind, Means
from ptmtorrent.model.bundle import File
from ptmtorrent.model.forge import Forge
from ptmtorrent.model.work import Depth, Moved, OriginTask, Visited
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.store.local import LocalStore

MIB = 2**20


def forge_of(origin: str) -> Forge:
    host = urlsplit(origin).hostname
    place = next(place for place in GIT_HOSTS if urlsplit(place.base).hostname == host)
    return place.forge(False, frozenset())


@dataclass
class FetchedShelves:
    """Shelves, each fetched by git once and then read from the store."""

    mirror: Mirror
    visited: dict[str, Visited] = field(default_factory=dict)

    async def files(
        self, origin: str, wanted: Callable[[str], bool], after: str
    ) -> tuple[tuple[File, ...], bool]:
        if origin not in self.visited:
            self.visited[origin] = await self._visit(origin)
        found = self.visited[origin]
        with held_tree(self.mirror.store, found.visit, found.holding) as tree:
            return page_of_files(tree, wanted, after)

    async def _visit(self, origin: str) -> Visited:
        found = await self.mirror.visit(OriginTask(origin, Depth.HISTORY))
        return await self._visit(found.to) if isinstance(found, Moved) else found


@asynccontextmanager
async def served(kind: HubKind, box: Sandbox, root: Path) -> AsyncIterator[Hub]:
    """The adapter of a hub, as settings of the sandbox lead it there."""
    settings = load_settings(box.config)
    access = access_of(settings)
    gates = Gates()
    manners = Manners(retry=RetryPolicy(attempts=1))
    async with Transport(access, gates, manners=manners) as transport:
        git = Git(
            access=access,
            resolver=transport.resolver,
            gates=gates,
            counts=transport.counts,
            version=await git_version(),
            agent="test/1",
            max_pack=256 * MIB,
        )
        with LocalStore.at(root, write=True) as store:
            mirror = Mirror(transport, git, store, forge_of, look_over, Limits(256 * MIB, MIB))
            yield kind.build(Means(transport, FetchedShelves(mirror)), settings.hubs[kind.id])
