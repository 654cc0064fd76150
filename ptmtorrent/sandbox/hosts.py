"""Which hosts the sandbox has, and what each is made of."""

from dataclasses import dataclass

from ptmtorrent.sandbox import routes
from ptmtorrent.sandbox.cdn import Cdn
from ptmtorrent.sandbox.front import Site
from ptmtorrent.sandbox.githost import GitBackend
from ptmtorrent.sandbox.github import GitHubApi, GitHubGit, GitHubRaw
from ptmtorrent.sandbox.hfapi import HubApi
from ptmtorrent.sandbox.hffiles import HubFiles
from ptmtorrent.sandbox.hub import HubHost
from ptmtorrent.sandbox.lfs import Lfs
from ptmtorrent.sandbox.live import Live

ENDPOINTS = ("huggingface", "cdn", "github_api", "github_raw", "github_git")
"""The hosts, in the order of their ports."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the hosts share.

    Attributes:
        base: scheme, host and port of the content network.
        canonical: whether next pages are linked at the hub's public address.
    """

    git: GitBackend
    cdn: Cdn
    base: str
    canonical: bool


def sites(live: Live, parts: Parts) -> dict[str, Site]:
    """Every host but the content network, by the name of its endpoint."""
    api = HubApi(live, canonical=parts.canonical)
    files = HubFiles(live, api, parts.cdn, parts.base)
    hub = HubHost(api, files, parts.git, Lfs(live, parts.cdn, parts.base))
    git = GitHubGit(parts.git, Lfs(live, parts.cdn, parts.base, names_transfer=False))
    return {
        "huggingface": Site("huggingface", hub, routes.huggingface),
        "github_api": Site("github-api", GitHubApi(live), routes.github_api),
        "github_raw": Site("raw", GitHubRaw(live), routes.raw),
        "github_git": Site("github", git, routes.github),
    }
