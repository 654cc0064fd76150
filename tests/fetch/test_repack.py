"""Many packs become one, and no object of any visit is lost by it."""

from dataclasses import replace
from pathlib import Path

import pytest
from origins import NAME, Origin, bench, noise
from test_visits import objects_of, refs_of

from ptmtorrent.errors import CorruptError
from ptmtorrent.fetch import mirror
from ptmtorrent.fetch.quarantine import Quarantine
from ptmtorrent.fetch.rebuild import Rebuilder
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.work import Depth
from ptmtorrent.sandbox import repository


@pytest.fixture
def first(origin: Origin) -> Origin:
    """An origin with one commit of 100 KB that do not pack."""
    origin.commit({"weights.bin": noise(100_000)})
    origin.publish()
    return origin


def grow(origin: Origin, number: int, size: int = 50) -> None:
    origin.commit({f"more/{number}": noise(size, number)})
    origin.publish()


async def visits_until_repack(here, origin) -> list:
    found = [await here.visit()]
    while len(found) < 20 and not found[-1].replaced:
        grow(origin, len(found))
        found.append(await here.visit(found[-1]))
    return found


async def test_the_ninth_pack_makes_them_one_that_has_every_object(first, world, root, tmp_path):
    async with bench(world, root) as here:
        found = await visits_until_repack(here, first)
        counts = [len(visited.holding.packs) for visited in found]
        assert counts == [1, 2, 3, 4, 5, 6, 7, 8, 1]
        assert set(found[-1].replaced) == set(found[-2].holding.packs)
        assert objects_of(here, found[-1], tmp_path) == set(first.writer.objects._held)
        assert all(visited.replaced == () for visited in found[:-1])


async def test_a_new_pack_that_outweighs_the_rest_makes_them_one(first, world, root, tmp_path):
    async with bench(world, root) as here:
        before = await here.visit()
        grow(first, 1, size=200_000)
        after = await here.visit(before)
        assert len(after.holding.packs) == 1
        assert after.replaced == before.holding.packs
        assert 200_000 < after.received < 202_000 < after.holding.pack_bytes
        assert objects_of(here, after, tmp_path) == set(first.writer.objects._held)


async def test_what_a_force_push_left_behind_stays_in_the_one_pack(first, world, root, tmp_path):
    async with bench(world, root) as here:
        found = await visits_until_repack(here, first)
        old = set(first.writer.objects._held)
        first.writer.refs[repository.MAIN] = refs_of(found[0])[repository.MAIN]
        first.writer.files = {b"weights.bin": first.writer.files[b"weights.bin"]}
        grow(first, 99, size=300_000)
        after = await here.visit(found[-1])
        assert after.replaced == found[-1].holding.packs
        assert old <= objects_of(here, after, tmp_path)
        rebuilder = Rebuilder(here.mirror)
        for earlier in found:
            kept = replace(earlier.holding, packs=after.holding.packs)
            assert await rebuilder._has_all(earlier.visit, kept)


async def test_an_unchanged_origin_costs_one_request_after_a_repack_too(first, world, root):
    async with bench(world, root) as here:
        found = await visits_until_repack(here, first)
        here.asked()
        again = await here.visit(found[-1])
        assert [r["path"] for r in here.asked()] == [f"/{NAME}/info/refs?service=git-upload-pack"]
        assert (again.holding, again.received, again.replaced) == (found[-1].holding, 0, ())


async def test_a_later_visit_builds_on_the_one_pack(first, world, root, tmp_path):
    async with bench(world, root) as here:
        found = await visits_until_repack(here, first)
        grow(first, 50)
        after = await here.visit(found[-1])
        assert after.holding.packs[0] == found[-1].holding.packs[0]
        assert len(after.holding.packs) == 2
        assert after.received < 2000


async def test_a_repack_that_loses_an_object_is_found_out(first, world, root, monkeypatch):
    real = Quarantine.local

    async def careless(self, *args, **options):
        return await real(self, *(arg for arg in args if arg != "-k"), **options)

    async with bench(world, root) as here:
        before = await here.visit()
        first.writer.refs.clear()
        first.writer.files.clear()
        grow(first, 1, size=300_000)
        monkeypatch.setattr(Quarantine, "local", careless)
        with pytest.raises(CorruptError, match="not those of the packs before"):
            await here.visit(before)
        monkeypatch.undo()
        after = await here.visit(before)
        assert after.replaced == before.holding.packs


@pytest.mark.parametrize(
    ("packs", "bytes_held", "new", "size", "expected"),
    [
        (1, 100, 1, 100, False),
        (1, 100, 1, 101, True),
        (7, 100, 1, 1, False),
        (8, 100, 1, 1, True),
        (8, 100, 0, 0, False),
    ],
)
async def test_when_packs_are_made_one(packs, bytes_held, new, size, expected):
    from ptmtorrent.model.visit import Holding

    base = Holding("v", tuple(map(str, range(packs))), (), bytes_held, "2.39")
    assert mirror.is_to_repack(base, new, size) is expected


async def test_an_origin_whose_held_packs_are_lost_is_fetched_whole(first, world, root, tmp_path):
    async with bench(world, root) as here:
        before = await here.visit()
        here.store.flush()
        lost(here, root, before.holding.packs[0])
        again = await here.visit(before)
        assert again.visit == before.visit
        assert objects_of(here, again, tmp_path) == set(first.writer.objects._held)


def lost(here, root: Path, pack: str) -> None:
    (root / "store/v1/blobs/sha256" / pack[:2] / pack[2:4] / pack).unlink()
    assert not here.store.has(pack)


async def test_a_visit_is_kept_by_what_is_left_and_what_came_if_that_is_enough(first, world, root):
    async with bench(world, root) as here:
        old = await here.visit()
        grow(first, 1)
        new = await here.visit(old)
        here.store.flush()
        lost(here, root, old.holding.packs[0])
        rebuilder = Rebuilder(here.mirror)
        now = await rebuilder.fetch(new.visit.url, Depth.HISTORY)
        for before in (old, new):
            kept = await rebuilder.kept_by(before.visit, before.holding, now)
            assert kept is not None
            assert set(now.holding.packs) <= set(kept.packs)
            assert kept.visit == sha256_of(before.visit.to_bytes())


async def test_a_state_the_origin_gave_up_cannot_be_had_again(first, world, root):
    async with bench(world, root) as here:
        old = await here.visit()
        here.store.flush()
        lost(here, root, old.holding.packs[0])
        first.writer.refs.clear()
        first.writer.files.clear()
        first.writer.objects._held.clear()
        grow(first, 1)
        rebuilder = Rebuilder(here.mirror)
        now = await rebuilder.fetch(old.visit.url, Depth.HISTORY)
        assert await rebuilder.kept_by(old.visit, old.holding, now) is None


async def test_a_visit_that_lacks_one_blob_is_not_kept(first, world, root, monkeypatch):
    async def missing_from(self, tips):
        return {"f" * 40}

    async with bench(world, root) as here:
        old = await here.visit()
        grow(first, 1)
        rebuilder = Rebuilder(here.mirror)
        now = await rebuilder.fetch(old.visit.url, Depth.HISTORY)
        assert await rebuilder.kept_by(old.visit, old.holding, now) is not None
        monkeypatch.setattr(Quarantine, "missing_from", missing_from)
        assert await rebuilder.kept_by(old.visit, old.holding, now) is None
