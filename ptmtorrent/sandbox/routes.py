"""What kind of request a path is: which faults may strike it, and which bucket it is counted in."""

from collections.abc import Callable
from dataclasses import dataclass

from ptmtorrent.sandbox.assets import STORAGE
from ptmtorrent.sandbox.faults import Route
from ptmtorrent.sandbox.limits import Bucket


@dataclass(frozen=True, slots=True)
class Place:
    """The kinds of a request, and its bucket where its host has any."""

    routes: frozenset[Route]
    bucket: Bucket | None = None


Classify = Callable[[str], Place]


def huggingface(path: str) -> Place:
    """The place of a path at Hugging Face.

    The documentation counts ``/api/`` as api, ``/resolve/`` as resolvers and all else as pages.
    What a resolve redirects to (``/api/resolve-cache/``) is counted with it.
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api" and parts[1:2] != ["resolve-cache"]:
        return Place(frozenset({Route.API, *_api(parts)}), Bucket.API)
    if "resolve" in parts[1:3] or parts[0] == "api":
        return Place(frozenset({Route.RESOLVE}), Bucket.RESOLVERS)
    return Place(_git(parts), Bucket.PAGES)


def cdn(_: str) -> Place:
    """Everything at the content network is a download."""
    return Place(frozenset({Route.CDN}))


def github(path: str) -> Place:
    """The place of a path at github.com: git, LFS, or an asset of a release."""
    parts = path.strip("/").split("/")
    if parts[2:4] == ["releases", "download"]:
        return Place(frozenset({Route.RELEASE}))
    found = _git(parts)
    return Place(found | {Route.GITHUB_GIT} if Route.GIT in found else found)


def github_api(_: str) -> Place:
    """Everything at GitHub's REST API counts against one quota."""
    return Place(frozenset({Route.GITHUB}), Bucket.GITHUB)


def raw(path: str) -> Place:
    """Everything at the raw host is a file; or an asset, in the storage behind releases."""
    is_asset = path.strip("/").split("/")[0] == STORAGE
    return Place(frozenset({Route.RELEASE if is_asset else Route.RAW}))


def modelzoo(_: str) -> Place:
    """Everything at the catalogue."""
    return Place(frozenset({Route.MODELZOO}))


def weights(_: str) -> Place:
    """Everything at the host of PyTorch Hub's weights."""
    return Place(frozenset({Route.WEIGHTS}))


def _api(parts: list[str]) -> frozenset[Route]:
    if parts[1:] == ["models"]:
        return frozenset({Route.LIST})
    if parts[1:2] != ["models"]:
        return frozenset()
    if "tree" in parts[3:5]:
        return frozenset({Route.TREE})
    informs = len(parts) <= 4 or "revision" in parts[3:5]
    return frozenset({Route.INFO}) if informs else frozenset()


def _git(parts: list[str]) -> frozenset[Route]:
    if parts[-2:] == ["objects", "batch"]:
        return frozenset({Route.LFS})
    asks_git = parts[-2:] == ["info", "refs"] or parts[-1] == "git-upload-pack"
    return frozenset({Route.GIT}) if asks_git else frozenset()
