"""All five hubs, against the truth of their world."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from job import Job, asked

from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.move import move

GITHUB = "https://github.com"
FOUR = ("modelhub", "modelzoo", "onnxmodelzoo", "pytorchhub")
ZOO = f"{GITHUB}/norrland-zoo/models"


@pytest.fixture(scope="module")
def truth(five):
    return json.loads((five.world / "truth.json").read_text())


@pytest.mark.parametrize("hub", FOUR)
def test_the_packages_are_those_of_the_world(five, truth, hub):
    packages = truth["hubs"][hub]["packages"]
    wanted = {
        (one["id"], one["name"], one["repository"] and f"{GITHUB}/{one['repository']}")
        for one in packages
    }
    found = five.rows(f"SELECT package_id, name, origin FROM packages WHERE hub = '{hub}'")
    served = {
        (id_, name, origin if (id_, name, origin) in wanted else None)
        for id_, name, origin in found
    }
    assert served == wanted
    assert len(found) == len(packages)


def test_hubs_tell_what_was_listed_and_what_was_unreadable(five, truth):
    wanted = [
        (hub, len(known["packages"]), known["unparsed"], "complete", [])
        for hub, known in sorted(truth["hubs"].items())
    ]
    told = "SELECT hub, listed, unparsed, outcome, drift FROM hubs ORDER BY hub"
    assert five.rows(told) == wanted


def test_repositories_at_github_are_held_whole_shelves_among_them(five, truth):
    named = {one["repository"] for hub in FOUR for one in truth["hubs"][hub]["packages"]} | {
        truth["hubs"][hub]["shelf"] for hub in FOUR
    }
    known = [one for one in truth["repositories"] if one["forge"] == "github"]
    wanted = {
        (f"{GITHUB}/{one['name']}", one["commit_count"], one["head"])
        for one in known
        if one["name"] in named
    }
    told = "SELECT url, commits, head FROM origins WHERE kind = 'github' AND visit_sha256 NOT NULL"
    assert set(five.rows(told)) == wanted
    assert len(wanted) > 10


def test_files_at_github_have_the_bytes_of_the_world(five, truth):
    wanted = {
        (f"{GITHUB}/{one['name']}", file["path"], file["sha256"])
        for one in truth["repositories"]
        if one["forge"] == "github"
        for file in one["files"]
    }
    told = "SELECT origin, path, sha256 FROM files WHERE starts_with(origin, 'https://github.com')"
    found = set(five.rows(told))
    assert found <= wanted
    assert {origin for origin, _, _ in found} >= {ZOO, f"{GITHUB}/waterside-ai/registry"}


def test_assets_are_held_or_say_why_not(five, truth):
    wanted = {
        (hub, one["url"], one["sha256"], one["size"], one["reason"])
        for hub in FOUR
        for one in truth["hubs"][hub]["assets"]
    }
    assert set(five.rows("SELECT hub, url, sha256, size, reason FROM assets")) == wanted
    assert five.rows(
        "SELECT count(*) FROM assets WHERE held AND sha256 NOT IN (FROM blobs SELECT sha256)"
    ) == [(0,)]


def test_objects_of_the_zoo_come_from_the_other_hub_and_nobody_asks_its_own(five, truth):
    missing = truth["hubs"]["onnxmodelzoo"]["missing_objects"]
    told = f"SELECT DISTINCT sha256, reason FROM files WHERE origin = '{ZOO}' AND lfs AND NOT held"
    assert five.rows(told) == [(oid, "missing_at_origin") for oid in missing]
    [(held,)] = five.rows(f"SELECT count(*) FROM files WHERE origin = '{ZOO}' AND lfs AND held")
    assert held > 10
    lines = (five.root.parent / "requests.jsonl").read_text().splitlines()
    paths = [json.loads(line)["path"] for line in lines]
    assert not [path for path in paths if "/info/lfs" in path and "norrland-zoo/models" in path]


def test_packages_that_share_a_repository_share_one_fetch(five):
    lines = (five.root.parent / "requests.jsonl").read_text().splitlines()
    requests = [json.loads(line) for line in lines]
    for name in ("wader-hub/vision", "tidal-lab/eddy", "norrland-zoo/models"):
        looks = [
            r for r in requests if r["path"].startswith(f"/{name}") and "info/refs" in r["path"]
        ]
        assert len(looks) <= 2, name  # one of ours, and git's own


def test_cards_tell_what_to_load_and_code_what_it_offers(five):
    told = "SELECT load_targets, entry_points, dependencies FROM packages WHERE name = '{}'"
    [(targets, offered, needed)] = five.rows(told.format("wader_vision_godwit"))
    assert {"repository": "wader-hub/vision", "ref": "v0.2.0", "entry_point": "godwit"} in targets
    assert "godwit" in offered
    assert needed


def test_the_licence_of_a_package_may_stand_in_its_repository(five):
    told = "SELECT license_raw, license_spdx FROM packages WHERE name = 'tide-net'"
    assert five.rows(f"{told} AND hub = 'modelhub'") == [
        ("Copyright the estuary. Free for all.", None)
    ]


def test_weights_that_are_not_what_their_name_promises_are_not_kept(of_five):
    told = "SELECT count(*) FILTER (held), count(*) FILTER (reason = 'corrupt') FROM assets"
    with of_five.served("weights=corrupt:1") as box:
        assert of_five.snapshot("--only", "pytorchhub") == 3
        assert of_five.rows(told) == [(0, 5)]
        box.switch("weights=corrupt:off")
        assert of_five.snapshot("--only", "pytorchhub", "--retry-failed") == 0
        assert of_five.rows(told) == [(5, 0)]


def test_only_names_of_a_hub_that_lists_by_files(of_five):
    with of_five.served():
        assert of_five.snapshot("--depth", "listing", "--only", "onnxmodelzoo:Heron@*") == 0
    told = "SELECT name, status, depth FROM packages ORDER BY name"
    assert of_five.rows(told) == [
        ("Heron@12", "listed", "history"),
        ("Heron@7", "listed", "history"),
    ]
    assert of_five.rows("SELECT outcome FROM hubs WHERE hub = 'onnxmodelzoo'") == [("limited",)]


def test_what_a_limit_lists_of_a_hub_of_two_endpoints_is_what_the_whole_listing_says(of_five, five):
    """The first packages of the catalogue, with all that their details say, and no others."""
    with of_five.served() as box:
        only = ("--only", "modelzoo", "--depth", "listing", "--limit", "4")
        assert of_five.run("snapshot", *only) == 0
        paths = [request.partition("/api/models/")[2] for request in asked(box)]
    told = "SELECT * EXCLUDE (depth, reason, raw_sha256) FROM packages WHERE hub = 'modelzoo'"
    whole = five.rows(f"{told} AND raw_index < 4 ORDER BY raw_index")
    assert of_five.rows(f"{told} ORDER BY raw_index") == whole
    assert of_five.rows("SELECT count(*) FROM packages WHERE len(papers) > 0") == [(2,)]
    assert paths == ["0/", "heron-caffe/", "tern/", "eddy-pytorch/", "tide-net/"]


def test_two_hubs_away_cost_themselves_and_hubs_says_since_when(of_five):
    with of_five.served("list=reset:1", "modelzoo=reset:1"):
        text = of_five.config.read_text()
        of_five.config.write_text(
            text.replace("[hubs.modelzoo]", "[hubs.modelzoo]\noptional = false")
        )
        code, out, err = of_five.end("snapshot", "--json")
    assert code == 5
    figures = json.loads(out.splitlines()[-1])["hubs"]
    assert [hub for hub in figures if figures[hub]["packages"]] == [
        "modelhub",
        "onnxmodelzoo",
        "pytorchhub",
    ]
    told = "SELECT hub, outcome, unreachable_since IS NULL FROM hubs ORDER BY hub"
    assert of_five.rows(told) == [
        ("huggingface", "unreachable", False),
        ("modelhub", "complete", True),
        ("modelzoo", "unreachable", False),
        ("onnxmodelzoo", "complete", True),
        ("pytorchhub", "complete", True),
    ]
    assert "huggingface: not reached since 2026-11-21 12:00 UTC" in err
    assert "run the same command again" in err


def test_the_optional_hub_away_alone_fails_nothing(of_five):
    with of_five.served("modelzoo=reset:1"):
        code, out, err = of_five.end("snapshot", "--json", "--depth", "listing")
        assert code == 0
        summary = json.loads(out.splitlines()[-1])
        assert summary["reasons"]["hub_unreachable"] == 1
        assert summary["hubs"]["modelzoo"]["skipped"] == 1
        [(reason,)] = of_five.rows("SELECT reason FROM hubs WHERE hub = 'modelzoo'")
        assert reason.startswith("hub_unreachable: ")
        assert "optional" in err
        assert of_five.snapshot() == 0
    assert of_five.rows("SELECT count(DISTINCT snapshot) FROM packages") == [(1,)]


def rewrite(world, name, path, content):
    """Commit a file to a repository of the world behind the servers' backs."""
    where = world / "repositories/github" / f"{name}.git"

    def ask(*words, stdin=b""):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "--git-dir", where]
        done = subprocess.run(["git", *who, *words], input=stdin, capture_output=True, check=True)
        return done.stdout.decode().strip()

    blob = ask("hash-object", "-w", "--stdin", stdin=content)
    kept = [line for line in ask("ls-tree", "HEAD").splitlines() if not line.endswith(f"\t{path}")]
    tree = "\n".join([*kept, f"100644 blob {blob}\t{path}", ""])
    made = ask("mktree", stdin=tree.encode())
    ask("update-ref", "HEAD", ask("commit-tree", "-p", "HEAD", "-m", "broken", made))


