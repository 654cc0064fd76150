"""huggingface.co in a box: API, files, git and LFS on one host."""

from ptmtorrent.sandbox.access import address, admit_git, refusal_reply
from ptmtorrent.sandbox.exchange import Ask, Reply, ReplyError
from ptmtorrent.sandbox.githost import GitBackend, asked_of_git
from ptmtorrent.sandbox.hfapi import HubApi
from ptmtorrent.sandbox.hffiles import HubFiles
from ptmtorrent.sandbox.lfs import Lfs, lfs_refusal

_GIT = frozenset({"info", "git-upload-pack"})
_BATCH = "/info/lfs/objects/batch"


class HubHost:
    """Hands a request to the part of the hub that knows it."""

    def __init__(self, api: HubApi, files: HubFiles, git: GitBackend, lfs: Lfs) -> None:
        self._live = lfs.live
        self._api = api
        self._files = files
        self._git = git
        self._lfs = lfs

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        parts = ask.parts
        if ask.path.endswith(_BATCH) and ask.method == "POST":
            return await self._batch(ask)
        if service := asked_of_git(ask):
            repository = admit_git(self._live, ask, address(ask, 1, _GIT))
            return await self._git.answer(ask, repository, service)
        if ask.method not in ("GET", "HEAD", "POST"):
            return refusal_reply(405, "Method not allowed")
        if parts[:3] == ["api", "resolve-cache", "models"]:
            return await self._files.cached(ask)
        if "resolve" in parts[1:3]:
            return await self._files.resolve(ask)
        return await self._api(ask)

    async def _batch(self, ask: Ask) -> Reply:
        try:
            repository = admit_git(self._live, ask, address(ask, 1, _GIT))
        except ReplyError as early:
            return lfs_refusal(early.reply)
        return await self._lfs.batch(ask, repository)
