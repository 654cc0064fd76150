"""Rate limits: fixed windows, told on every response."""

import re

import pytest

from ptmtorrent.sandbox.limits import Bucket, Limiter, Limits, github_headers, hub_headers
from ptmtorrent.sandbox.serve import Sandbox


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_request_after_the_quota_is_refused_and_the_next_window_is_free():
    clock = Clock()
    limiter = Limiter(Limits(api=2), clock)
    first, second, third = (limiter.charge("a", Bucket.API) for _ in range(3))
    assert [s.refused for s in (first, second, third)] == [False, False, True]
    assert [s.remaining for s in (first, second, third)] == [1, 0, 0]
    clock.now += 299.5
    assert limiter.charge("a", Bucket.API).reset_s == 1
    clock.now += 0.5
    assert limiter.charge("a", Bucket.API).remaining == 1


def test_clients_and_buckets_are_counted_apart():
    limiter = Limiter(Limits(api=1, pages=1), Clock())
    limiter.charge("a", Bucket.API)
    assert not limiter.charge("b", Bucket.API).refused
    assert not limiter.charge("a", Bucket.PAGES).refused
    assert limiter.charge("a", Bucket.API).refused


def test_headers_are_those_of_the_hubs():
    clock = Clock()
    limiter = Limiter(Limits(api=500, github=60), clock)
    clock.now += 0.25
    hub = hub_headers(limiter.charge("a", Bucket.API))
    assert hub == {
        "RateLimit": '"api";r=499;t=300',
        "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
    }
    github = github_headers(limiter.charge("a", Bucket.GITHUB))
    assert github["x-ratelimit-remaining"] == "59"
    assert github["x-ratelimit-reset"] == "1700003601"
    assert github["x-ratelimit-resource"] == "core"


async def test_every_response_of_the_hub_tells_its_standing(box, http, hub):
    name, base = hub["open"].name, box.endpoints["huggingface"]
    paths = {
        "/api/models?limit=1": ("api", 200),
        f"/api/models/{name.lower()}": ("api", 307),
        "/api/models?expand=no": ("api", 400),
        "/api/models/no/such": ("api", 401),
        f"/{name}/resolve/main/README.md": ("resolvers", 307),
        f"/{name}/resolve/main/none": ("resolvers", 404),
        f"/{name}/info/refs?service=git-upload-pack": ("pages", 200),
        "/nothing": ("pages", 404),
    }
    for path, (bucket, status) in paths.items():
        async with http.get(base + path, allow_redirects=False) as answer:
            assert (path, answer.status) == (path, status)
            assert re.fullmatch(rf'"{bucket}";r=\d+;t=\d+', answer.headers["RateLimit"])
            assert f'"{bucket}";q=100000;w=300' in answer.headers["RateLimit-Policy"]


async def test_over_quota_is_429_with_nothing_left_and_a_token_has_a_quota_of_its_own(
    world, told, http
):
    clock = Clock()
    async with Sandbox(world, limits=Limits(api=1), clock=clock) as box:
        url = box.endpoints["huggingface"] + "/api/models?limit=1"
        async with http.get(url) as answer:
            assert answer.status == 200
        async with http.get(url) as answer:
            assert answer.status == 429
            assert answer.headers["RateLimit"] == '"api";r=0;t=300'
            assert "We had to rate limit" in (await answer.json())["error"]
        async with http.get(url, headers={"Authorization": f"Bearer {told.token}"}) as answer:
            assert answer.status == 200
        clock.now += 300
        async with http.get(url) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("path", ["/repos/no/such", "/nothing"])
async def test_github_counts_and_refuses_with_403(world, http, path):
    async with Sandbox(world, limits=Limits(github=1)) as box:
        url = box.endpoints["github_api"] + path
        async with http.get(url) as answer:
            assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (404, "0")
        async with http.get(url) as answer:
            assert answer.status == 403
            assert "rate limit" in (await answer.json())["message"]
