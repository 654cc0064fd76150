"""An object comes in verified or not at all, resumed, once, and from whoever has it."""

import json
from dataclasses import replace

import pytest
from aiohttp import web
from origins import NAME, TOKEN, URL, Origin, Setting, bench, noise, record, serve, write_world

from ptmtorrent.errors import CorruptError, ItemError, NetworkError, SkipError, SkipReason
from ptmtorrent.hubs.huggingface import BASE
from ptmtorrent.model.oid import EMPTY_SHA256, sha256_of
from ptmtorrent.model.work import ObjectSource, ObjectTask
from ptmtorrent.sandbox import repository

DATA = noise(300_000)
SHA = sha256_of(DATA)
HALF = len(DATA) // 2
BATCH = f"/{NAME}.git/info/lfs/objects/batch"
RESOLVE = f"/{NAME}/resolve/"


@pytest.fixture(autouse=True)
def published(origin: Origin) -> Origin:
    origin.put_large("model.bin", DATA)
    origin.commit({"config.json": b"{}"})
    origin.publish()
    return origin


@pytest.fixture
def source(published: Origin) -> ObjectSource:
    return ObjectSource(URL, published.writer.refs[repository.MAIN], "model.bin")


@pytest.fixture
def task(source: ObjectSource) -> ObjectTask:
    return ObjectTask(SHA, len(DATA), (source,))


def park(here, data: bytes) -> None:
    """Leave bytes as a killed writer does."""
    writer = here.store.writer(SHA, len(DATA))
    writer.write(data)
    writer.close()
    assert here.leftovers() == [SHA]


def hosts(asked: list) -> list[str]:
    return [request["host"] for request in asked]


async def fails(here, task: ObjectTask, error: type[ItemError]) -> ItemError:
    with pytest.raises(error) as caught:
        await here.objects.fetch(task)
    assert not here.store.has(task.sha256)
    return caught.value


async def test_an_object_comes_by_file_over_the_content_network(task, world, root):
    async with bench(world, root, Setting(token=TOKEN)) as here:
        assert await here.objects.fetch(task) == len(DATA)
        assert here.store.read(SHA) == DATA
        asked = here.asked()
        assert [(r["host"], r["auth"], r["range"]) for r in asked] == [
            ("huggingface", True, None),
            ("cdn", False, None),
        ]
        assert asked[0]["path"].startswith(RESOLVE)
        assert here.leftovers() == []


async def test_where_no_file_is_to_be_had_it_comes_by_batch(task, world, root):
    async with bench(world, root, Setting(token=TOKEN)) as here:
        here.box.switch("resolve=gone:1")
        assert await here.objects.fetch(task) == len(DATA)
        asked = here.asked()
        assert [(r["host"], r["auth"]) for r in asked[1:]] == [
            ("huggingface", True),
            ("cdn", False),
        ]
        assert asked[1]["path"] == BATCH


async def test_what_is_held_is_not_asked_for(task, world, root):
    async with bench(world, root) as here:
        here.store.put(DATA)
        assert await here.objects.fetch(task) == 0
        assert here.asked() == []


async def test_nothing_is_asked_for_an_object_of_no_bytes(source, world, root):
    async with bench(world, root) as here:
        assert await here.objects.fetch(ObjectTask(EMPTY_SHA256, 0, (source,))) == 0
        assert here.store.read(EMPTY_SHA256) == b""
        assert here.asked() == []
        await fails(here, ObjectTask("a" * 64, 0, (source,)), CorruptError)


async def test_an_object_that_no_origin_names_any_more_is_missing(world, root):
    async with bench(world, root) as here:
        error = await fails(here, ObjectTask(SHA, len(DATA), ()), SkipError)
        assert error.reason is SkipReason.MISSING_AT_ORIGIN


async def test_a_partial_download_is_continued(task, world, root):
    async with bench(world, root) as here:
        park(here, DATA[:HALF])
        assert await here.objects.fetch(task) == len(DATA) - HALF
        assert [r["range"] for r in here.asked()] == [f"bytes={HALF}-"] * 2
        assert here.store.read(SHA) == DATA
        assert here.leftovers() == []


