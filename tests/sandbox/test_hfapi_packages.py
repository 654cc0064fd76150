"""Packages in the API: info, trees, commits, refs, files; renames; errors and who may see what."""

import json
from urllib.parse import quote

import pytest
from yarl import URL

from ptmtorrent.model.oid import Pointer, git_blob_oid
from ptmtorrent.sandbox.repository import git, read


@pytest.fixture
def base(box):
    return box.endpoints["huggingface"]


async def _get(http, url, **headers):
    async with http.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.read(), answer.headers


async def _json(http, url, status=200, **headers):
    got, body, told = await _get(http, url, **headers)
    assert got == status, body
    return json.loads(body), told


async def test_info_is_the_record_without_what_must_be_asked_for(http, base, hub):
    package = hub["open"]
    body, _ = await _json(http, f"{base}/api/models/{package.name}")
    expected = {k: v for k, v in package.record.items() if k in body}
    assert body == expected
    hidden = set(package.record) - set(body)
    assert {"downloadsAllTime", "trendingScore", "childrenModelCount"} <= hidden
    asked, _ = await _json(http, f"{base}/api/models/{package.name}?expand[]=downloadsAllTime")
    assert set(asked) == {"_id", "id", "downloadsAllTime"}
    safe, _ = await _json(http, f"{base}/api/models/{package.name}?securityStatus=true")
    assert safe["securityRepoStatus"]["scansDone"] is True


async def test_siblings_and_tree_say_what_git_says(http, base, hub, world):
    package = hub["open"]
    contents = read(package.path(world))
    info, _ = await _json(http, f"{base}/api/models/{package.name}?blobs=true")
    tree, _ = await _json(http, f"{base}/api/models/{package.name}/tree/main?recursive=true")
    files = {file.path.decode(): file for file in contents.files}
    listed = {entry["path"]: entry for entry in tree if entry["type"] == "file"}
    assert set(files) == set(listed) == {s["rfilename"] for s in info["siblings"]}
    for sibling in info["siblings"]:
        file, entry = files[sibling["rfilename"]], listed[sibling["rfilename"]]
        assert sibling["blobId"] == entry["oid"] == file.entry.oid
        assert sibling["size"] == entry["size"] == file.size
        if file.pointer:
            pointer = Pointer(sibling["lfs"]["sha256"], sibling["lfs"]["size"])
            assert git_blob_oid(pointer.to_bytes()) == entry["oid"]
            assert entry["lfs"]["oid"] == pointer.sha256 == file.pointer.sha256
            assert entry["lfs"]["pointerSize"] == len(pointer.to_bytes())
    assert any(file.pointer for file in contents.files)


async def test_tree_pages_add_up_and_folders_can_be_looked_into(http, base, hub):
    url = f"{base}/api/models/{hub['open'].name}/tree/main"
    whole, _ = await _json(http, f"{url}?recursive=true")
    paged, following = [], f"{url}?recursive=true&limit=2"
    while following:
        async with http.get(following) as answer:
            paged += await answer.json()
            following = answer.links.get("next", {}).get("url")
    assert paged == whole
    top, _ = await _json(http, url)
    assert top == [entry for entry in whole if "/" not in entry["path"]]
    folder = next(entry["path"] for entry in whole if entry["type"] == "directory")
    inside, _ = await _json(http, f"{url}/{quote(folder, safe='')}")
    assert inside == [e for e in whole if e["path"].rpartition("/")[0] == folder]
    wide, _ = await _json(http, f"{url}?expand=true&limit=2")
    assert set(wide[0]["lastCommit"]) == {"id", "title", "date"}
    for missing in ("README.md", "none"):
        _, headers = await _json(http, f"{url}/{missing}", status=404)
        assert headers["X-Error-Code"] == "EntryNotFound"


async def test_paths_info_leaves_out_what_is_not_there(http, base, hub):
    url = f"{base}/api/models/{hub['open'].name}/paths-info/main"
    form = [("paths", "README.md"), ("paths", "none"), ("expand", "false")]
    async with http.post(url, data=form) as answer:
        assert [entry["path"] for entry in await answer.json()] == ["README.md"]
    async with http.post(url, json={"paths": ["none", "config.json"]}) as answer:
        assert [entry["path"] for entry in await answer.json()] == ["config.json"]
    async with http.post(url, json={"paths": ["x"] * 2001}) as answer:
        assert answer.status == 413


