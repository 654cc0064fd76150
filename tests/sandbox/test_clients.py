"""Clients nobody here wrote list, read, download and clone from the sandbox, byte for byte."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ptmtorrent.sandbox.repository import read
from ptmtorrent.sandbox.serve import sandbox_in_thread
from ptmtorrent.sandbox.world import Repository, object_path

HAS_LFS = shutil.which("git-lfs") is not None

PRELUDE = """
import json, sys
from huggingface_hub import HfApi, snapshot_download, hf_hub_download
from huggingface_hub.errors import *
endpoint, out = sys.argv[1:3]
api = HfApi(endpoint=endpoint, token=False)
def tell(value): print(json.dumps(value))
def raised(call, *args, **named):
    try: call(*args, **named)
    except Exception as error: return type(error).__name__
"""


@pytest.fixture(scope="module")
def box(world):
    with sandbox_in_thread(world) as sandbox:
        yield sandbox


def _environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
        **more,
    }


def _hub_client(script: str, endpoint: str, home: Path, **environment: str) -> object:
    """What a script told that uses ``huggingface_hub`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script, endpoint, str(home / "out")],
        env=_environment(home, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _git(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        env=_environment(home, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _content(world: Path, package: Repository) -> dict[str, bytes]:
    """Every file of the head, with LFS objects in the place of their pointers."""
    return {
        file.path.decode(): object_path(world, file.pointer.sha256).read_bytes()
        if file.pointer
        else file.data
        for file in read(package.path(world)).files
    }


def _files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not {".git", ".cache"} & set(path.relative_to(directory).parts)
    }


def test_huggingface_hub_lists_every_package_in_pages(box, told, hub, tmp_path):
    script = """
    import huggingface_hub.utils._pagination
    tell({
        "all": [m.id for m in api.list_models(sort="created_at")],
        "paged": [m.id for m in huggingface_hub.utils._pagination.paginate(
            endpoint + "/api/models", {"limit": 3, "sort": "createdAt"}, {}) for m in
            [huggingface_hub.hf_api.ModelInfo(**m)]],
        "limited": [m.id for m in api.list_models(limit=4, sort="created_at")],
        "author": [m.id for m in api.list_models(author=AUTHOR)],
        "full": [[m.sha, m.last_modified is not None, len(m.siblings)]
                 for m in api.list_models(full=True, limit=2, sort="created_at")],
        "expanded": [m.downloads_all_time for m in
                     api.list_models(expand=["downloadsAllTime"], sort="created_at")],
        "wrong": raised(lambda: list(api.list_models(expand=["nothing"]))),
    })
    """
    author = hub["open"].name.partition("/")[0]
    told_by_client = _hub_client(
        _dedented(script).replace("AUTHOR", repr(author)), box.endpoints["huggingface"], tmp_path
    )
    visible = [
        r for r in told.repositories if r.forge == "huggingface" and not (r.missing or r.private)
    ]
    visible.sort(key=lambda r: r.id, reverse=True)
    names = [r.name for r in visible]
    assert told_by_client["all"] == told_by_client["paged"] == names
    assert told_by_client["limited"] == names[:4]
    assert sorted(told_by_client["author"]) == sorted(
        n for n in names if n.startswith(f"{author}/")
    )
    assert told_by_client["full"] == [
        [r.record.get("sha"), True, len(r.record["siblings"])] for r in visible[:2]
    ]
    assert told_by_client["expanded"] == [r.record["downloadsAllTime"] for r in visible]
    assert told_by_client["wrong"] == "BadRequestError"


def _dedented(script: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in script.splitlines())


def test_huggingface_hub_reads_one_package(box, hub, world, tmp_path):
    package = hub["open"]
    script = f"name = {package.former_names[0]!r}\n" + _dedented("""
    info = api.model_info(name, files_metadata=True)
    tree = list(api.list_repo_tree(name, recursive=True))
    refs = api.list_repo_refs(name)
    tell({
        "id": info.id, "sha": info.sha,
        "siblings": {s.rfilename: [s.size, s.blob_id, s.lfs and s.lfs.sha256]
                     for s in info.siblings},
        "tree": {f.path: [f.size, f.blob_id, f.lfs and f.lfs.sha256]
                 for f in tree if hasattr(f, "size")},
        "wide": [f.last_commit.oid for f in api.list_repo_tree(name, expand=True)],
        "paths": [f.path for f in api.get_paths_info(name, ["README.md", "none"])],
        "commits": [[c.commit_id, c.title] for c in api.list_repo_commits(name, formatted=True)],
        "refs": sorted([r.ref, r.target_commit] for r in refs.branches + refs.tags),
    })
    """)
    told = _hub_client(script, box.endpoints["huggingface"], tmp_path)
    contents = read(package.path(world))
    expected = {
        f.path.decode(): [f.size, f.entry.oid, f.pointer and f.pointer.sha256]
        for f in contents.files
    }
    assert (told["id"], told["sha"]) == (package.name, contents.head)
    assert told["siblings"] == told["tree"] == expected
    assert contents.head in [told["commits"][0][0], *told["wide"]]
    heads = {ref: oid for ref, oid in contents.refs.items() if ref.startswith("refs/heads/")}
    assert heads.items() <= dict(told["refs"]).items()
    assert told["paths"] == ["README.md"]


def test_huggingface_hub_downloads_snapshots_byte_for_byte(box, hub, told, world, tmp_path):
    script = _dedented("""
    tell([snapshot_download(name, endpoint=endpoint, token=token, local_dir=out + str(number))
          for number, (name, token) in enumerate(WANTED)])
    """)
    wanted = [(hub["open"].former_names[0], False)]
    wanted += [(hub[word].name, told.token) for word in ("auto", "private")]
    paths = _hub_client(
        script.replace("WANTED", repr(wanted)), box.endpoints["huggingface"], tmp_path
    )
    for path, word in zip(paths, ("open", "auto", "private"), strict=True):
        assert _files(Path(path)) == _content(world, hub[word])
    lines = [json.loads(line) for line in box.requests.read_text().splitlines()]
    assert not any(line["auth"] for line in lines if line["host"] == "cdn")


def test_huggingface_hub_knows_every_refusal_over_tls(world, hub, told, tmp_path):
    script = _dedented("""
    def file(word, token=False):
        return raised(hf_hub_download, NAMES[word], "config.json", endpoint=endpoint, token=token)
    tell({
        "gated": file("auto"), "refused": file("manual", TOKEN),
        "disabled": raised(lambda: list(api.list_repo_tree(NAMES["disabled"]))),
        "private": raised(api.model_info, NAMES["private"]),
        "missing": raised(api.model_info, NAMES["missing"]),
        "missing, with token": raised(api.model_info, NAMES["missing"], token=TOKEN),
        "no entry": raised(hf_hub_download, NAMES["open"], "none", endpoint=endpoint, token=False),
        "no revision": raised(api.model_info, NAMES["open"], revision="none"),
        "invalid token": raised(api.model_info, NAMES["open"], token="hf_wrong"),
        "open": file("open"),
    })
    """)
    names = {word: package.name for word, package in hub.items()}
    with sandbox_in_thread(world, tls=True) as box:
        got = _hub_client(
            script.replace("NAMES", repr(names)).replace("TOKEN", repr(told.token)),
            box.endpoints["huggingface"],
            tmp_path,
            SSL_CERT_FILE=str(world / "ca.pem"),
        )
    assert got == {
        "gated": "GatedRepoError",
        "refused": "GatedRepoError",
        "disabled": "DisabledRepoError",
        "private": "RepositoryNotFoundError",
        "missing": "RepositoryNotFoundError",
        "missing, with token": "RepositoryNotFoundError",
        "no entry": "RemoteEntryNotFoundError",
        "no revision": "RevisionNotFoundError",
        "invalid token": "HfHubHTTPError",
        "open": None,
    }


def test_huggingface_hub_meets_a_fault_and_gets_over_it(world, hub, tmp_path):
    script = _dedented("""
    tell(snapshot_download(NAME, endpoint=endpoint, token=False, local_dir=out))
    """).replace("NAME", repr(hub["open"].name))
    with sandbox_in_thread(world, faults=["cdn=truncate:#1"]) as box:
        path = _hub_client(script, box.endpoints["huggingface"], tmp_path)
        lines = [json.loads(line) for line in box.requests.read_text().splitlines()]
    content = _content(world, hub["open"])
    sizes = {len(data) for data in content.values()}
    cut = [line for line in lines if line["host"] == "cdn" and line["bytes_sent"] not in sizes]
    assert len(cut) >= 1
    assert _files(Path(path)) == content


def test_git_clones_both_forges_and_follows_renames(box, told, tmp_path):
    wanted = [
        (package, name)
        for package in told.repositories
        if package.former_names or package.forge == "github"
        for name in (package.name, *(n for n in package.former_names if "/" in n))
    ]
    hosts = {"huggingface": "huggingface", "github": "github_git"}
    for number, (package, name) in enumerate(wanted):
        url, path = f"{box.endpoints[hosts[package.forge]]}/{name}", tmp_path / str(number)
        done = _git(tmp_path, "clone", "--mirror", url, str(path))
        assert done.returncode == 0, done.stderr
        assert read(path) == read(package.path(box.directory))
    assert len(wanted) > len(told.repositories) // 10


def test_git_clones_partially_and_fetches_the_rest_when_it_is_needed(box, hub, world, tmp_path):
    url, path = f"{box.endpoints['huggingface']}/{hub['open'].name}", tmp_path / "partial"
    done = _git(tmp_path, "clone", "--no-checkout", "--filter=blob:none", url, str(path))
    assert done.returncode == 0, done.stderr
    absent = _git(tmp_path, "-C", str(path), "rev-list", "--objects", "--missing=print", "--all")
    assert any(line.startswith("?") for line in absent.stdout.splitlines())
    assert _git(tmp_path, "-C", str(path), "checkout", "main").returncode == 0
    expected = {f.path.decode(): f.data for f in read(hub["open"].path(world)).files}
    assert _files(path) == expected


def test_git_clones_with_the_old_protocol_and_shallowly(box, hub, tmp_path):
    url, path = f"{box.endpoints['huggingface']}/{hub['open'].name}", tmp_path / "shallow"
    done = _git(tmp_path, "-c", "protocol.version=0", "clone", "--depth=1", url, str(path))
    assert done.returncode == 0, done.stderr
    assert _git(tmp_path, "-C", str(path), "rev-list", "--count", "HEAD").stdout == "1\n"


def test_git_needs_the_token_for_what_is_gated(box, hub, told, tmp_path):
    host = box.endpoints["huggingface"].removeprefix("http://")
    for word, granted in (("auto", True), ("private", True), ("manual", False)):
        bare = _git(tmp_path, "clone", f"http://{host}/{hub[word].name}", str(tmp_path / "x"))
        assert "could not read Username" in bare.stderr
        url = f"http://user:{told.token}@{host}/{hub[word].name}"
        done = _git(tmp_path, "clone", url, str(tmp_path / word))
        assert (done.returncode == 0) == granted, done.stderr


def test_git_meets_a_truncated_pack_and_a_refusal(world, hub, tmp_path):
    faults = ["git=truncate:#2", "git=429:#3"]
    with sandbox_in_thread(world, faults=faults) as box:
        url = f"{box.endpoints['huggingface']}/{hub['open'].name}"
        first = _git(tmp_path, "clone", url, str(tmp_path / "a"))
        second = _git(tmp_path, "clone", url, str(tmp_path / "b"))
        third = _git(tmp_path, "clone", url, str(tmp_path / "c"))
    assert first.returncode != 0
    assert "returned error: 429" in second.stderr
    assert third.returncode == 0


@pytest.mark.skipif(not HAS_LFS, reason="git-lfs is not installed")
def test_git_lfs_pulls_every_object(box, hub, told, world, tmp_path):
    _git(tmp_path, "lfs", "install", "--skip-repo")
    host = box.endpoints["huggingface"].removeprefix("http://")
    urls = {
        "open": f"http://{host}/{hub['open'].name}",
        "auto": f"http://user:{told.token}@{host}/{hub['auto'].name}",
    }
    for word, url in urls.items():
        path = tmp_path / word
        done = _git(tmp_path, "clone", url, str(path), GIT_LFS_SKIP_SMUDGE="1")
        assert done.returncode == 0, done.stderr
        done = _git(tmp_path, "-C", str(path), "lfs", "pull")
        assert done.returncode == 0, done.stderr
        assert _files(path) == _content(world, hub[word])


@pytest.mark.skipif(not HAS_LFS, reason="git-lfs is not installed")
def test_git_lfs_clone_brings_every_byte(box, hub, world, tmp_path):
    _git(tmp_path, "lfs", "install", "--skip-repo")
    url, path = f"{box.endpoints['huggingface']}/{hub['open'].name}", tmp_path / "cloned"
    done = _git(tmp_path, "lfs", "clone", url, str(path))
    assert done.returncode == 0, done.stderr
    assert _files(path) == _content(world, hub["open"])


@pytest.mark.skipif(not HAS_LFS, reason="git-lfs is not installed")
def test_git_lfs_resumes_after_a_cut(world, hub, tmp_path):
    _git(tmp_path, "lfs", "install", "--skip-repo")
    with sandbox_in_thread(world, faults=["cdn=truncate:#1"]) as box:
        url, path = f"{box.endpoints['huggingface']}/{hub['open'].name}", tmp_path / "cut"
        done = _git(tmp_path, "clone", url, str(path))
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in box.requests.read_text().splitlines()]
    assert any(line["status"] == 206 for line in lines if line["host"] == "cdn")
    assert _files(path) == _content(world, hub["open"])