def test_a_broken_commit_to_a_registry_is_not_the_end_of_its_hub(five_world, tmp_path):
    shutil.copytree(five_world, tmp_path / "world")
    job = Job(tmp_path / "root", tmp_path / "world", all_hubs=True)
    with job.served():
        assert job.snapshot("--depth", "listing", "--only", "modelhub") == 0
        rewrite(job.world, "waterside-ai/registry", "models.json", b'[{"id": "a",\n<<<<<<< HEAD\n')
        assert job.snapshot("--depth", "listing", "--only", "modelhub", "--new") == 0
    assert job.rows("SELECT DISTINCT status FROM packages") == [("unseen",)]
    job.close()


def test_a_lost_ledger_comes_back_with_the_same_content_and_asks_for_nothing_more(five, tmp_path):
    contents, asked = [], []
    for name in ("kept", "lost"):
        job = Job(tmp_path / name, five.world, all_hubs=True)
        shutil.copytree(five.root, job.root)
        if name == "lost":
            for path in job.root.glob("ledger.sqlite*"):
                path.unlink()
        with job.served(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PTMTORRENT_CLOCK", "2026-11-22T12:00:00Z")
            before = len(job.requests())
            assert job.run("snapshot", "--depth", "full") == 0
            asked.append(sorted(request["path"] for request in job.requests()[before:]))
        contents.append(job.content("2026-11-22"))
        job.close()
    assert contents[0] == contents[1]
    assert asked[0] == asked[1]
    assert not any(path.endswith("/git-upload-pack") or "/resolve/" in path for path in asked[1])


def test_no_token_is_used_in_the_demo(tmp_path):
    canary = "canary5e1f0c"
    done = subprocess.run(
        [sys.executable, "-m", "ptmtorrent", "--quiet", "demo", str(tmp_path / "demo")],
        env={"PATH": os.environ["PATH"], "HF_TOKEN": canary, "GITHUB_TOKEN": canary},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    requests = (tmp_path / "demo/sandbox/requests.jsonl").read_text().splitlines()
    assert not any(json.loads(line)["auth"] for line in requests)


@pytest.fixture(scope="module")
def moved(tmp_path_factory, five_world):
    """Two snapshots, with the first move of the world between them."""
    place = tmp_path_factory.mktemp("moved")
    shutil.copytree(five_world, place / "world")
    job = Job(place / "root", place / "world", all_hubs=True)
    with job.served():
        assert job.snapshot("--as-of", "2026-11-21") == 0
    move(job.world)
    with job.served():
        assert job.snapshot("--as-of", "2026-11-22") == 0
    yield job
    job.close()


def test_a_rename_is_found_by_equal_bytes_or_an_equal_link(moved):
    renamed = "former_names <> [] AND hub <> 'huggingface'"
    told = f"SELECT hub, name, former_names FROM packages WHERE {renamed} ORDER BY hub"
    assert moved.rows(told) == [
        ("modelzoo", "eddy-pytorch-2", ["eddy-pytorch"]),
        ("pytorchhub", "tidal-lab_ground-swell", ["tidal-lab_swell"]),
    ]


def test_what_a_complete_listing_does_not_show_is_gone(moved):
    told = (
        "SELECT hub, name FROM packages WHERE status = 'gone' AND hub <> 'huggingface' ORDER BY hub"
    )
    assert moved.rows(told) == [
        ("modelhub", "sedge-class"),
        ("modelzoo", "eddy-pytorch"),
        ("pytorchhub", "tidal-lab_swell"),
    ]
    new = "SELECT name FROM packages WHERE first_seen = '2026-11-22' AND hub = 'onnxmodelzoo'"
    assert moved.rows(new) == [("Ruff@13",)]


def test_unchanged_repositories_cost_one_request_and_assets_a_byte_or_none(moved):
    requests = moved.requests()
    vision = [one for one in requests if one["path"].startswith("/wader-hub/vision")]
    assert len(vision) == 1
    released = [one for one in requests if "/release-assets/" in one["path"]]
    assert [one["bytes_sent"] for one in released] == [1, 1]
    promised = "SELECT count(*) FROM assets WHERE hub = 'pytorchhub' AND held"
    assert moved.rows(promised) == [(5,)]
    weights = [one for one in requests if one["path"].startswith("/models/")]
    assert {one["status"] for one in weights} == {404}


def test_a_file_that_was_replaced_under_its_url_is_noticed(five_world, tmp_path, at_noon):
    """What an earlier snapshot tells of stays; verify finds both."""
    world = shutil.copytree(five_world, tmp_path / "world")
    job = Job(tmp_path / "root", world, all_hubs=True)
    told = "SELECT url, sha256 FROM assets WHERE held ORDER BY url"
    with job.served():
        assert job.snapshot("--only", "modelhub") == 0
        before = dict(job.rows(told))
        value = json.loads((world / "world.json").read_text())
        one, other = before
        assert value["assets"][one] != value["assets"][other]
        value["assets"][one] = value["assets"][other]
        (world / "world.json").write_text(json.dumps(value))
        assert job.snapshot("--only", "modelhub", "--new") == 0
    assert dict(job.rows(told)) == before | {one: before[other]}
    assert dict(job.rows(told, at="2026-11-21")) == before
    assert job.run("verify") == 0
    job.close()


def test_a_world_without_the_other_hubs_is_refused_by_nobody(tmp_path):
    job = Job(tmp_path / "root", tmp_path / "world", all_hubs=True)
    generate(job.world, packages=2, one_hub=True)
    with job.served():
        assert job.snapshot() == 5
    outcomes = dict(job.rows("SELECT hub, outcome FROM hubs"))
    assert outcomes["huggingface"] == "complete"
    assert outcomes["pytorchhub"] == "unreachable"
    job.close()


def with_setting(job: Job, old: str, new: str) -> None:
    """Change one line of the settings in a copy of them."""
    changed = job.root.parent / "changed.toml"
    text = job.config.read_text()
    assert text.count(old) == 1
    changed.write_text(text.replace(old, new))
    job.config = changed


def test_a_snapshot_reads_each_hub_from_one_source(of_five, five, capsys):
    """Another registry in the middle of a snapshot is refused before anything is asked."""
    with of_five.served() as box:
        settings = of_five.config
        assert of_five.run("list") == 0
        journal = (of_five.root / "store/v1/journal/000001.jsonl").read_bytes()
        before = len(asked(box))
        with_setting(of_five, "waterside-ai/registry", "waterside-ai/tide-net")
        assert of_five.run("snapshot", "--only", "huggingface") == 2
        error = capsys.readouterr().err
        assert "modelhub from https://github.com/waterside-ai/registry" in error
        assert "https://github.com/waterside-ai/tide-net" in error
        assert len(asked(box)) == before
        assert (of_five.root / "store/v1/journal/000001.jsonl").read_bytes() == journal
        of_five.config = settings
        assert of_five.snapshot() == 0
        assert of_five.content() == five.content()
        with_setting(of_five, "waterside-ai/registry", "waterside-ai/tide-net")
        assert of_five.run("snapshot", "--new", "--only", "modelhub") == 0


def test_an_archive_is_a_source_by_its_bytes_and_hubs_names_it(of_five, tmp_path):
    body = b'{"models": [{"slug": "knot", "title": "Knot", "link": null}]}'
    archives = [tmp_path / name for name in ("first", "same", "other")]
    for archive, content in zip(
        archives, (body, body, body.replace(b"knot", b"ruff")), strict=True
    ):
        archive.write_bytes(content)
    with of_five.served():
        settings = of_five.config
        codes = []
        for archive in archives:
            of_five.config = settings
            with_setting(of_five, "[hubs.modelzoo]", f'[hubs.modelzoo]\narchive = "{archive}"')
            codes.append(of_five.run("list", "--only", "modelzoo"))
        of_five.config = settings
        codes.append(of_five.run("list", "--only", "modelzoo"))
        assert of_five.run("build") == 0
    assert codes == [0, 0, 2, 2]
    [(scope,)] = of_five.rows("SELECT scope FROM hubs WHERE hub = 'modelzoo'")
    assert json.loads(scope) == {"from": f"sha256:{hashlib.sha256(body).hexdigest()}"}
    assert of_five.rows("SELECT name FROM packages") == [("knot",)]
