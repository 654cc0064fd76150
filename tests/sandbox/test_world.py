"""A fresh world: what it holds, that it is whole, and that it is a function of its arguments."""

import hashlib
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub.utils import validate_repo_id
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import CommandError, UsageError
from ptmtorrent.model.oid import parse_pointer
from ptmtorrent.sandbox import cards, repository
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.objects import Entry, Objects
from ptmtorrent.sandbox.recipes import recipe_of
from ptmtorrent.sandbox.world import Repository, World, object_path


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world")
    generate(path)
    return path


@pytest.fixture(scope="module")
def world(directory: Path) -> World:
    return World.load(directory)


@pytest.fixture(scope="module")
def truth(directory: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((directory / "truth.json").read_text())
    return value


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-C", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, check=True, env=repository.environment())
    return (done.stdout + done.stderr).decode(errors="surrogateescape")


def present(world: World) -> list[Repository]:
    return [one for one in world.repositories if not one.missing]


def hub(world: World) -> list[Repository]:
    return [one for one in present(world) if one.forge == "huggingface"]


def state_of(directory: Path) -> dict[str, str]:
    """Digest of every file of a world."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_equal_arguments_make_equal_worlds_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(tmp_path / name, packages=12, seed=7)
    assert state_of(tmp_path / "one") == state_of(tmp_path / "two")


def test_another_seed_makes_another_world(tmp_path: Path) -> None:
    one = generate(tmp_path / "one", packages=2, seed=1)
    two = generate(tmp_path / "two", packages=2, seed=2)
    assert {r.id for r in hub(one)}.isdisjoint(r.id for r in hub(two))


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        generate(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_git_finds_no_fault_in_any_repository(directory: Path, world: World) -> None:
    for one in present(world):
        said = git(one.path(directory), "fsck", "--strict", "--full", "--no-dangling")
        assert not re.search("error|warning|missing", said), (one.name, said)


def test_each_repository_is_one_pack_with_head_at_main(directory: Path, world: World) -> None:
    for one in present(world):
        path = one.path(directory)
        packs = list((path / "objects/pack").glob("*.pack"))
        assert len(packs) == (1 if repository.refs_of(path) else 0)
        assert git(path, "symbolic-ref", "HEAD").strip() == "refs/heads/main"
        assert git(path, "config", "http.receivepack").strip() == "false"


def test_pointers_stand_for_objects_that_are_there(directory: Path, world: World) -> None:
    seen = 0
    for one in present(world):
        for pointer in repository.read(one.path(directory)).objects:
            path = object_path(directory, pointer.sha256)
            assert path.exists() == (pointer.sha256 not in one.missing_objects)
            if path.exists():
                data = path.read_bytes()
                assert hashlib.sha256(data).hexdigest() == pointer.sha256
                assert len(data) == pointer.size
                seen += 1
    assert seen > 50
    lacking = [one for one in world.repositories if one.missing_objects]
    assert [(one.forge, len(one.missing_objects)) for one in lacking] == [
        ("huggingface", 1),
        ("github", 1),
    ]


def test_about_four_in_ten_objects_are_shared_between_packages(truth: dict[str, Any]) -> None:
    holders: Counter[str] = Counter()
    for one in truth["repositories"]:
        if "norrland-zoo/" not in one["name"]:
            holders.update({file["sha256"] for file in one["files"] if file["lfs"]})
    shared = sum(count > 1 for count in holders.values())
    assert 0.35 <= shared / len(holders) <= 0.5


def test_a_world_is_small(directory: Path) -> None:
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert 8e6 < sum(path.stat().st_size for path in files) < 20e6
    assert len(files) < 600


def test_names_obey_the_hub_and_ids_hold_the_creation_time(world: World) -> None:
    for one in hub(world):
        validate_repo_id(one.name)
        assert "--" not in one.name and ".." not in one.name
        record = one.record
        assert (record["_id"], record["id"], record["modelId"]) == (one.id, one.name, one.name)
        assert record["author"] == one.name.split("/")[0]
        assert f"{record['createdAt']}" == when(int(one.id[:8], 16))
    names = [one.name.lower() for one in world.repositories if one.forge == "huggingface"]
    assert len(set(names)) == len(names)
    assert len({one.id for one in world.repositories}) == len(world.repositories)


def when(seconds: int) -> str:
    shown = ["date", "-u", "-d", f"@{seconds}", "+%Y-%m-%dT%H:%M:%S.000Z"]
    return subprocess.run(shown, capture_output=True, check=True, text=True).stdout.strip()


def test_records_say_what_the_repositories_hold(directory: Path, world: World) -> None:
    for one in hub(world):
        path, record = one.path(directory), one.record
        contents = repository.read(path)
        shown = [item["rfilename"] for item in record["siblings"]]
        listed = git(path, "ls-tree", "-r", "-z", "--name-only", "HEAD") if contents.head else ""
        raw = [name.encode(errors="surrogateescape") for name in listed.split("\0")[:-1]]
        assert shown == [name.decode(errors="replace") for name in raw]
        assert record.get("sha") == contents.head
        assert record["usedStorage"] == sum(p.size for p in contents.objects)
        assert (record["gated"], record["private"]) == (one.gated, one.private)
        if "cardData" in record:
            assert f"license:{record['cardData']['license']}" in record["tags"]
            assert record["pipeline_tag"] == record["cardData"]["pipeline_tag"]


def test_parameter_counts_come_from_the_files(directory: Path, world: World) -> None:
    counted = [one for one in hub(world) if "safetensors" in one.record]
    assert len(counted) > 15
    for one in counted:
        total = 0
        for file in repository.read(one.path(directory)).files:
            if re.fullmatch(rb"model[^/]*\.safetensors", file.path) and file.pointer:
                data = object_path(directory, file.pointer.sha256).read_bytes()
                header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
                header.pop("__metadata__")
                total += sum(t["shape"][0] * t["shape"][1] for t in header.values())
        assert one.record["safetensors"]["total"] == total
        assert sum(one.record["safetensors"]["parameters"].values()) == total


def test_cards_parse_to_what_the_records_say(directory: Path, world: World) -> None:
    parsed = broken = 0
    for one in hub(world):
        files = {file.path: file.data for file in repository.read(one.path(directory)).files}
        if b"README.md" not in files:
            continue
        front = files[b"README.md"].decode().split("---\n")[1]
        try:
            assert yaml.safe_load(front) == one.record["cardData"]
            parsed += 1
        except yaml.YAMLError:
            assert "cardData" not in one.record
            broken += 1
    assert parsed > 30
    assert broken == 1


def test_children_are_counted_and_bases_exist(world: World) -> None:
    by_id = {one.id: one for one in world.repositories}
    for one in hub(world):
        for base in one.record.get("baseModels", {"models": []})["models"]:
            assert by_id[base["_id"]].name == base["id"]
    assert sum(one.record["childrenModelCount"]["finetune"] for one in hub(world)) > 5


def test_every_kind_of_package_is_in_a_world_of_forty(world: World) -> None:
    kinds = world.repositories
    packages = [one.name for one in kinds if one.forge == "huggingface"]
    assert len([name for name in packages if not name.startswith("norrland-zoo/")]) == 40
    assert len([name for name in packages if name.startswith("norrland-zoo/")]) == 14
    assert len([one for one in kinds if one.forge == "github"]) == 15
    for flag in ("private", "disabled", "missing"):
        assert sum(getattr(one, flag) for one in kinds) == 1
    assert {one.gated for one in kinds} == {False, "auto", "manual"}
    assert sum("sha" not in one.record for one in hub(world)) == 1
    assert sum(bool(one.former_names) for one in hub(world)) == 2
    assert any("/" not in name for one in hub(world) for name in one.former_names)
    hostile = [one for one in hub(world) if "[bold]loud[/bold]" in one.record["tags"]]
    assert [one.record["pipeline_tag"] for one in hostile] == [cards.HOSTILE_TASK]
    assert {owner.kind for owner in world.owners} == {"user", "organisation"}
    assert {one.name.split("/")[0] for one in hub(world) if not one.private} <= {
        owner.name for owner in world.owners
    }


def test_every_kind_of_file_is_in_a_world_of_forty(directory: Path, truth: dict[str, Any]) -> None:
    files = [file for one in truth["repositories"] for file in one["files"]]
    paths = "\n".join(file["path"] for file in files)
    for text in (
        "two words.txt",
        "[bold]",
        "モデル",
        "\x1b[31m",
        "\udce9",
        ".lfsconfig",
        "a/b/c/d",
    ):
        assert text in paths
    assert {file["mode"] for file in files} == {"100644", "100755", "120000"}
    assert any(file["size"] == 0 for file in files)
    assert sum(file["size"] > 1 << 20 and not file["lfs"] for file in files) == 3
    assert any(file["path"] == "pytorch_model.bin" and not file["lfs"] for file in files)
    suffixes = {Path(file["path"]).suffix for file in files if file["lfs"]}
    assert {".safetensors", ".gguf", ".onnx", ".bin", ".pt"} <= suffixes


def test_every_kind_of_history_is_in_a_world_of_forty(directory: Path, world: World) -> None:
    kinds: Counter[str] = Counter()
    people = set()
    for one in present(world):
        path = one.path(directory)
        kinds.update(git(path, "for-each-ref", "--format=%(objecttype) %(refname)").split())
        shown = git(path, "log", "--all", "--format=%P|%an <%ae>") if "sha" in one.record else ""
        rows = [line.split("|") for line in shown.splitlines()]
        kinds["merge"] += sum(" " in parents for parents, _ in rows)
        people |= {person for _, person in rows}
    assert kinds["merge"] >= 5
    assert kinds["refs/heads/longer-context"] >= 10
    assert kinds["refs/tags/v1.0"] >= 5
    assert kinds["tag"] >= 5
    assert {"Aivi Tamm <aivi.tamm@example.org>", "aivi <AIVI.TAMM@Example.org>"} <= people


def test_truth_counts_what_git_counts(directory: Path, world: World, truth: dict[str, Any]) -> None:
    told = {one["id"]: one for one in truth["repositories"]}
    for one in present(world):
        path, said = one.path(directory), told[one.id]
        if said["head"] is None:
            assert git(path, "for-each-ref") == ""
            continue
        assert said["head"] == git(path, "rev-parse", "HEAD").strip()
        count = git(path, "rev-list", "--count", "HEAD", "--branches", "--tags")
        assert said["commit_count"] == int(count)
        for file in said["files"]:
            data = subprocess.run(
                ["git", "-C", path, "cat-file", "blob", file["oid"]],
                capture_output=True,
                check=True,
            ).stdout
            pointer = parse_pointer(data)
            expected = pointer.sha256 if pointer else hashlib.sha256(data).hexdigest()
            assert (file["sha256"], file["lfs"]) == (expected, pointer is not None)
            assert file["size"] == (pointer.size if pointer else len(data))
    totals = truth["totals"]["huggingface"]
    listed = [one for one in truth["repositories"] if one["status"] == "listed"]
    assert totals["packages"] == 38 + 14
    assert totals["listed"] == sum(one["forge"] == "huggingface" for one in listed)
    assert totals["lfs_bytes"] > totals["distinct_lfs_bytes"] > 0


def test_blob_bytes_sets_the_size_of_weight_files(tmp_path: Path) -> None:
    world = generate(tmp_path, packages=4, blob_bytes=400_000)
    sizes = [path.stat().st_size for path in (tmp_path / "lfs").rglob("*") if path.is_file()]
    assert 400_000 <= max(sizes) < 405_000
    assert World.load(tmp_path) == world


def test_a_broken_object_is_refused_by_git(tmp_path: Path) -> None:
    """The strict check at writing is what lets every other test trust a repository."""
    objects = Objects()
    objects.tree({b"a\0b": Entry("100644", objects.blob(b"x"))})
    repository.create(tmp_path / "r.git")
    with pytest.raises(CommandError, match="index-pack"):
        repository.store(tmp_path / "r.git", objects, {})


NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"\0" not in name and b"/" not in name and name.lower() not in (b".", b"..")
)


@settings(deadline=None, max_examples=25)
@given(st.dictionaries(NAMES, st.binary(max_size=40), min_size=1, max_size=12), st.booleans())
def test_trees_hold_any_names_in_the_order_git_wants(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, bytes], nested: bool
) -> None:
    objects = Objects()
    put = {name: Entry("100644", objects.blob(data)) for name, data in files.items()}
    if nested:
        put = {b"dir/" + name if n % 2 else name: e for n, (name, e) in enumerate(put.items())}
        put.pop(b"dir", None)
    path = tmp_path_factory.mktemp("tree") / "r.git"
    repository.create(path)
    tree = objects.tree(put)
    repository.git(path, "index-pack", "--stdin", given=objects.pack())
    assert repository.tree_of(path, tree) == put


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 5000), st.integers(0, 3))
def test_any_number_makes_a_name_the_hub_allows(number: int, seed: int) -> None:
    recipe = recipe_of(seed, number)
    validate_repo_id(recipe.name)
    assert len(recipe.id) == 24
    assert int(recipe.id[:8], 16) == recipe.created
