"""The sandbox as a whole: its hosts on loopback, the settings that lead to them, the journal."""

import asyncio
import json
import signal
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from ptmtorrent.errors import FatalError, UsageError
from ptmtorrent.sandbox import modelhub, onnxzoo, pytorchhub, routes, tls
from ptmtorrent.sandbox.cdn import Cdn
from ptmtorrent.sandbox.faults import Faults
from ptmtorrent.sandbox.front import Front, Shared, Site
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.githost import GitBackend
from ptmtorrent.sandbox.hosts import ENDPOINTS, Parts, sites
from ptmtorrent.sandbox.journal import Journal
from ptmtorrent.sandbox.limits import Limiter, Limits
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.recipes import ZOO

_GRACE_S = 0.2


@dataclass
class Sandbox:
    """Serves a world on 127.0.0.1 while it is entered.

    Attributes:
        directory: a world that ``generate`` made.
        port: of Hugging Face; the other hosts have the next ones. 0 takes free ones.
        rtt_ms: milliseconds before each answer.
        faults: ``ROUTE=KIND:RATE``, see ``faults``.
        tls: serve https, with the authority in ``DIR/ca.pem``.
        clock: seconds since 1970: for rate limits, signed links and the journal.
        seed: of chance in faults, and of the signing key.
        canonical_links: next pages are linked at the hub's public address.
        endpoints: name -> base URL, once entered.
    """

    directory: Path
    _: KW_ONLY
    port: int = 0
    rtt_ms: int = 0
    faults: Sequence[str] = ()
    tls: bool = False
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.time
    seed: int = 1
    canonical_links: bool = False
    endpoints: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._faults = Faults(self.faults, seed=self.seed)
        self._stack = AsyncExitStack()

    @property
    def config(self) -> Path:
        """Settings that lead ``ptmtorrent`` here."""
        return self.directory / "ptmtorrent.toml"

    @property
    def requests(self) -> Path:
        """The journal of requests."""
        return self.directory / "requests.jsonl"

    @property
    def truth(self) -> Path:
        """What a perfect crawler would find."""
        return self.directory / "truth.json"

    def switch(self, fault: str) -> None:
        """Turn a fault on or off while serving; UsageError as for ``faults``."""
        self._faults.switch(fault)

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            FatalError: a port is taken.
        """
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self.config.write_text(_settings(self.endpoints))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: what is under way is cut off, children are gone, the journal is closed."""
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        shared = self._shared()
        stack.callback(shared.journal.close)
        git = GitBackend(shared.live)
        stack.push_async_callback(git.close)
        context = tls.server_context(self.directory) if self.tls else None
        cdn = Cdn(self.directory, self.seed)
        await self._listen(stack, "cdn", Front(Site("cdn", cdn, routes.cdn), shared), context)
        parts = Parts(git, cdn, self.endpoints, self.canonical_links)
        for name, site in sites(shared.live, parts).items():
            await self._listen(stack, name, Front(site, shared), context)

    def _shared(self) -> Shared:
        return Shared(
            live=Live(self.directory),
            clock=self.clock,
            limiter=Limiter(self.limits, self.clock),
            faults=self._faults,
            journal=Journal(self.requests),
            rtt_s=self.rtt_ms / 1000,
        )

    async def _listen(
        self, stack: AsyncExitStack, name: str, front: Front, context: ssl.SSLContext | None
    ) -> None:
        server = web.Server(front.handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=_GRACE_S)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        port = self.port + ENDPOINTS.index(name) if self.port else 0
        try:
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        except OSError as error:
            raise FatalError(f"cannot listen on 127.0.0.1:{port}: {error}") from error
        scheme = "https" if context else "http"
        self.endpoints[name] = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The ``sandbox`` command."""

    directory: Path
    packages: int = 40
    seed: int = 1
    port: int = 0
    rtt_ms: int = 0
    faults: tuple[str, ...] = ()
    tls: bool = False


async def run(options: Options, tell: Callable[[str], None] = print) -> None:
    """Make the world if there is none, serve it until SIGINT or SIGTERM.

    Args:
        options: the command's.
        tell: takes the one line of JSON that says where everything is, once all is ready.

    Raises:
        UsageError: a fault cannot be read, or the directory holds the world of another seed.
        FatalError: a port is taken.
    """
    sandbox = Sandbox(
        options.directory,
        port=options.port,
        rtt_ms=options.rtt_ms,
        faults=options.faults,
        tls=options.tls,
        seed=options.seed,
    )
    await asyncio.to_thread(_settle, options)
    async with _stopped() as stopped, sandbox:
        tell(_ready(sandbox))
        await stopped.wait()


@contextmanager
def sandbox_in_thread(directory: Path, **settings: Any) -> Iterator[Sandbox]:
    """A sandbox served by a thread of its own, for code that is not asynchronous.

    Args:
        directory: as for ``Sandbox``.
        settings: keyword arguments of ``Sandbox``.
    """
    sandbox = Sandbox(directory, **settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.__aenter__(), loop).result()
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _settle(options: Options) -> None:
    if not (options.directory / "world.json").exists():
        generate(options.directory, packages=options.packages, seed=options.seed)
    held = Live(options.directory).world.seed
    if held != options.seed:
        raise UsageError(
            f"{options.directory} holds the world of seed {held}; choose another place"
        )


@asynccontextmanager
async def _stopped() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _ready(sandbox: Sandbox) -> str:
    facts = {
        "config": str(sandbox.config),
        "endpoints": sandbox.endpoints,
        "requests": str(sandbox.requests),
        "truth": str(sandbox.truth),
    }
    return json.dumps(facts)


def _settings(endpoints: dict[str, str]) -> str:
    return f"""\
[hubs.huggingface]
enabled = true
endpoint = "{endpoints["huggingface"]}"

[hubs.modelhub]
enabled = true
registry = "{modelhub.REGISTRY}"

[hubs.modelzoo]
enabled = true
endpoint = "{endpoints["modelzoo"]}"

[hubs.pytorchhub]
enabled = true
cards = "{pytorchhub.CARDS}"
weights = "{endpoints["pytorch_weights"]}"

[hubs.onnxmodelzoo]
enabled = true
repository = "{onnxzoo.MODELS}"
organisation = "{ZOO}"

[github]
api = "{endpoints["github_api"]}"
raw = "{endpoints["github_raw"]}"
git = "{endpoints["github_git"]}"

[network]
allow_private = true
"""
