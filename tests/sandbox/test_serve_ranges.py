"""Ranges and signed links, as the content network serves them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.sandbox.cdn import LIFETIME_S
from ptmtorrent.sandbox.ranges import wanted
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.sandbox.world import object_path


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_never_reaches_outside_the_content(size, first, last):
    found = wanted(f"bytes={first}-{last}", size)
    if last < first:
        assert found is None
    else:
        assert found == (first, min(last + 1, size))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=1-2", None),
        ("bytes=7-", (7, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=-0", (10, 0)),
        ("bytes=10-", (10, 10)),
    ],
)
def test_ranges_are_read_as_the_standard_says(header, found):
    assert wanted(header, 10) == found


@pytest.fixture
async def large(box, http, hub, world):
    """The signed link of an LFS object, and its bytes."""
    url = f"{box.endpoints['huggingface']}/{hub['open'].name}/resolve/main/model.safetensors"
    async with http.get(url, allow_redirects=False) as answer:
        sha256 = answer.headers["X-Linked-ETag"].strip('"')
        return answer.headers["Location"], object_path(world, sha256).read_bytes()


async def _get(http, url, **headers):
    async with http.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()}) as got:
        return got.status, await got.read(), got.headers


async def test_whole_part_and_nothing(http, large):
    url, data = large
    status, body, headers = await _get(http, url)
    assert (status, body, headers["Accept-Ranges"]) == (200, data, "bytes")
    status, body, headers = await _get(http, url, Range="bytes=100-")
    assert (status, body) == (206, data[100:])
    assert headers["Content-Range"] == f"bytes 100-{len(data) - 1}/{len(data)}"
    status, _, headers = await _get(http, url, Range=f"bytes={len(data)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(data)}")


async def test_if_range_and_if_none_match_compare_the_entity_tag(http, large):
    url, data = large
    etag = (await _get(http, url))[2]["ETag"]
    assert (await _get(http, url, Range="bytes=1-2", If_Range=etag))[:2] == (206, data[1:3])
    assert (await _get(http, url, Range="bytes=1-2", If_Range='"x"'))[:2] == (200, data)
    assert (await _get(http, url, If_None_Match=etag))[:2] == (304, b"")


async def test_a_link_is_refused_when_changed_or_expired(world, http, hub, large):
    url, _ = large
    assert (await _get(http, url[:-1] + ("0" if url[-1] != "0" else "1")))[0] == 403
    assert (await _get(http, url.partition("?")[0]))[0] == 403
    now = [1_700_000_000.0]
    async with Sandbox(world, clock=lambda: now[0]) as box:
        path = f"/{hub['open'].name}/resolve/main/model.safetensors"
        async with http.get(box.endpoints["huggingface"] + path, allow_redirects=False) as answer:
            link = answer.headers["Location"]
        assert (await _get(http, link))[0] == 200
        now[0] += LIFETIME_S
        assert (await _get(http, link))[0] == 403
