"""Canonical URLs and the servers that stand in for them.

An ``endpoint`` setting replaces scheme, host and port inside the transport and nowhere else.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from ptmtorrent.errors import UsageError
from ptmtorrent.net.addresses import origin_of
from ptmtorrent.net.text import safe_url


class Endpoints:
    """Maps canonical bases (``https://huggingface.co``) to actual ones, and back.

    Raises:
        UsageError: a base is not just scheme, host and port.
    """

    def __init__(self, actual: Mapping[str, str] | None = None) -> None:
        pairs = {_base(canon): _base(base) for canon, base in (actual or {}).items()}
        self._actual = {canon: base for canon, base in pairs.items() if canon != base}

    @property
    def bases(self) -> tuple[str, ...]:
        """The actual bases."""
        return tuple(self._actual.values())

    def to_actual(self, url: str) -> str:
        """The URL that is really asked for."""
        return _rebased(url, self._actual.get(origin_of(url)))

    def to_canonical(self, url: str, near: str = "") -> str:
        """The canonical form of a URL that we built or that a server handed us.

        Args:
            url: a canonical or an actual URL.
            near: the canonical URL that was asked; where one server stands in for several
                hosts, its host is preferred.
        """
        base = origin_of(url)
        hosts = [canon for canon, actual in self._actual.items() if actual == base]
        nearest = origin_of(near)
        return _rebased(url, nearest if nearest in hosts else next(iter(hosts), None))


def _base(url: str) -> str:
    parts = urlsplit(url)
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    is_plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    if not is_plain or not is_bare:
        text = f"an endpoint is a scheme, a host and a port, nothing more: {safe_url(url)!r}"
        raise UsageError(text)
    return origin_of(url)


def _rebased(url: str, base: str | None) -> str:
    if base is None:
        return url
    after_scheme = url.index("://") + 3
    ends = [at for mark in "/?#" if (at := url.find(mark, after_scheme)) != -1]
    return base + url[min(ends, default=len(url)) :]
