"""What each hub lists, told by what is on disk: files of shelves, records, the catalogue.

Readers as plain as can be, which share nothing with the adapters they are to judge.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptmtorrent.model.oid import parse_pointer
from ptmtorrent.sandbox import modelhub, onnxzoo, pytorchhub
from ptmtorrent.sandbox.world import Repository, World, object_path

Files = Mapping[str, bytes]
"""Path -> content of a repository's head."""

_GITHUB = re.compile(r"https?://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/.*)?")
_WEIGHTS = re.compile(rf"{re.escape(pytorchhub.WEIGHTS)}/models/[\w.-]+")
_NO_CARDS = ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md")


@dataclass(frozen=True, slots=True)
class Disk:
    """A world as its readers see it: where, what ``world.json`` says, heads of GitHub."""

    directory: Path
    world: World
    heads: Mapping[str, Files]

    def package(self, package_id: str, name: str, link: str | None) -> dict[str, Any]:
        """A package whose record links to a repository, or to something else, or to nothing."""
        found = _GITHUB.fullmatch(link or "")
        named = found[1] if found else None
        return {
            "id": package_id,
            "name": name,
            "origin": named and f"https://github.com/{named}",
            "repository": self.named_today(named) if named else None,
        }

    def named_today(self, name: str) -> str | None:
        """The name that a repository at GitHub has today; None where it is not there."""
        for one in self.world.repositories:
            names = {known.lower() for known in (one.name, *one.former_names)}
            if one.forge == "github" and not one.missing and name.lower() in names:
                return one.name
        return None

    def asset(self, url: str, repository: str) -> dict[str, Any]:
        """An asset that files of a repository name: what it is, or why it cannot be had."""
        sha256 = self.world.assets.get(url)
        size = object_path(self.directory, sha256).stat().st_size if sha256 else None
        ours = url.startswith((pytorchhub.WEIGHTS, "https://github.com/"))
        reason = None if sha256 else "missing_at_origin" if ours else "unsupported"
        told = {"url": url, "repository": repository, "sha256": sha256, "size": size}
        return told | {"reason": reason}


def listings(disk: Disk, shown: Iterable[Repository]) -> dict[str, Any]:
    """What a perfect crawler finds at each hub; in a world of one hub, there alone.

    Args:
        disk: the world.
        shown: the packages that Hugging Face's listing shows.
    """
    models = {"huggingface": _told([_at_huggingface(one) for one in shown])}
    if not disk.world.catalogue:
        return models
    return models | {
        "modelhub": _modelhub(disk),
        "modelzoo": _modelzoo(disk),
        "pytorchhub": _pytorchhub(disk),
        "onnxmodelzoo": _onnxzoo(disk),
    }


def _told(packages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    told = {"packages": packages, "shelf": None, "unparsed": 0}
    return {**told, "assets": [], "missing_objects": [], **more}


def _at_huggingface(one: Repository) -> dict[str, Any]:
    origin = f"https://huggingface.co/{one.name}"
    return {"id": one.id, "name": one.name, "origin": origin, "repository": one.name}


def _modelhub(disk: Disk) -> dict[str, Any]:
    entries = json.loads(disk.heads[modelhub.REGISTRY]["models.json"])
    whole = [one for one in entries if one["id"]]
    packages = [disk.package(one["id"], one["name"], one["github"]) for one in whole]
    return _told(
        packages,
        shelf=modelhub.REGISTRY,
        unparsed=len(entries) - len(whole),
        assets=[disk.asset(url, name) for name in _held(packages) for url in _wanted(disk, name)],
    )


def _wanted(disk: Disk, name: str) -> list[str]:
    files = json.loads(disk.heads[name]["init/init.json"])["external_contrib_files"]
    urls = [file["src_url"] for file in files]
    return sorted({url for url in urls if url.startswith("https://")})


def _held(packages: list[dict[str, Any]]) -> list[str]:
    return sorted({one["repository"] for one in packages if one["repository"]})


def _modelzoo(disk: Disk) -> dict[str, Any]:
    records = [one.record for one in disk.world.catalogue]
    return _told([disk.package(one["slug"], one["slug"], one["link"]) for one in records])


def _pytorchhub(disk: Disk) -> dict[str, Any]:
    files = disk.heads[pytorchhub.CARDS]
    cards = {
        path.removesuffix(".md"): text.decode()
        for path, text in files.items()
        if path.endswith(".md") and "/" not in path and path not in _NO_CARDS
    }
    whole = {stem: text for stem, text in cards.items() if text.count("---\n") > 1}
    packages = [disk.package(stem, stem, _code_of(text)) for stem, text in whole.items()]
    return _told(
        packages,
        shelf=pytorchhub.CARDS,
        unparsed=len(cards) - len(whole),
        assets=[disk.asset(url, name) for name in _held(packages) for url in _loads(disk, name)],
    )


def _code_of(card: str) -> str:
    return "https://github.com/" + card.partition("github-id:")[2].partition("\n")[0].strip()


def _loads(disk: Disk, name: str) -> list[str]:
    code = [data.decode() for path, data in disk.heads[name].items() if path.endswith(".py")]
    return sorted({url for text in code for url in _WEIGHTS.findall(text)})


def _onnxzoo(disk: Disk) -> dict[str, Any]:
    files, link = disk.heads[onnxzoo.MODELS], f"https://github.com/{onnxzoo.MODELS}"
    ids = [
        f"{one['model']}@{one['opset_version']}"
        for one in json.loads(files["ONNX_HUB_MANIFEST.json"])
    ]
    folders = [path.rpartition("/")[0] for path in files if path.endswith("/turnkey_stats.yaml")]
    packages = [disk.package(one, one, link) for one in (*ids, *folders)]
    return _told(packages, shelf=onnxzoo.MODELS, missing_objects=_nowhere(disk, files))


def _nowhere(disk: Disk, files: Files) -> list[str]:
    pointers = (parse_pointer(data) for data in files.values())
    named = {pointer.sha256 for pointer in pointers if pointer}
    return sorted(sha256 for sha256 in named if not object_path(disk.directory, sha256).exists())
