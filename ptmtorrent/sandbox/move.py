"""Moves a world to its next state: the few things that happen to a hub between two visits."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ptmtorrent.sandbox import (
    companions,
    modelhub,
    modelzoo,
    onnxzoo,
    pytorchhub,
    repository,
    weights,
)
from ptmtorrent.sandbox.cards import json_bytes
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.generate import make_package, save_objects
from ptmtorrent.sandbox.histories import Plan
from ptmtorrent.sandbox.recipes import ZOO, Role, recipe_of
from ptmtorrent.sandbox.records import refreshed, settled
from ptmtorrent.sandbox.repository import MAIN
from ptmtorrent.sandbox.truth import write_truth
from ptmtorrent.sandbox.world import Repository, World
from ptmtorrent.sandbox.writer import Writer

FIRST_MOVE = 1788220800
"""2026-09-01: when the world moves to state 2; each further move is a week later."""

_WEEK = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Moment:
    """The move being made: where, of which world, and when in the world's own time."""

    directory: Path
    world: World
    at: int

    def open(self, one: Repository) -> Writer:
        """Go on writing a repository where it stands."""
        path, rng = one.path(self.directory), dice(self.world.seed, "move", self.at, one.id)
        writer = Writer(self.world.seed, one.forge, rng, self.at)
        writer.refs = repository.refs_of(path)
        writer.files = repository.tree_of(path, MAIN)
        return writer

    def close(self, one: Repository, writer: Writer) -> Repository:
        """Keep what was written; the record says that it changed now."""
        path = one.path(self.directory)
        repository.store(path, writer.objects, writer.refs)
        repository.tidy(path)
        save_objects(self.directory, writer.large)
        contents = repository.read(path)
        if one.forge == "github":
            return replace(one, record=companions.refreshed(one.record, contents, writer.at))
        record = refreshed(one.record, contents, self.directory, writer.at)
        return replace(one, record=record)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happens: to whom it can happen, and what it does."""

    suits: Callable[[Path, Repository], bool]
    make: Callable[[Moment, Repository], Repository]


def move(directory: Path) -> World:
    """Move the world in ``directory`` to its next state, in place; rewrites ``truth.json``.

    Two packages get new commits, one is force-pushed, one renamed, one deleted, one gated, one
    has a branch moved that is not ``main``, and one is added. Each change needs a package it
    suits, so a world of a few packages moves less. All other packages stay as they are, but for
    the counts of children in records.

    The other hubs change in the first move only: Modelhub's registry loses a model and gains one,
    a card of PyTorch Hub is renamed, the ONNX zoo's manifest gains an entry, and a model of
    ModelZoo has another slug.
    """
    world = World.load(directory)
    moment = Moment(directory, world, FIRST_MOVE + (world.state - 1) * _WEEK)
    changed = {one.id: change.make(moment, one) for change, one in _chosen(moment)}
    first = world.state == 1
    changed |= _shelves(moment) if first else {}
    repositories = [changed.get(one.id, one) for one in world.repositories]
    repositories.append(_added(moment))
    moved = replace(
        world,
        state=world.state + 1,
        repositories=tuple(repositories),
        catalogue=modelzoo.move(world.catalogue) if first else world.catalogue,
    )
    moved = settled(moved)
    moved.save(directory)
    write_truth(directory)
    return moved


def _shelves(moment: Moment) -> dict[str, Repository]:
    """What the other hubs list in repositories, after its one change."""
    writes = {
        modelhub.REGISTRY: modelhub.move,
        pytorchhub.CARDS: pytorchhub.move,
        onnxzoo.MODELS: onnxzoo.move,
    }
    changed = {}
    for one in moment.world.repositories:
        if one.forge == "github" and one.name in writes:
            writer = moment.open(one)
            writes[one.name](writer)
            changed[one.id] = moment.close(one, writer)
    return changed


def _chosen(moment: Moment) -> list[tuple[Change, Repository]]:
    free = [one for one in reversed(moment.world.repositories) if _is_plain(one)]
    chosen = []
    for change in _CHANGES:
        one = next((one for one in free if change.suits(moment.directory, one)), None)
        if one is not None:
            free.remove(one)
            chosen.append((change, one))
    return chosen


def _is_plain(one: Repository) -> bool:
    hidden = one.private or one.disabled or one.missing or one.gated
    is_mirror = one.name.startswith(f"{ZOO}/")
    return one.forge == "huggingface" and not hidden and "sha" in one.record and not is_mirror


def _any(directory: Path, one: Repository) -> bool:
    return True


def _has_no_kin(directory: Path, one: Repository) -> bool:
    children = one.record["childrenModelCount"].values()
    return "baseModels" not in one.record and not any(children)


def _has_only_main(directory: Path, one: Repository) -> bool:
    path = one.path(directory)
    count = int(repository.git(path, "rev-list", "--count", MAIN))
    return list(repository.refs_of(path)) == [MAIN] and count > 1


def _has_branch(directory: Path, one: Repository) -> bool:
    return _side_branch(repository.refs_of(one.path(directory))) is not None


def _side_branch(refs: dict[str, str]) -> str | None:
    return next((ref for ref in refs if ref.startswith("refs/heads/") and ref != MAIN), None)


def _edit(moment: Moment, one: Repository) -> Repository:
    writer = moment.open(one)
    writer.put("CHANGES.md", f"State {moment.world.state + 1}\n".encode())
    writer.commit_on_web("Create CHANGES.md")
    return moment.close(one, writer)


def _train(moment: Moment, one: Repository) -> Repository:
    writer = moment.open(one)
    folder = f"checkpoint-{moment.world.state + 1}"
    plan = Plan(moment.world.seed, moment.world.blob_bytes)
    size = plan.size("move", moment.at, one.id)
    writer.put_large(f"{folder}/model.safetensors", weights.safetensors(writer.rng, size))
    writer.put(f"{folder}/trainer_state.json", json_bytes({"epoch": moment.world.state}))
    writer.commit(f"Add {folder}")
    writer.commit_on_web("Trigger a rebuild")
    return moment.close(one, writer)


def _force_push(moment: Moment, one: Repository) -> Repository:
    writer, path = moment.open(one), one.path(moment.directory)
    parent = repository.git(path, "rev-parse", f"{MAIN}~1").decode().strip()
    writer.refs[MAIN], writer.files = parent, repository.tree_of(path, parent)
    writer.put("README.md", b"---\nlicense: mit\n---\n\nRewritten.\n")
    writer.commit("Start the card anew")
    return moment.close(one, writer)


def _move_branch(moment: Moment, one: Repository) -> Repository:
    writer, path = moment.open(one), one.path(moment.directory)
    branch = _side_branch(writer.refs) or MAIN
    writer.files = repository.tree_of(path, branch)
    writer.put("long/notes.txt", f"State {moment.world.state + 1}\n".encode())
    writer.commit("Go on with the longer context", branch)
    return moment.close(one, writer)


def _rename(moment: Moment, one: Repository) -> Repository:
    name = f"saltmarsh-ai/{one.name.partition('/')[2]}-moved"
    moved = replace(one, name=name, former_names=(*one.former_names, one.name))
    target = moved.path(moment.directory)
    target.parent.mkdir(parents=True, exist_ok=True)
    one.path(moment.directory).rename(target)
    said = {"id": name, "modelId": name, "author": "saltmarsh-ai"}
    return replace(moved, record=one.record | said)


def _delete(moment: Moment, one: Repository) -> Repository:
    shutil.rmtree(one.path(moment.directory))
    return replace(one, missing=True, record={}, missing_objects=())


def _gate(moment: Moment, one: Repository) -> Repository:
    return replace(one, gated="auto", record=one.record | {"gated": "auto"})


def _added(moment: Moment) -> Repository:
    number = len(moment.world.repositories) * len(Role)
    recipe = recipe_of(moment.world.seed, number, created=moment.at)
    return make_package(moment.directory, Plan(moment.world.seed, moment.world.blob_bytes), recipe)


_CHANGES = (
    Change(_has_branch, _move_branch),
    Change(_has_only_main, _force_push),
    Change(_has_no_kin, _rename),
    Change(_has_no_kin, _delete),
    Change(_any, _train),
    Change(_any, _edit),
    Change(_any, _gate),
)
"""What happens in a move, the choosiest first."""
