"""Only what no root reaches goes, and it does go."""

import json
import os
from pathlib import Path

import pytest
from collection import DAY, NOON, Place

from ptmtorrent.collect import reach
from ptmtorrent.errors import IntegrityError, WriterActiveError
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Wanted
from ptmtorrent.shards import manifest as manifests
from ptmtorrent.shards.manifest import About, Shard
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.segments import OpenSegment


def large(text: str) -> bytes:
    return text.encode() * 70_000


def put(place: Place, text: str) -> str:
    return place.store.put(large(text))


def test_everything_a_line_names_stays_and_what_nobody_names_goes(place):
    pack, asset, thing, aside = (put(place, text) for text in "paoq")
    small_garbage = place.store.put(b"small garbage" * 1000)
    wanted = (Wanted("w.bin", thing, 70_000, True), Wanted("x.bin", asset, 70_000, False))
    names = {place.page(b"page"), *place.visit("https://a/b", pack, wanted=wanted)}
    place.note("asset", url="https://x/y", sha256=asset, size=70_000)
    place.note("something to come", other=aside)
    garbage = put(place, "g")
    place.store.flush()
    assert place.collect() == {garbage, small_garbage}
    assert set(place.store.names()) == names | {pack, asset, thing, aside}


def test_the_first_cycle_and_a_cycle_that_only_shows_remove_nothing(place):
    garbage = put(place, "g")
    place.store.flush()
    for day, delete in ((0, True), (20, False), (30, False)):
        [found] = place.cycle(day, delete=delete).garbage
        assert (found.name, found.since, found.is_due) == (garbage, NOON, day > 0)
        assert not found.is_gone
        assert place.store.has(garbage)
    collected = place.cycle(30)
    assert (collected.freed, collected.garbage[0].is_gone) == (70_000, True)
    assert not place.store.has(garbage)
    assert place.cycle(31).garbage == ()
    assert json.loads(place.root.layout.garbage.read_bytes())["since"] == {}


def test_packs_go_when_another_holding_keeps_their_visit(place):
    old, new, shared = put(place, "o"), put(place, "n"), put(place, "s")
    visit, before = place.visit("https://a/b", old)
    place.visit("https://a/b2", shared)
    place.repack(visit, before, new)
    assert place.collect() == {old}
    assert place.store.has(before), "the journal still names it"
    assert place.store.read(new) == large("n")


def test_packs_that_one_old_holding_still_needs_stay(place):
    old, new = put(place, "o"), put(place, "n")
    visit, before = place.visit("https://a/b", old)
    place.visit("https://a/b2", old)
    place.repack(visit, before, new)
    assert place.collect() == set()


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_packs_stay_when_those_that_replaced_them_are_not_all_good(place, harm):
    old, mid, new = put(place, "o"), put(place, "m"), put(place, "n")
    visit, before = place.visit("https://a/b", old)
    between = place.repack(visit, before, mid)
    place.repack(visit, between, new)
    place.store.flush()
    path = place.root.layout.blob(new)
    if harm == "missing":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(large("x"))
    assert place.collect() == set()
    assert place.store.has(old) and place.store.has(mid)


def test_a_holding_that_is_journalled_again_counts_again(place):
    old, new = put(place, "o"), put(place, "n")
    visit, before = place.visit("https://a/b", old)
    place.repack(visit, before, new)
    place.note("visit", visit=visit, holding=before)
    assert place.collect() == set()


def test_a_holding_replaced_there_and_back_is_kept_by_one_of_them(place):
    old, new = put(place, "o"), put(place, "n")
    visit, before = place.visit("https://a/b", old)
    after = place.repack(visit, before, new)
    place.note("repack", visit=visit, holding=before, replaces=after)
    assert reach.successions(place.journal.entries()) == {after: before}
    assert place.collect() == {new}


def test_a_holding_that_replaces_itself_stays_a_root(place):
    pack = put(place, "p")
    visit, holding = place.visit("https://a/b", pack)
    place.note("repack", visit=visit, holding=holding, replaces=holding)
    assert reach.successions(place.journal.entries()) == {}
    assert place.collect() == set()


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_nothing_goes_when_a_holding_cannot_be_read(place, harm):
    garbage = put(place, "g")
    _, holding = place.visit("https://a/b", put(place, "p"))
    place.end()
    segment = next(place.root.layout.segments.glob("*.seg"))
    data = segment.read_bytes()
    at = data.index(bytes.fromhex(holding)) + (40 if harm == "damaged" else 0)
    segment.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    if harm == "missing":
        segment.with_suffix(".idx").unlink()
    place.open()
    for day in (0, 15):
        with pytest.raises(IntegrityError, match=holding):
            place.cycle(day)
    assert place.store.has(garbage)


