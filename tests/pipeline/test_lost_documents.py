"""A page, visit or holding that is lost costs itself alone, and what is not whole says so."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from place import CLOCK, HUB, ListHub, Place, fetching_by, record
from test_listing import PAGES, list_hub

from ptmtorrent.errors import FatalError, IntegrityError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.package import Scope
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.model.work import OriginTask, Stage, Visited
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.local import LocalStore


def damage(place: Place, sha256: str) -> None:
    """Flip a bit of a small blob."""
    for path in Layout(place.path).segments.glob("*.seg"):
        data = bytearray(path.read_bytes())
        at = data.find(bytes.fromhex(sha256))
        if at >= 0:
            data[at + 32] ^= 1
            path.write_bytes(data)


def lose(place: Place, *cursors: str) -> None:
    """Damage pages, and take the ledger away."""
    place.close()
    for leftover in place.path.glob("ledger.sqlite*"):
        leftover.unlink()
    for entry in Journal.open(place.path, write=False).entries():
        if entry.payload.get("cursor") in cursors:
            damage(place, entry.payload["sha256"])


def names(place: Place) -> list[str]:
    return sorted(row.name for row in place.ledger.reads.packages(HUB))


def said(place: Place, number: int) -> tuple[str, int, str | None]:
    [state] = place.ledger.reads.listings(number)
    return state.outcome, state.listed, state.next_cursor


async def test_the_ledger_comes_back_without_what_a_lost_page_told(place, tmp_path: Path):
    number = place.begin()
    await list_hub(place, ListHub(PAGES), number)
    lose(place, "/1")
    again = Place(place.path)
    assert names(again) == ["org/m1", "org/m2", "org/m4"]
    assert said(again, number) == ("cut", 3, "/1")
    [state] = again.ledger.reads.listings(number)
    assert state.reason.startswith("corrupt: page ")
    assert state.unreachable_since is None, "the hub was well"
    again.close()


async def test_an_open_listing_goes_on_at_the_page_that_is_lost(place):
    number = place.begin()
    await list_hub(place, ListHub(PAGES), number)
    lose(place, "/1")
    again, hub = Place(place.path), ListHub(PAGES)
    await list_hub(again, hub, number)
    assert hub.asked == ["/1", "/2"]
    assert said(again, number) == ("complete", 4, None)
    assert names(again) == ["org/m1", "org/m2", "org/m3", "org/m4"]
    again.close()


async def test_nothing_that_is_said_later_hides_a_lost_page(place):
    """Neither that the listing broke off and went on behind it, nor that a limit was reached."""
    number = place.begin()
    pages = [[record(n)] for n in range(6)]
    hub = ListHub(pages, broken_at=3)
    await list_hub(place, hub, number)
    hub.broken_at = None
    await list_hub(place, hub, number)
    assert said(place, number)[0] == "complete"
    lose(place, "/1", "/4")
    again = Place(place.path)
    assert said(again, number) == ("cut", 4, "/1")
    again.close()


async def test_a_limited_listing_that_lost_a_page_is_cut_off_too(place):
    number = place.begin()
    await list_hub(place, ListHub(PAGES), number, Scope(limit=3))
    lose(place, "/0")
    again = Place(place.path)
    assert said(again, number) == ("cut", 1, "/0")
    await list_hub(again, ListHub(PAGES), number, Scope(limit=3))
    assert said(again, number)[:2] == ("limited", 3)
    again.close()


async def test_packages_of_a_lost_page_that_were_known_before_are_unseen(place):
    first = place.begin()
    await list_hub(place, ListHub(PAGES), first)
    second = place.begin("2026-11-21.2")
    newer = [[record(1), record(2)], [record(3, likes=1)], [record(4)]]
    await list_hub(place, ListHub(newer), second, snapshot_id="2026-11-21.2")
    last = [e.payload for e in place.journal.entries() if e.kind == "page"][-2]
    lose(place)
    damage(place, last["sha256"])
    again = Place(place.path)
    status = {row.name: row.status for row in again.ledger.reads.packages(HUB)}
    assert status == dict.fromkeys(("org/m1", "org/m2", "org/m4"), "listed") | {"org/m3": "unseen"}
    assert [state.outcome for state in again.ledger.reads.listings(first)] == ["complete"]
    again.close()


async def test_what_the_machine_refuses_is_no_loss(place, monkeypatch):
    number = place.begin()
    await list_hub(place, ListHub(PAGES), number)
    lose(place)

    def refuse(*_: object) -> bytes:
        raise FatalError("input/output error")

    monkeypatch.setattr(LocalStore, "read", refuse)
    with pytest.raises(FatalError):
        Place(place.path)
    ledger = Ledger.open(place.path / "ledger.sqlite")
    assert ledger.reads.position() == (0, "")
    ledger.close()


async def test_a_holding_that_is_lost_is_replaced_when_the_same_state_is_found_again(place):
    number = place.begin()
    await list_hub(place, ListHub([[record(1)]]), number)
    first = await visit(place, number, pack="1" * 64)
    lose(place)
    damage(place, first["holding"])
    again = Place(place.path)
    number = again.begin("2026-11-22")
    await list_hub(again, ListHub([[record(1)]]), number, snapshot_id="2026-11-22")
    second = await visit(again, number, pack="2" * 64)
    assert (second["visit"], second["origin"]) == (first["visit"], first["origin"])
    last = [e for e in again.journal.entries() if e.kind == "repack"][-1].payload
    assert (last["replaces"], last["holding"]) == (first["holding"], second["holding"])
    assert again.ledger.reads.kept_visits(first["origin"]) == [(last["visit"], last["holding"])]
    again.close()


@pytest.mark.parametrize("lost", [None, "holding"])
async def test_a_visit_taken_in_again_leaves_its_origin_to_the_open_snapshot(place, lost):
    first = place.begin()
    await list_hub(place, ListHub([[record(1)]]), first)
    line = await visit(place, first, pack="1" * 64)
    number = place.begin("2026-11-22")
    newer = ListHub([[record(1, sha="2" * 40)]])
    await list_hub(place, newer, number, snapshot_id="2026-11-22")
    [entry] = [e for e in place.journal.entries() if e.kind == "visit"]
    if lost:
        damage(place, line[lost])
    with place.ledger.transaction():
        place.ledger.work.plan_visits(number, HUB, depth=1, top=None, globs=())
        place.intake.complete(entry)
    [count] = place.ledger.reads.item_counts(number)
    assert (count.stage, count.state, count.items) == (Stage.VISIT, "todo", 1)


async def visit(place: Place, number: int, *, pack: str) -> Mapping[str, Any]:
    """Visit the one origin, which comes as one pack; the line that was journalled."""
    snapshot = place.ledger.reads.snapshots()[-1].id

    async def visit_origin(task: OriginTask) -> Visited:
        state = Visit(task.url, (), None, None)
        assert task.base is None
        name = sha256_of(state.to_bytes())
        return Visited(state, Holding(name, (pack,), (), 1, "git"), 1)

    with place.ledger.transaction():
        place.ledger.work.plan_visits(number, HUB, depth=1, top=None, globs=())
        [item] = place.ledger.work.lease(Stage.VISIT, number, now=1e9, shares={"huggingface.co": 1})
    async with place.recorder() as recorder:
        fetching = fetching_by(visit_origin, place, recorder, number, snapshot_id=snapshot)
        found = await fetching.visit(item)
        await recorder.record(found.lines)
    return next(line.payload for line in found.lines if line.kind == "visit")


def test_a_lost_visit_of_an_old_line_that_names_no_origin_is_not_guessed(place):
    place.begin()
    about = {"snapshot": "2026-11-21", "hub": HUB, "fingerprint": None, "depth": 1}
    place.journal.append("visit", CLOCK.data(), visit="a" * 64, holding="b" * 64, **about)
    place.journal.sync()
    with pytest.raises(IntegrityError, match=r"journal line 2 .*put the ledger or the blob"):
        place.intake.catch_up(place.journal)


def test_bytes_that_are_damaged_are_replaced_when_good_ones_come(place):
    for data in (b"small", b"large" * 20_000):
        name = place.store.put(data)
        place.store.flush()
        path = Layout(place.path).blob(name)
        if path.exists():
            path.chmod(0o600)
            path.write_bytes(b"l" + data)
        else:
            damage(place, name)
        assert not place.store.is_sound(name)
        assert place.store.put(data) == name
        assert place.store.read(name) == data
