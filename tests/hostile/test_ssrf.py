"""Addresses that a hub, a server or a repository names: no packet goes where it must not."""

import json
import random
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from wire import wire

from ptmtorrent.app.session import access_of
from ptmtorrent.errors import FailReason, ForbiddenAddressError, ItemError, SkipReason
from ptmtorrent.fetch.assets import AssetFetcher
from ptmtorrent.fetch.mirror import Mirror
from ptmtorrent.fetch.objects import ObjectFetcher
from ptmtorrent.fetch.partial import Limits
from ptmtorrent.hubs import HUBS, modelhub, modelzoo, pytorchhub
from ptmtorrent.hubs.huggingface import HuggingFace, HuggingFaceForge
from ptmtorrent.hubs.shelf import shelf_page
from ptmtorrent.model.work import AssetTask, Depth, Failed, ObjectSource, ObjectTask, OriginTask
from ptmtorrent.net.addresses import is_public
from ptmtorrent.policy.outcome import outcome_of
from ptmtorrent.settings import defaults
from ptmtorrent.store.local import LocalStore

pytestmark = pytest.mark.slow

PLACES = (
    "http://127.0.0.1{p}/", "https://127.0.0.1{p}/", "http://localhost{p}/", "http://localhost.{p}/",
    "http://LOCALHOST{p}/", "http://[::1]{p}/", "http://[::ffff:127.0.0.1]{p}/",
    "http://[::ffff:7f00:1]{p}/", "http://[0:0:0:0:0:ffff:7f00:1]{p}/", "http://[::]{p}/",
    "http://[64:ff9b::7f00:1]{p}/", "http://[2002:7f00:1::]{p}/", "http://[fe80::1%25lo]{p}/",
    "http://2130706433{p}/", "http://0x7f000001{p}/", "http://0x7f.0.0.1{p}/", "http://0x7f.1{p}/",
    "http://0177.0.0.1{p}/", "http://017700000001{p}/", "http://127.1{p}/", "http://127.0.1{p}/",
    "http://0{p}/", "http://0.0.0.0{p}/", "http://127.0.0.1.{p}/", "http://127.127.127.127{p}/",
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://[fd00:ec2::254]/",
    "http://168.63.129.16/", "http://100.100.100.200/", "https://10.0.0.1/", "https://192.168.0.1/",
    "https://172.16.0.1/", "https://100.64.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://8.8.4.4/", "file:///etc/passwd", "FiLe:///etc/passwd", "ftp://huggingface.co/",
    "gopher://127.0.0.1{p}/", "data:text/plain,x", "ext::sh -c touch% MARK", "git://127.0.0.1{p}/x",
    "ssh://git@127.0.0.1{p}/x", "javascript:alert(1)", "unix:/run/docker.sock", "ldap://127.0.0.1{p}",
    "https://huggingface.co@127.0.0.1{p}/", "https://huggingface.co:pw@127.0.0.1{p}/",
    "https://github.com%00@127.0.0.1{p}/", "https://huggingface.co\\@127.0.0.1{p}/",
    "https://127.0.0.1{p}\\.huggingface.co/", "https://huggingface.co./", "https://huggingface.co:8443/",
    "http://huggingface.co/", "http://huggingface.co:443/", "https://huggingface.co:0/",
    "https://huggingface\u3002co/", "https://\u24d7uggingface.co/", "https://127\u30020\u30020\u30021/",
    "https://\u2460\u2461\u2466.0.0.1/", "https://huggingface.co.evil.example/", "https://evil.example/",
    "https://xhuggingface.co/", "https://hf.co/", "https://evil.example/.huggingface.co",
    "https://evil.example?.huggingface.co", "https://evil.example#.huggingface.co",
    "https://-x.hf.co/", "https://a..hf.co/", "https://x.hf.co:22/", "https://localhost/",
    "https://ip6-localhost/", "https://metadata.google.internal/", "https://127.0.0.1.nip.io/",
)  # fmt: skip
STATUSES = (301, 302, 303, 307, 308)
ORIGIN = "https://huggingface.co/meadow/bird"
SHA = "a" * 64
SOURCE = ObjectSource(ORIGIN, "1" * 40, "model.bin", 5)


def test_the_table_is_long_enough():
    assert len(set(PLACES)) >= 40


def forge_of(_):
    return HuggingFaceForge(has_token=False)


def redirecting(place):
    status = STATUSES[len(place) % len(STATUSES)]
    return lambda _: web.Response(status=status, headers={"Location": place})


