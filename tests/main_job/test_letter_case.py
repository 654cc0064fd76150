"""GitHub does not tell letter case in names apart: a repository is one origin, however spelled."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from job import Job, asked

from ptmtorrent.pipeline.fetching import Fetching

GITHUB = "https://github.com"
SPELLED = {
    "tern": f"{GITHUB}/Quillmark/Tern",  # a card at another hub names it as it was once called
    "eddy-pytorch": f"{GITHUB}/Tidal-Lab/EDDY/tree/main/swell",
    "tide-net": "http://github.com/waterside-AI/tide-net.git",
    "dunlin": f"{GITHUB}/Wader-Hub/vision",
}
NAMES = ("quillmark/tern", "tidal-lab/eddy", "wader-hub/vision", "waterside-ai/tide-net")
ORIGINS = f"""
SELECT hub, name, origin, visit_sha256 FROM packages LEFT JOIN origins USING (origin_key)
WHERE replace(lower(origin), '{GITHUB}/', '') IN {NAMES} ORDER BY ALL"""


@pytest.fixture
def spelled(five_world: Path, tmp_path: Path, at_noon: None) -> Iterator[Job]:
    """The world of five hubs, where one hub writes the names of others' repositories otherwise."""
    world = shutil.copytree(five_world, tmp_path / "world", symlinks=True)
    value = json.loads((world / "world.json").read_text())
    for entry in value["catalogue"]:
        record = entry["record"]
        record["link"] = SPELLED.get(record["slug"], record["link"])
    (world / "world.json").write_text(json.dumps(value))
    job = Job(tmp_path / "root", world, all_hubs=True).with_shared_key()
    yield job
    job.close()


def packs(box) -> Counter[str]:
    """How often each repository's pack was asked for, whatever its name was spelled like."""
    return Counter(path.lower() for path in asked(box) if path.endswith("/git-upload-pack"))


def origins(job: Job) -> list[str]:
    """The origins of packages that hubs spell differently, each of them visited."""
    rows = job.rows(ORIGINS)
    assert {hub for hub, *_ in rows} == {"modelhub", "modelzoo", "pytorchhub"}
    assert all(visit for *_, visit in rows)
    return sorted({origin for *_, origin, _ in rows})


def test_a_repository_is_one_origin_and_is_fetched_once_however_it_is_spelled(spelled: Job):
    with spelled.served() as box:
        assert spelled.run("snapshot") == 0
        assert set(packs(box).values()) == {1}
    assert sorted(map(str.lower, origins(spelled))) == [f"{GITHUB}/{name}" for name in NAMES]
    assert f"{GITHUB}/Quillmark/Tern" in origins(spelled)
    assert spelled.run("verify") == 0


def test_the_next_snapshot_keeps_the_origin_and_asks_for_no_pack(spelled: Job):
    with spelled.served():
        assert spelled.run("snapshot") == 0
        before = spelled.rows(ORIGINS)
    with spelled.served() as box:
        assert spelled.run("snapshot", "--new") == 0
        assert not packs(box)
    assert spelled.rows(ORIGINS) == before


def test_a_root_that_holds_a_repository_twice_goes_on_with_one_of_the_two(
    spelled: Job, monkeypatch: pytest.MonkeyPatch
):
    """What was written before this was known stays as it was, and can be verified and rebuilt."""
    with spelled.served() as box:
        with monkeypatch.context() as patch:
            patch.setattr(Fetching, "_caseless_host", lambda self, url: None)
            assert spelled.run("snapshot") == 0
        assert len(origins(spelled)) > len(NAMES)
        assert max(packs(box).values()) == 2
        before, twice = spelled.content(), spelled.rows(ORIGINS)
    with spelled.served() as box:
        assert spelled.run("snapshot", "--new") == 0
        assert not packs(box)
    assert len(origins(spelled)) == len(NAMES)
    assert spelled.rows(ORIGINS, at="2026-11-21") == twice
    assert spelled.content() == before
    assert spelled.run("verify") == 0
    (spelled.root / "ledger.sqlite").unlink()
    with spelled.served() as box:
        assert spelled.run("snapshot", "--new") == 0
    assert len(origins(spelled)) == len(NAMES)
