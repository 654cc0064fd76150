"""Hubs that list by files of a repository: their pages, and what one bad file costs."""

from dataclasses import dataclass

import pytest
from hub_contract import records_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import UsageError
from ptmtorrent.hubs.reading import fields
from ptmtorrent.hubs.reading.shape import Field
from ptmtorrent.hubs.shelf import (
    ORIGIN,
    FileKind,
    Record,
    ShelfHub,
    parse_shelf,
    shelf_files,
    shelf_origin,
    shelf_page,
)
from ptmtorrent.model.bundle import bundle
from ptmtorrent.model.package import AnswerKind, Change, Drift, Package, Scope

SHELF = "https://github.com/quillmark/shelf"
FILES = (*((f"{n}.json", b"%d" % n) for n in range(4)), ("x/\udcff y.json", b""), ("z", b"z"))


@dataclass(frozen=True)
class Boards:
    """A shelf that hands out two files at a time."""

    async def files(self, origin, wanted, after):
        rest = [file for file in FILES if wanted(file[0]) and file[0] > after]
        return tuple(rest[:2]), len(rest) > 2


def package_of(record: Record) -> Package:
    name = fields.text(record.value, "name")
    if name is None:
        raise ValueError("no name")
    return Package(hub="h", package_id=name, name=name, url=record.origin, collection=record.path)


LISTS = FileKind(
    wanted=lambda path: path.endswith(".json"),
    read=fields.members,
    package_of=package_of,
    shape=(Field("name", str, always=True),),
)
OTHERS = FileKind(
    wanted=lambda path: path.endswith(".other"),
    read=fields.members,
    package_of=package_of,
    shape=(Field("name", str), Field("size", int)),
)


def names(page):
    return [(index, package.name) for index, package in page.packages]


async def test_pages_follow_each_other_and_show_every_wanted_file_once():
    hub = ShelfHub(Boards(), SHELF, lambda path: path != "1.json", read)
    cursor, found = hub.first_cursor(Scope()), []
    while cursor:
        assert cursor.startswith("/quillmark/shelf")
        page = await hub.page(cursor)
        again = await hub.page(page.cursor)
        assert (again.body, again.next_cursor) == (page.body, page.next_cursor)
        origin, files = shelf_files(page.body)
        assert origin == SHELF
        found += files
        cursor = page.next_cursor
    assert found == [file for file in FILES if file[0] != "1.json"]


def read(body):
    return parse_shelf(body, (LISTS,))


@dataclass(frozen=True)
class Broken:
    """A shelf whose one file is this."""

    path: str
    content: bytes

    async def files(self, origin, wanted, after):
        return ((self.path, self.content),), False


READABLE = b'[{"name": "one"}, 7]'


@pytest.mark.parametrize(
    ("path", "content", "asked", "kind"),
    [
        ("list.json", READABLE, "id", AnswerKind.GONE),
        ("list.json", b'[{"name": "one"}, <<<<]', "id", AnswerKind.GONE),
        ("list.json", b"<<<<<<< HEAD", "id", AnswerKind.UNKNOWN),
        ("list.json", b"", "id", AnswerKind.UNKNOWN),
        ("card.json", READABLE, "id", AnswerKind.UNKNOWN),
    ],
)
async def test_what_a_shelf_does_not_show_is_gone_unless_its_list_is_broken_or_missing(
    path, content, asked, kind
):
    hub = ShelfHub(Broken(path, content), SHELF, bool, read, frozenset({"list.json"}))
    assert (await hub.ask("name", asked)).kind is kind


@pytest.mark.parametrize(("asked", "kind"), [("id", AnswerKind.UNKNOWN), ("x", AnswerKind.GONE)])
async def test_a_card_that_cannot_be_read_is_not_gone(asked, kind):
    hub = ShelfHub(Broken("folder/id.json", b"cut off"), SHELF, bool, read)
    assert (await hub.ask("name", asked)).kind is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bundle([]),
        bundle([("a.json", b"https://github.com/a/b")]),
        bundle([(ORIGIN, b"\xff")]),
        bundle([(ORIGIN, b"http://github.com/a/b")]),
    ],
)
def test_a_page_that_does_not_name_its_repository_is_none(body):
    with pytest.raises(ValueError, match=r".+"):
        shelf_files(body)
    assert [u.index for u in parse_shelf(body, (LISTS,)).unparsed] == [0]


