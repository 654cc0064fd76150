"""Files that are in no repository: assets of GitHub releases, and the weights of PyTorch Hub.

GitHub answers a release's address with a redirect to its storage; here that is the raw host.
"""

import hashlib
from collections.abc import Mapping

from ptmtorrent.sandbox.access import address, moved
from ptmtorrent.sandbox.exchange import Ask, Reply, redirect, text_reply
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.pytorchhub import WEIGHTS
from ptmtorrent.sandbox.ranges import Content, serve
from ptmtorrent.sandbox.world import object_path

GITHUB = "https://github.com"
STORAGE = "release-assets"
"""The first segment of the storage's paths."""


class Releases:
    """Assets of releases: their addresses at GitHub, and the storage behind.

    Args:
        live: the world.
        endpoints: name -> base URL of the hosts that are up when a request comes.
    """

    def __init__(self, live: Live, endpoints: Mapping[str, str]) -> None:
        self._live = live
        self._endpoints = endpoints

    def found(self, ask: Ask) -> Reply:
        """Answer ``/OWNER/NAME/releases/download/TAG/FILE``: 302 to the storage, or 404."""
        where = address(ask, 1, frozenset())
        match = self._live.find("github", where.name)
        if match is None or match.repository.missing or match.repository.private:
            return text_reply("Not Found", 404)
        if match.former:
            return redirect(301, ask.base + moved(ask, where, match))
        url = "/".join((GITHUB, match.repository.name, *where.rest))
        if url not in self._live.world.assets:
            return text_reply("Not Found", 404)
        place = f"{STORAGE}/{match.repository.id}/{_key(url)}"
        return redirect(302, f"{self._endpoints['github_raw']}/{place}")

    def stored(self, ask: Ask) -> Reply:
        """Answer ``/release-assets/NUMBER/KEY``: the bytes, or a range of them."""
        for url, sha256 in self._live.world.assets.items():
            if _key(url) == ask.parts[-1]:
                name = url.rpartition("/")[2]
                return _served(ask, self._live, sha256, f"attachment; filename={name}")
        return text_reply("Not Found", 404)


class Weights:
    """download.pytorch.org: weight files under ``/models/``."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        sha256 = self._live.world.assets.get(WEIGHTS + ask.path)
        if sha256 is None:
            return text_reply("Not Found", 404)
        return _served(ask, self._live, sha256)


def _served(ask: Ask, live: Live, sha256: str, disposition: str = "inline") -> Reply:
    path = object_path(live.directory, sha256)
    etag = f'"{hashlib.md5(sha256.encode(), usedforsecurity=False).hexdigest()}"'
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": disposition}
    return serve(ask, Content(path, path.stat().st_size, etag), headers)


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]
