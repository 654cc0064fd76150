"""The hardened git against real servers: git's own http-backend, and hostile ones."""

import asyncio
import gzip
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from loopback import HUB, TOKEN, Server, serve

from ptmtorrent.errors import (
    CorruptError,
    FailReason,
    FatalError,
    ForbiddenAddressError,
    ItemError,
    NetworkError,
    RefusedError,
    SkipError,
    SkipReason,
)
from ptmtorrent.net.access import Access
from ptmtorrent.net.gitproc import GitLimits, GitResult, Network, environment, network_for, run_git
from ptmtorrent.net.gitwords import explain_git
from ptmtorrent.net.resolver import CheckedResolver

ENVIRON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
}  # fmt: skip
BACKEND = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip())


def git(where: Path, *args: str) -> str:
    run = subprocess.run(["git", *args], cwd=where, env=ENVIRON, check=True, capture_output=True)
    return run.stdout.decode().strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with one commit of 3 MB that does not compress."""
    path = tmp_path / "served" / "o" / "n"
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main", ".")
    (path / "blob").write_bytes(b"".join(os.urandom(1 << 20) for _ in range(3)))
    git(path, "add", "blob")
    git(path, "commit", "-q", "-m", "one")
    return path


@asynccontextmanager
async def backend(root: Path) -> AsyncIterator[Server]:
    """Smart HTTP through ``git http-backend`` (CGI)."""

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        process = await asyncio.create_subprocess_exec(
            str(BACKEND / "git-http-backend"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=ENVIRON
            | {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": request.path,
                "QUERY_STRING": request.query_string,
                "REQUEST_METHOD": request.method,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
                "CONTENT_LENGTH": str(len(body)),
            },
        )
        head, _, content = (await process.communicate(body))[0].partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200").split(" ")[0])
        return web.Response(status=status, headers=fields, body=content)

    async with serve(handler) as server:
        yield server


async def network(base: str, path: str = "/o/n") -> Network:
    access = Access.of([], {HUB: base}, {HUB: TOKEN}, allow_private=True)
    return await network_for(f"{HUB}{path}", access, CheckedResolver(access.rules), "ptm/test")


async def clone(base: str, to: Path, limits: GitLimits | None = None) -> GitResult:
    net = await network(base)
    args = ["clone", "--bare", "--no-local", "--template=", "--", net.url, str(to / "q")]
    return await run_git(args, cwd=to, network=net, limits=limits)


async def test_a_clone_through_git_itself_is_whole(origin: Path, tmp_path: Path) -> None:
    async with backend(tmp_path / "served") as server:
        result = await clone(server.base + "/", tmp_path)
    assert (result.returncode, result.stdout) == (0, b"")
    head = git(tmp_path / "q", "--git-dir=.", "rev-parse", "HEAD")
    assert head == git(origin, "rev-parse", "HEAD")
    assert not list((tmp_path / "q").glob("hooks/*"))
    assert all(h["Authorization"] == f"Bearer {TOKEN}" for _, h in server.seen)
    assert all(h["User-Agent"] == "ptm/test" for _, h in server.seen)
    assert TOKEN not in (tmp_path / "q" / "config").read_text()


async def test_a_redirect_is_refused_and_the_token_stays(tmp_path: Path) -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.Response()

    async with serve(nothing) as target:

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=301, headers={"Location": target.base + request.path_qs})

        async with serve(away) as server:
            result = await clone(server.base, tmp_path)
    assert result.returncode != 0
    assert target.seen == []
    assert isinstance(explain_git(result, HUB), ForbiddenAddressError | NetworkError)


@pytest.mark.parametrize("url", ["ext::sh -c touch% MARK", "file://{}", "{}", "ssh://127.0.0.1/x"])
async def test_other_protocols_are_not_spoken(url: str, origin: Path, tmp_path: Path) -> None:
    net = await network("http://127.0.0.1:9")
    args = ["clone", "--bare", "--no-local", "--template=", "--", url.format(origin), "q"]
    result = await run_git(args, cwd=tmp_path, network=net)
    assert result.returncode != 0
    assert "not allowed" in result.stderr
    assert not (tmp_path / "MARK").exists()


async def test_without_a_network_nothing_is_asked(tmp_path: Path) -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.Response()

    async with serve(nothing) as server:
        result = await run_git(["ls-remote", "--", server.base + "/o/n"], cwd=tmp_path)
    assert "not allowed" in result.stderr
    assert server.seen == []


async def test_a_pack_over_the_limit_is_stopped_by_the_kernel(origin: Path, tmp_path: Path) -> None:
    async with backend(tmp_path / "served") as server:
        result = await clone(server.base, tmp_path, GitLimits(file_bytes=1 << 20))
    assert result.returncode != 0
    error = explain_git(result, f"{HUB}/o/n")
    assert isinstance(error, SkipError)
    assert error.reason is SkipReason.OVER_LIMIT
    assert not (tmp_path / "q").exists()


async def _stuck(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


def group_of(where: Path) -> list[str]:
    """The processes that have a directory as their working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == where:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_cancelling_kills_the_whole_group_and_arguments_hold_no_token(
    tmp_path: Path,
) -> None:
    where = tmp_path / "work"
    where.mkdir()
    async with serve(_stuck) as server:
        task = asyncio.create_task(clone(server.base, where))
        await until(lambda: server.seen)
        running = group_of(where)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(running) >= 2
    assert TOKEN not in "".join(running)
    await until(lambda: not group_of(where))


