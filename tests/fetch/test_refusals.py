"""A visit that fails says how, and leaves nothing behind: not in the store, not beside it."""

import asyncio
import subprocess
from collections.abc import Callable
from functools import partial

import pytest
from aiohttp import web
from origins import MIB, NAME, URL, Origin, Setting, bench, noise, serve

from ptmtorrent.errors import CorruptError, FailError, FailReason, NetworkError, RefusedError
from ptmtorrent.fetch.mirror import ADVERTISEMENT
from ptmtorrent.hubs.huggingface import BASE
from ptmtorrent.model.visit import Visit
from ptmtorrent.model.work import Depth, Moved, OriginTask
from ptmtorrent.net.uploadpack import RESULT_TYPE
from ptmtorrent.sandbox import repository

INFO, PACK = "#1", "#2"
"""The requests of a visit in their order."""


@pytest.fixture(autouse=True)
def published(origin: Origin) -> Origin:
    origin.commit({"config.json": b"{}", "weights.bin": noise(200_000)})
    origin.publish()
    return origin


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("html:1", NetworkError),
        ("503:1", NetworkError),
        ("500:1", NetworkError),
        ("429:1", RefusedError),
        ("truncate:1", NetworkError),
        (f"html:{PACK}", NetworkError),
        (f"truncate:{PACK}", NetworkError),
        (f"corrupt:{PACK}", FailError),
    ],
)
async def test_a_broken_answer_is_a_typed_error_and_the_next_visit_is_whole(
    world, root, fault, error
):
    async with bench(world, root) as here:
        here.box.switch(f"git={fault}")
        with pytest.raises(error):
            await here.visit()
        assert here.leftovers() == []
        assert list(here.store.names()) == []
        here.box.switch(f"git={fault.split(':')[0]}:off")
        assert (await here.visit()).visit.is_complete


@pytest.mark.parametrize(
    "fault",
    [f"{fault}:{INFO}" for fault in ("503", "429", "html", "truncate", "reset")]
    + [f"{fault}:{PACK}" for fault in ("503", "429", "reset")],
)
async def test_one_broken_answer_is_asked_for_again(world, root, fault):
    async with bench(world, root) as here:
        here.box.switch(f"git={fault}")
        assert (await here.visit()).visit.is_complete


@pytest.mark.parametrize("fault", ["503", "html", "truncate", "corrupt"])
async def test_a_pack_that_broke_on_the_way_is_asked_for_again(world, root, fault):
    async with bench(world, root, Setting(attempts=3)) as here:
        here.box.switch(f"git={fault}:{PACK}")
        assert (await here.visit()).visit.is_complete
        asked = [request["path"].split("?")[0].rsplit("/", 1)[-1] for request in here.asked()]
        assert asked == ["refs", "git-upload-pack", "git-upload-pack"]


async def test_a_pack_is_not_asked_for_for_ever(world, root):
    switch = []
    setting = Setting(attempts=3, once_looked=lambda: switch[0]("git=truncate:1"))
    async with bench(world, root, setting) as here:
        switch.append(here.box.switch)
        with pytest.raises(NetworkError):
            await here.visit()
        assert len(here.asked()) == 1 + 3


async def test_refs_under_a_wrong_media_type_are_not_believed(published, world, root):
    tip = published.writer.refs[repository.MAIN]
    line = f"{tip} refs/heads/main\0\n".encode()
    body = b"001e# service=git-upload-pack\n0000%04x%b0000" % (len(line) + 4, line)

    def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body)

    async with serve(answer) as server, bench(world, root, Setting(endpoint=server.base)) as here:
        with pytest.raises(CorruptError):
            await here.visit()
        assert len(server.seen) == 1


async def test_a_question_for_a_pack_is_not_sent_to_where_a_redirect_leads(published, world, root):
    """Of a redirect from its refs a visit says where to: the pack is asked for under that name."""
    tip = published.writer.refs[repository.MAIN]
    line = f"{tip} {repository.MAIN}\0side-band-64k\n".encode()
    body = b"001e# service=git-upload-pack\n0000%04x%b0000" % (len(line) + 4, line)

    def answer(request: web.BaseRequest) -> web.Response:
        if request.path == f"/{NAME}/info/refs":
            return web.Response(body=body, content_type=ADVERTISEMENT)
        where = request.path_qs.replace(NAME, "sunny/bird").replace("old/name", NAME)
        return web.Response(status=308, headers={"Location": where})

    async with serve(answer) as server, bench(world, root, Setting(endpoint=server.base)) as here:
        moved = await here.mirror.visit(OriginTask(f"{BASE}/old/name", Depth.HISTORY))
        assert moved == Moved(URL)
        with pytest.raises(CorruptError, match=f"redirected to {BASE}/sunny/bird/git-upload-pack"):
            await here.visit()
        assert here.leftovers() == []
    refs = f"/{NAME}/info/refs"
    asked = ["/old/name/info/refs", refs, refs, f"/{NAME}/git-upload-pack"]
    assert [path for path, _ in server.seen] == asked