def batch_of(place):
    """An LFS server that has the object, and says where."""
    action = {"oid": SHA, "size": 5, "actions": {"download": {"href": place}}}

    def answer(request):
        if request.method == "POST":
            return web.json_response({"objects": [action]})
        return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})

    return answer


async def visit(here, store, _):
    mirror = Mirror(here.transport, None, store, forge_of, None, Limits(1, 1))
    await mirror.visit(OriginTask(ORIGIN, Depth.HISTORY))


async def fetch(here, store, _):
    await ObjectFetcher(here.transport, store, forge_of).fetch(ObjectTask(SHA, 5, (SOURCE,)))


async def asset(here, store, _):
    url = "https://github.com/o/n/releases/download/v1/x.onnx"
    await AssetFetcher(here.transport, store).fetch(AssetTask(url, None))


async def direct(here, store, place):
    await AssetFetcher(here.transport, store).fetch(AssetTask(place, None))


async def listing(here, _, __):
    await HuggingFace(here.transport, has_token=False).page("/api/models?limit=1")


WAYS = [
    ("a redirect of the refs", redirecting, visit),
    ("a redirect of a file", redirecting, fetch),
    ("a link of the LFS server", batch_of, fetch),
    ("a redirect of a release", redirecting, asset),
    ("the URL of an asset", redirecting, direct),
    ("a redirect of a listing", redirecting, listing),
]


@pytest.mark.parametrize(("answers", "way"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS])
async def test_no_connection_is_made_and_the_item_ends_typed(answers, way, tmp_path, canary):
    current = [""]
    (tmp_path / "root").mkdir()
    with LocalStore.at(tmp_path / "root", write=True) as store:
        async with wire(lambda r: answers(current[-1])(r), tmp_path) as here:  # noqa: PLW0108
            for place in PLACES:
                current[0] = place.replace("{p}", f":{canary.port}")
                with pytest.raises(ItemError) as caught:
                    await way(here, store, current[0])
                ended = outcome_of(caught.value, 1, 0.0, random.Random(1))
                assert ended == Failed(FailReason.REFUSED), (place, caught.value)
                assert "pw@" not in str(caught.value)
        assert here.strangers == []
        asked = {"huggingface.co", "github.com"}
        assert set(here.names.asked) <= asked
        assert list(store.names()) == []
    assert canary.connections() == 0


@pytest.mark.parametrize("place", [p for p in PLACES if "://" in p][::4])
async def test_a_next_link_names_a_page_of_the_hub_and_never_another_host(place, tmp_path, canary):
    link = place.replace("{p}", f":{canary.port}") + "api/models?cursor=2"

    def answer(_):
        head = {"Link": f'<{link}>; rel="next"'} if link.isascii() else {}
        return web.json_response([], headers=head)

    async with wire(answer, tmp_path) as here:
        hub = HuggingFace(here.transport, has_token=False)
        cursor = (await hub.page("/api/models")).next_cursor
        if cursor:
            with suppress(ItemError):
                await hub.page(cursor)
        assert here.strangers == []
        assert {host for host, _, _ in here.seen} == {"huggingface.co"}
    assert canary.connections() == 0


@pytest.mark.parametrize(
    "where", ["//169.254.169.254/x", "@evil.example/x", ".evil.example/x", ":22/x"]
)
async def test_a_cursor_cannot_become_a_host(where, tmp_path):
    async with wire(lambda _: web.json_response([]), tmp_path) as here:
        hub = HuggingFace(here.transport, has_token=False)
        with suppress(ItemError):
            await hub.page(where)
        assert here.strangers == []
        assert {host for host, _, _ in here.seen} <= {"huggingface.co"}
        assert set(here.names.asked) <= {"huggingface.co"}


async def test_a_page_that_wants_to_be_refreshed_elsewhere_is_only_a_page(tmp_path, canary):
    body = f'<meta http-equiv="refresh" content="0;url={canary.base}/">'.encode()
    page = {"Content-Type": "text/html", "Refresh": f"0; url={canary.base}/"}
    async with wire(lambda _: web.Response(body=body, headers=page), tmp_path) as here:
        with pytest.raises(ItemError):
            await visit(here, None, "")
        assert here.strangers == []
    assert canary.connections() == 0


