"""The list pass: nothing twice, nothing lost, an outage is not a deletion."""

import json
import random
from typing import Any

import pytest
from place import CLOCK, HUB, ListHub, Place, record

from ptmtorrent import disk
from ptmtorrent.errors import FatalError, NetworkError, UsageError
from ptmtorrent.model.events import PageListed
from ptmtorrent.model.package import Scope
from ptmtorrent.pipeline.kept import read_page
from ptmtorrent.pipeline.listing import Lister
from ptmtorrent.pipeline.recorder import Recorder
from ptmtorrent.store.records import SMALL

WHOLE = Scope()


async def no_pause(seconds: float) -> None:
    assert seconds >= 0


async def list_hub(
    place: Place, hub: ListHub, number: int, scope: Scope = WHOLE, **settings: Any
) -> list:
    events: list = []
    settings |= {"hubs": {HUB: hub}, "watch": events.append}
    async with place.recorder() as recorder:
        await lister_of(place, recorder, number, **settings).list_hub(HUB, scope)
    return events


def lister_of(place: Place, recorder: Recorder, number: int, **settings: Any) -> Lister:
    values = {
        "snapshot_id": "2026-11-21",
        "hubs": {},
        "clock": CLOCK,
        "watch": lambda event: None,
        "tool": "test",
        "pause": no_pause,
    }
    return Lister(number=number, pages=place.pages, recorder=recorder, **values | settings)


PAGES = [[record(1), record(2)], [record(3), {"_id": "broken"}], [record(4)]]


async def test_all_pages_are_kept_and_counted(place):
    number = place.begin()
    events = await list_hub(place, ListHub(PAGES), number)
    [state] = place.ledger.reads.listings(number)
    assert (state.outcome, state.listed, state.unparsed) == ("complete", 4, 1)
    told = [event for event in events if isinstance(event, PageListed)]
    assert (sum(event.packages for event in told), told[-1].total) == (4, 4)
    assert [row.raw_index for row in place.ledger.reads.packages(HUB)] == [0, 1, 0, 0]


async def test_a_listing_that_is_cut_says_why_and_goes_on_where_it_was_cut(place):
    number = place.begin()
    hub = ListHub(PAGES, broken_at=1)
    await list_hub(place, hub, number)
    [state] = place.ledger.reads.listings(number)
    assert (state.outcome, state.listed) == ("cut", 2)
    assert state.reason.startswith("network: cut")
    hub.broken_at = None
    hub.asked.clear()
    await list_hub(place, hub, number)
    assert hub.asked == ["/1", "/2"]
    assert place.ledger.reads.listings(number)[0].outcome == "complete"


async def test_a_listing_that_began_with_a_limit_goes_on_with_it_whatever_is_asked_now(place):
    number = place.begin()
    hub = ListHub(PAGES, broken_at=1)
    await list_hub(place, hub, number, Scope(limit=3))
    hub.broken_at = None
    await list_hub(place, hub, number)
    [state] = place.ledger.reads.listings(number)
    assert (state.outcome, state.listed, state.scope) == ("limited", 3, '{"limit": 3}')


@pytest.mark.parametrize("broken_at", [None, 1])
async def test_pages_of_two_sources_do_not_come_into_one_listing(place, broken_at):
    number = place.begin()
    await list_hub(place, ListHub(PAGES, broken_at), number, Scope(source="https://a.example"))
    async with place.recorder() as recorder:
        lister = lister_of(place, recorder, number)
        await lister.check(HUB, "https://a.example")
        with pytest.raises(
            UsageError, match=r"from https://a\.example.* now say https://b\.example"
        ):
            await lister.check(HUB, "https://b.example")


@pytest.mark.parametrize("broken_at", [None, 0])
async def test_where_nothing_was_listed_or_no_source_was_written_down_any_may_follow(
    place, broken_at
):
    """Roots of old say nothing of sources; a hub that could not be reached has no pages."""
    number = place.begin()
    source = None if broken_at is None else "https://a.example"
    await list_hub(place, ListHub(PAGES, broken_at), number, Scope(source=source))
    async with place.recorder() as recorder:
        await lister_of(place, recorder, number).check(HUB, "https://b.example")


async def test_an_odd_answer_in_the_middle_of_a_listing_is_asked_for_again(place):
    number = place.begin()
    hub = ListHub(PAGES)
    original, failures = hub.page, [1, 1]

    async def page(cursor):
        if cursor == "/1" and failures:
            failures.pop()
            raise NetworkError("something else than a list")
        return await original(cursor)

    hub.page = page
    await list_hub(place, hub, number)
    assert place.ledger.reads.listings(number)[0].outcome == "complete"
    assert [a["outcome"] for a in place.ledger.reads.attempts(number)].count("failed") == 2


