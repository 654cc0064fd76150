"""Origins that cannot be had whole: what can be had comes, and what is lacking is named."""

import math
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from origins import Origin, Setting, bench, noise

from ptmtorrent.errors import FailError, SkipError, SkipReason
from ptmtorrent.extract.files import files
from ptmtorrent.extract.history import commit_count, commits
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.fetch.partial import sent_too_little
from ptmtorrent.fetch.quarantine import only_in
from ptmtorrent.model.visit import NotHeld
from ptmtorrent.model.work import Depth
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.sandbox import repository
from ptmtorrent.store.layout import Layout

KIB = 1024
SMALL = Setting(max_pack=64 * KIB, blob_limit=8 * KIB)
MISSING = SkipReason.MISSING_AT_ORIGIN


def held(here, found) -> set[str]:
    """Every object that the packs of a visit keep, read on the workbench."""
    with workbench(here.store, found.visit, found.holding) as view:
        words = ("--batch-all-objects", "--batch-check=%(objectname)")
        return set(view.repo.git.cat_file(*words).split())


def rows(here, found) -> tuple[list, dict]:
    """Rows of the tables commits and files."""
    with workbench(here.store, found.visit, found.holding) as view:
        told = list(commits(view, b"k" * 32))
        assert len(told) == commit_count(view)
        return told, {row["path"]: row for row in files(view, here.store)}


def packs_sent(here) -> int:
    return sum("git-upload-pack" in r["path"] and r["method"] == "POST" for r in here.asked())


def everything(origin: Origin) -> set[str]:
    return set(origin.writer.objects._held)


@pytest.fixture
def large(origin: Origin) -> Origin:
    """An origin of which two files make a pack of more than 64 KiB, both in the head."""
    origin.commit({"config.json": b"{}", "a.bin": noise(50 * KIB, 1)})
    origin.commit({"b.bin": noise(50 * KIB, 2), "gone.bin": noise(50 * KIB, 3)})
    del origin.writer.files[b"gone.bin"]
    origin.commit({"README.md": b"# Large\n"})
    origin.publish()
    return origin


@pytest.fixture
def lossy(origin: Origin) -> tuple[Origin, set[str]]:
    """An origin of 301 files whose server has lost three, in the middle of the pack; and which."""
    origin.commit({"first.bin": noise(100 * KIB)})
    for batch in range(3):
        names = [f"{batch}/{number}.txt" for number in range(100)]
        origin.commit({name: name.encode() for name in names})
    lost = {origin.oid(name) for name in ("0/5.txt", "1/50.txt", "2/99.txt")}
    origin.publish(*lost)
    return origin, lost


async def test_a_large_origin_comes_without_its_large_blobs_and_names_those_of_the_head(
    large, world, root
):
    async with bench(world, root, SMALL) as here:
        found = await here.visit()
        filtered = sorted([large.oid("a.bin"), large.oid("b.bin")])
        assert found.visit.filter == "blob:limit=8192"
        assert found.visit.not_held == tuple(NotHeld(oid, "filtered") for oid in filtered)
        assert len(found.holding.packs) == 1
        lacking = everything(large) - held(here, found)
        assert len(lacking) == 3
        told, paths = rows(here, found)
        assert [row["additions"] for row in told] == [None] * 3
        assert (paths["a.bin"]["held"], paths["a.bin"]["reason"]) == (False, "filtered")
        assert paths["config.json"]["size"] == 2


async def test_at_full_depth_the_large_blobs_of_the_head_come_by_id(large, world, root):
    """Together they are larger than a pack may be: they come in several."""
    async with bench(world, root, SMALL) as here:
        found = await here.visit(depth=Depth.FULL)
        assert (found.visit.filter, found.visit.not_held) == ("blob:limit=8192", ())
        assert len(found.holding.packs) == 1
        assert len(everything(large) - held(here, found)) == 1
        assert rows(here, found)[1]["b.bin"]["size"] == 50 * KIB