def test_a_file_of_the_repository_cannot_pass_for_the_name_of_another():
    page = shelf_page(SHELF, [(ORIGIN, b"https://github.com/else/where"), ("a.json", b"[]")])
    origin, files = shelf_files(page)
    assert origin == SHELF
    assert [path for path, _ in files] == [ORIGIN, "a.json"]


def test_records_are_numbered_over_the_page_and_a_bad_one_costs_itself_only():
    page = shelf_page(
        SHELF,
        [
            ("a.json", b'[{"name": "one"}, 7, {"name": 5}, {x}, {"name": "two"}]'),
            ("b.json", b"cut off"),
            ("c.json", b""),
            ("d.txt", b"[]"),
            ("e.other", b'{"name": "three"}'),
        ],
    )
    parsed = parse_shelf(page, (LISTS, OTHERS))
    assert names(parsed) == [(0, "one"), (4, "two"), (8, "three")]
    assert [u.index for u in parsed.unparsed] == [1, 2, 3, 5, 6, 7]
    assert [p.collection for _, p in parsed.packages] == ["a.json", "a.json", "e.other"]


def test_of_two_records_with_one_id_the_first_counts_and_the_other_is_named():
    page = shelf_page(SHELF, [("a.json", b'[{"name": "one"}, {"name": "one"}]')])
    parsed = parse_shelf(page, (LISTS,))
    assert names(parsed) == [(0, "one")]
    assert [u.index for u in parsed.unparsed] == [1]


def test_each_record_is_compared_with_the_shape_of_its_own_kind():
    page = shelf_page(
        SHELF,
        [
            ("a.json", b'[{"name": "one", "size": 1, "x": 1}]'),
            ("b.other", b'[{"name": "two", "size": 1, "x": 1}, {"name": "three", "size": "s"}]'),
        ],
    )
    assert parse_shelf(page, (LISTS, OTHERS)).drift == (
        Drift("size", Change.NEW, 1),
        Drift("size", Change.TYPE, 1),
        Drift("x", Change.NEW, 2),
    )


def test_a_page_that_is_cut_off_keeps_what_came_before():
    page = shelf_page(SHELF, [("a.json", b'{"name": "one"}'), ("b.json", b" " * 9000)])
    parsed = parse_shelf(page[:-9000], (LISTS,))
    assert names(parsed) == [(0, "one")]
    assert [u.index for u in parsed.unparsed] == [1]


def test_reasons_are_text_that_can_be_kept():
    parsed = parse_shelf(shelf_page(SHELF, [("\udcff.json", b"?")]), (LISTS,))
    assert parsed.unparsed[0].reason == "\ufffd.json: neither a JSON array nor an object"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 4096))
def test_parsing_survives_any_bytes_anywhere(junk, at):
    """Each record ends as one or the other, and what came before the junk is kept."""
    page = shelf_page(SHELF, [("a.json", b'[{"name": "one"}]')])
    parsed = parse_shelf(page[:at] + junk + page[at + len(junk) :], (LISTS, OTHERS))
    assert records_of(parsed) <= len(page) + len(junk)
    if at > page.index(b"]"):
        assert names(parsed)[:1] == [(0, "one")]


@pytest.mark.parametrize("value", ["", "one", "a/b/c", "../x", "https://github.com/a/b", True])
def test_a_setting_that_names_no_repository_is_a_usage_error_that_names_the_setting(value):
    with pytest.raises(UsageError, match=r"hubs\.h.*cards"):
        shelf_origin("h", {"cards": value}, "cards")


def test_a_setting_names_a_repository():
    assert shelf_origin("h", {"cards": "quillmark/shelf"}, "cards") == SHELF