def lose(place, holding: str) -> None:
    """Take a holding out of the store, as a repair does with one that is damaged."""
    place.end()
    segment = next(place.root.layout.segments.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[data.index(bytes.fromhex(holding)) + 40] ^= 1
    segment.write_bytes(data)
    place.open()
    place.store.set_aside(holding)


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_lost_holding_that_was_replaced_stops_nothing_if_the_other_is_whole(place, is_whole):
    old, new = put(place, "o"), put(place, "n")
    visit, before = place.visit("https://a/b", old)
    after = place.repack(visit, before, new)
    lose(place, before)
    if is_whole:
        assert place.collect() == {old}
        assert place.store.has(new) and place.store.has(after)
        return
    place.store.remove(new)
    with pytest.raises(IntegrityError, match=before):
        place.cycle(0)


def test_nothing_goes_when_the_journal_cannot_be_read(place):
    garbage = put(place, "g")
    place.page(b"one")
    place.page(b"two")
    place.cycle(0)
    [path] = place.root.layout.journal.iterdir()
    path.write_bytes(path.read_bytes().replace(b'"hub"', b'"hob"', 1))
    with pytest.raises(IntegrityError):
        place.cycle(15)
    assert place.store.has(garbage)


def test_nothing_goes_when_somebody_else_wrote_meanwhile(place, monkeypatch):
    garbage = put(place, "g")
    place.page(b"one")
    place.cycle(0)
    other = Journal.open(place.root.path, write=True)
    other.append("page", NOON, sha256=garbage)
    real = place.store.names

    def names():
        other.sync()
        return real()

    monkeypatch.setattr(place.store, "names", names)
    with pytest.raises(WriterActiveError):
        place.cycle(15)
    assert place.store.has(garbage)
    other.close()


def write_shard(place: Place, name: str, snapshot: str) -> Shard:
    path = f"files/v1/first_snapshot={snapshot}/part-{name}.parquet"
    target = place.root.layout.dataset / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"shard " + name.encode())
    data = target.read_bytes()
    return Shard(path, len(data), sha256_of(data), 1)


def finish(place: Place, snapshot: str, *shards: Shard) -> Path:
    about = About(snapshot=snapshot, previous=None, tool="t", hubs=("huggingface",))
    manifest = manifests.build(about, {"files": shards}, [])
    digest = manifests.write(place.root.layout.dataset, manifest)
    place.store.flush()
    line = {"manifest": digest, "content_sha256": manifest.content_sha256}
    place.journal.append("snapshot", NOON, snapshot=snapshot, **line)
    place.journal.sync()
    return manifests.path_of(place.root.layout.dataset, snapshot)


def test_shards_that_no_manifest_lists_go_and_the_others_stay(place):
    first, second = (write_shard(place, f"0000{n}", "2026-11-20") for n in (0, 1))
    stray = write_shard(place, "00007", "2026-11-21")
    finish(place, "2026-11-20", first)
    finish(place, "2026-11-21", first, second)
    other = place.root.layout.dataset / "files/v1/notes.txt"
    other.write_text("somebody's")
    assert place.collect() == {f"dataset/{stray.path}"}
    left = {p.relative_to(place.root.layout.dataset) for p in other.parent.rglob("*.parquet")}
    assert left == {Path(first.path), Path(second.path)}
    assert other.exists()


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_no_shard_goes_when_a_manifest_is_not_what_was_journalled(place, harm):
    shard = write_shard(place, "00000", "2026-11-20")
    path = finish(place, "2026-11-20", shard)
    place.cycle(0)
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match="not the manifest that was journalled"):
        place.cycle(15)
    assert (place.root.layout.dataset / shard.path).exists()


class Killed(BaseException):
    """The process ends here."""


def dying_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    left = [steps]

    def dying(real):
        def step(*args, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*args, **options)

        return step

    patch.setattr("os.fsync", dying(os.fsync))
    patch.setattr(Path, "unlink", dying(Path.unlink))
    patch.setattr(Path, "replace", dying(Path.replace))
    patch.setattr(OpenSegment, "write_out", dying(OpenSegment.write_out))


def test_a_cycle_killed_at_any_step_loses_nothing_and_the_next_one_finishes(tmp_path, monkeypatch):
    for steps in range(200):
        place = Place(tmp_path / str(steps))
        old, new = put(place, "o"), put(place, "n")
        visit, before = place.visit("https://a/b", old)
        needed = {visit, before, new, place.repack(visit, before, new), place.page(b"page")}
        put(place, "g")
        for number in range(9):
            place.store.put(b"small garbage %d" % number * 20)
        shard = write_shard(place, "00000", "2026-11-20")
        stray = write_shard(place, "00001", "2026-11-20")
        finish(place, "2026-11-20", shard)
        place.cycle(0)
        with monkeypatch.context() as patch:
            dying_after(patch, steps)
            try:
                place.cycle(15)
                is_done = True
            except Killed:
                is_done = False
        place.close()
        place.open()
        assert {sha256_of(place.store.read(name)) for name in needed} == needed
        assert (place.root.layout.dataset / shard.path).exists()
        place.cycle(16, grace=DAY)
        place.cycle(18, grace=DAY)
        assert set(place.store.names()) == needed
        assert not (place.root.layout.dataset / stray.path).exists()
        place.close()
        if is_done:
            assert steps > 15
            return
    raise AssertionError("it never ended")


def test_a_reader_sees_all_that_is_needed_after_a_collection(place):
    name = place.page(b"page")
    for number in range(50):
        place.store.put(b"garbage %d" % number)
    place.store.flush()
    place.collect()
    with LocalStore.at(place.root.path, write=False) as reader:
        assert list(reader.names()) == [name]
        assert reader.read(name) == b"page"
