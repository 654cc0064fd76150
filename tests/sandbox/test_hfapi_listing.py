"""The listing: cursors that are predicates, orders, filters, fields."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.sandbox.listing import Order, encoded, matches

SORTS = ("createdAt", "downloads", "likes", "lastModified", "trendingScore")
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"_id": st.integers(0, 10**6).map(lambda n: f"{n:024x}")},
        optional={"likes": st.one_of(st.none(), st.integers(0, 3))},
    ),
    unique_by=lambda record: record["_id"],
)


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.sampled_from(("createdAt", "likes")), st.booleans())
def test_the_cursor_of_any_item_matches_exactly_what_comes_behind_it(records, key, descending):
    order = Order(key, descending)
    found = order.of(records)
    for index, record in enumerate(found):
        predicate = json.loads(base64.b64decode(encoded(order.after(record))))
        assert [r for r in found if matches(r, predicate)] == found[index + 1 :]


async def _json(http, url, status=200):
    async with http.get(url) as answer:
        assert answer.status == status
        return await answer.json(), answer.links.get("next", {}).get("url")


async def _walk(http, url):
    found = []
    while url:
        page, url = await _json(http, url)
        found.append([record["_id"] for record in page])
    return found


@pytest.fixture
def url(box):
    return box.endpoints["huggingface"] + "/api/models"


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("direction", ["-1", "1"])
async def test_pages_of_any_size_are_the_listing(http, url, sort, direction):
    url = f"{url}?sort={sort}&direction={direction}"
    ((*whole,),) = await _walk(http, url)
    pages = await _walk(http, f"{url}&limit=3")
    assert [one for page in pages for one in page] == whole
    assert {len(page) for page in pages[:-1]} == {3}


async def test_the_cursors_are_those_of_the_hub(http, url):
    for sort, keys in (("createdAt", ["_id"]), ("downloads", ["$or"])):
        page, following = await _json(http, f"{url}?sort={sort}&limit=2")
        cursor = following.query["cursor"]
        predicate = json.loads(base64.b64decode(cursor))
        assert list(predicate) == keys
        if sort == "createdAt":
            assert predicate == {"_id": {"$lt": page[-1]["_id"]}}
        else:
            assert predicate["$or"][1] == {"downloads": {"$lt": page[-1]["downloads"]}}
            assert predicate["$or"][2] == {"downloads": None}


async def test_links_can_be_written_with_the_hubs_public_address(world, http):
    from ptmtorrent.sandbox.serve import Sandbox

    async with Sandbox(world, canonical_links=True) as box:
        url = box.endpoints["huggingface"] + "/api/models?limit=1"
        _, following = await _json(http, url)
        assert str(following).startswith("https://huggingface.co/api/models?limit=1&cursor=")


async def test_only_those_who_may_see_private_packages_get_them_listed(http, url, hub, told):
    anonymous, _ = await _json(http, url)
    async with http.get(url, headers={"Authorization": f"Bearer {told.token}"}) as answer:
        granted = await answer.json()
    extra = {r["id"] for r in granted} - {r["id"] for r in anonymous}
    assert extra == {hub["private"].name}
    names = {r["id"] for r in anonymous}
    assert {hub[word].name for word in ("open", "auto", "manual", "disabled")} <= names
    assert hub["missing"].name not in names


async def test_fields_by_default_by_switch_and_by_name(http, url):
    plain, _ = await _json(http, f"{url}?limit=1")
    assert set(plain[0]) <= {
        *("_id", "id", "modelId", "private", "downloads", "likes", "tags", "createdAt"),
        *("trendingScore", "pipeline_tag", "library_name"),
    }
    full, _ = await _json(http, f"{url}?limit=1&full=true&cardData=true")
    assert {"author", "sha", "lastModified", "siblings", "gated"} <= set(full[0])
    named, _ = await _json(http, f"{url}?limit=1&expand[]=likes&expand=sha&expand[]=gguf")
    assert set(named[0]) <= {"_id", "id", "likes", "sha", "gguf"}


@pytest.mark.parametrize(
    "query",
    [
        *("expand=nothing", "expand=cardData.license", "expand=sha&full=true", "limit=0"),
        *("limit=x", "sort=size", "cursor=!", "cursor=bm8="),
        *(
            f"cursor={encoded(bad)}"
            for bad in ([], {"$or": 5}, {"_id": {}}, {"likes": {"$lt": []}})
        ),
    ],
)
async def test_wrong_parameters_are_400_with_a_reason(http, url, query):
    body, _ = await _json(http, f"{url}?{query}", status=400)
    assert body["error"]
    if query.startswith("expand=no"):
        assert body["error"].startswith('Invalid option: expected one of "author"|')


async def test_filters(http, url, hub):
    package = hub["open"].record
    for query, test in {
        f"author={package['author']}": lambda r: r["author"] == package["author"],
        "search=TERN": lambda r: "tern" in r["id"].lower(),
        "filter=gguf": lambda r: "gguf" in r["tags"],
        "filter=gguf&filter=license:none": lambda r: False,
        "gated=true": lambda r: bool(r["gated"]),
        f"pipeline_tag={package['pipeline_tag']}": lambda r: (
            r.get("pipeline_tag") == package["pipeline_tag"]
        ),
    }.items():
        everything, _ = await _json(http, f"{url}?full=true")
        found, _ = await _json(http, f"{url}?full=true&{query}")
        assert found == [r for r in everything if test(r)], query


async def test_a_limit_above_the_most_is_lowered(http, url):
    found, following = await _json(http, f"{url}?limit=5000")
    assert len(found) > 5
    assert following is None
