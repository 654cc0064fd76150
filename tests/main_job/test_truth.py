"""What the dataset says is what plain git and the world itself say."""

import gzip
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from job import Job, git, sha256

from ptmtorrent.model.oid import parse_pointer
from ptmtorrent.sandbox.world import World, object_path
from ptmtorrent.store.local import LocalStore

READABLE = "SELECT url FROM origins WHERE visit_sha256 IS NOT NULL ORDER BY url"


@pytest.fixture(scope="module")
def clones(finished: Job, tmp_path_factory) -> dict[str, Path]:
    """A fresh clone of every readable origin, by plain git."""
    place = tmp_path_factory.mktemp("clones")
    made = {}
    with finished.served():
        for number, (url,) in enumerate(finished.rows(READABLE)):
            made[url] = place / f"{number}.git"
            actual = url.replace("https://huggingface.co", finished.endpoint)
            git("clone", "-q", "--bare", actual, str(made[url]))
    return made


def test_every_repository_that_anyone_may_read_is_there(finished, clones):
    readable = [r for r in finished.truth()["repositories"] if r["status"] == "listed"]
    urls = {f"https://huggingface.co/{r['name']}" for r in readable if r["forge"] == "huggingface"}
    empty = {u for (u,) in finished.rows("SELECT url FROM origins WHERE reason = 'empty'")}
    assert set(clones) == urls - empty
    assert len(clones) >= 30


def test_commits_are_those_of_a_fresh_clone(finished, clones):
    for url, clone in clones.items():
        ours = {oid for (oid,) in finished.rows(f"SELECT oid FROM commits WHERE origin = '{url}'")}
        theirs = git("rev-list", "HEAD", "--branches", "--tags", cwd=clone).decode().split()
        assert ours == set(theirs), url
        [(count,)] = finished.rows(f"SELECT commits FROM origins WHERE url = '{url}'")
        wanted = git("rev-list", "--count", "HEAD", "--branches", "--tags", cwd=clone)
        assert count == int(wanted), url


def test_raw_commits_have_the_sha256_and_the_times_that_git_shows(finished, clones):
    for url, clone in clones.items():
        rows = finished.rows(
            "SELECT oid, sha256, author_at, committed_at, parents, files, additions, deletions"
            f" FROM commits WHERE origin = '{url}'"
        )
        for oid, digest, author_at, committed_at, parents, *_ in rows:
            assert sha256(git("cat-file", "commit", oid, cwd=clone)) == digest
            shown = git("show", "-s", "--format=%at %ct %P", oid, cwd=clone).decode().split()
            assert int(author_at.timestamp()) == int(shown[0])
            assert int(committed_at.timestamp()) == int(shown[1])
            assert parents == shown[2:]


def test_files_are_those_of_a_fresh_clone_and_every_byte_has_its_sha256(finished, clones):
    for url, clone in clones.items():
        rows = finished.rows(
            "SELECT coalesce(path_bytes, encode(path)), mode, oid, size, sha256, lfs"
            f" FROM files WHERE origin = '{url}'"
        )
        listed = git("ls-tree", "-r", "-z", "HEAD", cwd=clone).split(b"\0")[:-1]
        theirs = {}
        for line in listed:
            facts, _, path = line.partition(b"\t")
            mode, kind, oid = facts.decode().split()
            theirs[path] = (mode, oid)
            assert kind == "blob"
        assert {path: (mode, oid) for path, mode, oid, *_ in rows} == theirs, url
        for path, mode, oid, size, digest, lfs in rows:
            data = git("cat-file", "blob", oid, cwd=clone)
            pointer = parse_pointer(data) if mode != "120000" else None
            assert lfs == (pointer is not None), (url, path)
            if pointer:
                assert (digest, size) == (pointer.sha256, pointer.size)
            else:
                assert (digest, size) == (sha256(data), len(data))


def test_line_counts_are_those_of_git(finished, clones):
    for url, clone in list(clones.items())[:10]:
        for oid, parents, files, additions, deletions in finished.rows(
            f"SELECT oid, parents, files, additions, deletions FROM commits WHERE origin = '{url}'"
        ):
            before = (
                parents[0]
                if parents
                else git("hash-object", "-t", "tree", "/dev/null", cwd=clone).decode().strip()
            )
            shown = git("diff", "--numstat", "--no-renames", "-z", before, oid, cwd=clone)
            stats = [line.split(b"\t") for line in shown.split(b"\0")[:-1]]
            added = sum(int(s[0]) for s in stats if s[0] != b"-")
            deleted = sum(int(s[1]) for s in stats if s[1] != b"-")
            assert (files, additions, deletions) == (len(stats), added, deleted), (url, oid)


def test_every_held_object_is_byte_for_byte_that_of_the_world(finished):
    rows = finished.rows("SELECT sha256, size, held, reason FROM blobs")
    assert len(rows) > 30
    with LocalStore.at(finished.root, write=False) as store:
        for digest, size, held, reason in rows:
            if held:
                data = store.read(digest)
                assert (len(data), sha256(data)) == (size, digest)
                if object_path(finished.world, digest).exists():
                    assert data == object_path(finished.world, digest).read_bytes()
            else:
                assert reason == "missing_at_origin"


