"""The git-LFS batch API, download only (git-lfs docs/api/batch.md)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ptmtorrent.model.oid import is_sha256
from ptmtorrent.sandbox.cdn import LIFETIME_S, Cdn
from ptmtorrent.sandbox.exchange import Ask, Reply, read_json
from ptmtorrent.sandbox.faults import Kind
from ptmtorrent.sandbox.journal import instant
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.world import Repository

MEDIA_TYPE = "application/vnd.git-lfs+json"
_MOST_OBJECTS, _MOST_BYTES = 1000, 1 << 20


@dataclass(frozen=True, slots=True)
class Lfs:
    """Answers batches with links to the content network.

    Attributes:
        names_transfer: whether answers name the transfer adapter (GitHub leaves it out).
    """

    live: Live
    cdn: Cdn
    cdn_base: str
    names_transfer: bool = True

    async def batch(self, ask: Ask, repository: Repository) -> Reply:
        """Answer ``POST .../info/lfs/objects/batch``."""
        body = await read_json(ask, _MOST_BYTES)
        if error := _whole_error(ask, body):
            return error
        objects = [self._object(ask, repository, wanted) for wanted in body["objects"]]
        name = {"transfer": "basic"} if self.names_transfer else {}
        return lfs_reply({**name, "objects": objects, "hash_algo": "sha256"})

    def _object(self, ask: Ask, repository: Repository, wanted: Any) -> dict[str, Any]:
        oid = wanted.get("oid") if isinstance(wanted, dict) else None
        size = wanted.get("size") if isinstance(wanted, dict) else None
        echo = {"oid": oid, "size": size}
        if not (isinstance(oid, str) and is_sha256(oid) and isinstance(size, int) and size >= 0):
            return echo | _error(422, "The object's oid or size is not valid")
        if ask.fault is Kind.GONE:
            return echo | _error(410, "The object was removed by its owner")
        path = self.live.large(repository, oid)
        if path is None:
            return echo | _error(404, "The object does not exist on the server")
        if path.stat().st_size != size:
            return echo | _error(422, "The object has another size")
        return echo | {"authenticated": True, "actions": {"download": self._download(ask, oid)}}

    def _download(self, ask: Ask, oid: str) -> dict[str, Any]:
        return {
            "href": self.cdn.link(self.cdn_base, oid, ask.now),
            "header": {"X-Object-Kind": "lfs"},
            "expires_in": LIFETIME_S,
            "expires_at": instant(ask.now + LIFETIME_S),
        }


def lfs_reply(value: object, status: int = 200) -> Reply:
    """JSON of git-LFS's own media type."""
    return Reply(
        status=status,
        headers={"Content-Type": MEDIA_TYPE},
        body=json.dumps(value).encode(),
    )


def lfs_refusal(reply: Reply) -> Reply:
    """A refusal of the host in the words of git-LFS."""
    words: dict[int, str] = {401: "Credentials needed", 403: "Access denied", 404: "Not found"}
    login = {"LFS-Authenticate": 'Basic realm="Git LFS"'} if reply.status == 401 else {}
    if reply.status not in words:
        return reply
    told = lfs_reply({"message": words[reply.status]}, reply.status)
    kept = {name: value for name, value in reply.headers.items() if name != "Content-Type"}
    return Reply(status=reply.status, headers={**kept, **told.headers, **login}, body=told.body)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _whole_error(ask: Ask, body: Any) -> Reply | None:
    objects = body.get("objects") if isinstance(body, dict) else None
    checks: list[tuple[Callable[[], bool], int, str]] = [
        (lambda: not _understands(ask.headers.get("Accept", "*/*")), 406, "Wrong Accept header"),
        (lambda: not isinstance(objects, list), 422, "The body is no batch request"),
        (lambda: body.get("operation") != "download", 403, "This server is read only"),
        (lambda: body.get("hash_algo", "sha256") != "sha256", 409, "Unknown hash algorithm"),
        (lambda: len(objects or ()) > _MOST_OBJECTS, 413, f"At most {_MOST_OBJECTS} objects"),
    ]
    for wrong, status, message in checks:
        if wrong():
            return lfs_reply({"message": message}, status)
    return None


def _understands(accept: str) -> bool:
    return MEDIA_TYPE in accept or "*/*" in accept