async def test_commits_are_paged_and_counted(http, base, hub, world):
    package = hub["open"]
    log = git(package.path(world), "log", "--format=%H %s", "main").decode().splitlines()
    url = f"{base}/api/models/{package.name}/commits/main"
    found, headers = [], {}
    following = f"{url}?limit=2"
    while following:
        async with http.get(following) as answer:
            found += await answer.json()
            assert answer.headers["X-Total-Count"] == str(len(log))
            following = answer.links.get("next", {}).get("url")
    assert [f"{c['id']} {c['title']}" for c in found] == log
    assert set(found[0]) == {"id", "title", "message", "authors", "date"}
    formatted, headers = await _json(http, f"{url}?limit=1&expand[]=formatted")
    assert "formatted" in formatted[0]
    assert f"{base}/api/models/{package.name}/commits/main?p=1&limit=1" in headers["Link"]


async def test_refs_lead_to_commits(http, base, hub, world):
    package = hub["open"]
    body, _ = await _json(http, f"{base}/api/models/{package.name}/refs?include_prs=1")
    told = {ref["ref"]: ref["targetCommit"] for kind in body.values() for ref in kind}
    expected = {
        name: git(package.path(world), "rev-parse", f"{name}^{{commit}}").decode().strip()
        for name in read(package.path(world)).refs
    }
    assert told == expected
    assert {"branches", "tags", "converts", "pullRequests"} == set(body)


async def test_revisions_by_branch_commit_short_commit_and_none(http, base, hub):
    package = hub["open"]
    sha, url = package.record["sha"], f"{base}/api/models/{package.name}"
    for revision in ("main", "refs%2Fheads%2Fmain", sha):
        body, _ = await _json(http, f"{url}/revision/{revision}")
        assert body["sha"] == sha
    status, _, headers = await _get(http, f"{url}/tree/{sha[:8]}?recursive=true")
    path = f"/api/models/{package.name}/tree/{sha}?recursive=true"
    assert (status, headers["Location"]) == (307, path)
    for bad in ("none", "main~1", "%00", "-x", "HEAD%7B0%7D"):
        _, headers = await _json(http, f"{url}/revision/{bad}", status=404)
        assert headers["X-Error-Code"] == "RevisionNotFound"
        assert headers["X-Error-Message"].startswith("Invalid rev id: ")


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/{}",
        "/api/models/{}?full=true&x=a%2Fb",
        "/api/models/{}/tree/main?recursive=true",
        "/api/models/{}/commits/main?limit=1",
        "/{}/resolve/main/README.md",
    ],
)
async def test_former_names_and_other_cases_redirect_relatively(http, base, told, path):
    renamed = [r for r in told.repositories if r.forge == "huggingface" and r.former_names]
    names = [(r, name) for r in renamed for name in (*r.former_names, r.name.upper())]
    assert any("/" not in name for _, name in names)
    for package, name in names:
        url = URL(base + path.format(name), encoded=True)
        status, _, headers = await _get(http, url)
        assert (status, headers["Location"]) == (307, path.format(package.name))


ANONYMOUS, GRANTED, INVALID = "anonymous", "granted", "invalid"
GATED = "GatedRepo"
TABLE = {
    # word: {who: (info, tree, commits and bytes)}, each a status and an error code
    "open": {
        ANONYMOUS: ((200, None), (200, None), (200, None)),
        INVALID: ((401, None), (401, None), (401, None)),
    },
    "auto": {
        ANONYMOUS: ((200, None), (200, None), (401, GATED)),
        GRANTED: ((200, None), (200, None), (200, None)),
        INVALID: ((401, None), (401, None), (401, GATED)),
    },
    "manual": {
        ANONYMOUS: ((200, None), (200, None), (401, GATED)),
        GRANTED: ((200, None), (200, None), (403, GATED)),
    },
    "private": {
        ANONYMOUS: ((401, None), (401, None), (401, None)),
        GRANTED: ((200, None), (200, None), (200, None)),
    },
    "disabled": {ANONYMOUS: ((200, None), (403, None), (403, None))},
    "missing": {
        ANONYMOUS: ((401, None), (401, None), (401, None)),
        GRANTED: ((404, "RepoNotFound"), (404, "RepoNotFound"), (404, "RepoNotFound")),
        INVALID: ((401, None), (401, None), (401, None)),
    },
}


@pytest.mark.parametrize("word", TABLE)
async def test_who_may_see_what(http, base, hub, told, word):
    name = hub[word].name
    headers = {
        ANONYMOUS: {},
        GRANTED: {"Authorization": f"Bearer {told.token}"},
        INVALID: {"Authorization": "Bearer hf_wrong"},
    }
    for who, (info, tree, content) in TABLE[word].items():
        for path, expected in (
            (f"/api/models/{name}", info),
            (f"/api/models/{name}/tree/main", tree),
            (f"/api/models/{name}/commits/main", content),
            (f"/{name}/resolve/main/README.md", content),
        ):
            status, _, got = await _get(http, base + path, **headers[who])
            status = 200 if status == 307 else status
            assert (who, path, status, got.get("X-Error-Code")) == (who, path, *expected)


