"""Which hosts the sandbox has, and what each is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from ptmtorrent.sandbox import routes
from ptmtorrent.sandbox.assets import Releases, Weights
from ptmtorrent.sandbox.cdn import Cdn
from ptmtorrent.sandbox.front import Site
from ptmtorrent.sandbox.githost import GitBackend
from ptmtorrent.sandbox.github import GitHubApi, GitHubGit, GitHubRaw
from ptmtorrent.sandbox.hfapi import HubApi
from ptmtorrent.sandbox.hffiles import HubFiles
from ptmtorrent.sandbox.hub import HubHost
from ptmtorrent.sandbox.lfs import Lfs
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.modelzoo import ModelZoo

ENDPOINTS = (
    *("huggingface", "cdn", "github_api", "github_raw", "github_git"),
    *("modelzoo", "pytorch_weights"),
)
"""The hosts, in the order of their ports."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the hosts share.

    Attributes:
        endpoints: name -> scheme, host and port of each host that is up; the content network's
            is there from the beginning.
        canonical: whether next pages are linked at the hub's public address.
    """

    git: GitBackend
    cdn: Cdn
    endpoints: Mapping[str, str]
    canonical: bool


def sites(live: Live, parts: Parts) -> dict[str, Site]:
    """Every host but the content network, by the name of its endpoint."""
    base, releases = parts.endpoints["cdn"], Releases(live, parts.endpoints)
    api = HubApi(live, canonical=parts.canonical)
    files = HubFiles(live, api, parts.cdn, base)
    hub = HubHost(api, files, parts.git, Lfs(live, parts.cdn, base))
    git = GitHubGit(parts.git, Lfs(live, parts.cdn, base, names_transfer=False), releases)
    return {
        "huggingface": Site("huggingface", hub, routes.huggingface),
        "github_api": Site("github-api", GitHubApi(live), routes.github_api),
        "github_raw": Site("raw", GitHubRaw(live, releases), routes.raw),
        "github_git": Site("github", git, routes.github),
        "modelzoo": Site("modelzoo", ModelZoo(live), routes.modelzoo),
        "pytorch_weights": Site("weights", Weights(live), routes.weights),
    }
