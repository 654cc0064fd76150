"""The benchmark's own parts: its worlds are what it says, and its figures are the kernel's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from benchmarks import listing_server
from benchmarks.measure import Command, Taken, in_turn, run
from benchmarks.report import Goal, Section, page
from benchmarks.world import Shape, changed, made

from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.world import World

SHAPE = Shape(packages=5, commits=4, blob_bytes=1000)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "world"
    made(path, SHAPE)
    return path


def _command(tmp_path: Path, *words: str) -> Command:
    return Command(words=words, folder=tmp_path, environment=os.environ, prepare=lambda: None)


def test_a_world_has_the_shape_that_was_asked_for(world):
    contents = [repository.read(one.path(world)) for one in World.load(world).repositories]
    assert [one.commits for one in contents] == [4] * 5
    assert all(len(one.files) == 13 for one in contents)
    assert len({one.objects for one in contents}) == SHAPE.distinct == 3
    assert all(pointer.size == 1000 for one in contents for pointer in one.objects)


def test_a_world_that_is_there_is_not_made_again(world):
    before = (world / "world.json").stat().st_mtime_ns
    assert made(world, SHAPE) == World.load(world)
    assert (world / "world.json").stat().st_mtime_ns == before


def test_a_changed_package_has_one_commit_more_and_the_others_none(world, tmp_path):
    subprocess.run(["cp", "-r", world, tmp_path / "copy"], check=True)
    changed(tmp_path / "copy", [1])
    old, new = World.load(world).repositories, World.load(tmp_path / "copy").repositories
    assert [a == b for a, b in zip(old, new, strict=True)] == [True, False, True, True, True]
    contents = repository.read(new[1].path(tmp_path / "copy"))
    assert contents.commits == 5
    assert new[1].record["sha"] == contents.head


def test_processor_time_counts_children_of_children(tmp_path):
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(9**7))'])"
    taken = run(_command(tmp_path, sys.executable, "-c", burn))
    assert taken.processor_s > 0.05
    assert taken.seconds > 0.05


def test_a_command_that_fails_is_no_result(tmp_path):
    with pytest.raises(RuntimeError, match=r"ended with 3(?s:.*)so it is"):
        run(_command(tmp_path, "sh", "-c", "echo so it is; exit 3"))


def test_sides_take_turns():
    order = []

    def side(name):
        order.append(name)
        return Taken(seconds=1, processor_s=1)

    in_turn({"a": lambda: side("a"), "b": lambda: side("b")}, 2)
    assert order == ["a", "b", "a", "b"]


@pytest.mark.parametrize("count", [listing_server.PAGE, 7])
def test_every_record_of_a_page_is_another_package(count):
    records = json.loads(listing_server.page(("_id", "id", "sha", "siblings"), 5000, count))
    assert len(records) == count
    assert len({r["_id"] for r in records}) == len({r["id"] for r in records}) == count
    assert records[0]["_id"] == f"{5000:024x}"
    assert all(len(r["sha"]) == 40 for r in records)


def test_what_was_not_reached_is_said(tmp_path):
    goals = [Goal("speed", 3, 3.5), Goal("size", 0.3, 0.35, most=True)]
    Section("packages", "Title", "Text.", goals=goals).save(tmp_path)
    text = page(tmp_path, ["packages", "never run"])
    assert "| speed | 3 | at least 3.5 | **not reached** |" in text
    assert "| size | 0.3 | at most 0.35 | reached |" in text