async def test_a_download_that_breaks_off_goes_on_where_it_was_over_the_same_link(
    task, world, root
):
    async with bench(world, root) as here:
        here.box.switch("cdn=truncate:#1")
        assert await here.objects.fetch(task) == len(DATA)
        asked = here.asked()
        assert hosts(asked) == ["huggingface", "cdn", "cdn"]
        sent = asked[1]["bytes_sent"]
        assert [r["range"] for r in asked] == [None, None, f"bytes={sent}-"]
        assert here.store.read(SHA) == DATA


async def test_a_download_that_breaks_off_for_good_is_kept_for_the_next_attempt(task, world, root):
    async with bench(world, root) as here:
        here.box.switch("cdn=truncate:1")
        error = await fails(here, task, NetworkError)
        assert error.transient
        assert here.leftovers() == [SHA]
        here.box.switch("cdn=truncate:off")
        here.asked()
        await here.objects.fetch(task)
        [_, last] = here.asked()
        assert last["range"] is not None
        assert last["bytes_sent"] < HALF
        assert here.store.read(SHA) == DATA


@pytest.mark.parametrize(("fault", "downloads"), [("norange", 1), ("wrongrange", 2)])
async def test_a_server_that_does_not_continue_costs_a_new_start_at_once(
    task, world, root, fault, downloads
):
    async with bench(world, root) as here:
        park(here, DATA[:HALF])
        here.box.switch(f"cdn={fault}:1")
        await here.objects.fetch(task)
        assert here.store.read(SHA) == DATA
        asked = here.asked()
        assert not any("batch" in r["path"] for r in asked)
        assert hosts(asked).count("cdn") == downloads


async def test_a_server_that_knows_no_such_range_costs_a_new_start_at_once(task, world, root):
    def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=416) if "Range" in request.headers else web.Response(body=DATA)

    async with serve(answer) as server, bench(world, root, Setting(endpoint=server.base)) as here:
        park(here, DATA[:HALF])
        await here.objects.fetch(task)
        assert here.store.read(SHA) == DATA
        assert [path.startswith(RESOLVE) for path, _ in server.seen] == [True, True]


@pytest.mark.parametrize("left", [b"\0" * HALF, b"\0" * len(DATA)])
async def test_wrong_bytes_of_an_earlier_writer_cost_a_new_start_at_once(task, world, root, left):
    async with bench(world, root) as here:
        park(here, left)
        await here.objects.fetch(task)
        assert here.store.read(SHA) == DATA
        assert not any("batch" in r["path"] for r in here.asked())


async def test_bytes_damaged_on_the_way_are_asked_for_once_more(task, world, root):
    async with bench(world, root) as here:
        here.box.switch("cdn=corrupt:#1")
        await here.objects.fetch(task)
        assert here.store.read(SHA) == DATA


async def test_bytes_that_stay_damaged_are_never_seen(task, world, root):
    async with bench(world, root) as here:
        here.box.switch("cdn=corrupt:1")
        await fails(here, task, CorruptError)
        assert hosts(here.asked()).count("cdn") == 2
        assert here.leftovers() == []
        assert list(here.store.names()) == []


async def test_a_small_object_is_checked_too(published, source, world, root):
    published.put_large("model.bin", b"small")
    published.commit({})
    published.publish()
    tip = published.writer.refs[repository.MAIN]
    task = ObjectTask(sha256_of(b"small"), 5, (ObjectSource(URL, tip, "model.bin"),))
    async with bench(world, root) as here:
        here.box.switch("cdn=corrupt:1")
        await fails(here, task, CorruptError)
        here.box.switch("cdn=corrupt:off")
        await here.objects.fetch(task)
        assert here.store.read(task.sha256) == b"small"


async def test_an_object_missing_at_file_and_batch_is_missing_at_the_origin(task, world, root):
    write_world(world, record(missing_objects=(SHA,)))
    async with bench(world, root) as here:
        error = await fails(here, task, SkipError)
        assert error.reason is SkipReason.MISSING_AT_ORIGIN
        assert hosts(here.asked()) == ["huggingface", "huggingface"]