async def test_a_blob_of_the_head_beyond_every_limit_is_named_so(large, world, root):
    large.commit({"huge.bin": noise(100 * KIB)})
    large.publish()
    async with bench(world, root, SMALL) as here:
        found = await here.visit(depth=Depth.FULL)
        assert found.visit.not_held == (NotHeld(large.oid("huge.bin"), SkipReason.OVER_LIMIT),)
        assert rows(here, found)[1]["huge.bin"]["reason"] == "over_limit"


async def test_an_unchanged_large_origin_costs_one_request_at_any_depth(large, world, root):
    async with bench(world, root, SMALL) as here:
        shallow = await here.visit()
        full = await here.visit(shallow, Depth.FULL)
        assert full.visit.not_held == ()
        here.asked()
        assert full.replaced == shallow.holding.packs
        assert await here.visit(shallow) == shallow
        assert await here.visit(full, Depth.FULL) == replace(full, replaced=())
        assert len(here.asked()) == 2


async def test_a_file_that_shrinks_below_the_limit_does_not_break_the_next_visit(
    large, world, root
):
    """Measured with git 2.39.5: with haves, the next fetch of a filtered clone breaks."""
    async with bench(world, root, SMALL) as here:
        before = await here.visit()
        large.commit({"a.bin": noise(50 * KIB, 1)[: 4 * KIB]})
        large.publish()
        after = await here.visit(before)
        assert after.visit.not_held == (NotHeld(large.oid("b.bin"), "filtered"),)
        assert not set(after.holding.packs) & set(before.holding.packs)
        assert large.oid("a.bin") in held(here, after)


async def test_large_blobs_of_the_head_that_are_held_are_not_fetched_again(large, world, root):
    async with bench(world, root, SMALL) as here:
        before = await here.visit(depth=Depth.FULL)
        large.commit({"README.md": b"# Larger\n"})
        large.publish()
        here.asked()
        after = await here.visit(before, Depth.FULL)
        assert after.visit.not_held == ()
        assert len(after.holding.packs) == 1
        assert {large.oid("a.bin"), large.oid("b.bin")} <= held(here, after)
        posts = [r["bytes_sent"] for r in here.asked() if r["method"] == "POST"]
        assert all(sent < 10 * KIB for sent in posts[2:])


async def test_an_origin_that_becomes_small_is_held_whole(large, world, root):
    async with bench(world, root, SMALL) as here:
        before = await here.visit()
    async with bench(world, root) as here:
        large.commit({"more.txt": b"more"})
        large.publish()
        after = await here.visit(before)
        assert after.visit.is_complete
        assert held(here, after) == everything(large)
        assert (after.replaced, after.beyond) == (before.holding.packs, ())


async def test_a_pack_that_has_all_of_the_one_before_replaces_it(large, world, root):
    async with bench(world, root, SMALL) as here:
        before = await here.visit()
        large.commit({"README.md": b"# Larger\n"})
        large.publish()
        after = await here.visit(before)
        assert (after.replaced, after.beyond) == (before.holding.packs, ())
        assert held(here, before) < held(here, after)


async def test_what_only_the_pack_before_had_is_a_small_pack_of_its_own(origin, world, root):
    origin.commit({"a.bin": noise(30 * KIB, 1), "b.bin": noise(80 * KIB, 2)})
    origin.publish()
    setting = Setting(max_pack=100 * KIB, blob_limit=8 * KIB)
    async with bench(world, root, setting) as here:
        before = await here.visit(depth=Depth.FULL)
        old = origin.oid("a.bin")
        origin.commit({"a.bin": noise(30 * KIB, 3)})
        origin.publish()
        after = await here.visit(before, Depth.FULL)
        assert after.replaced == before.holding.packs
        kept = replace(after.holding, packs=(*after.holding.packs, *after.beyond))
        objects = held(here, before)
        for pack in before.holding.packs:
            here.store.remove(pack)
        assert held(here, replace(before, holding=kept)) >= objects
        assert held(here, after).isdisjoint({old}), "the newest visit needs it no more"
        assert rows(here, replace(before, holding=kept))[1]["a.bin"]["size"] == 30 * KIB


