"""Limits over the wire: what servers say, and what is sent after that."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback import HUB, OTHER, TOKEN, Handler, net, serve

from ptmtorrent.errors import NetworkError, RefusedError
from ptmtorrent.fetch.git import FETCH_COST, Git
from ptmtorrent.net.answer import Counts
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport


def always(**answer: Any) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(**answer)

    return handler


GITHUB = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4000"}
GITHUB |= {"x-ratelimit-reset": "1800002000", "x-ratelimit-resource": "graphql"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":null,"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}',
        b'{"message":"You have exceeded a secondary rate limit.","documentation_url":"x"}',
        b'{"objects":[{"oid":"00","error":{"code":429,"message":"Rate limit exceeded"}}]}',
    ],
)
async def test_a_refusal_with_status_200_closes_the_bucket_for_a_minute(body: bytes) -> None:
    async with serve(always(body=body, headers=GITHUB)) as server, net({HUB: server.base}) as n:
        with pytest.raises(RefusedError) as caught:
            await n.transport.post_json(f"{HUB}/graphql", {"query": "x"})
        closed_s = n.transport.gates.doors()["hub.example", "graphql"]
    assert caught.value.wait_s == 60
    assert closed_s == pytest.approx(60, abs=0.1)
    assert n.transport.counts.refused == 1


async def test_a_graphql_refusal_for_an_empty_window_waits_for_its_reset() -> None:
    body = b'{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}'
    headers = GITHUB | {"x-ratelimit-remaining": "0"}
    async with serve(always(body=body, headers=headers)) as server, net({HUB: server.base}) as n:
        with pytest.raises(RefusedError) as caught:
            await n.transport.post_json(f"{HUB}/graphql", {"query": "x"})
    assert caught.value.wait_s is not None
    assert 900 < caught.value.wait_s < 1100


@pytest.mark.parametrize("status", [403, 429])
async def test_a_secondary_limit_without_a_time_costs_a_minute_and_then_more(status: int) -> None:
    """Refused with requests left, and again: a minute, two, four, five."""
    at: list[float] = []

    async def handler(_: web.Request) -> web.Response:
        at.append(n.time.time)
        words = '{"message":"You have exceeded a secondary rate limit."}'
        return web.Response(status=status, text=words, headers=GITHUB)

    async with serve(handler) as server, net({HUB: server.base}, attempts=5) as n:
        with pytest.raises(RefusedError):
            await n.transport.get(f"{HUB}/repos/o/r")
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert len(at) == 5
    assert pauses == pytest.approx([60, 120, 240, 300], rel=0.1)


@pytest.mark.parametrize("status", [507, 509])
async def test_a_used_up_quota_is_an_answer_and_no_trouble_of_the_host(status: int) -> None:
    async with serve(always(status=status)) as server, net({HUB: server.base}, attempts=3) as n:
        for _ in range(12):
            answer = await n.transport.post_json(f"{HUB}/o/n.git/info/lfs/objects/batch", {})
            assert answer.status == status
        assert not any(n.transport.gates.doors().values())
    assert len(server.seen) == 12


async def test_a_token_is_never_left_out_nor_changed_to_gain_quota() -> None:
    answers = iter([429, 403, 429, 429])

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=next(answers, 200), headers={"Retry-After": "30"})

    async with serve(handler) as server, net({HUB: server.base}, attempts=5) as n:
        await n.transport.get(f"{HUB}/api/models")
        gates = n.transport.gates.snapshot()
    sent = [headers.get("Authorization") for _, headers in server.seen]
    assert sent == [f"Bearer {TOKEN}"] * 5
    assert {name.split(" ")[1] for name in gates} == {"token"}


async def test_retries_of_one_host_are_not_paid_by_another() -> None:
    """After an outage has used up its retries, another host is still asked again."""
    answers = iter([500, 200])

    async def recovers(_: web.Request) -> web.Response:
        return web.Response(status=next(answers), body=b"ok")

    async with (
        serve(always(status=500)) as down,
        serve(recovers) as up,
        net({HUB: down.base, OTHER: up.base}, attempts=5) as n,
    ):
        await _use_up_retries(n.transport)
        assert (await n.transport.get(f"{OTHER}/x")).body == b"ok"


async def _use_up_retries(transport: Transport) -> None:
    budget = transport._retries[HUB.removeprefix("https://")] = _Empty()
    with pytest.raises(NetworkError):
        await transport.get(f"{HUB}/x")
    assert budget.asked == 1


class _Empty:
    """A retry budget with nothing left."""

    asked = 0

    def earned(self) -> None: ...

    def spend(self, now: float) -> bool:
        self.asked += 1
        return False


async def test_git_goes_through_the_gate_of_its_host_and_is_counted(tmp_path: Path) -> None:
    """A 429 that git meets closes the bucket that our own look at the refs goes through."""
    async with serve(always(status=429)) as server, net({HUB: server.base}) as n:
        transport, gates = n.transport, n.transport.gates
        git = Git(transport.access, transport.resolver, gates, Counts(), "2", "agent", 10**6)
        await git.local(["init", "--quiet", "--bare", str(tmp_path)], tmp_path)
        result = await git.fetch(["--", "{url}"], tmp_path, f"{HUB}/o/n")
        closed_s = _wait(gates, transport, f"{HUB}/o/n/info/refs?service=git-upload-pack")
    assert result.returncode != 0
    assert git.counts.requests == FETCH_COST
    assert closed_s == pytest.approx(1, abs=0.1)


def _wait(gates: Gates, transport: Transport, url: str) -> float:
    gate = gates._gate(transport.access.gate_key(url))
    return gate.budget.wait(gates.clock.now())


async def test_what_a_clone_costs_is_taken_from_the_window(tmp_path: Path) -> None:
    headers = {"RateLimit": '"git";r=100;t=200', "RateLimit-Policy": '"git";q=100;w=300'}
    async with serve(always(status=404, headers=headers)) as server, net({HUB: server.base}) as n:
        transport, gates = n.transport, n.transport.gates
        await transport.get(f"{HUB}/o/n/info/refs?service=git-upload-pack")
        git = Git(transport.access, transport.resolver, gates, Counts(), "2", "agent", 10**6)
        await asyncio.gather(*(git.fetch(["--", "{url}"], tmp_path, f"{HUB}/o/n"),))
        state = gates.snapshot()["hub.example token git"]
    assert state["left"] == 100 - 1 - FETCH_COST