async def test_one_source_that_has_it_is_enough(task, source, world, root):
    gone = ObjectSource(f"{BASE}/meadow/nowhere", source.revision, "model.bin")
    async with bench(world, root) as here:
        await here.objects.fetch(ObjectTask(SHA, len(DATA), (gone, source)))
        assert here.store.read(SHA) == DATA


async def test_a_pointer_that_lies_about_its_size_does_not_spoil_an_honest_one(source, world, root):
    lying = replace(source, size=len(DATA) + 1)
    honest = replace(source, size=len(DATA))
    async with bench(world, root) as here:
        await here.objects.fetch(ObjectTask(SHA, len(DATA) + 1, (lying, honest)))
        assert here.store.read(SHA) == DATA


async def test_what_may_pass_outweighs_a_final_no(task, source, world, root):
    gone = ObjectSource(f"{BASE}/meadow/nowhere", source.revision, "model.bin")
    async with bench(world, root) as here:
        here.box.switch("cdn=503:1")
        error = await fails(here, ObjectTask(SHA, len(DATA), (source, gone)), NetworkError)
        assert error.status == 503


async def test_a_gated_object_is_gated(task, world, root):
    write_world(world, record(gated="manual"))
    async with bench(world, root) as here:
        assert (await fails(here, task, SkipError)).reason is SkipReason.GATED


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (403, "This repository is over its data quota.", SkipReason.LFS_QUOTA),
        (507, "Insufficient storage", SkipReason.LFS_QUOTA),
        (509, "Bandwidth limit exceeded", SkipReason.LFS_QUOTA),
        (404, "Not found", SkipReason.GONE),
    ],
)
async def test_a_batch_that_is_refused_whole_says_why(task, world, root, status, message, reason):
    def answer(request: web.BaseRequest) -> web.Response:
        if request.path != BATCH:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        return web.json_response({"message": message}, status=status)

    async with serve(answer) as server, bench(world, root, Setting(endpoint=server.base)) as here:
        assert (await fails(here, task, SkipError)).reason is reason
        assert [path for path, _ in server.seen].count(BATCH) == 1


async def test_headers_of_an_action_reach_its_own_server_and_nobody_else(task, world, root):
    """Nor does our own token leave the hub."""

    def elsewhere(_: web.BaseRequest) -> web.Response:
        return web.Response(body=DATA)

    def content(_: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{last.base}/bytes"})

    def hub(request: web.BaseRequest) -> web.Response:
        if request.path != BATCH:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        header = {"Authorization": "Bearer action", "X-Action": "1", "Accept-Encoding": "br"}
        download = {"href": f"{cdn.base}/object", "header": header}
        entry = {"oid": SHA, "size": len(DATA), "actions": {"download": download}}
        return web.Response(body=json.dumps({"objects": [entry]}).encode())

    async with (
        serve(hub) as first,
        serve(content) as cdn,
        serve(elsewhere) as last,
        bench(world, root, Setting(endpoint=first.base, token=TOKEN)) as here,
    ):
        await here.objects.fetch(task)
    assert {seen["Authorization"] for _, seen in first.seen} == {f"Bearer {TOKEN}"}
    [(_, at_cdn)], [(_, at_last)] = cdn.seen, last.seen
    assert (at_cdn["Authorization"], at_cdn["X-Action"]) == ("Bearer action", "1")
    assert at_cdn["Accept-Encoding"] == "identity"
    assert "Authorization" not in at_last
    assert "X-Action" not in at_last


async def test_an_action_that_leads_to_a_forbidden_place_is_not_followed(task, world, root):
    def hub(request: web.BaseRequest) -> web.Response:
        download = {"href": "http://169.254.169.254/latest/meta-data"}
        entry = {"oid": SHA, "size": len(DATA), "actions": {"download": download}}
        return web.json_response({"objects": [entry]}, status=200 if request.path == BATCH else 404)

    async with serve(hub) as server, bench(world, root, Setting(endpoint=server.base)) as here:
        error = await fails(here, task, ItemError)
        assert getattr(error, "reason", None) == "refused"
