"""The hosts but the hub's API: git, LFS, GitHub; the journal, the settings, the command."""

import asyncio
import gzip
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import tomllib

import aiohttp
import pytest

from ptmtorrent.errors import FatalError, UsageError
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.lfs import MEDIA_TYPE
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.repository import read
from ptmtorrent.sandbox.serve import Options, Sandbox, run, sandbox_in_thread

REFS = "/info/refs?service=git-upload-pack"


async def _get(http, url, **headers):
    async with http.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.read(), answer.headers


async def _batch(http, url, objects, **headers):
    sent = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE, **headers}
    request = {"operation": "download", "transfers": ["basic"], "objects": objects}
    async with http.post(
        f"{url}/info/lfs/objects/batch", data=json.dumps(request), headers=sent
    ) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def test_git_speaks_both_protocol_versions(box, http, hub):
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}.git{REFS}"
    status, old, headers = await _get(http, url)
    assert (status, headers["Content-Type"]) == (200, "application/x-git-upload-pack-advertisement")
    assert b"refs/heads/main" in old
    _, new, _ = await _get(http, url, **{"Git-Protocol": "version=2"})
    assert b"version 2" in new
    assert b"refs/heads/main" not in new


async def test_a_gzip_request_body_reaches_git_unpacked(box, http, hub):
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}.git/git-upload-pack"
    body = b"0014command=ls-refs\n0001" + b"0009peel\n" * 200 + b"0000"
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Git-Protocol": "version=2",
        "Content-Encoding": "gzip",
    }
    async with http.post(url, data=gzip.compress(body), headers=headers) as answer:
        assert answer.status == 200
        assert b"refs/heads/main" in await answer.read()


async def test_nothing_can_be_pushed_and_nothing_is_served_by_the_dumb_protocol(box, http, hub):
    base = f"{box.endpoints['github_git']}/quillmark/tern.git"
    for path in ("/info/refs?service=git-receive-pack", "/info/refs", "/HEAD", "/config"):
        assert (await _get(http, base + path))[0] == 404
    async with http.post(f"{base}/git-receive-pack", data=b"0000") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("word", "anonymous", "granted"),
    [
        ("open", 200, 200),
        ("auto", 401, 200),
        ("manual", 401, 403),
        ("private", 401, 200),
        ("disabled", 403, 403),
        ("missing", 401, 404),
    ],
)
async def test_git_and_lfs_obey_the_hubs_access_rules(
    box, http, hub, told, word, anonymous, granted
):
    url = f"{box.endpoints['huggingface']}/{hub[word].name}"
    login = aiohttp.encode_basic_auth("anybody", told.token)
    got = {}
    for who, headers in ((anonymous, {}), (granted, {"Authorization": login})):
        status, _, answer = await _get(http, url + REFS, **headers)
        assert status == who
        got[who] = answer
        status, _, answer = await _batch(http, url + ".git", [], **headers)
        assert status == who
        assert ("LFS-Authenticate" in answer) == (who == 401)
    if anonymous == 401:
        assert got[401]["WWW-Authenticate"].startswith("Basic ")


async def test_an_invalid_token_is_refused_by_git(box, http, hub):
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}{REFS}"
    assert (await _get(http, url, Authorization="Bearer wrong"))[0] == 401


async def test_renamed_repositories_redirect_git_and_keep_path_and_query(box, http, told):
    for forge, host, status in (("huggingface", "huggingface", 307), ("github", "github_git", 301)):
        renamed = next(r for r in told.repositories if r.forge == forge and r.former_names)
        base, old = box.endpoints[host], renamed.former_names[0]
        got, _, headers = await _get(http, f"{base}/{old}.git{REFS}")
        prefix = "" if forge == "huggingface" else base
        assert (got, headers["Location"]) == (status, f"{prefix}/{renamed.name}.git{REFS}")


async def test_a_batch_answers_object_by_object(box, http, hub, world):
    package = hub["incomplete"]
    base = f"{box.endpoints['huggingface']}/{package.name}.git"
    held = read(package.path(world)).objects
    good = next(p for p in held if p.sha256 not in package.missing_objects)
    wanted = [
        {"oid": good.sha256, "size": good.size},
        {"oid": package.missing_objects[0], "size": 1},
        {"oid": good.sha256, "size": good.size + 1},
        {"oid": "no oid", "size": 1},
    ]
    status, body, _ = await _batch(http, base, wanted)
    assert (status, body["transfer"]) == (200, "basic")
    codes = [item.get("error", {}).get("code") for item in body["objects"]]
    assert codes == [None, 404, 422, 422]
    action = body["objects"][0]["actions"]["download"]
    assert action["expires_in"] == 3600
    assert action["href"].startswith(box.endpoints["cdn"])
    status, data, _ = await _get(http, action["href"], **action["header"])
    assert (status, len(data)) == (200, good.size)


