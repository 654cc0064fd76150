"""The API of Hugging Face: listing, info, trees, commits, refs, accounts."""

import html
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

from ptmtorrent.sandbox import gitread, hftree, listing
from ptmtorrent.sandbox.access import Address, Need, address, admit, refusal_reply
from ptmtorrent.sandbox.exchange import (
    Ask,
    Reply,
    ReplyError,
    Who,
    json_reply,
    read_body,
    redirect,
)
from ptmtorrent.sandbox.fields import INFO_FIELDS, chosen_fields, expanded, pick
from ptmtorrent.sandbox.gitread import Commit, Node
from ptmtorrent.sandbox.listing import link, page_limit
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.world import Repository

CANONICAL = "https://huggingface.co"
_ACTIONS = frozenset({"revision", "tree", "commits", "refs", "paths-info"})
_MOST_PATHS, _MOST_BYTES = 2000, 1 << 20

Action = Callable[[Ask, Address], Awaitable[Reply]]


class HubApi:
    """Answers everything below ``/api/`` but files.

    Args:
        live: the world.
        canonical: whether links to next pages begin with the hub's public address and not with
            the one the client used.
    """

    def __init__(self, live: Live, *, canonical: bool) -> None:
        self._live = live
        self._canonical = canonical

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        match ask.parts[1:]:
            case ["models"]:
                return self._list(ask)
            case ["models", _, *_]:
                return await self._package(ask)
            case ["organizations" | "users" as kind, name, "overview"]:
                return self._account(kind, name)
            case ["whoami-v2"]:
                return _whoami(ask.who)
        return refusal_reply(404, "Sorry, we can't find the page you are looking for.")

    def _list(self, ask: Ask) -> Reply:
        if ask.who is Who.INVALID:
            return refusal_reply(401, "Invalid credentials in Authorization header")
        records = [repository.record for repository in self._live.listed(ask.who)]
        return listing.page(ask, records, self._base(ask))

    async def _package(self, ask: Ask) -> Reply:
        where = address(ask, 3, _ACTIONS)
        actions: dict[str, Action] = {
            "": self._info,
            "revision": self._info,
            "tree": self._tree,
            "commits": self._commits,
            "refs": self._refs,
            "paths-info": self._paths,
        }
        action = actions.get(where.rest[0] if where.rest else "")
        if action is None or (ask.method == "POST") != (action == self._paths):
            return refusal_reply(404, "Sorry, we can't find the page you are looking for.")
        return await action(ask, where)

    async def _info(self, ask: Ask, where: Address) -> Reply:
        repository = admit(self._live, ask, where, Need.INFO)
        fields = chosen_fields(ask, INFO_FIELDS)
        record = dict(repository.record)
        if where.rest:
            record |= await self._at_revision(ask, where, repository)
        elif ask.flag("blobs") and "sha" in record:
            record["siblings"] = await self._siblings(repository, record["sha"], blobs=True)
        found = pick(record, fields)
        if ask.flag("securityStatus"):
            clean = {"scansDone": True, "filesWithIssues": []}
            found["securityRepoStatus"] = record.get("securityRepoStatus", clean)
        return json_reply(found)

    async def _at_revision(
        self, ask: Ask, where: Address, repository: Repository
    ) -> dict[str, Any]:
        commit = await self.commit(ask, where, repository)
        siblings = await self._siblings(repository, commit, blobs=ask.flag("blobs"))
        return {"sha": commit, "siblings": siblings}

    async def _siblings(
        self, repository: Repository, commit: str, *, blobs: bool
    ) -> list[dict[str, Any]]:
        nodes = await gitread.tree(self._live.path(repository), commit)
        return [hftree.sibling(node, blobs=blobs) for node in nodes if node.kind == "blob"]

    async def _tree(self, ask: Ask, where: Address) -> Reply:
        repository = admit(self._live, ask, where, Need.TREE)
        commit = await self.commit(ask, where, repository)
        path, folder = self._live.path(repository), "/".join(where.rest[2:])
        nodes = await gitread.tree(path, commit)
        found = hftree.below(nodes, folder, recursive=ask.flag("recursive"))
        if found is None:
            return entry_not_found(commit)
        return await hftree.page(ask, found, (path, commit), self._base(ask))

    async def _paths(self, ask: Ask, where: Address) -> Reply:
        repository = admit(self._live, ask, where, Need.TREE)
        commit = await self.commit(ask, where, repository)
        body = await read_body(ask, _MOST_BYTES)
        names = [] if body is None else _paths_of(ask, body)
        if body is None or len(names) > _MOST_PATHS:
            return refusal_reply(413, f"Too many paths: at most {_MOST_PATHS}")
        nodes = {n.path: n for n in await gitread.tree(self._live.path(repository), commit)}
        found: list[Node] = [nodes[name] for name in dict.fromkeys(names) if name in nodes]
        return json_reply([hftree.entry(node) for node in found])

    async def _commits(self, ask: Ask, where: Address) -> Reply:
        repository = admit(self._live, ask, where, Need.CONTENT)
        commit, path = await self.commit(ask, where, repository), self._live.path(repository)
        limit, number = page_limit(ask, listing.PAGE_LIMIT), _page_number(ask)
        total = await gitread.count(path, commit)
        headers = {"X-Total-Count": str(total)}
        if total > (number + 1) * limit:
            query = [("p", str(number + 1)), *((k, v) for k, v in ask.query if k != "p")]
            headers["Link"] = link(self._base(ask), ask.path, query)
        shown = await gitread.commits(path, commit, number * limit, limit)
        formatted = "formatted" in expanded(ask)
        return json_reply([_commit(item, formatted=formatted) for item in shown], headers=headers)

    async def _refs(self, ask: Ask, where: Address) -> Reply:
        repository = admit(self._live, ask, where, Need.INFO)
        kinds = {
            "branches": "refs/heads/",
            "tags": "refs/tags/",
            "converts": "refs/convert/",
        }
        if ask.flag("include_prs") or ask.flag("include_pull_requests"):
            kinds["pullRequests"] = "refs/pr/"
        found = await gitread.refs(self._live.path(repository))
        return json_reply({kind: _refs_below(found, prefix) for kind, prefix in kinds.items()})

    def _account(self, kind: str, name: str) -> Reply:
        wanted = "user" if kind == "users" else "organisation"
        for owner in self._live.world.owners:
            if owner.name.lower() == name.lower() and owner.kind == wanted:
                return json_reply(owner.record)
        word = "user" if kind == "users" else "organization"
        return refusal_reply(404, f"This {word} does not exist")

    async def commit(self, ask: Ask, where: Address, repository: Repository) -> str:
        """The commit that the revision in the path stands for.

        Raises:
            ReplyError: there is none (404), or it is a short id of one (307 to the full one).
        """
        revision = where.rest[1] if len(where.rest) > 1 else "main"
        found = await gitread.resolve(self._live.path(repository), revision)
        if found is None:
            words = f"Invalid rev id: {quote(revision[:80], safe='/')}"
            raise ReplyError(refusal_reply(404, words, "RevisionNotFound"))
        if found != revision and found.startswith(revision):
            raise ReplyError(redirect(307, _with_revision(ask, where, found)))
        return found

    def _base(self, ask: Ask) -> str:
        return CANONICAL if self._canonical else ask.base