async def test_a_pack_stays_whose_objects_are_mostly_needed_still(origin, world, root):
    origin.commit({"a.bin": noise(60 * KIB, 1)})
    origin.commit({"a.bin": noise(60 * KIB, 2)})
    origin.publish()
    async with bench(world, root, SMALL) as here:
        before = await here.visit(depth=Depth.FULL)
        origin.commit({"a.bin": noise(60 * KIB, 3)})
        origin.publish()
        after = await here.visit(before, Depth.FULL)
        assert (after.replaced, after.beyond) == ((), ())


async def test_a_pack_that_cannot_be_read_is_not_replaced_and_stops_nothing(large, world, root):
    async with bench(world, root, SMALL) as here:
        before = await here.visit()
        [pack] = before.holding.packs
        here.store.flush()
        harm(here, pack)
        large.commit({"README.md": b"# Larger\n"})
        large.publish()
        after = await here.visit(before)
        assert after.visit.head != before.visit.head
        assert after.replaced == ()


def harm(here, pack: str) -> None:
    """Flip a bit of a held pack, wherever it lies."""
    layout = Layout(here.root)
    paths = [layout.blob(pack), *layout.segments.glob("*.seg")]
    for path in filter(Path.exists, paths):
        data = bytearray(path.read_bytes())
        at = 20 if path.name == pack else data.find(bytes.fromhex(pack)) + 60
        data[at] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)


async def test_a_whole_origin_that_outgrows_the_limit_is_held_filtered_and_alone(
    origin, world, root
):
    origin.commit({"small.txt": b"small"})
    origin.publish()
    async with bench(world, root, SMALL) as here:
        before = await here.visit()
        origin.commit({"big.bin": noise(100 * KIB)})
        origin.publish()
        after = await here.visit(before)
        assert after.visit.filter is not None
        assert len(after.holding.packs) == 1
        assert len(everything(origin) - held(here, after)) == 1


async def test_a_history_larger_than_allowed_is_a_skip(origin, world, root):
    origin.commit({noise(60, number).hex(): b"" for number in range(1000)})
    origin.publish()
    async with bench(world, root, Setting(max_pack=32 * KIB, blob_limit=KIB)) as here:
        with pytest.raises(SkipError) as caught:
            await here.visit()
        assert caught.value.reason is SkipReason.OVER_LIMIT
        assert here.leftovers() == []
        assert list(here.store.names()) == []


async def test_of_an_origin_whose_server_lost_blobs_everything_else_comes(lossy, world, root):
    origin, lost = lossy
    async with bench(world, root) as here:
        found = await here.visit()
        assert found.visit.filter is None
        assert found.visit.not_held == tuple(NotHeld(oid, MISSING) for oid in sorted(lost))
        assert len(found.holding.packs) == 1
        assert held(here, found) == everything(origin) - lost
        told, paths = rows(here, found)
        assert len(told) == 4
        assert {row["files"] for row in told} == {None}
        assert {path for path in paths if not paths[path]["held"]} == {
            "0/5.txt",
            "1/50.txt",
            "2/99.txt",
        }
        assert paths["1/50.txt"]["reason"] == "missing_at_origin"
        assert packs_sent(here) <= 2 * 3 * math.ceil(math.log2(300)) + 6
        assert here.leftovers() == []


async def test_an_unchanged_lossy_origin_costs_one_request_at_any_depth(lossy, world, root):
    async with bench(world, root) as here:
        found = await here.visit(depth=Depth.FULL)
        here.asked()
        assert await here.visit(found, Depth.FULL) == found
        assert len(here.asked()) == 1


async def test_blobs_the_server_found_again_come_with_the_next_change(lossy, world, root):
    origin, _ = lossy
    async with bench(world, root) as here:
        before = await here.visit()
        origin.commit({"more.txt": b"more"})
        origin.publish()
        after = await here.visit(before)
        assert after.visit.is_complete
        assert held(here, after) == everything(origin)