async def test_gone_is_told_of_each_object_of_a_batch(box, http, hub):
    box.switch("lfs=gone:#1")
    base = f"{box.endpoints['huggingface']}/{hub['open'].name}.git"
    status, body, _ = await _batch(http, base, [{"oid": "0" * 64, "size": 1}])
    assert (status, body["objects"][0]["error"]["code"]) == (200, 410)


@pytest.mark.parametrize(
    ("request_body", "accept", "status"),
    [
        (b"{}", MEDIA_TYPE, 422),
        (b"[" * 100_000, MEDIA_TYPE, 422),
        (b'{"operation":"upload","objects":[]}', MEDIA_TYPE, 403),
        (b'{"operation":"download","objects":[]}', "text/html", 406),
        (b'{"operation":"download","objects":[],"hash_algo":"md5"}', MEDIA_TYPE, 409),
        (json.dumps({"operation": "download", "objects": [{}] * 1001}).encode(), MEDIA_TYPE, 413),
    ],
)
async def test_a_batch_can_be_refused_whole(box, http, hub, request_body, accept, status):
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}.git/info/lfs/objects/batch"
    async with http.post(url, data=request_body, headers={"Accept": accept}) as answer:
        assert answer.status == status
        assert "message" in await answer.json(content_type=None)


async def test_githubs_batches_name_no_transfer(box, http):
    url = f"{box.endpoints['github_git']}/quillmark/tern.git"
    status, body, _ = await _batch(http, url, [])
    assert (status, "transfer" in body) == (200, False)


async def test_githubs_api_follows_renames_by_number(box, http, told):
    renamed = next(r for r in told.repositories if r.forge == "github" and r.former_names)
    api = box.endpoints["github_api"]
    status, _, headers = await _get(http, f"{api}/repos/{renamed.former_names[0]}")
    assert (status, headers["Location"]) == (301, f"{api}/repositories/{renamed.id}")
    for url in (headers["Location"], f"{api}/repos/{renamed.name.upper()}"):
        status, body, headers = await _get(http, url)
        assert (status, json.loads(body)) == (200, renamed.record)
    etag = {"If-None-Match": headers["ETag"]}
    assert (await _get(http, f"{api}/repos/{renamed.name}", **etag))[0] == 304
    assert (await _get(http, f"{api}/repos/no/such"))[0] == 404
    bad = {"Authorization": "Bearer wrong"}
    assert (await _get(http, f"{api}/repos/{renamed.name}", **bad))[0] == 401


async def test_raw_files_are_what_git_holds(box, http, told, world):
    repository = next(r for r in told.repositories if r.forge == "github")
    contents, base = read(repository.path(world)), box.endpoints["github_raw"]
    for ref in ("main", "refs/heads/main", contents.head):
        for file in contents.files[:5]:
            url = f"{base}/{repository.name}/{ref}/{file.path.decode()}"
            assert (await _get(http, url))[:2] == (200, file.data)
    for path in (f"/{repository.name}/main/none", f"/{repository.name}", "/", "/no/such/main/x"):
        assert (await _get(http, base + path))[0] == 404


async def test_missing_repositories_of_github_ask_git_for_credentials(box, http, told):
    url = f"{box.endpoints['github_git']}/no/such{REFS}"
    assert (await _get(http, url))[0] == 401
    granted = {"Authorization": f"Bearer {told.token}"}
    assert (await _get(http, url, **granted))[0] == 404


async def test_the_journal_has_a_line_a_request_and_no_secret(box, http, hub, told):
    name, base = hub["auto"].name, box.endpoints["huggingface"]
    granted = {"Authorization": f"Bearer {told.token}", "Range": "bytes=0-1"}
    await _get(http, f"{base}/api/models?limit=1&x={told.token}", **granted)
    _, _, headers = await _get(http, f"{base}/{name}/resolve/main/.gitattributes", **granted)
    await _get(http, base + headers["Location"], **granted)
    lines = [json.loads(line) for line in box.requests.read_text().splitlines()]
    assert [line["status"] for line in lines] == [200, 307, 206]
    assert [line["bytes_sent"] for line in lines][-1] == 2
    assert {line["auth"] for line in lines} == {True}
    assert lines[0]["range"] == "bytes=0-1"
    assert {line["host"] for line in lines} == {"huggingface"}
    assert told.token not in box.requests.read_text()


