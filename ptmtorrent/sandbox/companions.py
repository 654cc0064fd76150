"""Repositories at GitHub: how each begins, what its API says, and two that model cards name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ptmtorrent.sandbox import cards, weights
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.objects import EXECUTABLE
from ptmtorrent.sandbox.records import when
from ptmtorrent.sandbox.repository import Contents
from ptmtorrent.sandbox.writer import Writer

CREATED = 1609459200
"""2021-01-01: when the first of them was created."""

_HUBCONF = b'''\
dependencies = ["torch"]


def tern(pretrained=False):
    """A small tern."""
    raise RuntimeError("this file is read, never run")
'''


@dataclass(frozen=True, slots=True)
class Companion:
    """One GitHub repository.

    Attributes:
        id: its number.
        write: commits to it what it is to hold.
        lfs_closed: GitHub serves none of its LFS objects.
    """

    id: int
    name: str
    write: Callable[[Writer], None]
    former_names: tuple[str, ...] = ()
    lfs_closed: bool = False


def write(seed: int, companion: Companion) -> Writer:
    """The whole repository."""
    rng = dice(seed, "companion", companion.id)
    writer = Writer(seed, "github", rng, CREATED + companion.id % 1000 * 86400)
    owner, _, name = companion.name.partition("/")
    writer.put(
        "README.md", f"# {name}\n\nBy {owner}. See https://huggingface.co/{owner}\n".encode()
    )
    writer.commit_on_web("Initial commit")
    companion.write(writer)
    return writer


def record(seed: int, companion: Companion, contents: Contents, pushed: int) -> dict[str, Any]:
    """What GitHub's REST API says of it ("Get a repository")."""
    owner, _, name = companion.name.partition("/")
    rng = dice(seed, "companion record", companion.id)
    page = f"https://github.com/{companion.name}"
    first = {
        "id": companion.id,
        "node_id": f"R_{companion.id}",
        "name": name,
        "full_name": companion.name,
        "private": False,
        "owner": {"login": owner, "id": rng.randrange(10**8), "type": "Organization"},
        "html_url": page,
        "clone_url": f"{page}.git",
        "description": "Shorebirds, [bold]modelled[/bold]",
        "fork": False,
        "archived": False,
        "disabled": False,
        "visibility": "public",
        "default_branch": "main",
        "created_at": _github_time(CREATED),
        "language": "Python",
        "topics": ["shorebirds"],
        "license": {"key": "mit", "name": "MIT License", "spdx_id": "MIT"},
        "stargazers_count": rng.randrange(5000),
        "watchers_count": rng.randrange(5000),
        "subscribers_count": rng.randrange(100),
        "forks_count": rng.randrange(300),
        "open_issues_count": rng.randrange(40),
        "has_issues": True,
    }
    return refreshed(first, contents, pushed)


def refreshed(record: Mapping[str, Any], contents: Contents, pushed: int) -> dict[str, Any]:
    """The record after something was pushed to its repository."""
    at = _github_time(pushed)
    size = sum(file.size for file in contents.files) // 1024
    return {**record, "updated_at": at, "pushed_at": at, "size": size}


def _github_time(seconds: int) -> str:
    return when(seconds).replace(".000Z", "Z")


def _code(writer: Writer) -> None:
    writer.put("hubconf.py", _HUBCONF)
    writer.put("tern/__init__.py", b"")
    call = b'AutoModel.from_pretrained("quillmark/Tern-v1-Base")\n'
    writer.put("tern/load.py", b"from transformers import AutoModel\n\nmodel = " + call)
    writer.put("setup.sh", b"#!/bin/sh\nexit 1\n", EXECUTABLE)
    first = writer.commit("Add the loader")
    writer.tag("v0.1", first, signed=True)
    writer.put("LICENSE", b"MIT License\n")
    writer.commit_on_web("Create LICENSE")


def _models(writer: Writer) -> None:
    writer.put(".gitattributes", cards.GITATTRIBUTES)
    writer.put(".lfsconfig", b"[lfs]\n\tfetchexclude = *\n")
    for number in range(3):
        model = weights.onnx(writer.rng, 20_000 * (number + 1))
        writer.put_large(f"vision/wader-{number}/wader-{number}.onnx", model)
        writer.commit(f"Add wader-{number}")
    writer.refs["refs/tags/v1"] = writer.refs["refs/heads/main"]


COMPANIONS = (
    Companion(410000001, "quillmark/tern", _code, ("quillmark/pytorch-tern",)),
    Companion(410000002, "norrland-lab/wader-models", _models),
)
"""What the cards of the recipes point at."""
