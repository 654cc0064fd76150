"""The ModelZoo adapter over HTTP on loopback and over archives, with records made to hurt."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import CorruptError, FailError, NetworkError, SkipError, SkipReason
from ptmtorrent.hubs.base import Means
from ptmtorrent.hubs.modelzoo import DETAIL_SHAPE, MODELZOO, PAGE, SHAPE, ModelZoo, parse
from ptmtorrent.model.bundle import bundle, unbundle
from ptmtorrent.model.package import AnswerKind, Change, Drift, ListedPage, Package, Paper, Scope
from ptmtorrent.net.access import Access
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy

VISION = {"id": 1, "slug": "computer-vision", "title": "Computer Vision", "short_title": "CV"}


def record(slug: str, /, **fields: object) -> dict[str, object]:
    return {
        "slug": slug,
        "title": slug.title(),
        "description": None,
        "stars": 7,
        "link": f"https://github.com/marsh-lab/{slug}",
        "framework": "pytorch",
        "categories": [VISION],
    } | fields


def detail(one: dict[str, object], **fields: object) -> dict[str, object]:
    told = {key: value for key, value in one.items() if key != "slug"}
    return told | {"id": 3, "long_desc": "# Read me", "papers": None} | fields


def catalogue(*records: object) -> bytes:
    return json.dumps({"models": records}).encode()


def details(**answers: object) -> bytes:
    return bundle((f"api/models/{s}/", json.dumps(one).encode()) for s, one in answers.items())


def listed(one: dict[str, object]) -> Package:
    return parse(catalogue(one)).packages[0][1]


Answers = dict[str, tuple[int, bytes]]
WHOLE = Scope()


class Zoo:
    """An adapter over a server, and what the server was asked."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []

    @property
    def paths(self) -> list[str]:
        return [request.path_qs for request in self.requests]


@asynccontextmanager
async def served(
    answer: Callable[[web.Request], web.Response],
) -> AsyncIterator[tuple[ModelZoo, Zoo]]:
    """The adapter over a server that answers so."""
    zoo = Zoo()

    async def recorded(request: web.Request) -> web.Response:
        zoo.requests.append(request)
        return answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", recorded)
    async with TestServer(app, host="127.0.0.1") as server:
        base = str(server.make_url("")).rstrip("/")
        endpoints = MODELZOO.endpoints({**MODELZOO.settings, "endpoint": base})
        access = Access.of(["modelzoo.co"], endpoints, allow_private=True)
        once = Manners(retry=RetryPolicy(attempts=1))
        async with Transport(access, Gates(), once) as transport:
            yield MODELZOO.build(Means(transport, None), MODELZOO.settings), zoo


def zoo(answers: Answers) -> AbstractAsyncContextManager[tuple[ModelZoo, Zoo]]:
    """The adapter over a server that has these answers, by path."""

    def answer(request: web.Request) -> web.Response:
        status, body = answers.get(request.path_qs, (404, b'{"detail": "Not found."}'))
        kind = "text/html" if body.startswith(b"<") else "application/json"
        return web.Response(status=status, body=body, content_type=kind)

    return served(answer)


def answers_of(*records: dict[str, object]) -> Answers:
    each = {f"/api/models/{r['slug']}/": (200, json.dumps(detail(r)).encode()) for r in records}
    return {"/api/models/0/": (200, catalogue(*records)), **each}


async def walk(hub: ModelZoo, scope: Scope = WHOLE) -> list[ListedPage]:
    pages, cursor = [], hub.first_cursor(scope)
    while cursor is not None:
        pages.append(await hub.page(cursor))
        cursor = pages[-1].next_cursor
    return pages


def test_a_record_of_the_catalogue_becomes_a_package():
    heron = listed(record("heron", link="http://www.github.com/Marsh-Lab/heron/tree/master/x"))
    assert (heron.hub, heron.package_id, heron.name) == ("modelzoo", "heron", "heron")
    assert heron.url == "https://modelzoo.co/model/heron"
    assert heron.origin == "https://github.com/Marsh-Lab/heron"
    assert heron.twin == "http://www.github.com/Marsh-Lab/heron/tree/master/x"
    assert (heron.likes, heron.framework) == (7, "pytorch")
    assert (heron.tags, heron.task) == (("computer-vision",), "computer-vision")


