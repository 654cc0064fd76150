"""A restored repository is the origin, as far as it was held, with all servers off."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from restoring import FIRST, PLAIN_GIT, SECOND, Job, clones, git, restore

from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.visit import Holding
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.store.local import LocalStore


def refs_of(repository: Path) -> bytes:
    return git("for-each-ref", "--format=%(objectname) %(refname)", cwd=repository)


def reached(repository: Path, *words: str) -> set[bytes]:
    output = git("rev-list", "--objects", "--no-object-names", "--all", *words, cwd=repository)
    return set(output.split())


def assert_sound(repository: Path, *words: str) -> None:
    done = subprocess.run(
        ["git", "fsck", "--full", "--no-dangling", "--no-progress", *words],
        cwd=repository,
        env=PLAIN_GIT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("snapshot", [FIRST, SECOND])
def test_refs_head_and_objects_are_those_of_a_plain_clone_made_that_day(moved, tmp_path, snapshot):
    truth = moved.clones[snapshot]
    assert len(truth.clones) > 25
    changed = {n for n, c in truth.clones.items() if _differs(moved, n, c)}
    for name in sorted({*changed, *sorted(truth.clones)[::6]}):
        clone = truth.clones[name]
        ours = restore(moved, name, tmp_path / name.replace("/", "+"), at=snapshot)
        assert refs_of(ours) == refs_of(clone), name
        assert (ours / "HEAD").read_bytes() == (clone / "HEAD").read_bytes()
        assert reached(ours) == reached(clone)
        assert_sound(ours)
        shutil.rmtree(ours)


def _differs(moved: Job, name: str, clone: Path) -> bool:
    other = [t.clones.get(name) for t in moved.clones.values()]
    return None in other or refs_of(other[0]) != refs_of(other[1])


def test_there_are_no_hooks_no_remote_and_nothing_but_a_repository(moved, out):
    restore(moved, next(iter(moved.clones[SECOND].clones)), out)
    assert {path.name for path in out.iterdir()} <= {
        *("HEAD", "config", "objects", "packed-refs", "refs", "lfs")
    }
    assert git("remote", cwd=out) == b""
    assert git("rev-parse", "--is-bare-repository", cwd=out) == b"true\n"


def test_git_clones_it_with_lfs_objects_and_no_server(moved, out, tmp_path):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    name, told = next(
        (n, t)
        for n, t in moved.clones[SECOND].told.items()
        if any(f["lfs"] for f in t["files"]) and n.count("Base")
    )
    restore(moved, name, out)
    lfs = {"GIT_LFS_SKIP_SMUDGE": "0", "GIT_CONFIG_COUNT": "3", "HOME": str(tmp_path)}
    for number, word in enumerate(("smudge -- %f", "clean -- %f", "filter-process")):
        key = f"filter.lfs.{word.split(' ')[0].replace('filter-process', 'process')}"
        lfs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": f"git-lfs {word}"}
    subprocess.run(
        ["git", "clone", "-q", str(out), str(tmp_path / "clone")],
        env=PLAIN_GIT | lfs,
        check=True,
        capture_output=True,
    )
    for file in told["files"]:
        if file["lfs"]:
            assert (tmp_path / "clone" / file["path"]).stat().st_size == file["size"]


def test_large_packs_and_objects_are_links_into_the_store(moved, tmp_path):
    for name in moved.clones[SECOND].clones:
        ours = restore(moved, name, tmp_path / name.replace("/", "+"))
        large = [p for p in (ours / "lfs").rglob("*") if p.is_file() and p.stat().st_size > 65536]
        if large:
            break
    assert large
    assert all(path.stat().st_nlink > 1 for path in large)


def test_a_package_that_is_gone_is_restored_as_it_was(moved, out):
    [gone] = set(moved.clones[FIRST].clones) - {
        *moved.clones[SECOND].clones,
        *(n for (n,) in moved.rows("SELECT name FROM packages WHERE status = 'gated'", SECOND)),
        *(n for (ns,) in moved.rows("SELECT former_names FROM packages", SECOND) for n in ns),
    }
    restore(moved, gone, out)
    assert reached(out) == reached(moved.clones[FIRST].clones[gone])


def test_a_former_name_finds_a_package_and_its_old_snapshot(moved, out, tmp_path):
    [(now, [old])] = moved.rows(
        "SELECT name, former_names FROM packages WHERE len(former_names) > 0", SECOND
    )
    before = restore(moved, old, out, at=FIRST)
    after = restore(moved, old, tmp_path / "after")
    assert refs_of(before) == refs_of(moved.clones[FIRST].clones[old])
    assert refs_of(after) == refs_of(moved.clones[SECOND].clones[now])


@pytest.mark.parametrize("worktree", [False, True])
def test_what_is_not_held_is_told_with_its_reason_and_nothing_appears(moved, out, worktree):
    rows = moved.rows(
        "SELECT p.name, o.reason FROM packages p JOIN origins o USING (origin_key)"
        " WHERE o.visit_sha256 IS NULL"
    )
    assert {reason for _, reason in rows} >= {"gated", "empty"}
    for name, reason in rows:
        with pytest.raises(NotFoundError, match=reason):
            restore(moved, name, out, worktree=worktree)
    with pytest.raises(NotFoundError, match="no package"):
        restore(moved, "no/body", out)
    with pytest.raises(NotFoundError, match="2026-11-20"):
        restore(moved, rows[0][0], out, at="2026-11-20")
    assert list(out.parent.iterdir()) == []


@pytest.fixture(scope="module")
def filtered(tmp_path_factory):
    """A root whose larger origins could not be had whole; and clones of all, by plain git."""
    place = tmp_path_factory.mktemp("filtered")
    job = Job(place / "root", place / "world")
    generate(job.world, packages=12, one_hub=True)
    with job.served():
        text = job.config.read_text()
        job.config.write_text(f'{text}\n[git]\nmax_pack = "100KiB"\nblob_limit = "20KiB"\n')
        assert job.run("snapshot", "--depth", "history", "--as-of", FIRST) == 0
        job.truth_at_first = clones(job, place)
    job.names = [
        name.removeprefix("https://huggingface.co/")
        for (name,) in job.rows("SELECT url FROM origins WHERE filter IS NOT NULL")
    ]
    job.lacking = [
        name
        for (name,) in job.rows(
            "SELECT DISTINCT p.name FROM packages p JOIN files f USING (origin_key)"
            " WHERE f.reason = 'filtered' ORDER BY 1"
        )
    ]
    assert job.lacking
    yield job
    job.close()


def test_a_filtered_origin_is_accepted_by_git_which_knows_whom_to_ask(filtered, tmp_path):
    for name in filtered.names:
        ours = restore(filtered, name, tmp_path / name.replace("/", "+"))
        clone = filtered.truth_at_first.clones[name]
        assert refs_of(ours) == refs_of(clone)
        assert_sound(ours)
        url = git("config", "remote.origin.url", cwd=ours).decode().strip()
        assert url == f"https://huggingface.co/{name}"
        assert git("config", "extensions.partialClone", cwd=ours) == b"origin\n"
        offline = PLAIN_GIT | {"GIT_NO_LAZY_FETCH": "1"}
        shown = subprocess.run(
            ["git", "rev-list", "--objects", "--missing=print", "--all"],
            cwd=ours,
            env=offline,
            capture_output=True,
            check=True,
        )
        missing = {line[1:] for line in shown.stdout.split() if line.startswith(b"?")}
        assert missing < reached(clone)
        assert missing or name not in filtered.lacking


def test_what_a_filter_left_out_is_named_in_the_report_of_a_worktree(filtered, out):
    name = filtered.lacking[0]
    restore(filtered, name, out, worktree=True)
    *lines, summary = map(json.loads, Path(f"{out}.restore.jsonl").read_text().splitlines())
    lacking = [line for line in lines if "not_held" in line["what"]]
    assert {line["reason"] for line in lacking} == {"filtered"}
    assert summary["not_held"] == len(lacking) > 0
    assert not any((out / line["path"]).exists() for line in lacking)


def test_a_visit_is_restored_from_any_newer_holding_that_has_its_objects(moved, out, tmp_path):
    """The packs of the old visit are gone; a newer holding of the origin has their objects."""
    root = tmp_path / "root"
    shutil.copytree(moved.root, root)
    job = Job(root, moved.world)
    [(origin,)] = job.rows("SELECT DISTINCT origin FROM unreachable", SECOND)
    name = origin.removeprefix("https://huggingface.co/")
    ledger = Ledger.open(root / "ledger.sqlite")
    visits = dict(
        ledger._connection.execute(
            "SELECT v.snapshot, v.holding FROM visits v JOIN origins o ON o.id = v.origin"
            " WHERE o.url = ?",
            [origin],
        )
    )
    with LocalStore.at(root, write=True) as store:
        old = Holding.from_bytes(store.read(visits[1]))
        lost = Holding(old.visit, ("0" * 64,), old.wanted, old.pack_bytes, old.git)
        named = store.put(lost.to_bytes())
    with ledger.transaction():
        ledger._connection.execute(
            "UPDATE visits SET holding = ? WHERE holding = ?", [named, visits[1]]
        )
    ledger.close()
    restore(job, name, out, at=FIRST)
    assert refs_of(out) == refs_of(moved.clones[FIRST].clones[name])
    assert reached(out) == reached(moved.clones[FIRST].clones[name])
    assert_sound(out)


def damage(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("worktree", [False, True])
def test_damaged_bytes_end_it_and_nothing_half_made_stays(moved, tmp_path, worktree):
    root = tmp_path / "root"
    shutil.copytree(moved.root, root)
    job = Job(root, moved.world)
    name, digest = job.rows(
        "SELECT p.name, f.sha256 FROM packages p JOIN files f USING (origin_key)"
        " WHERE f.lfs AND f.held AND f.size > 65536 LIMIT 1"
    )[0]
    damage(root / "store/v1/blobs/sha256" / digest[:2] / digest[2:4] / digest)
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(IntegrityError, match=digest):
        restore(job, name, place / "out", worktree=worktree)
    assert list(place.iterdir()) == []