async def test_the_messages_of_errors_are_those_clients_know(http, base, hub):
    messages = {
        "/api/models/no/such": "Invalid username or password.",
        f"/api/models/{hub['disabled'].name}/tree/main": "Access to this resource is disabled.",
        f"/{hub['open'].name}/resolve/main/none": "Entry not found",
    }
    for path, message in messages.items():
        _, _, headers = await _get(http, base + path)
        assert headers["X-Error-Message"] == message
    assert headers["X-Repo-Commit"] == hub["open"].record["sha"]
    bad = {"Authorization": "Bearer hf_wrong"}
    _, headers = await _json(http, f"{base}/api/models", status=401, **bad)
    assert headers["X-Error-Message"] == "Invalid credentials in Authorization header"


async def test_small_files_come_from_the_hubs_cache_with_their_git_oid(http, base, hub, world):
    package = hub["open"]
    file = next(f for f in read(package.path(world)).files if f.path == b"README.md")
    status, _, headers = await _get(http, f"{base}/{package.name}/resolve/main/README.md")
    assert (status, headers["X-Linked-ETag"]) == (307, f'"{file.entry.oid}"')
    assert headers["Location"].startswith("/api/resolve-cache/models/")
    status, body, headers = await _get(http, base + headers["Location"])
    assert (status, body, headers["ETag"]) == (200, file.data, f'"{file.entry.oid}"')
    assert headers["X-Repo-Commit"] == package.record["sha"]


async def test_large_files_lead_to_another_origin(http, base, box, hub, world):
    package = hub["open"]
    file = next(f for f in read(package.path(world)).files if f.pointer)
    url = f"{base}/{package.name}/resolve/main/{file.path.decode()}"
    status, _, headers = await _get(http, url)
    assert (status, headers["X-Linked-Size"]) == (302, str(file.size))
    assert headers["X-Linked-ETag"] == f'"{file.pointer.sha256}"'
    assert headers["Location"].startswith(box.endpoints["cdn"] + "/")
    assert headers["Accept-Ranges"] == "bytes"
    async with http.head(headers["Location"]) as answer:
        assert answer.headers["Content-Length"] == str(file.size)
        assert file.pointer.sha256 not in answer.headers["ETag"]


async def test_an_object_the_server_has_not_is_no_entry(http, base, hub, world):
    package = hub["incomplete"]
    files = read(package.path(world)).files
    absent = [f for f in files if f.pointer and f.pointer.sha256 in package.missing_objects]
    url = f"{base}/{package.name}/resolve/main/{absent[0].path.decode()}"
    _, headers = await _json(http, url, status=404)
    assert headers["X-Error-Code"] == "EntryNotFound"


async def test_accounts_are_users_or_organisations(http, base, told):
    for owner in told.owners:
        right, wrong = ("organizations", "users")[:: 1 if owner.kind != "user" else -1]
        body, _ = await _json(http, f"{base}/api/{right}/{owner.name.upper()}/overview")
        assert body == owner.record
        body, _ = await _json(http, f"{base}/api/{wrong}/{owner.name}/overview", status=404)
        assert body["error"].endswith("does not exist")


async def test_whoami_knows_the_worlds_token(http, base, told):
    url = f"{base}/api/whoami-v2"
    body, _ = await _json(http, url, Authorization=f"Bearer {told.token}")
    assert body["type"] == "user"
    await _json(http, url, status=401)
    await _json(http, url, status=401, Authorization="Bearer wrong")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/x", "/api", "/api/models/", "/api/models/a/b/c", "/api/models/a/b/tree"),
        *("/a/b/resolve", "/a/b/resolve/main", "/api/resolve-cache/models/a"),
        *("/api/models/%2e%2e/%2e%2e", "/api/models/%00", "/{}/resolve/main/%00", "/{}/resolve"),
        *("/api/models/{}/tree/main/..", "/api/resolve-cache/models/{}", "/{}/info/refs"),
    ],
)
async def test_strange_paths_are_refused_and_never_a_server_error(http, base, hub, path):
    url = URL(base + path.format(hub["open"].name), encoded=True)
    status, _, _ = await _get(http, url)
    assert status in (200, 307, 401, 404)
