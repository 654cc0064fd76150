"""GitHub in a box: git and LFS, the REST API of repositories, raw files, release assets."""

import hashlib
import json
from urllib.parse import quote

from ptmtorrent.sandbox import gitread
from ptmtorrent.sandbox.access import address, admit_github
from ptmtorrent.sandbox.assets import STORAGE, Releases
from ptmtorrent.sandbox.exchange import JSON, Ask, Reply, ReplyError, Who, json_reply, text_reply
from ptmtorrent.sandbox.githost import GitBackend, asked_of_git
from ptmtorrent.sandbox.lfs import Lfs, lfs_refusal, lfs_reply
from ptmtorrent.sandbox.live import Live, Match
from ptmtorrent.sandbox.ranges import Content, serve
from ptmtorrent.sandbox.world import Repository

_GIT = frozenset({"info", "git-upload-pack"})
_BATCH = "/info/lfs/objects/batch"
_DOCS = "/rest"
_NO_BUDGET = "This repository exceeded its LFS budget. The account responsible should increase it."


class GitHubGit:
    """github.com: git over smart HTTP, LFS, and release assets."""

    def __init__(self, git: GitBackend, lfs: Lfs, releases: Releases) -> None:
        self._live = lfs.live
        self._git = git
        self._lfs = lfs
        self._releases = releases

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        if ask.path.endswith(_BATCH) and ask.method == "POST":
            return await self._batch(ask)
        if ask.parts[2:4] == ["releases", "download"] and ask.method in ("GET", "HEAD"):
            return self._releases.found(ask)
        service = asked_of_git(ask)
        if service is None:
            return text_reply("Not Found", 404)
        repository = admit_github(self._live, ask, address(ask, 1, _GIT))
        return await self._git.answer(ask, repository, service)

    async def _batch(self, ask: Ask) -> Reply:
        try:
            repository = admit_github(self._live, ask, address(ask, 1, _GIT))
        except ReplyError as early:
            return lfs_refusal(early.reply)
        if repository.lfs_closed:
            return lfs_reply({"message": _NO_BUDGET}, 403)
        return await self._lfs.batch(ask, repository)


class GitHubApi:
    """api.github.com: repositories by name and by number."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        if ask.who is Who.INVALID:
            return _told(401, "Bad credentials")
        match ask.parts:
            case ["repos", owner, name]:
                return self._named(ask, f"{owner}/{name}")
            case ["repositories", number]:
                return self._numbered(ask, number)
        return _told(404, "Not Found")

    def _named(self, ask: Ask, name: str) -> Reply:
        match = self._live.find("github", name)
        if match is None or _hidden(match.repository, ask.who):
            return _told(404, "Not Found")
        if match.former:
            return _moved(ask, match)
        return _described(ask, match.repository)

    def _numbered(self, ask: Ask, number: str) -> Reply:
        for repository in self._live.world.repositories:
            if repository.forge == "github" and repository.id == number:
                hidden = _hidden(repository, ask.who)
                return _told(404, "Not Found") if hidden else _described(ask, repository)
        return _told(404, "Not Found")


class GitHubRaw:
    """raw.githubusercontent.com: files of a revision, LFS files as their pointers; and assets."""

    def __init__(self, live: Live, releases: Releases) -> None:
        self._live = live
        self._releases = releases

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        if ask.parts[0] == STORAGE:
            return self._releases.stored(ask)
        owner, name, *rest = [*ask.parts, ""]
        match = self._live.find("github", f"{owner}/{name}")
        if match is None or match.repository.disabled or _hidden(match.repository, ask.who):
            return _missing()
        revision, path = _split(rest[:-1])
        return await self._file(ask, match.repository, revision, path)

    async def _file(self, ask: Ask, repository: Repository, revision: str, path: str) -> Reply:
        where = self._live.path(repository)
        commit = await gitread.resolve(where, revision)
        nodes = await gitread.tree(where, commit) if commit else ()
        for node in nodes:
            if node.path == path and node.kind == "blob":
                data = await gitread.blob(where, node.oid)
                content = Content(data, len(data), f'"{node.oid}"')
                return serve(ask, content, {"Content-Type": "text/plain; charset=utf-8"})
        return _missing()


def _split(rest: list[str]) -> tuple[str, str]:
    """Revision and path; a revision may be written out as ``refs/heads/NAME``."""
    count = 3 if rest[:2] in (["refs", "heads"], ["refs", "tags"]) else 1
    return "/".join(rest[:count]), "/".join(rest[count:])


def _hidden(repository: Repository, who: Who) -> bool:
    return repository.missing or (repository.private and who is not Who.GRANTED)


def _moved(ask: Ask, match: Match) -> Reply:
    location = f"{ask.base}/repositories/{quote(match.repository.id)}"
    words = {"message": "Moved Permanently", "url": location, "documentation_url": _DOCS}
    return json_reply(words, 301, {"Location": location})


def _described(ask: Ask, repository: Repository) -> Reply:
    if repository.disabled:
        return _told(451, "Repository access blocked")
    body = json.dumps(repository.record).encode()
    content = Content(body, len(body), f'"{hashlib.sha256(body).hexdigest()}"')
    return serve(ask, content, {"Content-Type": JSON})


def _told(status: int, message: str) -> Reply:
    return json_reply({"message": message, "documentation_url": _DOCS}, status)


def _missing() -> Reply:
    return text_reply("404: Not Found", 404)
