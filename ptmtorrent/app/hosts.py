"""What hosts say: whether hubs answer, tokens are accepted, quotas are left, the clock is right.

A small request each, all at once and none twice, so that it ends soon where nobody answers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ptmtorrent.app.machine import EXIT_MACHINE, EXIT_USAGE
from ptmtorrent.console.health import Finding, State
from ptmtorrent.console.summary import EXIT_TEMPORARY
from ptmtorrent.console.words import seconds
from ptmtorrent.errors import CorruptError, ForbiddenAddressError, ItemError, RefusedError
from ptmtorrent.hubs.base import GitHost, Quota, WhoAmI
from ptmtorrent.hubs.reading.fields import loads
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Response
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import GateLimits, Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.policy.ratelimit import parse_advice, parse_imf_date

PATIENCE_S = 10.0
"""Longer nothing is waited for."""

SKEW_WARN_S = 30.0
SKEW_BAD_S = 300.0
FOUND_CHARS = 300


@dataclass(frozen=True, slots=True)
class Place:
    """A hub to reach: its id, its canonical base, and whether a run can do without it."""

    hub: str
    base: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What is asked of the network.

    Attributes:
        hosts: those whose tokens and quotas are asked for.
        agent: the User-Agent.
        patience_s: a host that takes longer does not answer.
    """

    access: Access
    places: Sequence[Place]
    hosts: Sequence[GitHost]
    agent: str
    patience_s: float = PATIENCE_S


@dataclass(frozen=True, slots=True)
class Heard:
    """That a host answered.

    Attributes:
        status: of the answer; None for a redirect to where we do not go.
        ahead_s: seconds by which its clock is ahead of ours.
        refused: it said "not now".
    """

    status: int | None
    ahead_s: float | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Silent:
    """That a host did not answer, and why; ``forbidden``: because it may not be asked."""

    why: str
    forbidden: bool = False


async def look_at_network(inquiry: Inquiry) -> list[Finding]:
    """Hubs, tokens and clock. No token is in what is found, whatever hosts say."""
    gates = Gates(limits=GateLimits(patience_s=inquiry.patience_s))
    manners = Manners(retry=RetryPolicy(attempts=1), agent=inquiry.agent)
    bases = list(dict.fromkeys(place.base for place in inquiry.places))
    async with Transport(inquiry.access, gates, manners) as transport:
        asker = _Asker(transport, inquiry.patience_s)
        heard, tokens = await asyncio.gather(
            asyncio.gather(*map(asker.reach, bases)),
            asyncio.gather(*(asker.who(host.whoami) for host in inquiry.hosts if host.whoami)),
        )
    by_base = dict(zip(bases, heard, strict=True))
    hubs = [judge_hub(place, by_base[place.base]) for place in inquiry.places]
    findings = [*hubs, *tokens, judge_clock([h.ahead_s for h in heard if isinstance(h, Heard)])]
    scrub = inquiry.access.tokens.scrub
    return [replace(finding, found=scrub(finding.found)[:FOUND_CHARS]) for finding in findings]


class _Asker:
    """Asks one thing of one host, and gives up in time."""

    def __init__(self, transport: Transport, patience_s: float) -> None:
        self._transport = transport
        self._patience_s = patience_s

    async def reach(self, base: str) -> Heard | Silent:
        """Whether a host answers at all."""
        try:
            async with asyncio.timeout(self._patience_s):
                _, target = self._transport.access.actual(f"{base}/")
                await self._transport.resolver.resolve(target.host, target.port)
                return await self._first_page(base)
        except (ItemError, OSError) as error:
            why = why_silent(error, self._patience_s)
            return Silent(why, forbidden=isinstance(error, ForbiddenAddressError))

    async def _first_page(self, base: str) -> Heard:
        """An answer, its body unread. A refusal is one, and so is a redirect not to be followed."""
        try:
            async with self._transport.stream(f"{base}/") as stream:
                return Heard(stream.status, ahead_s(stream.headers, self._wall()))
        except (CorruptError, ForbiddenAddressError, RefusedError) as error:
            return Heard(error.status, refused=isinstance(error, RefusedError))

    async def who(self, asked: WhoAmI) -> Finding:
        """Whether a token is accepted, and what is allowed with it or without."""
        has_token = self._transport.access.tokens.header_for(asked.url) is not None
        try:
            async with asyncio.timeout(self._patience_s):
                response = await self._transport.get(asked.url, accept="application/json")
        except RefusedError as error:
            return _used_up(_token_of(asked), error.wait_s)
        except (ItemError, OSError) as error:
            return Finding(_token_of(asked), State.UNKNOWN, why_silent(error, self._patience_s))
        return judge_token(asked, response, has_token=has_token, wall=self._wall())

    def _wall(self) -> float:
        return self._transport.gates.clock.wall()