def test_details_say_all_that_the_catalogue_says_and_the_papers():
    one = record("heron")
    papers = {"a": "https://arxiv.org/abs/2101.00007", "b": "https://doi.org/10.9999/x", "c": 1}
    told = parse(details(heron=detail(one, papers=papers))).packages[0][1]
    assert told.papers == (Paper("arxiv", "2101.00007"), Paper("doi", "10.9999/x"))
    for name in Package.__slots__:
        if name != "papers":
            assert getattr(told, name) == getattr(listed(one), name)


@pytest.mark.parametrize("link", [None, "", "https://gitlab.example/a/b", "ftp://x", "[", 7])
def test_a_link_that_leads_to_no_repository_at_github_is_no_origin(link):
    found = listed(record("heron", link=link))
    assert found.origin is None
    assert found.twin == (link if isinstance(link, str) and link else None)


def test_a_task_is_said_only_where_there_is_one_category():
    two = [VISION, VISION | {"slug": "graph"}, "x", {"slug": 3}]
    assert listed(record("heron", categories=two)).task is None
    assert listed(record("heron", categories=two)).tags == ("computer-vision", "graph")
    assert listed(record("heron", categories=None)).tags == ()


@pytest.mark.parametrize("slug", ["", "..", ".", "a/b", "a b", "0", "é", "a?b", None, 3, "a\n"])
def test_a_slug_that_could_lead_elsewhere_is_none(slug):
    found = parse(catalogue(record("x", slug=slug), record("heron")))
    assert [(index, one.name) for index, one in found.packages] == [(1, "heron")]
    assert [one.index for one in found.unparsed] == [0]


@pytest.mark.parametrize("answer", ["[]", "{}", '{"detail": "Not found."}', "{", "[" * 9000])
def test_an_answer_that_is_no_model_costs_itself_only(answer):
    body = bundle(
        [("api/models/a/", answer.encode()), ("api/models/b/", json.dumps(record("b")).encode())]
    )
    found = parse(body)
    assert [(index, one.name) for index, one in found.packages] == [(1, "b")]
    assert [one.index for one in found.unparsed] == [0]


def test_what_is_known_shows_no_drift_and_what_changed_is_counted():
    one = record("heron")
    assert parse(catalogue(one)).drift == parse(details(heron=detail(one))).drift == ()
    changed = parse(catalogue({**one, "stars": "many", "new": 1})).drift
    assert changed == (Drift("new", Change.NEW, 1), Drift("stars", Change.TYPE, 1))
    gone = detail(one)
    del gone["framework"]
    assert parse(details(heron=gone)).drift == (Drift("framework", Change.GONE, 1),)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_parse_never_raises(noise):
    parse(noise)
    found = parse(bundle([("api/models/heron/", noise)]))
    assert len(found.packages) + len(found.unparsed) == 1
    parse(b'{"models": [' + noise + b"]}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([field.name for field in (*SHAPE, *DETAIL_SHAPE)]), JSON))
def test_no_value_of_any_field_is_an_error(fields):
    assert len(parse(catalogue(record("heron") | fields | {"slug": "heron"})).packages) == 1
    assert len(parse(details(heron=detail(record("x")) | fields | {"title": "x"})).packages) == 1


async def test_the_catalogue_comes_first_and_then_the_details_as_received():
    records = [record(f"heron-{number}") for number in range(PAGE + 2)]
    answers = answers_of(*records)
    async with zoo(answers) as (hub, server):
        first, second, third = await walk(hub)
    assert first.body == answers["/api/models/0/"][1]
    assert first.cursor == "/api/models/0/"
    assert [len(parse(page.body).packages) for page in (first, second, third)] == [
        *(PAGE + 2, PAGE, 2)
    ]
    name, body = next(iter(unbundle(second.body)))
    assert (name, body) == ("api/models/heron-0/", answers["/api/models/heron-0/"][1])
    assert len(server.paths) == len(set(server.paths)) == PAGE + 3


async def test_every_request_says_the_page_it_comes_from():
    async with zoo(answers_of(record("heron"))) as (hub, server):
        await walk(hub)
    assert [one.headers["Referer"] for one in server.requests] == ["https://modelzoo.co/"] * 2


async def test_a_listing_resumed_by_another_process_goes_on_with_the_same_pages():
    answers = answers_of(*(record(f"heron-{number}") for number in range(PAGE + 1)))
    async with zoo(answers) as (hub, _):
        pages = await walk(hub)
    for page in pages:
        async with zoo(answers) as (hub, _):
            assert await hub.page(page.cursor) == page


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        (Scope(limit=2), ["heron-0", "heron-1"]),
        (Scope(limit=99), [*(f"heron-{number}" for number in range(PAGE + 1)), "tern"]),
        (Scope(globs=("tern", "x*")), ["tern"]),
        (Scope(limit=2, globs=("*-7", "*n", "heron-1")), ["heron-1", "heron-7"]),
        (Scope(limit=0), []),
    ],
)
async def test_details_are_asked_of_the_models_that_count_and_of_no_others(scope, asked):
    """Whoever asks for the pages: another process knows the scope by the cursor alone."""
    records = [*(record(f"heron-{number}") for number in range(PAGE + 1)), record("tern")]
    async with zoo(answers_of(records[0], *records)) as (hub, server):
        pages = await walk(hub, scope)
    assert [path.split("/")[3] for path in server.paths] == ["0", *asked]
    for page in pages:
        async with zoo(answers_of(records[0], *records)) as (hub, _):
            assert await hub.page(page.cursor) == page


