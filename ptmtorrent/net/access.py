"""What may be reached, under which canonical name, and with which token."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ptmtorrent.net.addresses import Rules, Target
from ptmtorrent.net.endpoints import Endpoints
from ptmtorrent.net.gate import GateKey, bucket_of
from ptmtorrent.net.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Access:
    """Endpoints, rules and tokens of a run. All URLs it takes are canonical."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    rules: Rules = field(default_factory=Rules)
    tokens: Tokens = field(default_factory=Tokens)

    @classmethod
    def of(
        cls,
        hosts: Iterable[str],
        endpoints: Mapping[str, str] | None = None,
        tokens: Mapping[str, str] | None = None,
        *,
        allow_private: bool = False,
    ) -> "Access":
        """Build it from allowed hosts, canonical to actual bases, and tokens by base."""
        mapping = Endpoints(endpoints)
        rules = Rules.of(hosts, mapping.bases, allow_private=allow_private)
        return cls(mapping, rules, Tokens(tokens))

    def actual(self, url: str) -> tuple[str, Target]:
        """The URL that is really asked for, checked; ForbiddenAddressError if it may not be."""
        actual = self.endpoints.to_actual(url)
        return actual, self.rules.check(actual)

    def gate_key(self, url: str) -> GateKey:
        """The gate that requests to a URL go through."""
        host = url.split("://", 1)[1].split("/", 1)[0].split("?", 1)[0].lower()
        return GateKey(host, self.tokens.identity(url), bucket_of(url))

    def is_ours(self, gate: GateKey) -> bool:
        """Whether requests to that host go through this gate, and not as somebody else."""
        return gate.credential == self.tokens.identity(f"https://{gate.host}/")
