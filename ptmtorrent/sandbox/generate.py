"""Makes a world: repositories, LFS objects, records, keys and the truth about it all."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile

from ptmtorrent.errors import UsageError
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.sandbox import (
    companions,
    histories,
    modelhub,
    modelzoo,
    onnxmirror,
    onnxzoo,
    pytorchhub,
    repository,
)
from ptmtorrent.sandbox.histories import Plan
from ptmtorrent.sandbox.people import write_public_keys
from ptmtorrent.sandbox.recipes import Recipe, Trait, recipe_of
from ptmtorrent.sandbox.records import GATES, first_record, refreshed, settled
from ptmtorrent.sandbox.truth import write_truth
from ptmtorrent.sandbox.world import Repository, World, object_path
from ptmtorrent.sandbox.writer import Writer


def generate(
    directory: Path,
    *,
    packages: int = 40,
    seed: int = 1,
    blob_bytes: int | None = None,
    one_hub: bool = False,
) -> World:
    """Make a world in an empty or new directory; equal arguments make equal worlds.

    Args:
        directory: where; created when it is not there.
        packages: recipes on the Hugging Face side, hidden and missing ones included; what the
            other four hubs need comes on top.
        seed: what all chance follows from.
        blob_bytes: size of each weight file of a recipe; None for sizes from 2 to 300 KB.
        one_hub: leave out what the other four hubs need: only Hugging Face has packages then.

    Raises:
        UsageError: the directory holds something already.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{directory}: not a folder") from None
    if any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty: a world is made in a directory of its own")
    plan = Plan(seed, blob_bytes)
    world = settled(
        World(
            seed=seed,
            state=1,
            token=_token(seed),
            repositories=_make_repositories(directory, plan, packages, one_hub=one_hub),
            owners=(),
            assets={} if one_hub else _make_assets(directory, seed),
            catalogue=() if one_hub else modelzoo.catalogue(),
            blob_bytes=blob_bytes,
        )
    )
    write_public_keys(directory, seed)
    world.save(directory)
    write_truth(directory)
    return world


def _make_repositories(
    directory: Path, plan: Plan, packages: int, *, one_hub: bool
) -> tuple[Repository, ...]:
    """Hugging Face's first: GitHub's are then asked which of their objects nobody holds."""
    mirrors = () if one_hub else onnxmirror.mirrors()
    code = () if one_hub else _all_companions()
    recipes = [recipe_of(plan.seed, number) for number in range(packages)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        models = (
            *pool.map(partial(make_package, directory, plan), recipes),
            *pool.map(partial(_make_mirror, directory, plan.seed), mirrors),
        )
        return (*models, *pool.map(partial(_make_companion, directory, plan.seed), code))


def _all_companions() -> tuple[companions.Companion, ...]:
    """Every repository at GitHub."""
    hubs = (modelhub.companions(), pytorchhub.companions(), onnxzoo.companions())
    return (*companions.COMPANIONS, *chain.from_iterable(hubs))


def make_package(directory: Path, plan: Plan, recipe: Recipe) -> Repository:
    """Make one package: its repository, its LFS objects, its record. Missing ones have neither."""
    package = Repository(
        forge="huggingface",
        id=recipe.id,
        name=recipe.name,
        former_names=recipe.former_names,
        gated=GATES.get(recipe.trait, False),
        private=recipe.trait is Trait.PRIVATE,
        disabled=recipe.trait is Trait.DISABLED,
        missing=recipe.trait is Trait.MISSING,
    )
    if package.missing:
        return package
    writer = histories.write(plan, recipe)
    contents = save(directory, package.path(directory), writer)
    record = first_record(plan, recipe, contents)
    return replace(
        package,
        record=refreshed(record, contents, directory, writer.at),
        missing_objects=_missing(directory, contents),
    )


def save(directory: Path, path: Path, writer: Writer) -> repository.Contents:
    """Write a new repository and its LFS objects to disk, and read it back."""
    repository.create(path)
    if writer.refs:
        repository.store(path, writer.objects, writer.refs)
    save_objects(directory, writer.large)
    return repository.read(path)


def save_objects(directory: Path, objects: Mapping[str, bytes]) -> None:
    """Write LFS objects that the world does not hold yet; others may write the same ones."""
    for sha256, data in objects.items():
        path = object_path(directory, sha256)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, delete=False) as stream:
                stream.write(data)
            Path(stream.name).replace(path)


def _make_companion(directory: Path, seed: int, companion: companions.Companion) -> Repository:
    made = Repository(
        forge="github",
        id=str(companion.id),
        name=companion.name,
        former_names=companion.former_names,
        lfs_closed=companion.lfs_closed,
    )
    writer = companions.write(seed, companion)
    contents = save(directory, made.path(directory), writer)
    return replace(
        made,
        record=companions.record(seed, companion, contents, writer.at),
        missing_objects=_missing(directory, contents),
    )


def _missing(directory: Path, contents: repository.Contents) -> tuple[str, ...]:
    """The LFS objects that a repository stands for and the world does not hold."""
    pointers = (pointer.sha256 for pointer in contents.objects)
    return tuple(sha256 for sha256 in pointers if not object_path(directory, sha256).exists())


def _make_mirror(directory: Path, seed: int, mirror: onnxmirror.Mirror) -> Repository:
    made = Repository(forge="huggingface", id=mirror.id(seed), name=mirror.name)
    writer = onnxmirror.write(seed, mirror)
    contents = save(directory, made.path(directory), writer)
    record = refreshed(onnxmirror.record(seed, mirror), contents, directory, writer.at)
    return replace(made, record=record)


def _make_assets(directory: Path, seed: int) -> dict[str, str]:
    """Write what release assets and weights hold; returns address -> sha256."""
    contents = modelhub.assets(seed) | pytorchhub.assets(seed)
    digests = {url: sha256_of(data) for url, data in contents.items()}
    save_objects(directory, {digests[url]: data for url, data in contents.items()})
    return digests


def _token(seed: int) -> str:
    return f"hf_sandbox{hashlib.sha256(f'token {seed}'.encode()).hexdigest()[:24]}"
