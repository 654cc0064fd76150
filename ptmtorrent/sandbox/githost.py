"""git over smart HTTP, read only: what git's ``http-backend`` does, by ``git upload-pack`` itself.

One process a request instead of two, and none where the answer is known: what a repository
advertises is kept until its refs change (Documentation/gitprotocol-http, http-backend.c).

aiohttp unpacks a gzip request body, so the child is never told of a content encoding. Both
directions are streamed.
"""

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import StreamReader

from ptmtorrent.sandbox.exchange import Ask, Reply, text_reply
from ptmtorrent.sandbox.gitread import Stamp, stamp
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.repository import environment
from ptmtorrent.sandbox.world import Repository

_PROTOCOL = re.compile(r"[A-Za-z0-9=:.-]{1,64}")
_SECOND = re.compile(r"(^|:)version=2(:|$)")
_SERVICE = b"001e# service=git-upload-pack\n0000"
"""What stands before the refs in the protocols before the second."""
_REQUEST = "application/x-git-upload-pack-request"
_NEVER_KEPT = {
    "Expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache, max-age=0, must-revalidate",
}
_CHUNK = 64 * 1024


def asked_of_git(ask: Ask) -> str | None:
    """``info/refs`` or ``git-upload-pack`` where the request is one to fetch; else None."""
    if ask.path.endswith("/info/refs") and ask.method == "GET":
        return "info/refs" if ask.last("service") == "git-upload-pack" else None
    upload = ask.path.endswith("/git-upload-pack") and ask.method == "POST"
    return "git-upload-pack" if upload else None


class GitBackend:
    """Runs ``git upload-pack``, a child a request, and leaves none behind."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._ends: dict[Process, asyncio.Task[None] | None] = {}
        self._advertised: dict[tuple[str, str, str], tuple[Stamp, bytes]] = {}

    async def answer(self, ask: Ask, repository: Repository, service: str) -> Reply:
        """What git answers; a child that it takes is gone when ``ask.cleanup`` is done."""
        if service == "info/refs":
            return await self._advertisement(ask, repository)
        if ask.headers.get("Content-Type") != _REQUEST:
            return text_reply("Unsupported Media Type", 415)
        process = await self._start(ask, repository, "--stateless-rpc", stdin=PIPE)
        feeding = asyncio.create_task(_feed(ask.body, process))
        ask.cleanup.push_async_callback(_cancel, feeding)
        return _reply("result", _output(process))

    async def close(self) -> None:
        """End the children of requests that were cut off."""
        await asyncio.gather(*(self._end(process) for process in list(self._ends)))

    async def _advertisement(self, ask: Ask, repository: Repository) -> Reply:
        key = (repository.forge, repository.name, _protocol(ask))
        now = stamp(self._live.path(repository))
        before, body = self._advertised.get(key, (None, b""))
        if before != now:
            process = await self._start(ask, repository, "--http-backend-info-refs", stdin=DEVNULL)
            told = b"".join([chunk async for chunk in _output(process)])
            if not told:
                return text_reply("git gave no answer", 500)
            body = told if _SECOND.search(_protocol(ask)) else _SERVICE + told
            self._advertised[key] = (now, body)
        return _reply("advertisement", body)

    async def _start(self, ask: Ask, repository: Repository, mode: str, *, stdin: int) -> Process:
        path = self._live.path(repository).resolve()
        process = await asyncio.create_subprocess_exec(
            *("git", "upload-pack", mode, str(path)),
            stdin=stdin,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment() | {"GIT_PROTOCOL": _protocol(ask)},
            start_new_session=True,
        )
        self._ends[process] = None
        ask.cleanup.push_async_callback(self._end, process)
        return process

    async def _end(self, process: Process) -> None:
        """End a child and wait for it; who waits may be cancelled, the ending goes on."""
        ending = self._ends.get(process) or asyncio.create_task(_reap(process))
        self._ends[process] = ending
        ending.add_done_callback(lambda _: self._ends.pop(process, None))
        await asyncio.shield(ending)


def _protocol(ask: Ask) -> str:
    """What the client says of protocols, where it can be handed on."""
    protocol = ask.headers.get("Git-Protocol", "")
    return protocol if _PROTOCOL.fullmatch(protocol) else ""


def _reply(kind: str, body: bytes | AsyncIterator[bytes]) -> Reply:
    headers = {**_NEVER_KEPT, "Content-Type": f"application/x-git-upload-pack-{kind}"}
    return Reply(headers=headers, body=body)


async def _output(process: Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101
    while chunk := await process.stdout.read(_CHUNK):
        yield chunk


async def _feed(body: StreamReader, process: Process) -> None:
    """Hand the request's body to the child; a child that reads no further has heard enough."""
    assert process.stdin is not None  # noqa: S101
    with suppress(BrokenPipeError, ConnectionResetError):
        async for chunk in body.iter_any():
            process.stdin.write(chunk)
            await process.stdin.drain()
    process.stdin.close()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _reap(process: Process) -> None:
    """End the child and what it started: they have a process group of their own."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()