async def test_the_deadline_ends_it(tmp_path: Path) -> None:
    where = tmp_path / "work"
    where.mkdir()
    async with serve(_stuck) as server:
        with pytest.raises(NetworkError, match="took longer"):
            await clone(server.base, where, GitLimits(deadline_s=0.2))
    await until(lambda: not group_of(where))


async def test_words_of_the_server_cannot_write_to_the_terminal(
    origin: Path, tmp_path: Path
) -> None:
    async with backend(tmp_path / "served") as real:

        async def handler(request: web.Request) -> web.Response:
            if request.method == "POST":
                text = b"\x02\x1b]0;owned\x07\x1b[31mred\xc2\x9b2J\n" + b"x" * 70_000
                parts = [text[at : at + 900] for at in range(0, len(text), 900)]
                lines = [parts[0]] + [b"\x02" + part for part in parts[1:]]
                body = b"".join(b"%04x" % (len(line) + 4) + line for line in lines)
                return web.Response(
                    body=b"000dpackfile\n" + body + b"0000",
                    content_type="application/x-git-upload-pack-result",
                )
            raise web.HTTPTemporaryRedirect(real.base + request.path_qs)

        async with serve(_forward(real, handler)) as server:
            result = await clone(server.base, tmp_path)
    assert result.returncode != 0
    assert "red" in result.stderr
    assert not any(ord(char) < 32 and char not in "\n\t" for char in result.stderr)
    assert "\x9b" not in result.stderr
    assert "owned" not in result.stderr
    assert len(result.stderr) <= 64 * 1024


def _forward(real: Server, post: Callable[[web.Request], object]):  # type: ignore[no-untyped-def]
    """Refs from the real server; what is posted gets the hostile answer once refs are known."""

    async def handler(request: web.Request) -> web.Response:
        if request.method == "POST" and b"command=fetch" in await request.read():
            return await post(request)  # type: ignore[no-any-return, misc]
        from aiohttp import ClientSession

        async with (
            ClientSession() as session,
            session.request(
                request.method,
                real.base + request.path_qs,
                data=await request.read(),
                headers={"Git-Protocol": "version=2", "Content-Type": request.content_type},
            ) as answer,
        ):
            return web.Response(body=await answer.read(), content_type=answer.content_type)

    return handler


async def test_output_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match="more than allowed"):
        await run_git(["help", "-a"], cwd=tmp_path, limits=GitLimits(stdout_bytes=100))


async def test_standard_input_arrives(tmp_path: Path) -> None:
    result = await run_git(["hash-object", "--stdin"], cwd=tmp_path, stdin=b"hello\n")
    assert result.stdout == b"ce013625030ba8dba906f756967f9e9ca394464a\n"


async def test_bare_repositories_are_not_discovered(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "b")
    found = await run_git(["rev-parse", "--git-dir"], cwd=tmp_path / "b")
    named = await run_git(["--git-dir=.", "rev-parse", "--git-dir"], cwd=tmp_path / "b")
    assert (found.returncode, named.returncode) == (128, 0)


def test_the_environment_is_whole_and_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://evil")
    monkeypatch.setenv("GIT_SSH_COMMAND", "touch MARK")
    environ = environment(None)
    assert not {"HTTPS_PROXY", "GIT_SSH_COMMAND"} & environ.keys()
    assert (environ["GIT_ALLOW_PROTOCOL"], environ["GIT_NO_LAZY_FETCH"]) == ("none", "1")
    assert environment(Network("https://h:443", "https://h/x", "h", 443))["GIT_ALLOW_PROTOCOL"] == (
        "https"
    )


def test_a_network_shows_no_token() -> None:
    assert TOKEN not in repr(Network("b", "u", "h", 443, header=f"Bearer {TOKEN}"))


