"""The other four hubs as clients meet them: git, files by range, JSON."""

import asyncio
import json
import subprocess
from itertools import pairwise

import aiohttp
import pytest

from ptmtorrent.sandbox.github import STORAGE
from ptmtorrent.sandbox.lfs import MEDIA_TYPE
from ptmtorrent.sandbox.pytorchhub import WEIGHTS
from ptmtorrent.sandbox.repository import environment, read
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.sandbox.world import object_path

GITHUB = "https://github.com"


async def _get(http, url, method="GET", **headers):
    async with http.request(method, url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.read(), answer.headers


def _address(box, url):
    """Where the sandbox serves a canonical address."""
    return url.replace(GITHUB, box.endpoints["github_git"]).replace(
        WEIGHTS, box.endpoints["pytorch_weights"]
    )


def _assets(told, base):
    return {url: sha256 for url, sha256 in told.assets.items() if url.startswith(base)}


def _content(world, sha256):
    return object_path(world, sha256).read_bytes()


async def _pieces(http, url, size):
    """A file in three ranges."""
    edges = [0, size // 3, size // 2, size]
    data, tags = b"", set()
    for first, end in pairwise(edges):
        status, part, headers = await _get(http, url, Range=f"bytes={first}-{end - 1}")
        assert (status, headers["Content-Range"]) == (206, f"bytes {first}-{end - 1}/{size}")
        assert headers["Content-Length"] == str(end - first)
        tags.add(headers["ETag"])
        data += part
    assert len(tags) == 1
    return data


async def test_every_file_of_a_new_repository_is_served_raw_as_git_holds_it(box, http, told, world):
    for name in ("waterside-ai/registry", "wader-hub/cards", "waterside-ai/mud-unet"):
        one = next(r for r in told.repositories if (r.forge, r.name) == ("github", name))
        for file in read(one.path(world)).files:
            url = f"{box.endpoints['github_raw']}/{name}/main/{file.path.decode()}"
            assert (await _get(http, url))[:2] == (200, file.data)


async def test_plain_git_checks_out_names_with_colons(box, tmp_path):
    url, place = f"{box.endpoints['github_git']}/waterside-ai/tide-net", tmp_path / "clone"
    command = ["git", "clone", "-q", url, str(place)]
    await asyncio.to_thread(subprocess.run, command, check=True, env=environment())
    assert (place / "dockerfiles/onnx:1.0.0").is_file()


async def test_a_release_asset_redirects_to_bytes_that_come_in_ranges(box, http, told, world):
    assets = _assets(told, GITHUB)
    assert len(assets) == 2
    for url, sha256 in assets.items():
        status, _, headers = await _get(http, _address(box, url))
        assert status == 302
        place = headers["Location"]
        assert place.startswith(f"{box.endpoints['github_raw']}/{STORAGE}/")
        data = _content(world, sha256)
        assert (await _get(http, place))[:2] == (200, data)
        assert await _pieces(http, place, len(data)) == data
        status, body, headers = await _get(http, place, "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", str(len(data)))
        again = await _get(http, place, **{"If-None-Match": headers["ETag"]})
        assert again[0] == 304


@pytest.mark.parametrize(
    "path",
    [
        "/waterside-ai/ebb-detect/releases/download/v1.0/labels.bin",
        "/waterside-ai/ebb-detect/releases/download/v9/weights.pt",
        "/waterside-ai/lost-lagoon/releases/download/v1.0/model.onnx",
        "/waterside-ai/tide-net/releases/download/",
    ],
)
async def test_an_asset_that_is_not_there_is_not_found(box, http, path):
    assert (await _get(http, box.endpoints["github_git"] + path))[0] == 404


async def test_the_storage_of_releases_gives_nothing_else(box, http):
    for path in ("", "/420000001", "/420000001/" + "0" * 32):
        url = f"{box.endpoints['github_raw']}/{STORAGE}{path}"
        assert (await _get(http, url))[0] == 404


async def test_an_asset_of_a_renamed_repository_redirects_to_its_name_of_today(box, http):
    base, rest = box.endpoints["github_git"], "releases/download/v1.0/x"
    status, _, headers = await _get(http, f"{base}/quillmark/pytorch-tern/{rest}")
    assert (status, headers["Location"]) == (301, f"{base}/quillmark/tern/{rest}")


async def test_weights_come_in_ranges(box, http, told, world):
    weights = _assets(told, WEIGHTS)
    assert len(weights) == 5
    for url, sha256 in weights.items():
        data = _content(world, sha256)
        assert (await _get(http, _address(box, url)))[:2] == (200, data)
        assert await _pieces(http, _address(box, url), len(data)) == data
    for path in ("/models/swell-00000000.pth", "/models/", "/"):
        assert (await _get(http, box.endpoints["pytorch_weights"] + path))[0] == 404


async def test_the_zoos_lfs_is_refused_and_the_request_is_on_record(box, http):
    url = f"{box.endpoints['github_git']}/norrland-zoo/models.git/info/lfs/objects/batch"
    body = {"operation": "download", "objects": [{"oid": "0" * 64, "size": 1}]}
    async with http.post(url, json=body, headers={"Accept": MEDIA_TYPE}) as answer:
        assert answer.status == 403
        assert "LFS budget" in (await answer.json(content_type=None))["message"]
    lines = [json.loads(line) for line in box.requests.read_text().splitlines()]
    batches = [one for one in lines if one["path"].endswith("/objects/batch")]
    assert [(one["host"], one["status"]) for one in batches] == [("github", 403)]


async def test_the_catalogue_comes_at_once(box, http, told):
    status, body, headers = await _get(http, box.endpoints["modelzoo"] + "/api/models/0/")
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == {"models": [one.record for one in told.catalogue]}


async def test_a_model_of_the_catalogue_tells_more_but_its_slug(box, http, told):
    base, untold = box.endpoints["modelzoo"], []
    for one in told.catalogue:
        status, body, _ = await _get(http, f"{base}/api/models/{one.record['slug']}/")
        if status == 404:
            untold.append(one.record["slug"])
            continue
        detail = json.loads(body)
        assert {"title", "long_desc", "papers", "link", "framework"} <= set(detail)
        assert "slug" not in detail
        assert detail["link"] == one.record["link"]
    assert untold == ["dunlin"]
    assert (await _get(http, f"{base}/api/models/no-such/"))[0] == 404


async def test_everything_else_of_the_catalogue_is_a_page(box, http):
    for path in ("/", "/model/tern", "/api/categories/"):
        status, body, headers = await _get(http, box.endpoints["modelzoo"] + path)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b'<div id="root">' in body


async def test_a_host_can_be_made_unreachable(world, http):
    async with Sandbox(world, faults=["modelzoo=reset:1", "weights=503:1"]) as box:
        with pytest.raises(aiohttp.ClientConnectionError):
            await _get(http, box.endpoints["modelzoo"] + "/api/models/0/")
        assert (await _get(http, box.endpoints["pytorch_weights"] + "/models/x"))[0] == 503
        assert (await _get(http, box.endpoints["github_raw"]))[0] == 404


async def test_a_release_can_break_at_both_of_its_ends(world, http, told):
    url = next(iter(_assets(told, GITHUB)))
    async with Sandbox(world, faults=["release=503:#1", "release=norange:#1"]) as box:
        assert (await _get(http, _address(box, url)))[0] == 503
        _, _, headers = await _get(http, _address(box, url))
        assert (await _get(http, headers["Location"], Range="bytes=0-9"))[0] == 200
        assert (await _get(http, headers["Location"], Range="bytes=0-9"))[0] == 206
