"""Origins made to measure, a sandbox that serves them, and what visits them: all of it real."""

import inspect
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from ptmtorrent.extract.wanted import look_over
from ptmtorrent.fetch.git import Git, git_version
from ptmtorrent.fetch.mirror import Mirror
from ptmtorrent.fetch.objects import ObjectFetcher
from ptmtorrent.fetch.partial import Limits
from ptmtorrent.hubs.huggingface import BASE, HuggingFaceForge
from ptmtorrent.model.visit import Visit
from ptmtorrent.model.work import Depth, OriginTask, Visited
from ptmtorrent.net.access import Access
from ptmtorrent.net.clock import Clock
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.gitpatience import GitPatience
from ptmtorrent.net.http import Transport
from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.generate import save_objects
from ptmtorrent.sandbox.objects import Stamp
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.sandbox.world import Repository, World
from ptmtorrent.sandbox.writer import Hands, Writer
from ptmtorrent.store.local import LocalStore

MIB = 2**20
TOKEN = "hf_canary5e1f"
NAME = "meadow/bird"
URL = f"{BASE}/{NAME}"


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not pack."""
    return random.Random(f"{size} {seed}").randbytes(size)


@dataclass
class Origin:
    """A repository of a world: written in memory, published for the sandbox to serve."""

    world: Path
    name: str = NAME
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(1, "huggingface", random.Random(1), 1_700_000_000)
        repository.create(self.path)

    @property
    def path(self) -> Path:
        return self.world / "repositories/huggingface" / f"{self.name}.git"

    def commit(self, files: Mapping[str, bytes], branch: str = repository.MAIN) -> str:
        """Commit these files on top of the others; nobody but us sees it yet."""
        for path, data in files.items():
            self.writer.put(path, data)
        self.writer.at += 60
        stamp = Stamp("Ada Author", "ada@example.org", self.writer.at)
        return self.writer.record(Hands(stamp, stamp), f"work at {self.writer.at}", branch)

    def put_large(self, path: str, data: bytes) -> None:
        self.writer.put_large(path, data)
        save_objects(self.world, self.writer.large)

    def oid(self, path: str) -> str:
        return self.writer.files[path.encode()].oid

    def publish(self, *without: str) -> None:
        """Let the server have every object but these, in one pack, and the refs as they are."""
        objects = replace(self.writer.objects)
        objects._held = {k: v for k, v in self.writer.objects._held.items() if k not in without}
        for old in (self.path / "objects/pack").iterdir():
            old.unlink()
        self.git("index-pack", "--stdin", given=objects.pack())
        refs = sorted(self.writer.refs.items())
        text = "".join(f"{oid} {name}\n" for name, oid in refs)
        (self.path / "packed-refs").write_text(text)

    def git(self, *arguments: str, given: bytes | None = None) -> str:
        return repository.git(self.path, *arguments, given=given).decode().strip()


def write_world(directory: Path, *repositories: Repository) -> None:
    """Say which repositories there are."""
    World(seed=1, state=1, token=TOKEN, repositories=repositories, owners=()).save(directory)


def record(name: str = NAME, **more: Any) -> Repository:
    return Repository(forge="huggingface", id="6" * 24, name=name, **more)


@dataclass
class Bench:
    """Everything a visit needs, wired as a run wires it."""

    box: Sandbox
    store: LocalStore
    root: Path
    transport: Transport
    mirror: Mirror
    objects: ObjectFetcher
    seen: int = 0

    async def visit(
        self, before: Visited | None = None, depth: Depth = Depth.HISTORY, url: str = URL
    ) -> Visited:
        """Visit, on top of what an earlier visit brought."""
        base = (before.holding, before.visit) if before else (None, None)
        found = await self.mirror.visit(OriginTask(url, depth, *base))
        assert isinstance(found, Visited)
        self.check(found)
        return found

    def check(self, found: Visited) -> None:
        """Holding and visit name each other, every pack is held, nothing is left behind."""
        assert Visit.from_bytes(found.visit.to_bytes()) == found.visit
        assert len(set(found.holding.packs)) == len(found.holding.packs)
        sizes = [self.store.size(name) for name in found.holding.packs]
        assert found.holding.pack_bytes == sum(sizes)
        assert self.leftovers() == []

    def asked(self) -> list[dict[str, Any]]:
        """The requests since the last look."""
        lines = self.box.requests.read_text().splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        return [json.loads(line) for line in new]

    def leftovers(self) -> list[str]:
        """Names in the folder of unfinished work, once everything is synced."""
        self.store.flush()
        return sorted(path.name for path in (self.root / "store/v1/partial").iterdir())


@dataclass(frozen=True)
class Setting:
    """How a bench differs from the usual one."""

    max_pack: int = 256 * MIB
    blob_limit: int = MIB
    token: str | None = None
    endpoint: str | None = None
    once_looked: Callable[[], None] = lambda: None
    attempts: int = 1


USUAL = Setting()


class Hooked(HuggingFaceForge):
    """The real forge; lets a test act as soon as the refs are announced, before git fetches."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(has_token=setting.token is not None)
        self.once_looked = setting.once_looked

    def origin_of(self, git_url: str) -> str:
        self.once_looked()
        return super().origin_of(git_url)


@asynccontextmanager
async def bench(world: Path, root: Path, setting: Setting = USUAL) -> AsyncIterator[Bench]:
    """A served world, an empty store, and a network that reaches nothing else."""
    async with Sandbox(world) as box:
        endpoints = {BASE: setting.endpoint or box.endpoints["huggingface"]}
        tokens = {BASE: setting.token} if setting.token else {}
        access = Access.of(["huggingface.co"], endpoints, tokens, allow_private=True)
        forge = Hooked(setting)
        with LocalStore.at(root, write=True) as store:
            async with Transport(access, Gates(_patient())) as transport:
                git = Git(
                    access,
                    transport.resolver,
                    transport.gates,
                    transport.counts,
                    version=await git_version(),
                    agent="test",
                    max_pack=setting.max_pack,
                )
                limits = Limits(setting.max_pack, setting.blob_limit)
                patience = GitPatience(setting.attempts)
                mirror = Mirror(transport, git, store, lambda _: forge, look_over, limits, patience)
                objects = ObjectFetcher(transport, store, lambda _: forge)
                yield Bench(box, store, root, transport, mirror, objects)


@dataclass
class Server:
    """A server made by hand, and what it was asked: path and headers."""

    base: str = ""
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def serve(
    answer: Callable[[web.BaseRequest], web.Response | Awaitable[web.Response]],
) -> AsyncIterator[Server]:
    """An HTTP server on a free port of loopback."""
    server = Server()

    async def handle(request: web.BaseRequest) -> web.Response:
        server.seen.append((request.path, request.headers))
        answered = answer(request)
        return await answered if inspect.isawaitable(answered) else answered

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def _patient() -> Clock:
    """A clock whose sleeps cost no time."""
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    return Clock(now=lambda: now[0], sleep=sleep)
