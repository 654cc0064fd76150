"""Trees as Hugging Face's API tells them: pages of entries, entries by path, siblings."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ptmtorrent.sandbox import gitread
from ptmtorrent.sandbox.exchange import Ask, Reply, json_reply
from ptmtorrent.sandbox.gitread import Node
from ptmtorrent.sandbox.listing import bad_request, link, page_limit

_PAGE, _EXPANDED_PAGE = 1000, 50


def entry(node: Node) -> dict[str, Any]:
    """A tree entry: of an LFS file, the pointer's git oid and the object's size."""
    if node.kind == "tree":
        return {"type": "directory", "oid": node.oid, "size": 0, "path": node.path}
    found: dict[str, Any] = {"type": "file", "oid": node.oid, "size": size(node), "path": node.path}
    return found | _lfs(node, "oid")


def sibling(node: Node, *, blobs: bool) -> dict[str, Any]:
    """A file as an info answer lists it."""
    if not blobs:
        return {"rfilename": node.path}
    found = {"rfilename": node.path, "size": size(node), "blobId": node.oid}
    return found | _lfs(node, "sha256")


def size(node: Node) -> int:
    """Bytes of the content, whether git holds it or stands for it."""
    return node.pointer.size if node.pointer else node.size


def below(nodes: Sequence[Node], folder: str, *, recursive: bool) -> list[Node] | None:
    """What is in a folder (the root is the empty string); None where there is no such folder."""
    if folder and not any(n.path == folder and n.kind == "tree" for n in nodes):
        return None
    prefix = f"{folder}/" if folder else ""
    inside = [node for node in nodes if node.path.startswith(prefix)]
    return [node for node in inside if recursive or "/" not in node.path[len(prefix) :]]


async def page(ask: Ask, nodes: Sequence[Node], where: tuple[Path, str], base: str) -> Reply:
    """One page of a tree.

    Args:
        ask: the request.
        nodes: everything the listing is to show.
        where: the repository and the commit.
        base: scheme, host and port to write into the link to the next page.
    """
    wide = ask.flag("expand")
    limit = page_limit(ask, _EXPANDED_PAGE if wide else _PAGE)
    start = _start(ask.last("cursor"), nodes)
    shown, more = nodes[start : start + limit], len(nodes) > start + limit
    headers = {"Link": _next(ask, base, shown[-1], limit)} if more else {}
    entries = [await _expanded(node, where) if wide else entry(node) for node in shown]
    return json_reply(entries, headers=headers)


async def _expanded(node: Node, where: tuple[Path, str]) -> dict[str, Any]:
    path, commit = where
    last = await gitread.last_commit(path, commit, node.path)
    if last is None:
        return entry(node)
    return entry(node) | {"lastCommit": {"id": last.oid, "title": last.title, "date": last.date}}


def _lfs(node: Node, name: str) -> dict[str, Any]:
    if node.pointer is None:
        return {}
    facts = {name: node.pointer.sha256, "size": node.pointer.size, "pointerSize": node.size}
    return {"lfs": facts}


def _next(ask: Ask, base: str, last: Node, limit: int) -> str:
    place = json.dumps({"file_name": last.path, "tree_oid": last.oid}).encode()
    cursor = base64.b64encode(base64.b64encode(place) + b":%d" % limit).decode()
    kept = [(name, value) for name, value in ask.query if name != "cursor"]
    return link(base, ask.path, [*kept, ("cursor", cursor)])


def _start(cursor: str, nodes: Sequence[Node]) -> int:
    """The index of the entry behind the one a cursor names."""
    if not cursor:
        return 0
    try:
        inner = base64.b64decode(cursor, validate=True).partition(b":")[0]
        name = json.loads(base64.b64decode(inner, validate=True))["file_name"]
        return [node.path for node in nodes].index(name) + 1
    except (ValueError, KeyError, TypeError):
        raise bad_request("Invalid cursor") from None
