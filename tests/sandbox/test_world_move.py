"""A world that moved: what changed, what did not, and that records follow the repositories."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.move import move
from ptmtorrent.sandbox.world import Repository, World, object_path

SHELVES = ("waterside-ai/registry", "wader-hub/cards", "norrland-zoo/models")


class Moved(NamedTuple):
    """A world before and after a move; ``kept`` is a copy of how it was on disk."""

    kept: Path
    directory: Path
    before: World
    after: World


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    base = tmp_path_factory.mktemp("moved")
    before = generate(base / "world")
    shutil.copytree(base / "world", base / "kept")
    return Moved(base / "kept", base / "world", before, move(base / "world"))


def truth_of(directory: Path) -> dict[str, dict[str, Any]]:
    told = json.loads((directory / "truth.json").read_text())["repositories"]
    return {one["id"]: one for one in told}


def changed(moved: Moved) -> dict[str, set[str]]:
    """Which facts of which repository changed; only those that were there before."""
    old, new = truth_of(moved.kept), truth_of(moved.directory)
    facts = {key: {f for f in told if told[f] != new[key][f]} for key, told in old.items()}
    return {key: found for key, found in facts.items() if found}


def find(world: World, package_id: str) -> Repository:
    return next(one for one in world.repositories if one.id == package_id)


def test_the_same_things_happen_to_equal_worlds(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(tmp_path / name, packages=24)
        move(tmp_path / name)
    for file in ("world.json", "truth.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_each_thing_happens_to_its_number_of_packages(moved: Moved) -> None:
    facts = list(changed(moved).values())
    content = {"files", "head", "refs"}
    assert facts.count({"name"}) == 1
    assert facts.count({"status"}) == 1
    assert facts.count({"refs", "commit_count"}) == 1
    assert sum("status" in found and "refs" in found for found in facts) == 1
    assert sum(content <= found and "status" not in found for found in facts) == 3 + len(SHELVES)
    assert len(facts) == 7 + len(SHELVES)
    assert len(moved.after.repositories) == len(moved.before.repositories) + 1


def test_at_least_thirty_packages_stay_as_they_were(moved: Moved) -> None:
    touched = changed(moved)
    same = [one for one in moved.before.repositories if one.id not in touched]
    assert sum(one.forge == "huggingface" for one in same) >= 30
    for one in same:
        new = find(moved.after, one.id)
        assert new.record.get("lastModified") == one.record.get("lastModified")
        assert new.record.get("sha") == one.record.get("sha")


def test_every_change_of_refs_moves_the_time_and_the_head(moved: Moved) -> None:
    for key, facts in changed(moved).items():
        old, new = find(moved.before, key), find(moved.after, key)
        time = "pushed_at" if new.forge == "github" else "lastModified"
        if "refs" in facts and not new.missing:
            assert new.record[time] > old.record[time]
            assert new.record[time] >= "2026-09-01"
        if "refs" in facts and not new.missing and new.forge == "huggingface":
            assert new.record["sha"] == truth_of(moved.directory)[key]["head"]


def test_the_forced_push_lets_go_of_the_old_head(moved: Moved) -> None:
    lost = []
    for key, facts in changed(moved).items():
        one = find(moved.after, key)
        if "refs" in facts and not one.missing:
            path = one.path(moved.directory)
            old = truth_of(moved.kept)[key]["head"]
            command = ["git", "-C", str(path), "cat-file", "-e", old]
            done = subprocess.run(command, check=False, capture_output=True)
            lost += [key] if done.returncode else []
    assert len(lost) == 1


def test_the_renamed_package_keeps_its_id_and_content(moved: Moved) -> None:
    (key,) = [key for key, facts in changed(moved).items() if facts == {"name"}]
    old, new = find(moved.before, key), find(moved.after, key)
    assert new.name != old.name
    assert new.former_names[-1] == old.name
    assert new.record["id"] == new.record["modelId"] == new.name
    assert new.record["author"] == new.name.split("/")[0]
    assert new.path(moved.directory).exists()
    assert not old.path(moved.directory).exists()


def test_the_deleted_package_leaves_a_name_and_no_bytes(moved: Moved) -> None:
    gone = [one for one in moved.after.repositories if one.missing]
    deleted = [one for one in gone if not find(moved.before, one.id).missing]
    assert len(deleted) == 1
    assert not deleted[0].path(moved.directory).exists()
    assert deleted[0].record == {}


def test_the_newly_gated_package_says_so_in_its_record(moved: Moved) -> None:
    newly = [
        one
        for one in moved.after.repositories[:-1]
        if one.gated and not find(moved.before, one.id).gated
    ]
    assert [one.record["gated"] for one in newly] == ["auto"]


def test_the_added_package_is_the_newest(moved: Moved) -> None:
    added = moved.after.repositories[-1]
    assert added.id == max(one.id for one in moved.after.repositories if one.forge == "huggingface")
    assert truth_of(moved.directory)[added.id]["commit_count"] >= 3


def test_a_moved_world_is_whole_and_can_move_on(moved: Moved, tmp_path: Path) -> None:
    shutil.copytree(moved.directory, tmp_path / "world")
    for state in (3, 4):
        world = move(tmp_path / "world")
        assert world.state == state
        assert World.load(tmp_path / "world") == world
    for one in world.repositories:
        if one.missing:
            continue
        path = one.path(tmp_path / "world")
        repository.git(path, "fsck", "--strict", "--full")
        packs = list((path / "objects/pack").glob("*.pack"))
        contents = repository.read(path)
        assert len(packs) == (1 if contents.head else 0)
        for pointer in contents.objects:
            held = object_path(tmp_path / "world", pointer.sha256).exists()
            assert held or pointer.sha256 in one.missing_objects


def hubs_of(directory: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((directory / "truth.json").read_text())["hubs"]
    return told


def test_each_other_hub_changes_in_one_thing_it_lists(moved: Moved) -> None:
    old, new = hubs_of(moved.kept), hubs_of(moved.directory)
    differences = {}
    for hub in old:
        names, now = ({one["name"] for one in told[hub]["packages"]} for told in (old, new))
        differences[hub] = (names - now, now - names)
    assert differences["modelhub"] == ({"sedge-class"}, {"salt-pan"})
    assert differences["pytorchhub"] == ({"tidal-lab_swell"}, {"tidal-lab_ground-swell"})
    assert differences["onnxmodelzoo"] == (set(), {"Ruff@13"})
    assert differences["modelzoo"] == ({"eddy-pytorch"}, {"eddy-pytorch-2"})


def test_what_is_renamed_keeps_what_it_is_known_by(moved: Moved) -> None:
    cards = [
        repository.read(find(world, "430000000").path(place)).files
        for place, world in ((moved.kept, moved.before), (moved.directory, moved.after))
    ]
    assert sorted(file.data for file in cards[0]) == sorted(file.data for file in cards[1])
    links = [
        [one.record["link"] for one in world.catalogue] for world in (moved.before, moved.after)
    ]
    assert links[0] == links[1]


def test_a_world_of_one_package_moves_as_far_as_it_can(tmp_path: Path) -> None:
    generate(tmp_path, packages=1)
    assert move(tmp_path).state == 2
