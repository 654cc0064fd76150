"""A request as its caller wants it, and the headers each hop of it may carry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ptmtorrent.errors import CorruptError
from ptmtorrent.net.addresses import origin_of
from ptmtorrent.net.tokens import Tokens

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,8000}")
_OURS = frozenset(
    {"host", "cookie", "content-length", "transfer-encoding", "connection", "upgrade", "te"}
    | {"trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection"}
)
_FOR_ANYONE = frozenset({"range", "if-range", "accept", "if-none-match"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request before its first hop.

    Attributes:
        url: canonical.
        headers: names are lower-case.
        may_move: whether a redirect is followed; else it is an error.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None
    may_move: bool = True


def checked_headers(headers: Mapping[str, str] | None, url: str) -> dict[str, str]:
    """Headers from a caller, who may have them from a server (git-LFS actions), lower-cased.

    Raises:
        CorruptError: a name or value that HTTP does not allow, or a header that is ours to set.
    """
    for name, value in (headers or {}).items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in _OURS:
            raise CorruptError("a request header that may not be sent", url=url)
    return {name.lower(): value for name, value in (headers or {}).items()}


def hop_headers(request: Request, url: str, tokens: Tokens) -> dict[str, str]:
    """What the hop to ``url`` carries.

    Another origin than the first gets none of the caller's headers but the harmless ones; a
    token is added only where it belongs and only if the caller brought no credentials.
    """
    is_home = origin_of(url) == origin_of(request.url)
    carried = {
        name: value for name, value in request.headers.items() if is_home or name in _FOR_ANYONE
    }
    token = tokens.header_for(url)
    if token is not None and "authorization" not in carried:
        carried["authorization"] = token
    return carried
