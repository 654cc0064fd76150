"""What was damaged on purpose, and can be had again, is; what cannot be is named."""

import json
import shutil
import time
from pathlib import Path

import pytest
from job import CLOCK, Job

from ptmtorrent.app.context import Context, load_settings
from ptmtorrent.app.repairing import repair
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import WriterActiveError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.clock import Clock, parse_rfc3339
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.sandbox.move import move
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import open_root

pytestmark = pytest.mark.slow


def context(job: Job, *, as_json: bool = True) -> Context:
    return Context(
        root=job.root,
        settings=load_settings(job.config),
        clock=Clock(lambda: parse_rfc3339(CLOCK), time.time),
        console=Console(quiet=True, as_json=as_json),
        version="0",
    )


def mend(job: Job, capfd) -> tuple[int, list[dict], dict]:
    """Exit code, findings, the sum."""
    capfd.readouterr()
    code = repair(context(job))
    *found, total = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    return code, found, total


@pytest.fixture
def whole(small: Job, tmp_path: Path) -> Job:
    """A finished root of the small world, our own to damage."""
    job = Job(tmp_path / "root", small.world)
    shutil.copytree(small.root, job.root)
    return job


def flip(path: Path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def damage(job: Job, name: str) -> None:
    """Flip a bit of a blob, wherever it lies."""
    path = Layout(job.root).blob(name)
    if path.exists():
        flip(path)
        return
    for segment in Layout(job.root).segments.glob("*.seg"):
        at = segment.read_bytes().find(bytes.fromhex(name))
        if at >= 0:
            flip(segment, at + 33)


def kept(job: Job) -> list[tuple[str, str, Visit, Holding]]:
    """(visit, holding) of every line that keeps one, by name and as read."""
    with LocalStore.at(job.root, write=False) as store:
        lines = [e.payload for e in Journal.open(job.root, write=False).entries()]
        pairs = [(p["visit"], p["holding"]) for p in lines if "holding" in p]
        return [
            (v, h, Visit.from_bytes(store.read(v)), Holding.from_bytes(store.read(h)))
            for v, h in pairs
        ]


def every_blob_is_sound(job: Job) -> bool:
    with LocalStore.at(job.root, write=False) as store:
        return all(store.is_sound(name) for name in store.names())


def objects(job: Job, *, lfs: bool, most: int = 2**40) -> list[str]:
    wanted = {w for _, _, _, holding in kept(job) for w in holding.wanted}
    with LocalStore.at(job.root, write=False) as store:
        here = {w.sha256 for w in wanted if w.lfs is lfs and w.size < most and store.has(w.sha256)}
    return sorted(here)


def aside(job: Job) -> set[str]:
    return {path.name.partition(".")[0] for path in Layout(job.root).damaged.glob("*")}


def test_a_whole_root_is_left_as_it_is(whole, capfd):
    before = {p: p.read_bytes() for p in (whole.root / "store/v1/blobs").rglob("*") if p.is_file()}
    with whole.served():
        code, found, total = mend(whole, capfd)
    assert (code, found) == (0, [])
    assert total["checked"] > 20
    assert (total["repaired"], total["lost"]) == (0, 0)
    assert all(path.read_bytes() == data for path, data in before.items())


def test_objects_are_fetched_again_large_and_small_damaged_and_missing(whole, capfd):
    large, gone, *_ = [n for n in objects(whole, lfs=True) if Layout(whole.root).blob(n).exists()]
    bad = {large}
    small = objects(whole, lfs=True, most=65536)
    if small:
        bad.add(small[0])
    for name in bad:
        damage(whole, name)
    Layout(whole.root).blob(gone).unlink()
    with whole.served():
        code, found, total = mend(whole, capfd)
        assert {f["name"]: f["outcome"] for f in found} == dict.fromkeys([*bad, gone], "repaired")
        assert {f["kind"] for f in found} == {"object"}
        assert (code, total["repaired"]) == (0, len(bad) + 1)
        assert every_blob_is_sound(whole)
        assert aside(whole) == bad
        assert mend(whole, capfd)[:2] == (0, [])


def test_a_large_file_that_came_in_git_is_taken_out_of_its_pack_again(whole, capfd):
    files = objects(whole, lfs=False)
    if not files:
        pytest.skip("NOT TESTED: no large file in git in this world")
    damage(whole, files[0])
    with whole.served() as box:
        code, [found], _ = mend(whole, capfd)
        assert box.requests.read_text() == ""
    assert (code, found["kind"], found["outcome"]) == (0, "file", "repaired")
    assert every_blob_is_sound(whole)


def test_a_large_file_and_its_visit_are_both_had_again(whole, capfd):
    both = [(w.sha256, v) for v, _, _, h in kept(whole) for w in h.wanted if not w.lfs]
    if not both:
        pytest.skip("NOT TESTED: no large file in git in this world")
    for name in both[0]:
        damage(whole, name)
    with whole.served():
        code, found, _ = mend(whole, capfd)
    assert code == 0
    assert {f["name"]: f["outcome"] for f in found} == dict.fromkeys(both[0], "repaired")


def test_a_large_file_whose_visit_nobody_tells_of_is_lost_with_it(fresh, capfd):
    with fresh.served():
        assert fresh.run("list") == 0
        assert fresh.run("fetch", "--depth", "history") == 0
        both = [(w.sha256, v) for v, _, _, h in kept(fresh) for w in h.wanted if not w.lfs]
        if not both:
            pytest.skip("NOT TESTED: no large file in git in this world")
        for name in both[0]:
            damage(fresh, name)
        code, found, _ = mend(fresh, capfd)
    assert code == 6
    assert {f["name"]: f["outcome"] for f in found} == dict.fromkeys(both[0], "lost")


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_a_pack_is_had_again_by_fetching_its_origin_whole(whole, capfd, harm):
    visit, before, state, holding = kept(whole)[0]
    [pack] = holding.packs
    damage(whole, pack)
    if harm == "missing":
        with LocalStore.at(whole.root, write=True) as store:
            store.set_aside(pack)
        shutil.rmtree(Layout(whole.root).damaged)
    with whole.served():
        code, [found], _ = mend(whole, capfd)
    assert (code, found["kind"], found["name"]) == (0, "pack", pack)
    assert state.url in found["detail"]
    *_, last = Journal.open(whole.root, write=False).entries()
    ledger = Ledger.open_to_read(whole.root / "ledger.sqlite")
    kept_by = ledger.reads.held(state.url)
    ledger.close()
    if last.kind == "repack":  # the same bytes seldom come twice
        names = last.payload["visit"], last.payload["replaces"], last.payload["holding"]
        assert names == (visit, before, kept_by[1])
    else:
        assert kept_by == (visit, before)
    assert every_blob_is_sound(whole)
    with whole.served():
        assert mend(whole, capfd)[:2] == (0, [])
        assert whole.snapshot("--as-of", "2026-11-22") == 0


def test_a_visit_and_its_pack_are_both_had_again(whole, capfd):
    visit, _, _, holding = kept(whole)[0]
    lost = [visit, *holding.packs]
    for name in lost:
        damage(whole, name)
    with whole.served():
        code, found, _ = mend(whole, capfd)
    assert code == 0
    assert {f["name"]: f["outcome"] for f in found} == dict.fromkeys(lost, "repaired")
    assert every_blob_is_sound(whole)


def test_a_state_that_its_origin_gave_up_is_lost_and_named(fresh, capfd):
    with fresh.served():
        assert fresh.snapshot("--as-of", "2026-11-21") == 0
    move(fresh.world)
    with fresh.served():
        assert fresh.snapshot("--as-of", "2026-11-22") == 0
        for pack in {pack for _, _, _, holding in kept(fresh) for pack in holding.packs}:
            damage(fresh, pack)
        code, found, total = mend(fresh, capfd)
        assert code == 6
        assert total["lost"] >= 1 and total["repaired"] >= 5
        assert total["unreached"] == 0
        lost = [f["detail"] for f in found if f["outcome"] == "lost"]
        assert any("cannot be had again, its origin moved on" in text for text in lost), lost
        assert fresh.snapshot("--as-of", "2026-11-23") == 0


@pytest.mark.parametrize("ledger", ["kept", "rebuilt"])
def test_a_visit_is_written_again_from_the_tables_that_tell_of_it(whole, capfd, ledger):
    names = sorted({visit for visit, _, _, _ in kept(whole)})
    for name in names[:3]:
        damage(whole, name)
    if ledger == "rebuilt":
        for path in whole.root.glob("ledger.sqlite*"):
            path.unlink()
        with whole.served():
            assert whole.snapshot() == 0
    with whole.served() as box:
        code, found, _ = mend(whole, capfd)
        assert box.requests.read_text() == ""
    assert {(f["kind"], f["name"], f["outcome"]) for f in found} == {
        ("visit", name, "repaired") for name in names[:3]
    }
    assert code == 0
    assert every_blob_is_sound(whole)
    assert whole.end("verify")[0] == 0


def test_a_visit_that_no_table_tells_of_is_lost_and_its_origin_visited_again(fresh, capfd):
    with fresh.served():
        assert fresh.run("list") == 0
        assert fresh.run("fetch", "--depth", "history") == 0
        name, _, visit, _ = kept(fresh)[0]
        damage(fresh, name)
        code, [found], _ = mend(fresh, capfd)
        assert (code, found["name"], found["outcome"]) == (6, name, "lost")
        assert f"{visit.url}, snapshot " in found["detail"]
        assert "the next snapshot visits it again" in found["detail"]
        assert fresh.run("snapshot", "--depth", "history") == 0
        assert fresh.run("snapshot", "--depth", "history", "--new") == 0
        assert mend(fresh, capfd)[:2] == (0, [])
    assert fresh.end("verify")[0] == 0


WORDS = {
    "page": "huggingface, snapshot 2026-11-21: a page is what a hub said that day",
    "holding": "a holding is written once; the next snapshot visits its origin again",
}


@pytest.mark.parametrize("kind", WORDS)
def test_what_was_seen_on_a_day_is_lost_and_its_origin_visited_again(whole, capfd, kind):
    entries = list(Journal.open(whole.root, write=False).entries())
    line = next(e.payload for e in entries if e.kind == ("page" if kind == "page" else "visit"))
    name = line["sha256" if kind == "page" else kind]
    damage(whole, name)
    with whole.served():
        code, [found], total = mend(whole, capfd)
        assert (code, found["name"], found["kind"]) == (6, name, kind)
        assert (found["outcome"], total["lost"]) == ("lost", 1)
        assert WORDS[kind] in found["detail"]
        assert line.get("origin", "") in found["detail"]
        assert aside(whole) == {name}
        assert whole.snapshot("--as-of", "2026-11-22") == 0
        assert mend(whole, capfd)[:2] == (0, []), "the same state, or another that keeps it"
    assert whole.end("verify")[0] == 0
    assert whole.end("gc")[0] == 0


def test_a_hub_that_cannot_be_reached_leaves_it_for_the_next_time(whole, capfd):
    name = objects(whole, lfs=True)[0]
    damage(whole, name)
    with whole.served():
        pass
    code, [found], total = mend(whole, capfd)
    assert (code, found["name"], found["outcome"]) == (5, name, "unreached")
    assert total["unreached"] == 1
    ledger = Ledger.open_to_read(whole.root / "ledger.sqlite")
    assert not ledger.reads.is_held(name), "the next run asks for it too"
    ledger.close()
    with whole.served():
        code, [found], _ = mend(whole, capfd)
    assert (code, found["name"], found["outcome"]) == (0, name, "repaired")
    assert every_blob_is_sound(whole)


def test_damaged_bytes_that_nobody_needs_are_set_aside(whole, capfd):
    with LocalStore.at(whole.root, write=True) as store:
        name = store.put(b"nobody needs this" * 9000)
    damage(whole, name)
    with whole.served():
        code, [found], _ = mend(whole, capfd)
    assert (code, found["name"], found["outcome"]) == (0, name, "unneeded")
    assert aside(whole) == {name}


@pytest.mark.parametrize("at", [0, 30, 60_000])
def test_a_damaged_ledger_is_moved_aside_and_rebuilt(whole, capfd, at):
    path = whole.root / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[at : at + 3000] = bytes(b ^ 0xA5 for b in data[at : at + 3000])
    path.write_bytes(data)
    with whole.served():
        code, found, _ = mend(whole, capfd)
        assert code == 0
        assert [(f["kind"], f["name"]) for f in found] == [("ledger", "ledger.sqlite")]
        assert (whole.root / "ledger.damaged-1").read_bytes()[at:] == bytes(data[at:])
        assert whole.end("verify")[0] == 0
        assert whole.snapshot("--as-of", "2026-11-22") == 0


def test_a_good_ledger_and_its_log_stay(whole, capfd):
    with whole.served():
        assert mend(whole, capfd)[0] == 0
    assert list(whole.root.glob("ledger.damaged*")) == []


def test_beside_a_writer_nothing_is_done(whole):
    with whole.served():
        pass
    with open_root(whole.root, create=False).writing(), pytest.raises(WriterActiveError):
        repair(context(whole))


def test_people_read_what_was_repaired(whole, capfd):
    name = objects(whole, lfs=True)[0]
    damage(whole, name)
    with whole.served():
        capfd.readouterr()
        assert repair(context(whole, as_json=False)) == 0
    first, last = capfd.readouterr().out.splitlines()
    assert first == f"repaired: object {name}: fetched again"
    assert last.endswith("blobs checked; 1 repaired")
