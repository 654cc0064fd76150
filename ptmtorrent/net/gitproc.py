"""git as a hardened child process: the only one that may use the network.

Empty environment, no configuration but ours, no hooks, no helpers, no redirects, one protocol,
strict checks of every object, limits from the kernel, and an own process group that is killed and
reaped when we stop waiting for it. Nothing is ever checked out.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ptmtorrent.errors import CorruptError, FatalError, NetworkError
from ptmtorrent.net.access import Access
from ptmtorrent.net.resolver import CheckedResolver
from ptmtorrent.net.text import printable

STDERR_BYTES = 64 * 1024
_PATH = "/usr/local/bin:/usr/bin:/bin"
_LIMITED = """trap "" XFSZ
ulimit -c 0
[ -z "$1" ] || ulimit -f "$1" || exit 1
[ -z "$2" ] || ulimit -d "$2" || exit 1
[ -z "$3" ] || ulimit -t "$3" || exit 1
shift 3
"""
"""Sets resource limits before git starts; all values are arguments, none is shell text.

With the signal ignored a file over the limit is a write error that git names on stderr.
"""

_ALONE = _LIMITED + 'exec "$@"'
_TIED = f"""{_LIMITED}
setpriv --pdeathsig KILL true 2>/dev/null && exec setpriv --pdeathsig KILL "$@"
exec "$@"
"""
"""Where util-linux is, git dies with us (``prctl(2)``, PR_SET_PDEATHSIG): a killed run asks nothing
more. Without a network its pipes end with us, and that is enough.
"""

HARMLESS = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate")
"""Faults of old tools that real histories are full of, and that harm nobody (git-fsck)."""

_CONFIG = {
    "http.followRedirects": "false",
    "http.maxRequests": "1",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "protocol.version": "2",
    "transfer.fsckObjects": "true",
    **{f"fetch.fsck.{fault}": "warn" for fault in HARMLESS},
    "transfer.unpackLimit": "1",
    "transfer.bundleURI": "false",
    "fetch.uriProtocols": "",
    "fetch.writeCommitGraph": "false",
    "core.bigFileThreshold": "16m",
    "core.fsync": "all",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "submodule.recurse": "false",
    "credential.helper": "",
    "safe.bareRepository": "explicit",
    "pack.threads": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
}


_NOWHERE = "nowhere://nowhere"
"""A proxy that no request gets through: for every server but the one that git may talk to.

