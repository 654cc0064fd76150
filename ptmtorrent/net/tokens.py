"""Tokens: kept in memory only, shown to nobody, sent to their own host alone."""

import base64
from collections.abc import Iterator, Mapping

from ptmtorrent.errors import UsageError
from ptmtorrent.net.addresses import origin_of

_BASIC = frozenset({"https://github.com"})
"""Hosts whose git wants Basic authentication with the token as password (GitHub docs)."""


class Tokens:
    """A token per canonical base (``https://huggingface.co``).

    Raises:
        UsageError: a token holds anything but visible ASCII; the message does not show it.
    """

    __slots__ = ("_tokens",)

    def __init__(self, tokens: Mapping[str, str] | None = None) -> None:
        self._tokens = {origin_of(base): token for base, token in (tokens or {}).items() if token}
        for base, token in self._tokens.items():
            if not all("!" <= char <= "~" for char in token):
                raise UsageError(f"the token for {base} holds characters that no token has")

    def __repr__(self) -> str:
        return f"Tokens({', '.join(sorted(self._tokens)) or 'none'})"

    def __reduce__(self) -> str:
        raise TypeError("tokens are not written anywhere")

    def header_for(self, url: str) -> str | None:
        """The ``Authorization`` value for a canonical URL; None unless its base is the token's."""
        base = origin_of(url)
        token = self._tokens.get(base)
        if token is None or base not in _BASIC:
            return None if token is None else f"Bearer {token}"
        return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()

    def identity(self, url: str) -> str:
        """A word for who we are at a URL; part of the key of a gate, never secret."""
        return "anonymous" if self.header_for(url) is None else "token"

    def scrub(self, text: str) -> str:
        """``text`` without any token, plain or as sent."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text

    def are_in(self, *texts: str | bytes) -> bool:
        """Whether any of them holds a token, plain or as sent: what repeats one is not kept."""
        data = [t if isinstance(t, bytes) else t.encode("utf-8", "surrogateescape") for t in texts]
        return any(secret.encode() in one for secret in self._secrets() for one in data)

    def _secrets(self) -> Iterator[str]:
        for base, token in self._tokens.items():
            yield token
            yield (self.header_for(base) or "").rpartition(" ")[2]