async def test_a_hub_that_never_answers_is_unreachable(place):
    number = place.begin()
    await list_hub(place, ListHub(PAGES, broken_at=0), number)
    assert place.ledger.reads.listings(number)[0].outcome == "unreachable"


async def test_a_killed_listing_goes_on_at_the_page_after_the_last_one_kept(place):
    number = place.begin()

    class KilledError(Exception):
        pass

    hub = ListHub(PAGES)
    original = hub.page

    async def page(cursor):
        if cursor == "/2":
            raise KilledError
        return await original(cursor)

    hub.page = page
    with pytest.raises(KilledError):
        await list_hub(place, hub, number)
    hub.page = original
    hub.asked.clear()
    await list_hub(place, hub, number)
    assert hub.asked == ["/2"]
    assert place.ledger.reads.package_counts() == {HUB: 4}


async def test_a_limit_keeps_exactly_so_many_and_is_no_complete_listing(place):
    number = place.begin()
    hub = ListHub(PAGES)
    await list_hub(place, hub, number, Scope(limit=3))
    [state] = place.ledger.reads.listings(number)
    assert (state.outcome, state.listed, state.scope) == ("limited", 3, '{"limit": 3}')
    assert hub.asked == ["/0", "/1"]


async def test_a_limit_counts_packages_where_a_hub_lists_them_twice(place):
    """The first ones are listed, and each as the last page that shows it says it."""
    number = place.begin()
    first, again = [record(1), record(2), record(3)], [record(1, likes=5), record(2, likes=5)]
    hub = ListHub([first, again])
    await list_hub(place, hub, number, Scope(limit=2), twice=frozenset({HUB}))
    [state] = place.ledger.reads.listings(number)
    assert (state.outcome, state.listed, hub.asked) == ("limited", 2, ["/0", "/1"])
    rows = list(place.ledger.reads.packages(HUB))
    assert [(row.name, row.raw_index) for row in rows] == [("org/m1", 0), ("org/m2", 1)]
    assert len({row.page for row in rows}) == 1
    assert json.loads(read_page(place.store, rows[0].page)) == again


async def test_globs_keep_the_names_that_match(place):
    number = place.begin()
    await list_hub(place, ListHub(PAGES), number, Scope(globs=("org/m[13]",)))
    assert [row.name for row in place.ledger.reads.packages(HUB)] == ["org/m1", "org/m3"]


async def test_a_page_that_names_itself_as_the_next_ends_the_listing(place):
    number = place.begin()
    hub = ListHub([[record(1)]])
    hub.pages.append([])

    async def page(cursor):
        from ptmtorrent.model.package import ListedPage

        return ListedPage(b"[]", cursor, cursor)

    hub.page = page
    await list_hub(place, hub, number)
    assert place.ledger.reads.listings(number)[0].reason.startswith("corrupt")


async def test_the_ledger_comes_back_from_the_journal_as_it_was(place, tmp_path):
    number = place.begin()
    await list_hub(place, ListHub(PAGES), number)
    before = list(place.ledger.reads.packages(HUB)), place.ledger.reads.listings(number)
    place.close()
    for leftover in place.path.glob("ledger.sqlite*"):
        leftover.unlink()
    again = Place(place.path)
    assert again.caught_up == 5
    assert before == (list(again.ledger.reads.packages(HUB)), again.ledger.reads.listings(number))
    place.__dict__.update(again.__dict__)


async def test_a_page_that_cannot_be_kept_is_asked_for_again(place, monkeypatch):
    """A listing that goes on from the page after a lost one would miss packages for good."""
    number, real = place.begin(), disk.copy_new
    pages = [[record(1)], [record(2, pad=random.Random(1).randbytes(SMALL).hex())]]
    hub = ListHub([*pages, [record(3)], [record(4)]])

    def full(*_: object, **__: object) -> None:
        monkeypatch.setattr(disk, "copy_new", real)
        raise FatalError("no space left")

    monkeypatch.setattr(disk, "copy_new", full)
    with pytest.raises(FatalError):
        await list_hub(place, hub, number)
    place.close()
    again = Place(place.path)
    hub.asked.clear()
    await list_hub(again, hub, number)
    assert hub.asked[-3:] == ["/1", "/2", "/3"]
    assert len(list(again.ledger.reads.packages(HUB))) == 4
    again.close()
