"""The world moves on: only what changed is fetched, and both snapshots answer for their day."""

import json

import pytest
from job import Job, asked, git

from ptmtorrent.hubs import huggingface
from ptmtorrent.pipeline import telling
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.move import move
from ptmtorrent.sandbox.world import World

FIRST, SECOND, THIRD = "2026-11-21", "2026-11-22", "2026-11-23"


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Two snapshots, the world moved between them; and what the second asked for."""
    place = tmp_path_factory.mktemp("moved")
    job = Job(place / "root", place / "world")
    before = generate(job.world)
    with job.served():
        assert job.snapshot("--as-of", FIRST) == 0
    job.first_truth = job.truth()
    after = move(job.world)
    opened, real = [], telling.workbench

    def workbench(store, visit, *others):
        opened.append(visit.url.removeprefix("https://huggingface.co/"))
        return real(store, visit, *others)

    with job.served() as box, pytest.MonkeyPatch.context() as patch:
        patch.setattr(telling, "workbench", workbench)
        assert job.snapshot("--as-of", SECOND) == 0
        job.second_opened = opened
        job.second_requests = asked(box)
    job.before, job.after = before, after
    yield job
    job.close()


def by_id(world: World) -> dict:
    return {r.id: r for r in world.repositories if r.forge == "huggingface" and not r.private}


def changed(job: Job) -> set[str]:
    """Names, today, of the packages whose repository or name is not what it was."""
    old, new = by_id(job.before), by_id(job.after)
    return {
        new[i].name
        for i in new
        if i not in old
        or (old[i].name, old[i].record.get("lastModified"), old[i].missing)
        != (new[i].name, new[i].record.get("lastModified"), new[i].missing)
    }


def test_only_what_changed_or_was_refused_before_is_visited(moved):
    visited = {
        path.split(" ")[1].removesuffix("/info/refs").strip("/")
        for path in moved.second_requests
        if path.endswith("/info/refs")
    }
    refused = moved.rows("SELECT url FROM origins WHERE visit_sha256 IS NULL", FIRST)
    asked_again = {url.removeprefix("https://huggingface.co/") for (url,) in refused}
    assert visited & changed(moved)
    assert visited <= changed(moved) | asked_again
    unchanged = set(by_id(moved.after)) & set(by_id(moved.before))
    assert len(unchanged) - len(changed(moved)) >= 30


def test_the_build_opens_only_origins_whose_state_is_new(moved):
    assert moved.second_opened
    assert len(moved.second_opened) == len(set(moved.second_opened))
    assert set(moved.second_opened) <= changed(moved)


def test_no_object_that_is_held_is_asked_for_again(moved):
    held = {d for (d,) in moved.rows("SELECT sha256 FROM blobs WHERE held", FIRST)}
    for request in moved.second_requests:
        assert not any(digest in request for digest in held), request


def test_each_package_has_the_status_the_world_gives_it(moved):
    rows = dict(moved.rows("SELECT package_id, status FROM packages", SECOND))
    old = dict(moved.rows("SELECT package_id, status FROM packages", FIRST))
    world = by_id(moved.after)
    gone = [i for i, status in rows.items() if status == "gone"]
    assert len(gone) == 1
    assert all(world[i].missing for i in gone)
    newly_gated = [i for i in rows if rows[i] == "gated" and old.get(i) == "listed"]
    assert len(newly_gated) == 1
    assert all(world[i].gated for i in newly_gated)
    assert len(set(rows) - set(old)) == 1


def test_a_renamed_package_keeps_its_identity_and_remembers_its_name(moved):
    rows = moved.rows(
        "SELECT package_id, name, former_names FROM packages WHERE len(former_names) > 0", SECOND
    )
    assert len(rows) == 1
    [(package_id, name, former)] = rows
    assert by_id(moved.after)[package_id].name == name
    assert former == [by_id(moved.before)[package_id].name]
    old = f"https://huggingface.co/{former[0]}"
    assert moved.rows(f"SELECT count(*) FROM commits WHERE origin = '{old}'", SECOND) == [(0,)]
    assert moved.rows(f"SELECT count(*) FROM commits WHERE origin = '{old}'", FIRST) != [(0,)]
    assert moved.rows(f"SELECT count(*) FROM origins WHERE url = '{old}'", SECOND) == [(0,)]
    packs = [r for r in moved.second_requests if r.endswith(f"{name}/git-upload-pack")]
    assert packs == []


def test_commits_a_force_push_left_behind_are_unreachable_and_out_of_the_view(moved):
    rows = moved.rows("SELECT origin, oid FROM unreachable", SECOND)
    assert rows
    [origin] = {origin for origin, _ in rows}
    name = origin.removeprefix("https://huggingface.co/")
    repository = moved.world / "repositories/huggingface" / f"{name}.git"
    now = set(git("rev-list", "HEAD", "--branches", "--tags", cwd=repository).decode().split())
    lost = {oid for _, oid in rows}
    assert not lost & now
    query = f"SELECT oid FROM {{}} WHERE origin = '{origin}'"
    assert {oid for (oid,) in moved.rows(query.format("commits"), SECOND)} == now
    assert {oid for (oid,) in moved.rows(query.format("all_commits"), SECOND)} == now | lost
    assert moved.rows("SELECT count(*) FROM unreachable", FIRST) == [(0,)]


@pytest.mark.parametrize("snapshot", [FIRST, SECOND])
def test_each_snapshot_answers_for_its_own_day(moved, snapshot):
    truth = moved.first_truth if snapshot == FIRST else moved.truth()
    for repository in truth["repositories"]:
        if repository["forge"] != "huggingface" or repository["status"] != "listed":
            continue
        url = f"https://huggingface.co/{repository['name']}"
        [(count, head)] = moved.rows(
            f"SELECT commits, head FROM origins WHERE url = '{url}'", snapshot
        ) or [(None, None)]
        assert (count or 0, head) == (repository["commit_count"], repository["head"]), url
        files = moved.rows(f"SELECT oid FROM files WHERE origin = '{url}'", snapshot)
        assert len(files) == len(repository["files"]), url


def test_facts_are_written_once(moved):
    for table, key in (("commits", "origin_key, oid"), ("files", "origin_key, revision, path")):
        [(rows, distinct)] = moved.rows(
            f"SELECT count(*), count(DISTINCT ({key})) FROM all_{table}", SECOND
        )
        assert rows == distinct
    old = json.loads((moved.root / f"dataset/snapshots/{FIRST}/manifest.json").read_text())
    new = json.loads((moved.root / f"dataset/snapshots/{SECOND}/manifest.json").read_text())
    assert new["previous"] == FIRST
    for table in ("commits", "files"):
        shards = new["tables"][table]["shards"]
        assert shards[: len(old["tables"][table]["shards"])] == old["tables"][table]["shards"]


def test_a_listing_cut_off_half_way_loses_nothing_and_makes_nothing_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "PAGE", 10)
    job = Job(tmp_path / "root", tmp_path / "world")
    generate(job.world)
    with job.served():
        assert job.snapshot("--as-of", FIRST) == 0
    kept = job.rows("SELECT package_id, origin, head FROM packages ORDER BY ALL", FIRST)
    old = dict(job.rows("SELECT package_id, status FROM packages", FIRST))
    real, asked_for = huggingface.HuggingFace.page, []
    with job.served() as box, monkeypatch.context() as patch:

        async def page(hub, cursor):
            asked_for.append(cursor)
            if len(asked_for) == 3:
                box.switch("list=503:1")
            return await real(hub, cursor)

        patch.setattr(huggingface.HuggingFace, "page", page)
        assert job.snapshot("--as-of", SECOND) == 5
    again = job.rows("SELECT package_id, origin, head FROM packages ORDER BY ALL", SECOND)
    assert again == kept
    new = dict(job.rows("SELECT package_id, status FROM packages", SECOND))
    seen = {package_id for package_id, status in new.items() if status != "unseen"}
    assert len(seen) == 20
    assert all(new[package_id] == old[package_id] for package_id in seen)
    [(complete, listed, outcome, reason)] = job.rows(
        "SELECT listing_complete, listed, outcome, reason FROM hubs", SECOND
    )
    assert (complete, listed, outcome) == (False, 20, "cut")
    assert "503" in reason
    assert job.rows("SELECT count(*) FROM commits", SECOND) == job.rows(
        "SELECT count(*) FROM commits", FIRST
    )
    with job.served():
        assert job.snapshot("--as-of", SECOND) == 0
    assert job.rows("SELECT count(*) FROM packages WHERE status = 'unseen'") == [(0,)]
    job.close()
