"""The content network: LFS objects behind links that are signed and expire."""

import hashlib
import hmac
from pathlib import Path
from urllib.parse import quote

from ptmtorrent.model.oid import is_sha256
from ptmtorrent.sandbox.exchange import Ask, Reply, text_reply
from ptmtorrent.sandbox.ranges import Content, serve
from ptmtorrent.sandbox.world import object_path

LIFETIME_S = 3600


class Cdn:
    """Signs links and serves what they stand for.

    Args:
        directory: the world's.
        seed: makes the signing key.
    """

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._key = hashlib.sha256(b"content network %d" % seed).digest()

    def link(self, base: str, sha256: str, now: float) -> str:
        """A link to an object, good for an hour."""
        expires = int(now) + LIFETIME_S
        return f"{base}/objects/{sha256}?Expires={expires}&Signature={self._sign(sha256, expires)}"

    async def __call__(self, ask: Ask) -> Reply:
        """Serve an object, or a range of it."""
        match ask.parts:
            case ["objects", sha256] if is_sha256(sha256) and ask.method in ("GET", "HEAD"):
                return self._object(ask, sha256)
        return text_reply("Not found", 404)

    def _object(self, ask: Ask, sha256: str) -> Reply:
        expires = ask.last("Expires", "0")
        seconds = int(expires[:12]) if expires.isascii() and expires.isdigit() else 0
        good = hmac.compare_digest(self._sign(sha256, seconds), quote(ask.last("Signature")))
        if not good or seconds <= ask.now:
            return text_reply("Access denied: the link is wrong or has expired", 403)
        path = object_path(self._directory, sha256)
        if not path.is_file():
            return text_reply("Not found", 404)
        content = Content(path, path.stat().st_size, _etag(sha256))
        return serve(ask, content, {"Content-Type": "application/octet-stream"})

    def _sign(self, sha256: str, expires: int) -> str:
        return hmac.new(self._key, f"{sha256} {expires}".encode(), "sha256").hexdigest()


def _etag(sha256: str) -> str:
    """An entity tag that looks like a sha256 and is none of the content, as the hub's."""
    return f'"{hashlib.sha256(b"chunks of " + sha256.encode()).hexdigest()}"'
