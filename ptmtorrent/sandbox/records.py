"""What the hub's API says of packages and accounts; what it would not say is absent.

A record has a part that only chance and the card decide (``first_record``) and a part that
follows the repository (``refreshed``), which every change of the repository writes anew.
"""

import json
import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ptmtorrent.sandbox import cards, weights
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.histories import Plan
from ptmtorrent.sandbox.recipes import ORGANISATIONS, ZOO, Recipe, Role, Trait, base_of
from ptmtorrent.sandbox.repository import Contents, HeadFile
from ptmtorrent.sandbox.world import Owner, Repository, World, object_path

_FORMAT_TAGS = {".safetensors": "safetensors", ".bin": "pytorch", ".pt": "pytorch"}
_FORMAT_TAGS |= {".gguf": "gguf", ".onnx": "onnx"}
_RELATIONS = {Role.FINETUNE: "finetune", Role.QUANTIZED: "quantized"}


def when(seconds: int) -> str:
    """A time as the hub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def id_time(package_id: str) -> int:
    """The creation time that a package id begins with (a Mongo ObjectId)."""
    return int(package_id[:8], 16)


def first_record(plan: Plan, recipe: Recipe, contents: Contents) -> dict[str, Any]:
    """The record of a new package, without what ``refreshed`` adds."""
    rng = dice(plan.seed, "record", recipe.id)
    downloads = int(rng.paretovariate(0.4)) % 10_000_000
    record: dict[str, Any] = {
        "_id": recipe.id,
        "id": recipe.name,
        "modelId": recipe.name,
        "author": recipe.name.partition("/")[0],
        "private": recipe.trait is Trait.PRIVATE,
        "disabled": recipe.trait is Trait.DISABLED,
        "gated": GATES.get(recipe.trait, False),
        "createdAt": when(recipe.created),
        "downloads": downloads,
        "downloadsAllTime": downloads * rng.randrange(1, 40),
        "likes": int(rng.paretovariate(0.8)) % 5000,
        "trendingScore": rng.randrange(20),
        "xetEnabled": True,
        "spaces": [f"fern-nz/demo-{n}" for n in range(rng.randrange(3))],
        "tags": ["region:us"],
    }
    if contents.head is not None:
        record |= _described(plan, recipe, contents)
    return record


def refreshed(
    record: Mapping[str, Any], contents: Contents, world: Path, modified: int
) -> dict[str, Any]:
    """The record after its repository changed at ``modified``."""
    fresh = {
        **record,
        "lastModified": when(modified),
        "siblings": [{"rfilename": file.path.decode(errors="replace")} for file in contents.files],
        "usedStorage": sum(pointer.size for pointer in contents.objects),
    }
    if contents.head is not None:
        fresh["sha"] = contents.head
    counts = _parameters(contents, world)
    if counts:
        fresh["safetensors"] = {"parameters": dict(counts), "total": counts.total()}
    return fresh


def settled(world: World) -> World:
    """The world with everything that one record says of others brought up to date."""
    children = Counter[tuple[str, str]]()
    models = Counter[str]()
    for repository in _listed(world):
        models[repository.record["author"]] += 1
        bases = repository.record.get("baseModels", {"models": []})
        children.update((base["_id"], bases["relation"]) for base in bases["models"])
    repositories = tuple(_with_children(repository, children) for repository in world.repositories)
    owners = tuple(_owner(world.seed, name, models[name]) for name in sorted(models))
    return replace(world, repositories=repositories, owners=owners)


GATES: Mapping[Trait | None, str] = {Trait.GATED_AUTO: "auto", Trait.GATED_MANUAL: "manual"}
"""What the hub calls the two ways of asking for consent."""


def _listed(world: World) -> Iterable[Repository]:
    hub = [r for r in world.repositories if r.forge == "huggingface"]
    return (r for r in hub if not (r.missing or r.private))


def _with_children(repository: Repository, children: Counter[tuple[str, str]]) -> Repository:
    if repository.forge != "huggingface" or repository.missing:
        return repository
    relations = ("adapter", "merge", "quantized", "finetune")
    counts = {relation: children[repository.id, relation] for relation in relations}
    return replace(repository, record={**repository.record, "childrenModelCount": counts})


def _described(plan: Plan, recipe: Recipe, contents: Contents) -> dict[str, Any]:
    """What the hub reads out of the files of a package."""
    names = {file.path: file for file in contents.files}
    card = None if recipe.trait is Trait.BROKEN_CARD else cards.card_of(plan.seed, recipe)
    library = "transformers" if b"config.json" in names else "gguf"
    found: dict[str, Any] = {
        "library_name": library,
        "pipeline_tag": (card or {}).get("pipeline_tag", recipe.family.task.pipeline),
        "tags": list(dict.fromkeys([library, *_tags(recipe, contents, card), "region:us"])),
    }
    if card:
        found |= {"cardData": card, "model-index": card.get("model-index")}
        found |= _lineage(plan.seed, recipe)
    if b"config.json" in names:
        found |= _loading(recipe)
    found |= _gguf(plan, recipe, names)
    return found


def _loading(recipe: Recipe) -> dict[str, Any]:
    task, config = recipe.family.task, cards.config_of(recipe)
    processor = "AutoProcessor" if "image" in task.pipeline else "AutoTokenizer"
    tokens = {"tokenizer_config": {"bos_token": "<s>"}}
    found: dict[str, Any] = {
        "config": {key: config[key] for key in ("architectures", "model_type")} | tokens,
        "transformersInfo": {
            "auto_model": task.auto,
            "pipeline_tag": task.pipeline,
            "processor": processor,
        },
    }
    if task.pipeline == "fill-mask":
        masked = {"text": "The tide brings [MASK]."}
        found |= {"mask_token": "[MASK]", "widgetData": [masked], "inference": "warm"}
    return found


def _gguf(plan: Plan, recipe: Recipe, names: Mapping[bytes, HeadFile]) -> dict[str, Any]:
    file = names.get(f"{recipe.family.series}.Q4_0.gguf".encode())
    if file is None:
        return {}
    size, keys = plan.size("package", recipe.number, "Q4_0"), weights.gguf_keys("")
    facts = {
        "total": weights.gguf_parameters(size, "Q4_0"),
        "architecture": keys["general.architecture"],
        "context_length": keys["llama.context_length"],
        "chat_template": keys["tokenizer.chat_template"],
        "bos_token": "<s>",
        "eos_token": "</s>",
        "totalFileSize": file.size,
    }
    return {"gguf": facts}


def _lineage(seed: int, recipe: Recipe) -> dict[str, Any]:
    base = base_of(seed, recipe)
    if base is None:
        return {}
    models = [{"_id": base.id, "id": base.name}]
    return {"baseModels": {"relation": _RELATIONS[recipe.role], "models": models}}


def _tags(recipe: Recipe, contents: Contents, card: Mapping[str, Any] | None) -> list[str]:
    suffixes = {Path(file.path.decode(errors="replace")).suffix for file in contents.files}
    tags = sorted({_FORMAT_TAGS[suffix] for suffix in suffixes if suffix in _FORMAT_TAGS})
    tags += [recipe.family.word.lower(), recipe.family.task.pipeline]
    if card:
        language = card["language"]
        tags += [*card["tags"], *([language] if isinstance(language, str) else language)]
        tags += [f"dataset:{name}" for name in card.get("datasets", ())]
        if "base_model" in card:
            base, relation = card["base_model"], _RELATIONS[recipe.role]
            tags += [f"base_model:{base}", f"base_model:{relation}:{base}"]
        tags += [f"license:{card['license']}"]
    return [*tags, f"arxiv:{cards.arxiv_of(recipe)}"]


def _parameters(contents: Contents, world: Path) -> Counter[str]:
    """Parameters by type of the safetensors files at the root of the head."""
    counts = Counter[str]()
    for file in contents.files:
        if file.path.endswith(b".safetensors") and b"/" not in file.path and file.pointer:
            with object_path(world, file.pointer.sha256).open("rb") as stream:
                (length,) = struct.unpack("<Q", stream.read(8))
                header = json.loads(stream.read(length))
            header.pop("__metadata__", None)
            for tensor in header.values():
                counts[tensor["dtype"]] += math.prod(tensor["shape"])
    return counts


def _owner(seed: int, name: str, models: int) -> Owner:
    rng = dice(seed, "owner", name)
    account = f"{rng.randrange(0x60000000, 0x64000000):08x}{rng.randbytes(8).hex()}"
    common: dict[str, Any] = {
        "_id": account,
        "avatarUrl": f"/avatars/{rng.randbytes(16).hex()}.svg",
        "numModels": models,
        "numDatasets": 0,
        "numSpaces": 0,
        "numFollowers": rng.randrange(3000),
        "isFollowing": False,
    }
    if name in (*ORGANISATIONS, ZOO):
        return Owner(name=name, kind="organisation", record=common | _organisation(name))
    return Owner(name=name, kind="user", record=common | _user(name, account))


def _organisation(name: str) -> dict[str, Any]:
    title = (
        "\x1b[5mOpen[/bold] Wader\x07" if name == "OpenWader" else name.replace("-", " ").title()
    )
    verified = name == "quillmark"
    return {"name": name, "fullname": title, "isVerified": verified, "numUsers": 3}


def _user(name: str, account: str) -> dict[str, Any]:
    born = when(id_time(account))
    return {"user": name, "type": "user", "fullname": name, "isPro": False, "createdAt": born}
