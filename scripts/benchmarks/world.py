"""The worlds that are measured: repositories of one shape, made of the sandbox's own pieces."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ptmtorrent.model.oid import Pointer
from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.cards import GITATTRIBUTES
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.generate import save
from ptmtorrent.sandbox.objects import Stamp
from ptmtorrent.sandbox.records import refreshed, settled, when
from ptmtorrent.sandbox.world import Repository, World, object_path
from ptmtorrent.sandbox.writer import Hands, Writer

SEED = 1
TOKEN = "hf_sandboxbenchmark"  # noqa: S105  # invented; nothing here asks for it
OWNER = "quillmark"
LARGE = "weights.bin"
_BORN = 1_700_000_000
_CHUNK = 8 * 1024**2
_WORDS = ("tide", "marsh", "tern", "plover", "wing", "song", "layer", "token", "shore", "0.125")
_SMALL = (
    *("README.md", "config.json", "generation_config.json", "tokenizer.json", "vocab.txt"),
    *("tokenizer_config.json", "special_tokens_map.json", "merges.txt", "train.py", "LICENSE"),
    "results/eval.json",
)
"""With ``.gitattributes`` these are the twelve small files of a package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every package of a world is like.

    Attributes:
        packages: how many there are.
        commits: of each.
        blob_bytes: size of the one LFS object that each has.
        shared: share of the packages whose object another one has too.
    """

    packages: int = 300
    commits: int = 20
    blob_bytes: int = 8 * 1024**2
    shared: float = 0.4

    @property
    def distinct(self) -> int:
        """How many different objects there are."""
        return self.packages - int(self.packages * self.shared)


def made(directory: Path, shape: Shape) -> World:
    """The world of a shape: made once, and found there later."""
    if (directory / "world.json").exists():
        return World.load(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        pointers = tuple(pool.map(partial(_object, directory, shape), range(shape.distinct)))
        each = partial(_package, directory, shape, pointers)
        held = tuple(pool.map(each, range(shape.packages)))
    bare = World(seed=SEED, state=1, token=TOKEN, repositories=held, owners=(), blob_bytes=0)
    world = settled(bare)
    world.save(directory)
    return world


def changed(directory: Path, numbers: Sequence[int]) -> None:
    """Add a commit to some packages of a world, and let their records say so."""
    world = World.load(directory)
    held = list(world.repositories)
    for number in numbers:
        held[number] = _with_commit(directory, held[number], number)
    replace(world, repositories=tuple(held), state=world.state + 1).save(directory)


def record(number: int) -> dict[str, Any]:
    """What the hub tells of a package, the files aside."""
    name = f"{OWNER}/wader-{number:07}"
    return {
        "_id": f"{_BORN + number:08x}{number:016x}",
        "id": name,
        "modelId": name,
        "author": OWNER,
        "private": False,
        "disabled": False,
        "gated": False,
        "createdAt": when(_BORN + number),
        "downloads": 1000 + number,
        "downloadsAllTime": 5000 + number,
        "likes": number % 100,
        "trendingScore": 0,
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "tags": ["transformers", "safetensors", "text-generation", "license:mit", "region:us"],
    }


def _object(directory: Path, shape: Shape, number: int) -> Pointer:
    """Write one LFS object, a chunk at a time."""
    rng, digest = dice(SEED, "object", number), hashlib.sha256()
    partial_file = directory / f"object-{number}.partial"
    with partial_file.open("wb") as file:
        for size in _pieces(shape.blob_bytes):
            data = rng.randbytes(size)
            digest.update(data)
            file.write(data)
    path = object_path(directory, digest.hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file.rename(path)
    return Pointer(digest.hexdigest(), shape.blob_bytes)


def _pieces(size: int) -> Iterator[int]:
    yield from [_CHUNK] * (size // _CHUNK)
    yield size % _CHUNK


def _package(directory: Path, shape: Shape, pointers: Sequence[Pointer], number: int) -> Repository:
    told = record(number)
    package = Repository(forge="huggingface", id=told["_id"], name=told["id"])
    writer = Writer(SEED, "huggingface", dice(SEED, "bench", number), _BORN + number)
    _history(writer, shape, pointers[number % len(pointers)])
    contents = save(directory, package.path(directory), writer)
    repository.tidy(package.path(directory))
    return replace(package, record=refreshed(told, contents, directory, writer.at))


def _history(writer: Writer, shape: Shape, large: Pointer) -> None:
    """One commit with everything; then one small file at a time is changed."""
    writer.put(".gitattributes", GITATTRIBUTES)
    for name in _SMALL:
        writer.put(name, _text(writer.rng))
    writer.put(LARGE, large.to_bytes())
    _commit(writer, "Upload the model")
    for step in range(1, shape.commits):
        name = _SMALL[step % len(_SMALL)]
        writer.put(name, _text(writer.rng))
        _commit(writer, f"Update {name}")


def _commit(writer: Writer, message: str) -> None:
    writer.at += writer.rng.randrange(60, 36 * 3600)
    stamp = Stamp("Aivi Tamm", "aivi.tamm@example.org", writer.at)
    writer.record(Hands(stamp, stamp), message)


def _text(rng: random.Random) -> bytes:
    """Two to eight KB of words, in lines."""
    lines = (" ".join(rng.choices(_WORDS, k=12)) for _ in range(rng.randrange(30, 120)))
    return "".join(f"{line}\n" for line in lines).encode()


def _with_commit(directory: Path, package: Repository, number: int) -> Repository:
    path = package.path(directory)
    contents = repository.read(path)
    writer = Writer(SEED, "huggingface", dice(SEED, "change", number), _BORN + 30_000_000)
    writer.files |= {file.path: file.entry for file in contents.files}
    writer.refs |= contents.refs
    writer.put("README.md", _text(writer.rng))
    _commit(writer, "Correct the card")
    repository.store(path, writer.objects, writer.refs)
    fresh = refreshed(package.record, repository.read(path), directory, writer.at)
    return replace(package, record=fresh)
