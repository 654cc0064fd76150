"""One root with everything wired to it: the only place where real objects meet.

``Held`` is a root open for writing, with store, journal and ledger that has taken the journal in;
``Online`` adds the network. Both are context managers, and clean up in reverse.
"""

import asyncio
import gc
import json
import random
import resource
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ptmtorrent.errors import SkipError, SkipReason
from ptmtorrent.extract.wanted import look_over
from ptmtorrent.fetch.assets import AssetFetcher
from ptmtorrent.fetch.git import Git, git_version
from ptmtorrent.fetch.mirror import Mirror
from ptmtorrent.fetch.objects import ObjectFetcher
from ptmtorrent.fetch.partial import Limits
from ptmtorrent.hubs import GIT_HOSTS, HUBS
from ptmtorrent.hubs.aside import Aside
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.events import Watcher
from ptmtorrent.model.forge import Forge
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Limits as HttpLimits
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.pipeline.intake import Intake, silent
from ptmtorrent.pipeline.pages import Pages
from ptmtorrent.pipeline.recorder import Recorder
from ptmtorrent.pipeline.refining import Parser, Refining
from ptmtorrent.settings import Settings
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import Root, check_space, open_root

Say = Callable[[str], None]

LOW_WATER_BYTES = 64 * 2**20
LOW_WATER_INODES = 1000
GATES_EVERY_S = 5.0
MANY_FILES = 65_536
MANY_OBJECTS = 100_000


@dataclass(frozen=True, slots=True)
class Held:
    """A root open for writing by this process alone."""

    root: Root
    store: LocalStore
    journal: Journal
    ledger: Ledger
    pages: Pages
    intake: Intake
    parsers: Mapping[str, Parser]

    @property
    def dataset(self) -> Path:
        """Where the shards are."""
        return self.root.layout.dataset

    def refining(self, watch: Watcher) -> Refining:
        """Reads packages back, with what their files add."""
        refiners = {kind.id: kind.refine for kind in HUBS if kind.refine is not None}
        return Refining(self.ledger, self.store, self.parsers, refiners, watch)


@dataclass(frozen=True, slots=True)
class Online:
    """The network side of a run; ``lost`` are origins whose host has lost their LFS objects."""

    transport: Transport
    recorder: Recorder
    mirror: Mirror
    objects: ObjectFetcher
    assets: AssetFetcher
    lost: set[str]


@contextmanager
def held(path: Path, *, create: bool, say: Say = silent) -> Iterator[Held]:
    """Open a root for writing; make it when there is none and ``create`` says so.

    ``say`` is told what is lost of what the journal names, when the ledger takes it in.

    Raises:
        NotFoundError: there is no root.
        WriterActiveError: another process writes here.
        UsageError: the directory is something else, or of a newer format.
        FatalError: too little space, or no permission.
    """
    root = open_root(path, create=create)
    _allow_many_files()
    _look_for_cycles_seldom()
    with root.writing():
        check_space(root.path, LOW_WATER_BYTES, LOW_WATER_INODES)
        with LocalStore.at(root.path, write=True) as store:
            ledger = Ledger.open(root.layout.ledger)
            journal = Journal.open(root.path, write=True)
            try:
                parsers = {kind.id: kind.parse for kind in HUBS}
                with pages_of(store) as pages:
                    intake = Intake(ledger, store, pages, say)
                    intake.catch_up(journal)
                    yield Held(root, store, journal, ledger, pages, intake, parsers)
            finally:
                ledger.close()
                journal.close()


def pages_of(store: BlobStore) -> Pages:
    """The listing pages of all hubs in a store."""
    readers = {kind.id: kind.in_outline for kind in HUBS}
    asides = {kind.id: Aside(kind.id) for kind in HUBS if kind.outline is not None}
    return Pages(store, readers, asides)