async def test_only_plain_slugs_are_asked_for():
    bad = ["../admin", "..", "a/b", "a?b", "x#y", "%2e%2e", "0", "", None, 3, "é"]
    records = [record("x", slug=slug) for slug in bad]
    answers = {"/api/models/0/": (200, catalogue(*records, record("heron"), 5))}
    async with zoo(answers) as (hub, server):
        await walk(hub)
    assert server.paths == ["/api/models/0/", "/api/models/heron/"]


async def test_a_model_without_details_is_left_out_of_them():
    answers = answers_of(record("heron"), record("tern"))
    del answers["/api/models/heron/"]
    async with zoo(answers) as (hub, _):
        pages = await walk(hub)
    assert [one.name for _, one in parse(pages[1].body).packages] == ["tern"]
    assert [one.name for _, one in parse(pages[0].body).packages] == ["heron", "tern"]


@pytest.mark.parametrize(
    "body", [b"<!doctype html><div id=root>", b"[]", b"{}", b'{"models": {}}', b'{"models": [', b""]
)
async def test_an_answer_that_is_no_catalogue_may_be_one_the_next_time(body):
    async with zoo({"/api/models/0/": (200, body)}) as (hub, _):
        with pytest.raises(NetworkError) as caught:
            await hub.page("/api/models/0/")
    assert caught.value.transient
    assert "127.0.0.1" not in str(caught.value)


async def test_a_web_page_is_not_kept_as_the_details_of_a_model():
    page = b"<!doctype html><div id=root></div>"
    async with zoo(answers_of(record("heron")) | {"/api/models/heron/": (200, page)}) as (hub, _):
        with pytest.raises(NetworkError):
            await walk(hub)


@pytest.mark.parametrize(
    ("status", "reason"), [(404, SkipReason.GONE), (410, SkipReason.GONE), (451, SkipReason.LEGAL)]
)
async def test_a_hub_that_has_no_catalogue_any_more_is_told_from_one_that_is_down(status, reason):
    async with zoo({"/api/models/0/": (status, b"{}")}) as (hub, _):
        with pytest.raises(SkipError) as caught:
            await hub.page("/api/models/0/")
    assert caught.value.reason is reason


@pytest.mark.parametrize("status", [401, 403, 418])
async def test_other_refusals_are_failures(status):
    answers = answers_of(record("heron")) | {"/api/models/heron/": (status, b"{}")}
    async with zoo(answers) as (hub, _):
        with pytest.raises(FailError):
            await walk(hub)


async def test_asking_for_one_model():
    async with zoo(answers_of(record("heron"))) as (hub, server):
        present = await hub.ask("heron", "heron")
        gone = await hub.ask("tern", "tern")
        unsafe = await hub.ask("x", "../0")
    assert present.kind is AnswerKind.PRESENT
    assert [one.package_id for _, one in parse(present.page.body).packages] == ["heron"]
    assert (gone.kind, unsafe.kind) == (AnswerKind.GONE, AnswerKind.GONE)
    assert server.paths == ["/api/models/heron/", "/api/models/tern/"]