def judge_hub(place: Place, heard: Heard | Silent) -> Finding:
    """The finding for a hub that answered, or did not."""
    check = f"hub {place.hub}"
    if isinstance(heard, Silent):
        return _silent(check, place, heard)
    if heard.refused:
        return Finding(check, State.WARN, "answers, but refuses for now", "wait a while")
    status = "with a redirect" if heard.status is None else f"({heard.status})"
    return Finding(check, State.OK, f"answers {status}")


def _silent(check: str, place: Place, silent: Silent) -> Finding:
    if place.optional:
        return Finding(check, State.WARN, silent.why, "optional: a run goes on without it")
    if silent.forbidden:
        advice = "see its endpoint, `allow_private`, and the DNS of this machine"
        return Finding(check, State.BAD, silent.why, advice, EXIT_USAGE)
    advice = f"see the network of this machine; run again, or switch off [hubs.{place.hub}]"
    return Finding(check, State.BAD, silent.why, advice, EXIT_TEMPORARY)


def why_silent(error: ItemError | OSError, patience_s: float) -> str:
    """Why a host did not answer."""
    if isinstance(error, TimeoutError):
        return f"no answer in {seconds(patience_s)}"
    if isinstance(error, OSError):
        return "its name has no address"
    what = str(error).removesuffix(f": {error.url}")
    return f"not reached: {what}" if error.status is None else what


def judge_token(asked: WhoAmI, response: Response, *, has_token: bool, wall: float) -> Finding:
    """The finding for an answer to "who am I"; ``wall`` is our time, in Unix seconds."""
    check, status = _token_of(asked), response.status
    if has_token and status == 401:
        advice = f"make a new one and put it into {asked.source}; or take it away"
        return Finding(check, State.BAD, "not accepted (401)", advice, EXIT_USAGE)
    if status != 200 and (has_token or status != 401):
        return Finding(check, State.UNKNOWN, f"the host answered {status}")
    name, told = asked.read(_object(response.body))
    quota = told or _advised(response.headers, wall)
    who = f"accepted{f', as {name}' if name else ''}" if has_token else "none"
    found = f"{who}; {quota_words(quota, wall)}"
    if quota is not None and quota.left <= 0:
        return Finding(check, State.WARN, found, "wait until it resets")
    more = "" if has_token else f"a token raises what is allowed: {asked.source}"
    return Finding(check, State.OK, found, more)


def _used_up(check: str, wait_s: float | None) -> Finding:
    again = "" if wait_s is None else f" for {seconds(wait_s)}"
    return Finding(check, State.WARN, f"the host refuses{again}", "wait until it resets")


def quota_words(quota: Quota | None, wall: float) -> str:
    """What is allowed, in words."""
    if quota is None:
        return "the host tells no quota"
    limit = "" if quota.limit is None else f" of {quota.limit:,}"
    kind = f" ({quota.bucket})" if quota.bucket else ""
    again = ""
    if quota.resets_at is not None:
        again = f", resets in {seconds(max(0.0, quota.resets_at - wall))}"
    return f"{quota.left:,}{limit} requests left{kind}{again}"


def _advised(headers: Mapping[str, str], wall: float) -> Quota | None:
    """The quota in the headers of an answer."""
    advice = parse_advice(headers, wall)
    if advice is None or advice.remaining is None:
        return None
    resets_at = None if advice.reset_s is None else wall + advice.reset_s
    return Quota(advice.remaining, advice.quota, resets_at, advice.bucket)


def _object(body: bytes) -> Mapping[str, Any]:
    """A JSON object that a host sent; empty when it is none."""
    try:
        value = loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _token_of(asked: WhoAmI) -> str:
    return f"token {urlsplit(asked.url).hostname}"


def ahead_s(headers: Mapping[str, str], wall: float) -> float | None:
    """By how much an answer's clock is ahead of ours; a cache adds its ``Age`` (RFC 9111)."""
    date, age = parse_imf_date(headers.get("date", "")), headers.get("age", "0").strip()
    if date is None or not (age.isascii() and age.isdigit() and len(age) < 10):
        return None
    return date + int(age) - wall


def judge_clock(ahead: Sequence[float | None]) -> Finding:
    """The finding for how far hosts are ahead; the nearest counts, for one host may be wrong."""
    known = [span for span in ahead if span is not None]
    if not known:
        return Finding("clock", State.UNKNOWN, "no hub told the time")
    span = min(known, key=abs)
    side = "behind" if span > 0 else "ahead"
    found, advice = f"{seconds(abs(span))} {side}", "set the clock; quotas and links depend on it"
    if abs(span) > SKEW_BAD_S:
        return Finding("clock", State.BAD, found, advice, EXIT_MACHINE)
    if abs(span) > SKEW_WARN_S:
        return Finding("clock", State.WARN, found, advice)
    return Finding("clock", State.OK, "right to the second" if abs(span) < 2 else found)
