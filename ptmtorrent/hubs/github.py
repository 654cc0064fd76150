"""GitHub as a git host: URL rules, error words, and how people write its repositories.

**Names.** ``https://github.com/OWNER/NAME``. A renamed repository answers 301 with its new name.
People link to it with ``.git``, ``http``, ``www.``, or to something deep inside. Letter case does
not count: any spelling is answered as the repository's own is, without a redirect.

**Errors.** Git answers 401 for "missing or private" when nobody is logged in, 404 with a token;
451 for a legal block, 403 for a repository that was switched off (GitHub docs).

**LFS.** ``{origin}.git/info/lfs``. Single files are not asked for by ``media.githubusercontent``:
that spends the owner's bandwidth and says less.
"""

import os
import re
from collections.abc import Mapping, Set
from typing import Any
from urllib.parse import urlsplit

from ptmtorrent.errors import (
    CorruptError,
    FailError,
    FailReason,
    ItemError,
    SkipError,
    SkipReason,
)
from ptmtorrent.hubs.base import GitHost, Quota, WhoAmI
from ptmtorrent.hubs.reading import fields

BASE = "https://github.com"
API = "https://api.github.com"
HOSTS = frozenset({"github.com", "www.github.com"})
RESERVED = frozenset(
    (
        *("about", "account", "apps", "codespaces", "collections", "contact", "copilot"),
        *("customer-stories", "dashboard", "discussions", "enterprise", "events", "explore"),
        *("features", "issues", "join", "login", "logout", "marketplace", "new", "notifications"),
        *("orgs", "pricing", "pulls", "readme", "search", "security", "settings", "signup", "site"),
        *("sponsors", "stars", "topics", "trending", "user-attachments", "users", "watching"),
    )
)
"""First segments that are pages of GitHub's own."""

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_SCHEMES = frozenset({"http", "https", "git", "ssh", "git+http", "git+https", "git+ssh"})
_LINKED = HOSTS | {"raw.githubusercontent.com"}
_PORTS = (None, 22, 80, 443)
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_PUNCTUATION = ".,;:!?'\")>]}*`"
_BLOCKED = ("access blocked", "disabled")


class GitHubForge:
    """URL rules and error words of github.com."""

    hub = "github"

    def __init__(self, has_token: bool, without_lfs: Set[str]) -> None:
        self._has_token = has_token
        self._without_lfs = without_lfs

    def git_url(self, origin: str) -> str:
        """Git is served under the plain name."""
        return origin

    def lfs_url(self, origin: str) -> str | None:
        """The LFS API, as git-lfs derives it; None where GitHub has switched it off."""
        return None if origin in self._without_lfs else f"{origin}.git/info/lfs"

    def file_url(self, origin: str, revision: str, path: str) -> str | None:
        """None: see the module's text."""
        del origin, revision, path
        return None

    def origin_of(self, git_url: str) -> str:
        """The origin behind a git URL; CorruptError when it is none of this host."""
        plain = git_url.partition("?")[0].removesuffix("/info/refs")
        scheme, _, name = plain.partition("://")
        host, _, name = name.partition("/")
        origin = origin_of_name(name) if scheme == "https" and host.lower() in HOSTS else None
        if origin is None:
            shown = plain.rpartition("@")[2]
            raise CorruptError("a redirect to something that is no repository", url=shown)
        return origin

    def explain(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> ItemError:
        """Tell missing, blocked and a wrong token apart."""
        del headers
        message = body[:200].decode("utf-8", "replace").strip()
        reason = self._skip_reason(status, message.lower())
        if reason is not None:
            return SkipError(f"{reason}: {message}", reason, url=url, status=status)
        if status in (401, 403):
            text = f"the access token (GITHUB_TOKEN) was not accepted: {message}"
            return FailError(text, FailReason.REFUSED, url=url, status=status)
        return CorruptError(f"unexpected answer {status}: {message}", url=url, status=status)

    def _skip_reason(self, status: int, message: str) -> SkipReason | None:
        if status == 401 and not self._has_token:
            return SkipReason.GONE
        is_blocked = any(words in message for words in _BLOCKED)
        if status == 403 and (is_blocked or not self._has_token):
            return SkipReason.DISABLED
        known = {404: SkipReason.GONE, 410: SkipReason.GONE, 451: SkipReason.LEGAL}
        return known.get(status)


def github_origin(link: str) -> str | None:
    """The repository a link leads into, as a canonical URL; None when it leads to none.

    ``http``, ``ssh``, ``git@``, ``www.``, ``raw.``, ``.git``, the punctuation of the text around it
    and everything below the repository are left away. A password, another port and ``..`` are not
    what people link to.
    """
    plain = link.strip().rstrip(_PUNCTUATION)
    if plain.startswith("git@github.com:"):
        plain = plain.replace("git@github.com:", "ssh://git@github.com/", 1)
    try:
        parts = urlsplit(plain)
        is_ours = parts.hostname in _LINKED and parts.port in _PORTS
    except ValueError:
        return None
    user = parts.netloc.rpartition("@")[0]
    if not is_ours or parts.scheme not in _SCHEMES or user not in ("", "git"):
        return None
    owner, _, rest = parts.path.strip("/").partition("/")
    is_plain = _DOTS.search(parts.path) is None
    return origin_of_name(f"{owner}/{rest.split('/')[0]}") if is_plain else None


def origin_of_name(name: str) -> str | None:
    """The origin of ``owner/name``; None when no repository can be called so."""
    owner, _, rest = name.strip().partition("/")
    bare = rest.removesuffix(".git")
    if owner.lower() in RESERVED or bare in (".", "..") or not _OWNER.fullmatch(owner):
        return None
    return f"{BASE}/{owner}/{bare}" if _NAME.fullmatch(bare) else None


def _rate_limit(record: Mapping[str, Any]) -> tuple[None, Quota | None]:
    """The quota in an answer of ``GET /rate_limit``, which itself is not counted (GitHub docs)."""
    core = fields.table(fields.table(record, "resources"), "core")
    left = fields.integer(core, "remaining")
    if left is None:
        return None, None
    reset = fields.integer(core, "reset")
    return None, Quota(left, fields.integer(core, "limit"), reset, "core")


GITHUB = GitHost(
    id="github",
    base=BASE,
    bases=(BASE, API),
    forge=GitHubForge,
    hosts=(".githubusercontent.com",),
    token=lambda: os.environ.get("GITHUB_TOKEN"),
    whoami=WhoAmI(url=f"{API}/rate_limit", source="GITHUB_TOKEN", read=_rate_limit),
    is_caseless=True,
)
