"""The suite that every hub adapter passes. A hub joins by a short class with a ``world`` fixture.

``world`` is a served ``HubWorld``: the adapter, and what a perfect listing of that hub would hold.
A hub that can be asked for one package passes ``AskedHubContract`` too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest

from ptmtorrent.errors import FailError, SkipError
from ptmtorrent.hubs.base import Hub, HubKind
from ptmtorrent.model.package import (
    AnswerKind,
    Change,
    ListedPage,
    Outline,
    Package,
    ParsedPage,
    Scope,
)
from ptmtorrent.sandbox.serve import Sandbox


@dataclass(frozen=True)
class HubWorld:
    """A hub as served.

    Attributes:
        listed: package id -> name of every package a listing shows.
        unparsed: how many of its records are none.
        route: the sandbox's name for the requests of a listing.
        change: gives a page's body with each record changed by a function of the record.
        former: (former name, package id) of a package that was renamed, where the hub tells.
    """

    kind: HubKind
    hub: Hub
    box: Sandbox
    listed: dict[str, str]
    route: str
    change: Callable[[bytes, Callable[[dict[str, Any]], None]], bytes]
    unparsed: int = 0
    former: tuple[str, str] = ("", "")


def change_json(body: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """For pages that are a JSON list of records; what is no record stays as it is."""
    records = json.loads(body)
    for record in filter(lambda one: isinstance(one, dict), records):
        change(record)
    return json.dumps(records).encode()


async def walk(world: HubWorld, scope: Scope = Scope()) -> list[ListedPage]:  # noqa: B008
    pages, cursor = [], world.hub.first_cursor(scope)
    while cursor is not None:
        pages.append(await world.hub.page(cursor))
        cursor = pages[-1].next_cursor
        assert len(pages) < 1000
    return pages


def packages_of(world: HubWorld, pages: list[ListedPage]) -> list[Package]:
    return [package for page in pages for _, package in world.kind.parse(page.body).packages]


def kept(parsed: ParsedPage[Outline]) -> tuple[object, ...]:
    """What the ledger keeps of a page."""
    names = [field.name for field in fields(Outline)]
    packages = [(i, [getattr(p, name) for name in names]) for i, p in parsed.packages]
    return packages, parsed.unparsed, parsed.drift


def records_of(parsed: ParsedPage[Package]) -> int:
    """How many records a page has: each is a package of its own, or unparsed with a reason."""
    packages = dict(parsed.packages)
    unparsed = {one.index: one.reason.encode() for one in parsed.unparsed}
    assert sorted([*packages, *unparsed]) == list(range(len(packages) + len(unparsed)))
    assert len(packages) == len(parsed.packages) == len({p.package_id for p in packages.values()})
    assert all(unparsed.values())
    return len(packages) + len(unparsed)


class HubContract:
    """What holds for every adapter."""

    async def test_a_listing_shows_every_package_once_under_its_id_and_name(self, world):
        found = packages_of(world, await walk(world))
        assert {p.package_id: p.name for p in found} == world.listed
        assert {p.hub for p in found} == {world.kind.id}

    async def test_a_record_that_cannot_be_read_is_counted_and_costs_itself_only(self, world):
        pages = [world.kind.parse(page.body) for page in await walk(world)]
        assert sum(len(page.unparsed) for page in pages) == world.unparsed
        assert all(found.reason for page in pages for found in page.unparsed)

    async def test_a_records_index_in_its_page_is_its_own(self, world):
        for page in await walk(world):
            parsed = world.kind.parse(page.body)
            indexes = [index for index, _ in parsed.packages]
            indexes += [found.index for found in parsed.unparsed]
            assert len(indexes) == len(set(indexes))
            assert all(index >= 0 for index in indexes)

    async def test_the_hub_as_it_is_known_shows_no_drift(self, world):
        for page in await walk(world):
            assert world.kind.parse(page.body).drift == ()

    async def test_a_field_that_is_gone_is_counted(self, world):
        field = next(field.name for field in world.kind.shape if field.always)
        page = (await walk(world))[0]
        body = world.change(page.body, lambda record: record.pop(field, None))
        assert (field, Change.GONE) in {(d.field, d.change) for d in world.kind.parse(body).drift}

    async def test_a_field_of_another_type_is_counted(self, world):
        known = world.kind.shape
        texts = [f.name for f in known if f.types is str and f.always and "." not in f.name]
        page = (await walk(world))[0]
        body = world.change(page.body, lambda record: record.update({texts[-1]: {"a": 1}}))
        found = {(drift.field, drift.change) for drift in world.kind.parse(body).drift}
        assert (texts[-1], Change.TYPE) in found

    async def test_a_new_field_is_counted_and_changes_no_package(self, world):
        page = (await walk(world))[0]
        body = world.change(page.body, lambda record: record.update(invented=1))
        before, after = world.kind.parse(page.body), world.kind.parse(body)
        assert ("invented", Change.NEW) in {(d.field, d.change) for d in after.drift}
        assert [p.package_id for _, p in after.packages] == [
            p.package_id for _, p in before.packages
        ]

    async def test_small_pages_show_the_same_packages_as_large_ones(self, world):
        pages = await walk(world, Scope(limit=3))
        assert {p.package_id: p.name for p in packages_of(world, pages)} == world.listed

    async def test_pages_are_repeatable(self, world):
        for page in await walk(world, Scope(limit=3)):
            again = await world.hub.page(page.cursor)
            assert (again.body, again.next_cursor) == (page.body, page.next_cursor)

    async def test_cursors_are_paths_so_that_no_host_and_no_port_is_kept(self, world):
        for page in await walk(world, Scope(limit=3)):
            for cursor in filter(None, (page.cursor, page.next_cursor)):
                assert cursor.startswith("/")
                assert "127.0.0.1" not in cursor

    async def test_urls_are_canonical(self, world):
        for package in packages_of(world, await walk(world)):
            for url in filter(None, (package.url, package.origin)):
                assert url.startswith("https://")
                assert "127.0.0.1" not in url
                assert not url.endswith(".git")

    async def test_parsing_depends_on_the_bytes_alone_and_survives_any(self, world):
        page = (await walk(world))[0]
        assert world.kind.parse(page.body) == world.kind.parse(page.body)
        for body in (b"", b"\xff\xfe", b"null", b"{}", b"[[", page.body[: len(page.body) // 2]):
            world.kind.parse(body)

    async def test_an_outline_is_what_the_ledger_keeps_of_the_whole_package(self, world):
        bodies = [page.body for page in await walk(world)]
        broken = world.change(bodies[0], lambda record: record.clear())
        for body in (*bodies, broken, bodies[0][: len(bodies[0]) // 2], b"null"):
            assert kept(world.kind.in_outline(body)) == kept(world.kind.parse(body))

    async def test_what_the_hub_does_not_have_is_gone(self, world):
        answer = await world.hub.ask("nobody-nothing", "0" * 24)
        assert answer.kind is AnswerKind.GONE

    @pytest.mark.parametrize("kind", ["503", "reset", "html", "truncate"])
    async def test_an_outage_is_never_the_worlds_answer(self, world, kind):
        world.box.switch(f"{world.route}={kind}:1")
        with pytest.raises(FailError) as caught:
            await world.hub.page(world.hub.first_cursor(Scope()))
        assert caught.value.transient
        assert not isinstance(caught.value, SkipError)


class AskedHubContract(HubContract):
    """What holds besides for a hub that can be asked for one package."""

    async def test_a_listed_package_is_present_when_it_is_asked_for(self, world):
        package_id, name = next(iter(world.listed.items()))
        answer = await world.hub.ask(name, package_id)
        assert answer.kind is AnswerKind.PRESENT
        [(_, package)] = world.kind.parse(answer.page.body).packages
        assert (package.package_id, package.name) == (package_id, name)

    async def test_a_renamed_package_is_found_by_its_former_name_and_its_id(self, world):
        name, package_id = world.former
        answer = await world.hub.ask(name, package_id)
        assert answer.kind is AnswerKind.PRESENT
        [(_, package)] = world.kind.parse(answer.page.body).packages
        assert package.name == world.listed[package_id]

    async def test_another_package_under_the_same_name_is_not_the_one_asked_for(self, world):
        name = next(iter(world.listed.values()))
        answer = await world.hub.ask(name, "0" * 24)
        assert answer.kind is AnswerKind.GONE