Measured with git 2.39.5: a server's answer that begins with ``packfile-uris`` makes git fetch from
any address, though ``fetch.uriProtocols`` is empty and nobody asked for it.
"""


@dataclass(frozen=True, slots=True)
class Network:
    """The one server that a git process may talk to.

    Attributes:
        base: its actual scheme, host and port.
        url: the actual URL of the repository, to be given to git.
        addresses: checked addresses the connection is pinned to.
        header: ``Authorization`` value, or None.
        agent: User-Agent.
    """

    base: str
    url: str
    host: str
    port: int
    addresses: tuple[str, ...] = ()
    header: str | None = field(default=None, repr=False)
    agent: str = "ptmtorrent"

    @property
    def is_plain(self) -> bool:
        """Whether it is spoken to without TLS (an endpoint under ``allow_private``)."""
        return self.base.startswith("http://")


@dataclass(frozen=True, slots=True)
class GitLimits:
    """What a git process may use.

    Attributes:
        deadline_s: wall time.
        file_bytes: largest file it may write (the pack), or None.
        memory_bytes: memory of its own (not mapped files), each process, or None. An object
            that is a delta is made whole in memory, and its size is whatever a server says.
        cpu_s: processor seconds, or None.
        stdout_bytes: largest output.
    """

    deadline_s: float = 3600.0
    file_bytes: int | None = None
    memory_bytes: int | None = 352 * 2**20
    cpu_s: int | None = None
    stdout_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class GitResult:
    """How a git process ended; ``stderr`` is printable and short."""

    returncode: int
    stdout: bytes
    stderr: str


async def network_for(
    url: str, access: Access, resolver: CheckedResolver, agent: str = "ptmtorrent"
) -> Network:
    """The network of a git process that talks to a canonical URL, checked and pinned.

    Raises:
        ForbiddenAddressError: the host or one of its addresses is not allowed.
        NetworkError: the host has no address.
    """
    actual, target = access.actual(url)
    addresses: tuple[str, ...] = ()
    if target.address is None:
        try:
            found = await resolver.resolve(target.host, target.port)
        except OSError:
            raise NetworkError(f"{target.host} has no address", url=url) from None
        addresses = tuple(dict.fromkeys(result["host"] for result in found))
    host = f"[{target.host}]" if ":" in target.host else target.host
    return Network(
        base=f"{target.scheme}://{host}:{target.port}",
        url=actual,
        host=host,
        port=target.port,
        addresses=addresses,
        header=access.tokens.header_for(url),
        agent=agent,
    )


async def run_git(
    args: Sequence[str],
    *,
    cwd: Path,
    stdin: bytes | None = None,
    network: Network | None = None,
    limits: GitLimits | None = None,
) -> GitResult:
    """Run git; any exit status is a result.

    Bare repositories are not discovered: name them with ``--git-dir``. Without ``network`` no
    protocol is allowed.

    Raises:
        NetworkError: the deadline passed.
        CorruptError: it wrote more than allowed to stdout.
        FatalError: git could not be started.
    """
    limits = limits or GitLimits()
    script = _ALONE if network is None else _TIED
    command = ["/bin/sh", "-c", script, "sh", *_ulimits(limits), "git", *args]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=environment(network),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise FatalError(f"git cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(limits.deadline_s):
            return await _conversation(process, stdin, limits, network)
    except TimeoutError:
        raise NetworkError(f"git took longer than {limits.deadline_s:.0f} s") from None
    finally:
        await asyncio.shield(_end(process))


def environment(network: Network | None) -> dict[str, str]:
    """The whole environment of a git process; the configuration is in it, never in arguments."""
    settings = dict(_CONFIG)
    if network is not None:
        settings |= _network_settings(network)
    plain = {
        "PATH": _PATH,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": _protocols(network),
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }
    return plain | _as_environment(settings)


def _protocols(network: Network | None) -> str:
    if network is None:
        return "none"
    return "http:https" if network.is_plain else "https"


def _network_settings(network: Network) -> dict[str, str]:
    settings = {
        "http.userAgent": network.agent,
        "http.proxy": _NOWHERE,
        f"http.{network.base}/.proxy": "",
    }
    if network.addresses:
        pinned = ",".join(f"[{ip}]" if ":" in ip else ip for ip in network.addresses)
        settings["http.curloptResolve"] = f"{network.host}:{network.port}:{pinned}"
    if network.header is not None:
        settings[f"http.{network.base}/.extraHeader"] = f"Authorization: {network.header}"
    return settings


def _as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    environ = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environ


def _ulimits(limits: GitLimits) -> list[str]:
    """File size in blocks of 512 bytes, memory in KiB, seconds (ulimit of sh)."""
    scaled = (
        (limits.file_bytes, 512),
        (limits.memory_bytes, 1024),
        (limits.cpu_s, 1),
    )
    return ["" if most is None else str(-(-most // unit)) for most, unit in scaled]


async def _conversation(
    process: asyncio.subprocess.Process,
    stdin: bytes | None,
    limits: GitLimits,
    network: Network | None,
) -> GitResult:
    async with asyncio.TaskGroup() as group:
        stdout = group.create_task(_read(process.stdout, limits.stdout_bytes + 1))
        stderr = group.create_task(_read(process.stderr, STDERR_BYTES))
        group.create_task(_feed(process.stdin, stdin))
    returncode = await process.wait()
    if len(stdout.result()) > limits.stdout_bytes:
        raise CorruptError("git wrote more than allowed")
    text = printable(stderr.result().decode("utf-8", "replace").replace("\r", "\n"))
    return GitResult(returncode, stdout.result(), _without_header(text, network))


def _without_header(text: str, network: Network | None) -> str:
    if network is None or network.header is None:
        return text
    return text.replace(network.header, "***").replace(network.header.split(" ")[-1], "***")


async def _read(pipe: asyncio.StreamReader | None, most: int) -> bytes:
    """The first ``most`` bytes of a pipe; the rest is read and thrown away."""
    kept = bytearray()
    while pipe is not None and (chunk := await pipe.read(64 * 1024)):
        kept += chunk[: most - len(kept)]
    return bytes(kept)


async def _feed(pipe: asyncio.StreamWriter | None, data: bytes | None) -> None:
    if pipe is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(data or b"")
        await pipe.drain()
    pipe.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the process group, and reap its leader."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