async def test_signatures_stay_out_of_the_journal(box, http, hub):
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}/resolve/main/model.safetensors"
    async with http.get(url) as answer:
        signature = answer.url.query["Signature"]
        await answer.read()
    text = box.requests.read_text()
    assert '"host": "cdn"' in text
    assert signature not in text


async def test_settings_lead_to_the_hosts(box):
    settings = tomllib.loads(box.config.read_text())
    assert settings["hubs"] == {
        "huggingface": {"enabled": True, "endpoint": box.endpoints["huggingface"]},
        "modelhub": {"enabled": True, "registry": "waterside-ai/registry"},
        "modelzoo": {"enabled": True, "endpoint": box.endpoints["modelzoo"]},
        "pytorchhub": {
            "enabled": True,
            "cards": "wader-hub/cards",
            "weights": box.endpoints["pytorch_weights"],
        },
        "onnxmodelzoo": {
            "enabled": True,
            "repository": "norrland-zoo/models",
            "organisation": "norrland-zoo",
        },
    }
    assert settings["github"]["git"] == box.endpoints["github_git"]
    assert settings["network"] == {"allow_private": True}
    assert set(box.endpoints) == {
        *("huggingface", "cdn", "github_api", "github_raw", "github_git"),
        *("modelzoo", "pytorch_weights"),
    }


async def test_a_move_is_seen_while_serving(own_world, http):
    async with Sandbox(own_world) as box:
        url = box.endpoints["huggingface"] + "/api/models?limit=1000"
        before = json.loads((await _get(http, url))[1])
        Live(own_world)
        path = own_world / "world.json"
        world = json.loads(path.read_text())
        gone = next(r for r in world["repositories"] if r["id"] == before[0]["_id"])
        gone["missing"] = True
        path.write_text(json.dumps(world))
        after = json.loads((await _get(http, url))[1])
        assert [r["_id"] for r in after] == [r["_id"] for r in before[1:]]


async def test_only_loopback_is_listened_on_and_ports_follow_each_other(world, box):
    port = int(box.endpoints["huggingface"].rpartition(":")[2])
    with pytest.raises(FatalError, match="cannot listen"):
        async with Sandbox(world, port=port):
            pass
    assert all(url.startswith("http://127.0.0.1:") for url in box.endpoints.values())


async def test_over_tls_the_written_authority_is_enough_to_trust_every_host(world):
    async with Sandbox(world, tls=True) as box:
        context = ssl.create_default_context(cafile=str(world / "ca.pem"))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            for url in box.endpoints.values():
                assert (await _get(session, url))[0] in (200, 403, 404)
        assert not (world / "server.pem").exists()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await _get(session, box.endpoints["huggingface"])
    assert stat.S_ISREG((world / "ca.pem").stat().st_mode)


def test_the_command_makes_a_world_prints_one_line_and_ends_at_a_signal(tmp_path):
    script = (
        "import asyncio, pathlib, sys\n"
        "from ptmtorrent.sandbox.serve import Options, run\n"
        "asyncio.run(run(Options(directory=pathlib.Path(sys.argv[1]), packages=2), "
        "lambda line: print(line, flush=True)))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "w")], stdout=subprocess.PIPE, text=True
    ) as child:
        ready = json.loads(child.stdout.readline())
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(10) == 0
        assert child.stdout.read() == ""
    assert sorted(ready) == ["config", "endpoints", "requests", "truth"]
    assert json.loads((tmp_path / "w/truth.json").read_text())["state"] == 1


async def test_the_command_refuses_the_world_of_another_seed(tmp_path):
    await asyncio.to_thread(generate, tmp_path / "w", packages=1, seed=1)
    with pytest.raises(UsageError, match="seed 1"):
        await run(Options(directory=tmp_path / "w", seed=2))


def test_the_thread_ends_with_its_sandbox_and_with_a_failure_to_start(world):
    with sandbox_in_thread(world) as box:
        port = int(box.endpoints["huggingface"].rpartition(":")[2])
        with pytest.raises(FatalError), sandbox_in_thread(world, port=port):
            pass
