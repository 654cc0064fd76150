"""From items to tasks and back: what is known of an item is used, and what is found is kept."""

import pytest
from place import CLOCK, HUB, ListHub, Place, record
from test_listing import list_hub

from ptmtorrent.errors import IntegrityError, SkipError, SkipReason
from ptmtorrent.model.work import Depth, Stage
from ptmtorrent.pipeline.fetching import ByteBudget, Fetching
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore


async def test_a_refusal_by_git_means_what_the_listing_says_of_the_package(place):
    number = place.begin()
    await list_hub(place, ListHub([[record(1, gated="auto")]]), number)

    async def visit_origin(task):
        raise SkipError("not there", SkipReason.GONE, status=401)

    with place.ledger.transaction():
        place.ledger.work.plan_visits(number, HUB, depth=1, top=None, globs=())
        [item] = place.ledger.work.lease(Stage.VISIT, number, now=1e9, shares={"huggingface.co": 1})
    async with place.recorder() as recorder:
        fetching = Fetching(
            snapshot_id="2026-11-21",
            number=number,
            depth=Depth.HISTORY,
            hubs={},
            store=place.store,
            recorder=recorder,
            budget=ByteBudget(None),
            watch=lambda event: None,
            visit_origin=visit_origin,
            fetch_object=None,
            fetch_asset=None,
        )
        with pytest.raises(SkipError) as caught:
            await fetching.visit(item)
    assert caught.value.reason is SkipReason.GATED


async def test_what_is_acknowledged_is_on_disk_for_whoever_opens_the_root_next(place):
    number = place.begin()
    await list_hub(place, ListHub([[record(1)]]), number)
    [row] = place.ledger.reads.packages(HUB)
    with LocalStore.at(place.path, write=False) as beside:
        assert beside.has(row.page)
    lines = [entry.kind for entry in Journal.open(place.path, write=False).entries()]
    assert lines == ["begin", "page", "listing"]


def test_a_ledger_that_knows_another_journal_is_refused(place, tmp_path):
    place.begin()
    other = Place(tmp_path / "other")
    entry = other.journal.append("begin", CLOCK.data(), snapshot="2026-11-20", as_of="2026-11-20")
    other.journal.sync()
    assert entry.n == place.ledger.reads.position()[0]
    with pytest.raises(IntegrityError, match="different roots"):
        place.intake.catch_up(other.journal)
    other.close()