@asynccontextmanager
async def online(
    here: Held, settings: Settings, clock: Clock, watch: Watcher, agent: str
) -> AsyncIterator[Online]:
    """Open the network for a root: transport, hubs, and what fetches."""
    gates, access = Gates(watcher=watch), access_of(settings)
    kept = {name: json.loads(state) for name, state in here.ledger.reads.gates().items()}
    gates.restore(kept, access.is_ours)
    timeout_s = settings.network.timeout_s
    patience = HttpLimits(first_byte_s=timeout_s, rate_window_s=timeout_s)
    manners = Manners(limits=patience, agent=agent)
    async with Transport(access, gates, manners=manners, watcher=watch) as transport:
        lost = set(here.ledger.reads.where_now(without_lfs(settings)))
        forge_of = _forges(access, lost)
        limits = Limits(settings.git.max_pack, settings.git.blob_limit)
        git = Git(
            access=access,
            resolver=transport.resolver,
            gates=gates,
            counts=transport.counts,
            version=await git_version(),
            agent=agent,
            max_pack=settings.git.max_pack,
        )
        mirror = Mirror(transport, git, here.store, forge_of, look_over, limits)
        objects = ObjectFetcher(transport, here.store, forge_of)
        assets = AssetFetcher(transport, here.store)
        recorder = Recorder(here.ledger, here.store, here.journal, intake=here.intake, clock=clock)
        async with recorder, _gates_kept(gates, recorder):
            yield Online(transport, recorder, mirror, objects, assets, lost)


@asynccontextmanager
async def _gates_kept(gates: Gates, recorder: Recorder) -> AsyncIterator[None]:
    """Write what hosts allow into the ledger now and then, on news, and at the end.

    What is written on the way reckons with a kill just before it would be written again.
    """

    async def save(ahead_s: float = 0.0) -> None:
        states = {name: json.dumps(state) for name, state in gates.snapshot(ahead_s).items()}
        await recorder.change(lambda ledger: ledger.work.save_gates(states))

    async def save_for_ever() -> None:
        while True:
            await gates.until_news(GATES_EVERY_S)
            await save(2 * GATES_EVERY_S)

    saving = asyncio.create_task(save_for_ever())
    try:
        yield
    finally:
        saving.cancel()
        await asyncio.wait([saving])
        await save()


def access_of(settings: Settings) -> Access:
    """What may be reached, under which name, with which token."""
    endpoints: dict[str, str] = {
        "https://api.github.com": settings.github.api,
        "https://raw.githubusercontent.com": settings.github.raw,
        "https://github.com": settings.github.git,
    }
    hosts: list[str] = []
    tokens: dict[str, str] = {}
    for kind in HUBS:
        endpoints |= kind.endpoints(settings.hubs[kind.id])
        hosts += kind.hosts
    for place in GIT_HOSTS:
        hosts += place.hosts
        token = None if settings.anonymous else place.token()
        tokens |= {base: token for base in place.bases if token}
    hosts += [str(urlsplit(base).hostname) for base in endpoints]
    return Access.of(hosts, endpoints, tokens, allow_private=settings.network.allow_private)


def without_lfs(settings: Settings) -> frozenset[str]:
    """Origins whose host does not serve their LFS objects any more."""
    return frozenset().union(*(kind.without_lfs(settings.hubs[kind.id]) for kind in HUBS))


def _forges(access: Access, lost: Set[str]) -> Callable[[str], Forge]:
    """Origin -> forge, by host."""
    by_host = {
        urlsplit(place.base).hostname: place.forge(
            access.tokens.header_for(place.base) is not None, lost
        )
        for place in GIT_HOSTS
    }

    def forge_of(origin: str) -> Forge:
        host = urlsplit(origin).hostname
        if host not in by_host:
            text = f"nobody knows the git host of {origin}"
            raise SkipError(text, SkipReason.UNSUPPORTED, url=origin)
        return by_host[host]

    return forge_of


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: segments and sockets need them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MANY_FILES), hard))


def _look_for_cycles_seldom() -> None:
    """Records and rows hold no cycles and go when nobody needs them; walking them costs a sixth."""
    gc.set_threshold(MANY_OBJECTS)


def seeded() -> random.Random:
    """The source of jitter; waits need no secrecy."""
    return random.Random()  # noqa: S311