def entry_not_found(commit: str) -> Reply:
    """There is no such file at this commit."""
    reply = refusal_reply(404, "Entry not found", "EntryNotFound")
    return Reply(status=404, headers={**reply.headers, "X-Repo-Commit": commit}, body=reply.body)


def _with_revision(ask: Ask, where: Address, commit: str) -> str:
    parts = ask.path.split("/")
    parts[where.start + where.count + 1] = commit
    return "/".join(parts) + (f"?{ask.raw_query}" if ask.raw_query else "")


def _refs_below(found: Sequence[gitread.Ref], prefix: str) -> list[dict[str, str]]:
    below = [ref for ref in found if ref.name.startswith(prefix)]
    return [
        {"name": ref.name.removeprefix(prefix), "ref": ref.name, "targetCommit": ref.commit}
        for ref in below
    ]


def _commit(commit: Commit, *, formatted: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author, "avatar": "/avatars/none.svg"}],
        "date": commit.date,
    }
    texts = {"title": html.escape(commit.title), "message": html.escape(commit.message)}
    return found | ({"formatted": texts} if formatted else {})


def _page_number(ask: Ask) -> int:
    text = ask.last("p", "0")
    return int(text[:9]) if text.isascii() and text.isdigit() else 0


def _paths_of(ask: Ask, body: bytes) -> list[str]:
    if "json" in ask.headers.get("Content-Type", ""):
        return _paths_of_json(body)
    return [value for name, value in parse_qsl(body.decode(errors="replace")) if name == "paths"]


def _paths_of_json(body: bytes) -> list[str]:
    try:
        names = json.loads(body)["paths"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise listing.bad_request("Invalid body: expected paths") from None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else [names]


def _whoami(who: Who) -> Reply:
    if who is Who.GRANTED:
        auth = {"type": "access_token", "accessToken": {"displayName": "sandbox", "role": "read"}}
        return json_reply({"type": "user", "name": "visitor", "orgs": [], "auth": auth})
    if who is Who.INVALID:
        return refusal_reply(401, "Invalid credentials in Authorization header")
    return refusal_reply(401, "Invalid username or password.")