async def test_addresses_are_pinned_and_checked() -> None:
    access = Access.of(["localhost"], {HUB: "http://localhost:4000"}, allow_private=True)
    net = await network_for(f"{HUB}/o/n", access, CheckedResolver(access.rules))
    assert set(net.addresses) <= {"127.0.0.1", "::1"}
    values = environment(net).values()
    assert any(value.startswith("localhost:4000:") for value in values)
    with pytest.raises(ForbiddenAddressError):
        await network_for("https://evil.example/o/n", access, CheckedResolver(access.rules))


WORDS = [
    ("fatal: unable to access 'https://h/o/': The requested URL returned error: 429", RefusedError),
    ("error: RPC failed; HTTP 429 curl 22 The requested URL returned error: 429", RefusedError),
    ("remote: rate limit exceeded\nThe requested URL returned error: 403", RefusedError),
    ("remote: Rate limit exceeded\nfatal: early EOF", RefusedError),
    ("fatal: unable to access 'x': The requested URL returned error: 502", NetworkError),
    ("fatal: unable to access 'x': Could not resolve host: h", NetworkError),
    ("fatal: unable to access 'x': Failed to connect to h port 443", NetworkError),
    (
        "remote: aborting due to possible repository corruption on the remote side.\n"
        "fatal: early EOF",
        CorruptError,
    ),
    ("error: RPC failed; curl 18 transfer closed\nfatal: early EOF", NetworkError),
    ("fatal: the remote end hung up unexpectedly", NetworkError),
    ("error: RPC failed; curl 28 Operation too slow", NetworkError),
    ("error: object abc: hasDotgit: x\nfatal: fsck error in packed object", CorruptError),
    ("fatal: pack has bad object at offset 12: inflate returned -3", CorruptError),
    ("fatal: protocol error: bad pack header", CorruptError),
    ("fatal: expected 'packfile'", CorruptError),
    ("something nobody has seen", NetworkError),
    ("", NetworkError),
]  # fmt: skip


@pytest.mark.parametrize(("stderr", "kind"), WORDS)
def test_gits_words_are_understood(stderr: str, kind: type[Exception]) -> None:
    assert type(explain_git(GitResult(128, b"", stderr), f"{HUB}/o/n")) is kind


SKIPS = [
    (128, "The requested URL returned error: 401", SkipReason.PRIVATE),
    (128, "fatal: Authentication failed for 'https://h/o/n/'", SkipReason.PRIVATE),
    (128, "fatal: could not read Username for 'https://h': terminal prompts disabled",
     SkipReason.PRIVATE),
    (128, "The requested URL returned error: 403", SkipReason.GATED),
    (128, "The requested URL returned error: 404", SkipReason.GONE),
    (128, "remote: Repository not found.\nfatal: repository 'https://h/' not found",
     SkipReason.GONE),
    (128, "The requested URL returned error: 451", SkipReason.LEGAL),
    (128, "fatal: remote error: upload-pack: not our ref " + "a" * 40,
     SkipReason.MISSING_AT_ORIGIN),
    (128, "fatal: write error: File too large\nfatal: fetch-pack: invalid index-pack output",
     SkipReason.OVER_LIMIT),
    (128, "error: index-pack died of signal 25", SkipReason.OVER_LIMIT),
    (-25, "", SkipReason.OVER_LIMIT),
]  # fmt: skip


@pytest.mark.parametrize(("code", "stderr", "reason"), SKIPS)
def test_final_answers_are_skips(code: int, stderr: str, reason: SkipReason) -> None:
    error = explain_git(GitResult(code, b"", stderr), f"{HUB}/o/n")
    assert isinstance(error, SkipError)
    assert error.reason is reason


def test_messages_hold_no_query_and_no_user_info() -> None:
    words = "fatal: unable to access 'https://u:pw@h/x?sig=canary': The requested URL returned 500"
    error = explain_git(GitResult(128, b"", words), f"{HUB}/o/n?sig=canary")
    assert "canary" not in str(error) + error.url
    assert "pw@" not in str(error)
    assert isinstance(error, NetworkError)
    assert error.reason is FailReason.NETWORK


def test_what_the_machine_refuses_is_fatal_and_what_the_server_says_of_its_own_is_not() -> None:
    ours = GitResult(128, b"", "error: cannot lock ref 'x': No space left on device\n")
    assert isinstance(explain_git(ours, "https://hub.example/a/b"), FatalError)
    theirs = GitResult(128, b"", "remote: fatal: write error: No space left on device\n")
    assert isinstance(explain_git(theirs, "https://hub.example/a/b"), ItemError)
