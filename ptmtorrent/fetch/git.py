"""git as the fetch room uses it: one place that knows how it is called.

What git writes here is thrown away but for packs, which the store syncs when it takes them; so git
itself need not sync anything.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ptmtorrent.errors import CorruptError, NetworkError, RefusedError
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Counts
from ptmtorrent.net.gate import Gates, Pass
from ptmtorrent.net.gitproc import GitLimits, GitResult, network_for, run_git
from ptmtorrent.net.gitwords import explain_git
from ptmtorrent.net.resolver import CheckedResolver

QUICK = ("-c", "core.fsync=none", "-c", "advice.detachedHead=false")
WITHOUT_HAVES = ("-c", "fetch.negotiationAlgorithm=noop")
OUTPUT_BYTES = 512 * 2**20
FETCH_COST = 3
"""Requests of one ``git fetch`` by protocol v2: capabilities, refs, and the pack (measured)."""


PROCESSES = 4
"""Each may take ``GitLimits.memory_bytes``; the packs of more origins arrive meanwhile."""


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git for fetching; what it sends is charged to the gate of its host.

    Attributes:
        version: of git, as it says itself.
        max_pack: largest file that a fetch may write, in bytes.
        deadline_s: longest a fetch may take.
        running: bounds the processes that work on packs, and so the memory they may take.
    """

    access: Access
    resolver: CheckedResolver
    gates: Gates
    counts: Counts
    version: str
    agent: str
    max_pack: int
    deadline_s: float = 6 * 3600.0
    running: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROCESSES))

    async def fetch(
        self,
        arguments: Sequence[str],
        path: Path,
        url: str,
        *,
        haves: bool = True,
        stdin: bytes | None = None,
    ) -> GitResult:
        """Run ``git fetch`` against one server; ``{url}`` in the arguments becomes its address."""
        network = await network_for(url, self.access, self.resolver, self.agent)
        words = [word.replace("{url}", network.url) for word in arguments]
        command = [
            *QUICK,
            *(() if haves else WITHOUT_HAVES),
            f"--git-dir={path}",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            *words,
        ]
        limits = GitLimits(deadline_s=self.deadline_s, file_bytes=self.max_pack)
        key = self.access.gate_key(f"{url}/info/refs")
        async with self.gates.slot(key, cost=FETCH_COST) as leave:
            self.counts.requests += FETCH_COST
            result = await run_git(command, cwd=path, stdin=stdin, network=network, limits=limits)
            result = replace(result, stderr=self.access.tokens.scrub(result.stderr))
            _report(leave, result, url)
        return result

    async def local(
        self, arguments: Sequence[str], path: Path, *, stdin: bytes | None = None
    ) -> GitResult:
        """Run git on a repository, without any network."""
        limits = GitLimits(deadline_s=self.deadline_s, stdout_bytes=OUTPUT_BYTES)
        command = [*QUICK, f"--git-dir={path}", *arguments]
        async with self.running:
            return await run_git(command, cwd=path, stdin=stdin, limits=limits)

    async def address(self, url: str) -> str:
        """The actual address of a canonical URL, for git's own configuration."""
        return (await network_for(url, self.access, self.resolver, self.agent)).url


def _report(leave: Pass, result: GitResult, url: str) -> None:
    """Tell the gate what became of a fetch."""
    error = None if result.returncode == 0 else explain_git(result, url)
    if isinstance(error, RefusedError):
        leave.refused(error.wait_s)
    elif isinstance(error, NetworkError):
        leave.failed()
    else:
        leave.succeeded()


async def git_version() -> str:
    """The version of the installed git. CorruptError when it answers with something else."""
    result = await run_git(["--version"], cwd=Path("/"))
    words = result.stdout.decode("ascii", "replace").split()
    if result.returncode or words[:2] != ["git", "version"]:
        raise CorruptError(f"git --version said {result.stderr or words}")
    return words[2]