async def test_a_model_that_is_answered_by_another_one_is_gone():
    def answer(request: web.Request) -> web.Response:
        if request.path == "/api/models/old/":
            return web.Response(status=301, headers={"Location": "/api/models/new/"})
        return web.json_response(detail(record("new")))

    async with served(answer) as (hub, server):
        assert (await hub.ask("old", "old")).kind is AnswerKind.GONE
    assert server.paths == ["/api/models/old/", "/api/models/new/"]


async def test_an_answer_without_a_model_is_no_package():
    async with zoo({"/api/models/heron/": (200, b'{"detail": "soon"}')}) as (hub, _):
        with pytest.raises(CorruptError):
            await hub.ask("heron", "heron")


def archived(path: Path, content: bytes) -> ModelZoo:
    path.write_bytes(content)
    no_network = Means(transport=None, shelves=None)
    return MODELZOO.build(no_network, {**MODELZOO.settings, "archive": str(path)})


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_an_archived_catalogue_is_a_listing_without_details(
    tmp_path: Path, pack: Callable[[bytes], bytes]
):
    body = catalogue(record("heron"), record("tern"))
    hub = archived(tmp_path / "zoo", pack(body))
    assert await walk(hub) == [ListedPage(body, "/api/models/0/", None)]
    assert (await hub.ask("ibis", "ibis")).kind is AnswerKind.GONE


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_an_archive_of_answers_gives_the_pages_that_the_hub_gave(
    tmp_path: Path, pack: Callable[[bytes], bytes]
):
    answers = answers_of(record("heron"), record("tern"))
    async with zoo(answers) as (hub, _):
        pages = await walk(hub)
    kept = bundle((path.strip("/"), body) for path, (_, body) in answers.items())
    hub = archived(tmp_path / "zoo", pack(kept))
    assert await walk(hub) == pages
    assert await hub.page(pages[1].cursor) == pages[1]
    assert (await hub.ask("tern", "tern")).kind is AnswerKind.PRESENT


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"<html>", b"[]", b"{", b"\x1f\x8bnot gzip", gzip.compress(b"{}" * 99)[:-9]),
        bundle([("api/models/heron/", b"{}")]),
    ],
)
async def test_an_archive_that_cannot_be_read_is_an_error_that_names_it(tmp_path, content):
    with pytest.raises(CorruptError, match="zoo-of-2023"):
        await walk(archived(tmp_path / "zoo-of-2023", content))


async def test_an_archive_that_is_not_there_is_an_error_that_names_it(tmp_path):
    hub = archived(tmp_path / "zoo-of-2023", b"")
    (tmp_path / "zoo-of-2023").unlink()
    with pytest.raises(CorruptError, match="zoo-of-2023"):
        await walk(hub)


async def test_an_archive_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ptmtorrent.hubs.modelzoo_source.LARGEST_ARCHIVE", 1000)
    with pytest.raises(CorruptError, match="larger"):
        await walk(archived(tmp_path / "zoo", gzip.compress(catalogue(record("x" * 2000)))))


def test_every_real_slug_is_one_that_is_asked_for(samples):
    links = (samples / "modelzoo/landing_page_model_links_2023-01.txt").read_text().split()
    slugs = [link.rpartition("/")[2] for link in links]
    found = parse(catalogue(*map(record, slugs)))
    assert [one.package_id for _, one in found.packages] == slugs
    assert len(slugs) > 40


@pytest.mark.parametrize(
    ("name", "definition", "shape"),
    [
        ("modelZooHubMetadata", "Model", SHAPE),
        ("modelZooModelMetadata", "ModelZooModelMetadatum", DETAIL_SHAPE),
    ],
)
def test_the_shapes_list_every_field_that_real_records_had(samples, name, definition, shape):
    (path,) = (samples / "ptmtorrent/schemas").glob(f"{name}*.json")
    defined = json.loads(path.read_text())["definitions"]
    real = set(defined[definition]["properties"])
    real |= {f"categories.{key}" for key in defined["Category"]["properties"]}
    assert {field.name for field in shape} == real