PRIVATE = (
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
    "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "168.63.129.16", "::1", "::",
    "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::",
    "2001::1", "ff02::1", "fec0::1",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_is_public_first_and_private_then_is_not_followed(address, tmp_path):
    """Rebinding: each connection is checked, by whichever way the name comes up again."""
    async with wire(lambda _: web.json_response([]), tmp_path) as here:
        here.names.table["huggingface.co"] = [["8.8.8.8"], [address], ["8.8.8.8", address]]
        hub = HuggingFace(here.transport, has_token=False)
        await hub.page("/api/models")
        for _ in range(2):
            with pytest.raises(ForbiddenAddressError):
                await hub.page("/api/models")
        assert here.strangers == []
        assert here.names.asked == ["huggingface.co"] * 3


async def test_a_redirect_to_an_allowed_host_with_a_private_address_is_not_followed(tmp_path):
    to = {"Location": "https://cdn.hf.co/x"}
    async with wire(lambda _: web.Response(status=302, headers=to), tmp_path) as here:
        here.names.table["cdn.hf.co"] = [["10.0.0.7"]]
        with pytest.raises(ForbiddenAddressError):
            await here.transport.get("https://huggingface.co/x")
        assert here.names.asked == ["huggingface.co", "cdn.hf.co"]
        assert here.strangers == []


CARD = """---
layout: hub_detail
title: Heron
summary: x
category: researchers
author: a
tags: [vision]
github-link: "{url}"
github-id: "{url}"
---
[x]({url}) ![x]({url})
```python
import torch
torch.hub.load('{url}', 'x')
torch.hub.load_state_dict_from_url('{url}')
```
"""
FIELDS = (
    *PLACES, "https://github.com@127.0.0.1/o/n", "https://github.com:22/o/n",
    "https://github.com.evil.example/o/n", "https://u:pw@github.com/o/n", "git@127.0.0.1:o/n",
    "https://github.com/../../o", "--upload-pack=touch MARK", "https://github.com/-o/n",
    "ext::sh -c touch% MARK", "https://raw.githubusercontent.com.evil.example/o/n",
    "https://github.com/o/n/../../../x/releases/download/a/b",
    "https://download.pytorch.org.evil.example/x.pth",
    "https://download.pytorch.org@127.0.0.1/x.pth", "http://download.pytorch.org/x.pth",
)  # fmt: skip


class Files:
    """A repository in which every file a hub reads says the same."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content

    def read(self, path, revision=None):
        return self.content.get(path)


def told_by_modelhub(url):
    entry = {"id": "1b3c0000-aaaa-bbbb-cccc-000000000001", "name": "tern", "github": url}
    page = shelf_page("https://github.com/o/r", [("models.json", json.dumps([entry]).encode())])
    found = [one for _, one in modelhub.parse(page).packages]
    init = {"external_contrib_files": [{"src_url": url, "dest_file_path": "/x"}]}
    files = Files({modelhub.INIT: json.dumps(init).encode()})
    return found, [asset for one in found for asset in modelhub.refine(one, files).assets]


def told_by_pytorchhub(url):
    card = CARD.replace("{url}", url).encode()
    page = shelf_page("https://github.com/o/r", [("heron.md", card)])
    found = [one for _, one in pytorchhub.parse(page).packages]
    source = (
        f"URL = {url!r}\ndef x(pretrained=True):\n    torch.hub.load_state_dict_from_url({url!r})\n"
    )
    own = [replace(one, origin="https://github.com/o/n") for one in found]
    assets = [
        a
        for one in own
        for a in pytorchhub.refine(one, Files({"hubconf.py": source.encode()})).assets
    ]
    return found, assets


def told_by_modelzoo(url):
    record = {"slug": "x", "title": "X", "link": url, "categories": []}
    body = json.dumps({"models": [record]}).encode()
    return [one for _, one in modelzoo.parse(body).packages], []


@pytest.mark.parametrize("tell", [told_by_modelhub, told_by_pytorchhub, told_by_modelzoo])
def test_fields_of_hubs_lead_to_github_or_nowhere(tell):
    rules = access_of(defaults({kind.id: kind.settings for kind in HUBS})).rules
    assets_seen = 0
    for url in FIELDS:
        packages, assets = tell(url.replace("{p}", ":8080"))
        for package in packages:
            assert package.origin is None or urlsplit(package.origin).netloc == "github.com", url
            assert package.origin is None or rules.check(package.origin)
        for found in assets:
            assets_seen += 1
            assert found.reason is SkipReason.UNSUPPORTED or rules.check(found.url), url
    assert assets_seen or tell is told_by_modelzoo


def test_the_private_addresses_of_this_table_are_what_it_says():
    import ipaddress

    assert not any(is_public(ipaddress.ip_address(address)) for address in PRIVATE)
