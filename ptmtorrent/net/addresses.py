"""Who may be connected to: strict reading of URLs, allowed hosts, allowed addresses.

Every URL the project did not write itself passes here (redirects, LFS links, fields of hubs), and
every address a name resolves to. What is refused never sees a packet.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ptmtorrent.errors import ForbiddenAddressError
from ptmtorrent.net.text import safe_url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Base = tuple[str, str, int]
"""Scheme, host and port."""

_URL = re.compile(r"(https?)://([^/?#]*)([/?#].*)?", re.IGNORECASE | re.ASCII)
_CHARACTERS = re.compile(r"[!#-;=?-\[\]_a-z~|]+", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"http": 80, "https": 443}
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's metadata host has a public address
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "2001::/23",  # Teredo and other protocol assignments
        "2002::/16",  # 6to4: an IPv4 address inside
        "64:ff9b::/96",  # NAT64: an IPv4 address inside
    )
)
_UNICAST = ipaddress.ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. ``address`` is set when the host is an IP address itself."""

    scheme: str
    host: str
    port: int
    address: Address | None = None

    @property
    def base(self) -> Base:
        """What a token, an endpoint or a connection belongs to."""
        return self.scheme, self.host, self.port


def parse_target(url: str) -> Target:
    """Take a URL apart, strictly.

    Raises:
        ForbiddenAddressError: another scheme than http(s), user info, an odd spelling of a host
            (``2130706433``, ``0x7f.1``, a trailing dot), a control character, a backslash.
    """
    match = _URL.fullmatch(url) if _CHARACTERS.fullmatch(url) else None
    authority = _AUTHORITY.fullmatch(match[2]) if match else None
    if match is None or authority is None:
        raise ForbiddenAddressError(f"not a plain http(s) address: {safe_url(url)}")
    scheme, host = match[1].lower(), authority[1].lower()
    port = int(authority[2]) if authority[2] else _PORTS[scheme]
    address = _literal(host)
    if not 0 < port < 65536 or (address is None and not _is_name(host)):
        raise ForbiddenAddressError(f"not a plain host and port: {safe_url(url)}")
    return Target(scheme, host.strip("[]"), port, address)


def is_public(address: Address) -> bool:
    """Whether an address is globally reachable and hides no other address inside."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    listed = any(address in network for network in _NEVER if network.version == address.version)
    return address.is_global and not address.is_multicast and not listed


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may be connected to.

    Attributes:
        hosts: exact host names; one that begins with a dot allows every name that ends so.
        endpoints: bases named in the settings; their hosts are allowed.
        allow_private: endpoints may use http, any port and any address; loopback addresses may
            be used as well. Nothing else is relaxed.
    """

    hosts: frozenset[str] = frozenset()
    endpoints: frozenset[Base] = frozenset()
    allow_private: bool = False

    @classmethod
    def of(
        cls, hosts: Iterable[str], endpoints: Iterable[str] = (), *, allow_private: bool = False
    ) -> "Rules":
        """Build rules from host names and endpoint URLs."""
        bases = frozenset(parse_target(url).base for url in endpoints)
        return cls(frozenset(host.lower() for host in hosts), bases, allow_private)

    def check(self, url: str) -> Target:
        """The target of a URL that may be asked for; ForbiddenAddressError if it may not."""
        target = parse_target(url)
        if self.allow_private and (target.base in self.endpoints or _is_loopback(target)):
            return target
        if target.scheme != "https" or target.port != _PORTS["https"]:
            raise ForbiddenAddressError(f"only https on port 443 is allowed: {safe_url(url)}")
        if not self._is_allowed(target):
            raise ForbiddenAddressError(f"the host is not an allowed one: {safe_url(url)}")
        if target.address is not None and not is_public(target.address):
            raise ForbiddenAddressError(f"not a public address: {safe_url(url)}")
        return target

    def check_address(self, host: str, port: int, address: str) -> None:
        """Refuse (ForbiddenAddressError) an address that ``host`` must not lead to."""
        parsed = ipaddress.ip_address(address)
        if is_public(parsed):
            return
        is_endpoint = any(base[1:] == (host, port) for base in self.endpoints)
        if not self.allow_private or not (is_endpoint or parsed.is_loopback):
            raise ForbiddenAddressError(f"{host} leads to an address that is not public")

    def _is_allowed(self, target: Target) -> bool:
        suffixes = tuple(host for host in self.hosts if host.startswith("."))
        is_endpoint = any(base[1] == target.host for base in self.endpoints)
        return is_endpoint or target.host in self.hosts or target.host.endswith(suffixes)


def _is_loopback(target: Target) -> bool:
    return target.host == "localhost" or (target.address is not None and target.address.is_loopback)


def _literal(host: str) -> Address | None:
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1])
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    labels = host.split(".")
    if len(host) > 253 or _NUMERIC.fullmatch(labels[-1]):
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL as text (``https://huggingface.co``)."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"