async def test_a_blob_that_the_server_lost_since_is_still_held(origin, world, root):
    origin.commit({"a.txt": b"a", "b.txt": b"b"})
    origin.publish()
    async with bench(world, root) as here:
        before = await here.visit()
        origin.commit({"c.txt": b"c"})
        lost = origin.oid("a.txt"), origin.oid("c.txt")
        origin.publish(*lost)
        after = await here.visit(before)
        assert after.visit.not_held == (NotHeld(lost[1], MISSING),)
        assert held(here, after) == everything(origin) - {lost[1]}


async def test_a_damaged_large_blob_costs_only_itself(origin, world, root):
    """The server can tell its size and not its bytes: a filter by size leaves it out."""
    origin.commit({"config.json": b"{}", "big.bin": noise(50 * KIB)})
    big = origin.oid("big.bin")
    origin.publish(big)
    body = zlib.compress(b"blob 51200\0" + noise(50 * KIB), 0)
    loose = origin.path / "objects" / big[:2] / big[2:]
    loose.parent.mkdir()
    loose.write_bytes(body[:20_000])
    async with bench(world, root, Setting(blob_limit=8 * KIB)) as here:
        found = await here.visit()
        assert (found.visit.filter, found.visit.not_held) == (None, (NotHeld(big, MISSING),))
        assert held(here, found) == everything(origin) - {big}


async def test_what_must_come_by_id_is_bounded_too_and_the_head_comes_first(origin, world, root):
    """Blobs of a lossy origin beyond the largest pack are named; nothing is fetched for ever."""
    for number in range(9):
        origin.commit({"weights.bin": noise(30 * KIB, number), f"{number}.txt": b"%d" % number})
    lost = origin.oid("0.txt")
    origin.publish(lost)
    async with bench(world, root, SMALL) as here:
        found = await here.visit()
        reasons = {blob.oid: blob.reason for blob in found.visit.not_held}
        assert found.visit.filter is None
        assert reasons.pop(lost) == MISSING
        assert set(reasons.values()) == {SkipReason.OVER_LIMIT}
        assert origin.oid("weights.bin") not in reasons
        assert held(here, found) == everything(origin) - {lost, *reasons}
        assert found.holding.pack_bytes < 3 * SMALL.max_pack


@pytest.mark.parametrize(
    ("said", "is_so"),
    [
        ("remote: aborting due to possible repository corruption on the remote side.", True),
        ("fatal: remote error: upload-pack: not our ref " + "a" * 40, True),
        ("remote: fatal: bad object HEAD\nfatal: early EOF", True),
        ("fatal: pack has bad object at offset 12: inflate returned -3", False),
        ("fatal: unable to read tree " + "a" * 40, False),
        ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", False),
    ],
)
def test_only_the_server_can_say_that_it_lost_something(said, is_so):
    assert sent_too_little(GitResult(128, b"", said)) is is_so


async def test_a_server_that_lost_history_is_a_failure_that_says_so(lossy, world, root):
    origin, _ = lossy
    origin.publish(origin.git("rev-parse", f"{repository.MAIN}~1"))
    async with bench(world, root) as here:
        with pytest.raises((FailError, SkipError)) as caught:
            await here.visit()
        assert caught.value.reason in ("corrupt", "missing_at_origin"), caught.value
        assert here.leftovers() == []
        assert list(here.store.names()) == []


@pytest.mark.parametrize(
    ("first", "second", "lacking"),
    [
        (b"", b"", []),
        (b"a\nb\n", b"", ["a", "b"]),
        (b"", b"a\n", []),
        (b"b\nd\ne\n", b"a\nb\nc\ne\nf\n", ["d"]),
        (b"a\nz\n", b"b\n", ["a", "z"]),
    ],
)
def test_lines_that_another_sorted_text_lacks(first, second, lacking):
    assert only_in(first, second) == lacking
