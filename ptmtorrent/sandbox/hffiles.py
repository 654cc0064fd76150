"""Files of Hugging Face: ``resolve`` and where it leads."""

from urllib.parse import quote

from ptmtorrent.sandbox import gitread, hftree
from ptmtorrent.sandbox.access import Address, Need, address, admit
from ptmtorrent.sandbox.cdn import Cdn
from ptmtorrent.sandbox.exchange import Ask, Reply, ReplyError, redirect, text_reply
from ptmtorrent.sandbox.gitread import Node
from ptmtorrent.sandbox.hfapi import HubApi, entry_not_found
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.ranges import Content, serve
from ptmtorrent.sandbox.world import Repository

RESOLVE = frozenset({"resolve"})


class HubFiles:
    """Leads to small files in the hub's own cache, and to LFS objects at the content network.

    Args:
        live: the world.
        api: knows what a revision in a path stands for.
        cdn: signs links to objects.
        cdn_base: scheme, host and port of the content network.
    """

    def __init__(self, live: Live, api: HubApi, cdn: Cdn, cdn_base: str) -> None:
        self._live = live
        self._api = api
        self._cdn = cdn
        self._cdn_base = cdn_base

    async def resolve(self, ask: Ask) -> Reply:
        """``/{owner}/{name}/resolve/{revision}/{path}``."""
        where = address(ask, 1, RESOLVE)
        repository = admit(self._live, ask, where, Need.CONTENT)
        commit = await self._api.commit(ask, where, repository)
        node = await self._node(repository, commit, where)
        if node.pointer is None:
            return redirect(307, _cached(ask, repository, commit, node), _facts(commit, node))
        if self._live.large(repository, node.pointer.sha256) is None:
            return entry_not_found(commit)
        link = self._cdn.link(self._cdn_base, node.pointer.sha256, ask.now)
        return redirect(302, link, {**_facts(commit, node), "Cache-Control": "no-store"})

    async def cached(self, ask: Ask) -> Reply:
        """``/api/resolve-cache/models/{owner}/{name}/{commit}/{path}``."""
        where = address(ask, 4, frozenset())
        repository = admit(self._live, ask, where, Need.CONTENT)
        where = Address(where.name, where.start, where.count, ("resolve", *where.rest))
        revision = "".join(where.rest[1:2])
        commit = await gitread.resolve(self._live.path(repository), revision)
        if commit is None or commit != revision:
            return text_reply("Not found", 404)
        node = await self._node(repository, commit, where)
        data = await gitread.blob(self._live.path(repository), node.oid)
        headers = {"X-Repo-Commit": commit, "Content-Type": "text/plain; charset=utf-8"}
        return serve(ask, Content(data, len(data), f'"{node.oid}"'), headers)

    async def _node(self, repository: Repository, commit: str, where: Address) -> Node:
        name = "/".join(where.rest[2:])
        for node in await gitread.tree(self._live.path(repository), commit):
            if node.path == name and node.kind == "blob":
                return node
        raise ReplyError(entry_not_found(commit))


def _facts(commit: str, node: Node) -> dict[str, str]:
    etag = node.pointer.sha256 if node.pointer else node.oid
    facts = {"X-Repo-Commit": commit, "X-Linked-ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
    return facts | ({"X-Linked-Size": str(hftree.size(node))} if node.pointer else {})


def _cached(ask: Ask, repository: Repository, commit: str, node: Node) -> str:
    """The relative address of a small file in the hub's cache."""
    path = f"/api/resolve-cache/models/{quote(repository.name)}/{commit}/{quote(node.path)}"
    etag = quote(f'"{node.oid}"')
    return f"{path}?{quote(ask.path, safe='')}=&etag={etag}"
