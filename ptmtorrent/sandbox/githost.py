"""git over smart HTTP, read only, by git's own ``http-backend`` (git-http-backend(1)).

aiohttp unpacks a gzip request body, so the child is never told of a content encoding, and of no
content length either: it reads to the end. Both directions are streamed.
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
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.repository import environment
from ptmtorrent.sandbox.world import Repository

_PROTOCOL = re.compile(r"[A-Za-z0-9=:.-]{1,64}")
_CHUNK = 64 * 1024


def asked_of_git(ask: Ask) -> str | None:
    """``info/refs`` or ``git-upload-pack`` where the request is one to fetch; else None."""
    if ask.path.endswith("/info/refs") and ask.method == "GET":
        return "info/refs" if ask.last("service") == "git-upload-pack" else None
    upload = ask.path.endswith("/git-upload-pack") and ask.method == "POST"
    return "git-upload-pack" if upload else None


class GitBackend:
    """Runs ``git http-backend``, a child a request, and leaves none behind."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._ends: dict[Process, asyncio.Task[None] | None] = {}

    async def answer(self, ask: Ask, repository: Repository, service: str) -> Reply:
        """What the child answers; it is gone when ``ask.cleanup`` is done."""
        process = await asyncio.create_subprocess_exec(
            *("git", "http-backend"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_environment(self._live, ask, repository, service),
            start_new_session=True,
        )
        self._ends[process] = None
        ask.cleanup.push_async_callback(self._end, process)
        feeding = asyncio.create_task(_feed(ask.body, process))
        ask.cleanup.push_async_callback(_cancel, feeding)
        return await _reply(process)

    async def close(self) -> None:
        """End the children of requests that were cut off."""
        await asyncio.gather(*(self._end(process) for process in list(self._ends)))

    async def _end(self, process: Process) -> None:
        """End a child and wait for it; who waits may be cancelled, the ending goes on."""
        ending = self._ends.get(process) or asyncio.create_task(_reap(process))
        self._ends[process] = ending
        ending.add_done_callback(lambda _: self._ends.pop(process, None))
        await asyncio.shield(ending)


def _environment(live: Live, ask: Ask, repository: Repository, service: str) -> dict[str, str]:
    protocol = ask.headers.get("Git-Protocol", "")
    known = {"GIT_PROTOCOL": protocol} if _PROTOCOL.fullmatch(protocol) else {}
    return environment() | {
        "GIT_PROJECT_ROOT": str((live.directory / "repositories" / repository.forge).resolve()),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.name}.git/{service}",
        "REQUEST_METHOD": ask.method,
        "QUERY_STRING": "service=git-upload-pack" if ask.method == "GET" else "",
        "CONTENT_TYPE": ask.headers.get("Content-Type", ""),
        "REMOTE_ADDR": "127.0.0.1",
        **known,
    }


async def _reply(process: Process) -> Reply:
    assert process.stdout is not None  # noqa: S101
    headers = {}
    while line := (await process.stdout.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    if not headers:
        return text_reply("git gave no answer", 500)
    status = int(headers.pop("Status", "200").split()[0])
    return Reply(status=status, headers=headers, body=_output(process.stdout))


async def _output(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await stream.read(_CHUNK):
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
