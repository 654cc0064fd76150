"""Serve bare git repositories on loopback as GitHub would: by git's own http-backend, and raw.

    python scripts/serve_repositories.py DIR [--cut OWNER/NAME]

DIR holds repositories as OWNER+NAME/repo, OWNER+NAME/repo/.git or OWNER/NAME.git. Prints one JSON
line with the settings that lead ``ptmtorrent`` here, and serves until it is stopped. ``--cut``
breaks the packs of one repository off in the middle, always.

For trying the crawler on copies of real repositories, by hand.
"""

import argparse
import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

CHUNK = 64 * 1024
CUT_AFTER = 100_000
"""Bytes of a pack that still arrive."""
CONFIG = {
    "safe.directory": "*",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
}
"""What GitHub allows its clients, as git has it."""


@dataclass(frozen=True)
class Served:
    """The repositories by ``owner/name``, and the one whose packs break off."""

    repositories: dict[str, Path]
    cut: str | None = None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """git, or one raw file, or 404."""
        owner, name, *rest = [*request.path.strip("/").split("/"), "", ""]
        full = f"{owner}/{name.removesuffix('.git')}"
        path = self.repositories.get(full)
        service = "/".join(rest).strip("/")
        if path is None:
            return web.Response(status=404, text="Repository not found.")
        if service not in ("info/refs", "git-upload-pack"):
            return await raw(path, rest[0], "/".join(rest[1:]).strip("/"))
        is_cut = full == self.cut and service == "git-upload-pack"
        return await git(request, path, service, most=CUT_AFTER if is_cut else None)


async def git(
    request: web.BaseRequest, path: Path, service: str, most: int | None
) -> web.StreamResponse:
    """What git http-backend answers; broken off after ``most`` bytes."""
    environment = _environment(request, path, service)
    process = await create_subprocess_exec(
        "git", "http-backend", stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
    )
    feeding = asyncio.create_task(_feed(process, await request.read()))
    try:
        response = await _head(process)
        await response.prepare(request)
        sent = 0
        while process.stdout is not None and (chunk := await process.stdout.read(CHUNK)):
            await response.write(chunk)
            sent += len(chunk)
            if most is not None and sent > most and request.transport is not None:
                request.transport.abort()
                break
        return response
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait([feeding])
        await process.wait()


async def raw(path: Path, revision: str, name: str) -> web.Response:
    """One file of a revision, or 404."""
    process = await create_subprocess_exec(
        *("git", "--git-dir", str(path), "cat-file", "blob", f"{revision}:{name}"),
        stdout=PIPE,
        stderr=DEVNULL,
    )
    data, _ = await process.communicate()
    if process.returncode:
        return web.Response(status=404, text="404: Not Found")
    return web.Response(body=data, content_type="text/plain")


def _environment(request: web.BaseRequest, path: Path, service: str) -> dict[str, str]:
    keys = {f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(CONFIG)}
    values = {f"GIT_CONFIG_VALUE_{number}": text for number, text in enumerate(CONFIG.values())}
    return {
        **keys,
        **values,
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_COUNT": str(len(CONFIG)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROJECT_ROOT": str(path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "PATH_INFO": f"/{path.name}/{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }


async def _feed(process: Process, body: bytes) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(body)
            await process.stdin.drain()
        process.stdin.close()


async def _head(process: Process) -> web.StreamResponse:
    headers = {}
    while process.stdout is not None and (line := (await process.stdout.readline()).strip()):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name] = value.strip()
    return web.StreamResponse(status=int(headers.pop("Status", "200")[:3]), headers=headers)


def repositories_in(directory: Path) -> dict[str, Path]:
    """``owner/name`` -> git directory."""
    found = {}
    for path in sorted(directory.glob("*+*/repo")):
        owner, _, name = path.parent.name.partition("+")
        found[f"{owner}/{name}"] = path / ".git" if (path / ".git").is_dir() else path
    for path in sorted(directory.glob("*/*.git")):
        found[f"{path.parent.name}/{path.stem}"] = path
    return {name: path.resolve() for name, path in found.items()}


async def serve(directory: Path, cut: str | None) -> None:
    """Serve until cancelled."""
    served = Served(repositories_in(directory), cut)
    runner = web.ServerRunner(web.Server(served.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        settings = dict.fromkeys(("api", "raw", "git"), base)
        ready = {"github": settings, "repositories": len(served.repositories)}
        print(json.dumps(ready), flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="Serve bare git repositories as GitHub would.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cut", metavar="OWNER/NAME")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.directory, arguments.cut))


if __name__ == "__main__":
    main()