@pytest.mark.parametrize("max_pack", [MIB, 100_000])
async def test_an_origin_that_spells_its_name_otherwise_is_fetched_under_that(
    published, world, root, max_pack
):
    """Only its refs redirect, to ``NAME.git``; a small ``max_pack`` leaves the packs to git."""
    served = f"/{NAME}.git"

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == f"/{NAME}/info/refs":
            where = request.path_qs.replace(f"/{NAME}", served)
            return web.Response(status=301, headers={"Location": where})
        assert request.path.startswith(served)
        return await upload_pack(request, published)

    async with serve(answer) as server:
        setting = Setting(max_pack=max_pack, blob_limit=1000, endpoint=server.base)
        async with bench(world, root, setting) as here:
            found = await here.visit()
    assert (found.visit.url, found.visit.filter is None) == (URL, max_pack == MIB)
    assert [ref.target for ref in found.visit.refs] == [published.writer.refs[repository.MAIN]]


async def upload_pack(request: web.BaseRequest, origin: Origin) -> web.Response:
    """What git answers."""
    is_first = request.path.endswith("/info/refs")
    mode = "--http-backend-info-refs" if is_first else "--stateless-rpc"
    command = ["git", "upload-pack", mode, str(origin.path)]
    given, environment = await request.read(), repository.environment()
    run = partial(subprocess.run, input=given, env=environment, capture_output=True, check=False)
    done = await asyncio.to_thread(run, command)
    body = b"001e# service=git-upload-pack\n0000" * is_first + done.stdout
    return web.Response(body=body, content_type=ADVERTISEMENT if is_first else RESULT_TYPE)


async def test_what_is_held_stays_whole_when_a_later_visit_fails(published, world, root):
    async with bench(world, root) as here:
        before = await here.visit()
        names = set(here.store.names())
        published.commit({"more.bin": noise(100_000)})
        published.publish()
        here.box.switch(f"git=truncate:{PACK}")
        with pytest.raises(FailError):
            await here.visit(before)
        assert here.leftovers() == []
        assert set(here.store.names()) == names
        assert len((await here.visit(before)).holding.packs) == 2


@pytest.mark.parametrize("what", ["branch", "tag", "deleted", "head"])
async def test_a_push_between_question_and_fetch_is_for_the_next_visit(
    published, world, root, what
):
    """What arrives is what was announced; what was pushed meanwhile is seen by the next visit."""
    published.writer.refs["refs/heads/doomed"] = published.writer.refs[repository.MAIN]
    first, second = (published.commit({n: b""}, f"refs/hidden/{n}") for n in ("1", "2"))
    if what == "head":
        (published.path / "HEAD").write_text(f"{first}\n")
    published.publish()

    def push() -> None:
        if what == "branch":
            published.commit({"late.txt": b"late"})
        elif what == "tag":
            published.writer.tag("late", published.writer.refs[repository.MAIN])
        elif what == "head":
            (published.path / "HEAD").write_text(f"{second}\n")
        else:
            del published.writer.refs["refs/heads/doomed"]
        published.publish()

    announced = (published.git("for-each-ref", "refs/heads", "refs/tags"), head_of(published))
    async with bench(world, root, Setting(once_looked=once(push))) as here:
        before = await here.visit()
        assert as_git_lists(before.visit) == announced[0]
        assert before.visit.head == announced[1]
        after = await here.visit(before)
        assert as_git_lists(after.visit) == published.git("for-each-ref", "refs/heads", "refs/tags")
        assert after.visit.head == head_of(published)


async def test_a_force_push_between_question_and_fetch_is_no_visit_but_may_be_tried_again(
    published, world, root
):
    """What was announced is then nowhere any more."""
    kept = published.writer.refs[repository.MAIN]
    regretted = published.commit({"regretted.txt": b"a password"})
    published.publish()

    def push() -> None:
        published.writer.refs[repository.MAIN] = kept
        published.publish(regretted)

    async with bench(world, root, Setting(once_looked=once(push))) as here:
        with pytest.raises(FailError) as caught:
            await here.visit()
        assert (caught.value.reason, caught.value.transient) == (FailReason.CORRUPT, True)
        assert here.leftovers() == []
        assert list(here.store.names()) == []
        assert (await here.visit()).visit.is_complete


def once(act: Callable[[], None]) -> Callable[[], None]:
    """Acts when it is called for the first time."""
    left = [act]
    return lambda: left.pop()() if left else None


def head_of(origin: Origin) -> str:
    return origin.git("rev-parse", "HEAD")


def as_git_lists(visit: Visit) -> str:
    return "\n".join(f"{ref.target} {ref.kind}\t{ref.name}" for ref in visit.refs)


async def test_a_visit_that_is_cancelled_leaves_nothing(world, root):
    async with bench(world, root) as here:
        here.box.switch(f"git=stall:{PACK}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await here.visit()
        assert any(NAME in r["path"] for r in here.asked())
        assert here.leftovers() == []
        assert list(here.store.names()) == []