def test_what_could_not_be_had_is_a_row_with_its_reason(finished):
    world = World.load(finished.world)
    missing = {oid for repo in world.repositories for oid in repo.missing_objects}
    rows = finished.rows("SELECT DISTINCT sha256, reason FROM files WHERE NOT held")
    assert rows == [(oid, "missing_at_origin") for oid in sorted(missing)]
    reasons = dict(finished.rows("SELECT url, reason FROM origins WHERE reason IS NOT NULL"))
    assert sorted(reasons.values()) == ["disabled", "empty", "gated", "gated"]
    statuses = dict(finished.rows("SELECT status, count(*) FROM packages GROUP BY status"))
    assert statuses == {"listed": 35, "gated": 2, "disabled": 1}


def test_an_object_shared_by_packages_is_requested_once(finished):
    shared = finished.rows('SELECT sha256 FROM blobs WHERE "references" > 1 AND held')
    assert shared
    lines = (finished.world / "requests-of-first-run.jsonl").read_text().splitlines()
    paths = [json.loads(line)["path"] for line in lines]
    for (digest,) in shared:
        assert len([p for p in paths if digest in p and "/info/lfs" not in p]) <= 1


def test_a_package_a_commit_and_a_file_are_traced_to_their_bytes(finished, capfdbinary):
    [(name, raw_sha256, raw_index, visit_sha256, commit, commit_sha256, path, digest)] = (
        finished.rows(
            "SELECT p.name, p.raw_sha256, p.raw_index, o.visit_sha256, c.oid, c.sha256,"
            "       f.path, f.sha256"
            " FROM packages p JOIN origins o USING (origin_key)"
            " JOIN commits c ON c.origin_key = o.origin_key AND c.oid = o.head"
            " JOIN files f ON f.origin_key = o.origin_key"
            " WHERE f.lfs AND f.held AND o.complete ORDER BY p.name, f.path LIMIT 1"
        )
    )
    with LocalStore.at(finished.root, write=False) as store:
        record = json.loads(gzip.decompress(store.read(raw_sha256)))[raw_index]
        assert record["id"] == name
        visit = json.loads(store.read(visit_sha256))
        assert visit["head"] == commit == record["sha"]
    repository = finished.world / "repositories/huggingface" / f"{name}.git"
    assert sha256(git("cat-file", "commit", commit, cwd=repository)) == commit_sha256
    capfdbinary.readouterr()
    assert finished.run("get", f"huggingface:{name}", path) == 0
    assert sha256(capfdbinary.readouterr().out) == digest
    assert finished.run("get", f"huggingface:id={record['_id']}", "config.json") in (0, 4)


def test_get_prints_files_that_git_itself_holds(finished, capfdbinary):
    [(name, path, digest)] = finished.rows(
        "SELECT p.name, f.path, f.sha256 FROM packages p JOIN files f USING (origin_key)"
        " WHERE NOT f.lfs AND f.path = 'README.md' ORDER BY p.name LIMIT 1"
    )
    capfdbinary.readouterr()
    assert finished.run("get", f"huggingface:{name}", path) == 0
    assert sha256(capfdbinary.readouterr().out) == digest


def test_signatures_are_told_apart_by_who_signed(finished):
    kinds = set(finished.rows("SELECT DISTINCT signature, signer FROM commits"))
    assert kinds == {("none", "none"), ("ssh", "user"), ("openpgp", "user"), ("openpgp", "hub")}


def test_no_name_and_no_address_of_an_author_is_in_any_shard(finished):
    people = set()
    for path in (finished.world / "repositories/huggingface").glob("*/*.git"):
        shown = subprocess.run(
            ["git", "log", "--all", "--format=%an%n%ae%n%cn%n%ce"],
            cwd=path,
            capture_output=True,
            check=False,
        ).stdout
        people |= {w for w in shown.split(b"\n") if b"@" in w and b"huggingface.co" not in w}
    assert len(people) > 3
    for shard in (finished.root / "dataset").rglob("*.parquet"):
        data = shard.read_bytes()
        assert not [person for person in people if person in data], shard
    text = "\n".join(m for (m,) in finished.rows("SELECT message FROM all_commits"))
    assert not [person for person in people if person.decode("utf-8", "replace") in text]


def test_hostile_names_arrive_unharmed(finished):
    paths = {p for (p,) in finished.rows("SELECT path FROM files")}
    assert any("\x1b" in path for path in paths)
    assert any("[bold]" in path for path in paths)
    assert finished.rows("SELECT count(*) FROM files WHERE path_bytes IS NOT NULL") != [(0,)]


def test_the_requests_told_are_those_the_servers_saw(fresh, capfd):
    with fresh.served():
        assert fresh.snapshot("--json") == 0
    told = json.loads(capfd.readouterr().out.splitlines()[-1])["network"]
    assert (told["requests"], told["refused"]) == (len(fresh.requests()), 0)


def test_times_are_real_times(finished):
    [(low, high)] = finished.rows("SELECT min(observed_at), max(observed_at) FROM packages")
    assert low.tzinfo is not None
    assert low <= high <= datetime.now(UTC)
