"""Pages kept and read: aside or here, with the same result."""

import json
import threading

import pytest
from place import AT, HUB, ListHub, Place, record
from test_listing import list_hub

from ptmtorrent.hubs.aside import Aside
from ptmtorrent.hubs.huggingface import outline
from ptmtorrent.model.package import Outline, ParsedPage
from ptmtorrent.pipeline import pages as pages_module
from ptmtorrent.pipeline.kept import pack_page, read_page
from ptmtorrent.pipeline.pages import Pages

BODY = json.dumps([record(1), record(2)]).encode()


class Fleeting:
    """Takes pages until it has read ``pages`` of them, and is gone then."""

    def __init__(self, pages: int) -> None:
        self.left = pages
        self.is_closed = self.is_given_up = False

    def is_ready(self) -> bool:
        return True

    def read(self, body: bytes) -> ParsedPage[Outline]:
        if not self.left:
            raise EOFError("gone")
        self.left -= 1
        return outline(body)

    def give_up(self) -> None:
        self.is_given_up = True

    def close(self) -> None:
        self.is_closed = True


def unread(body: bytes) -> ParsedPage[Outline]:
    raise AssertionError("read here too")


def test_what_is_read_aside_is_not_read_again(place):
    with Pages(place.store, {HUB: unread}, {HUB: Fleeting(1)}) as pages:
        assert pages.read(HUB, pages.keep(HUB, BODY)) == outline(BODY)


def test_a_page_of_a_process_that_is_lost_is_read_here(place, caplog):
    aside = Fleeting(1)
    with Pages(place.store, {HUB: outline}, {HUB: aside}) as pages:
        for _ in range(2):
            assert pages.read(HUB, pages.keep(HUB, BODY)) == outline(BODY)
    assert aside.is_given_up
    assert aside.is_closed
    assert "is lost" in caplog.text


def test_a_page_that_is_not_answered_is_read_here(place, monkeypatch):
    let = threading.Event()

    class Hanging(Fleeting):
        def read(self, body: bytes) -> ParsedPage[Outline]:
            assert let.wait(30)
            raise EOFError("given up")

        def give_up(self) -> None:
            let.set()

    monkeypatch.setattr(pages_module, "PATIENCE_S", 0.01)
    with Pages(place.store, {HUB: outline}, {HUB: Hanging(0)}) as pages:
        assert pages.read(HUB, pages.keep(HUB, BODY)) == outline(BODY)
    assert let.is_set()


def test_a_page_kept_earlier_is_read_from_the_store(place):
    with Pages(place.store, {HUB: outline}, {HUB: Fleeting(0)}) as pages:
        name = place.store.put(pack_page(BODY))
        assert read_page(place.store, name) == BODY
        assert pages.read(HUB, name) == outline(BODY)


@pytest.mark.parametrize("after", [0, 10**9], ids=["aside", "here"])
async def test_a_long_listing_is_the_same_read_aside_and_read_here(tmp_path, after):
    place = Place(tmp_path / "root")
    aside = Aside(HUB, after)
    if not after:
        aside.is_ready()
        aside._there.poll(60)
    reader = outline if after else unread
    with Pages(place.store, {HUB: reader}, {HUB: aside}) as place.pages:
        place.intake._pages = place.pages
        hub = ListHub([[record(3 * n), {"_id": "broken"}, record(3 * n + 1)] for n in range(20)])
        number = place.begin()
        await list_hub(place, hub, number)
    [state] = place.ledger.reads.listings(number)
    assert (state.outcome, state.listed, state.unparsed) == ("complete", 40, 20)
    rows = list(place.ledger.reads.packages(HUB))
    assert [row.package_id for row in rows] == [
        f"{3 * n + m:024x}" for n in range(20) for m in (0, 1)
    ]
    place.close()


def test_a_take_beyond_all_measure_is_taken_in(place):
    """A journal may hold a limit of another version, or of a slip."""
    number = place.begin()
    payload = {"snapshot": "2026-11-21", "hub": HUB, "sha256": place.store.put(pack_page(BODY))}
    entry = place.journal.append("page", AT, cursor="/0", take=10**30, **payload)
    place.journal.sync()
    with place.ledger.transaction():
        place.intake.take([entry])
    assert [listing.listed for listing in place.ledger.reads.listings(number)] == [2]
