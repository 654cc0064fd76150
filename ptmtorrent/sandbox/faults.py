"""Faults on purpose: ``ROUTE=KIND:RATE`` switches, and when each of them strikes.

RATE is a probability from 0 to 1, drawn from a seeded generator; or ``#N``, the N-th matching
request and no other; or ``off``, which takes the fault away again. ``wrongrange`` and ``norange``
match only requests for a range.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ptmtorrent.errors import UsageError


class Route(StrEnum):
    """Kinds of requests.

    ``list``, ``info`` and ``tree`` are also ``api``; ``github-git`` is also ``git``.
    """

    API = "api"
    LIST = "list"
    INFO = "info"
    TREE = "tree"
    RESOLVE = "resolve"
    CDN = "cdn"
    GIT = "git"
    LFS = "lfs"
    GITHUB = "github"
    GITHUB_GIT = "github-git"
    RAW = "raw"
    RELEASE = "release"
    """An asset of a GitHub release: its address, and the bytes it leads to."""
    WEIGHTS = "weights"
    MODELZOO = "modelzoo"


class Kind(StrEnum):
    """What goes wrong."""

    RESET = "reset"
    """The connection is reset before any answer."""
    TRUNCATE = "truncate"
    """The connection ends in the middle of the body."""
    STALL = "stall"
    """The body stops in the middle and the connection stays open."""
    DRIP = "drip"
    """The body comes at 640 bytes a second."""
    REFUSE = "429"
    """Another limiter than the advertised one refuses; with ``Retry-After: 1``."""
    UNAVAILABLE = "503"
    BROKEN = "500"
    HTML = "html"
    """Status 200 and a web page."""
    CORRUPT = "corrupt"
    """One bit of the body is flipped."""
    WRONGRANGE = "wrongrange"
    """``Content-Range`` names other bytes than were asked for."""
    NORANGE = "norange"
    """Status 200 and the whole file in answer to a request for a range."""
    GONE = "gone"
    """Status 410; in an LFS batch, every object of it."""


RANGE_KINDS = frozenset({Kind.WRONGRANGE, Kind.NORANGE})
"""Faults that only a request for a range can meet."""

_Word = TypeVar("_Word", Route, Kind)

_RULE = re.compile(r"(?P<route>[^=]*)=(?P<kind>[^:]*):(?P<rate>.*)")
_NTH = re.compile(r"#([1-9][0-9]{0,8})")
_PROBABILITY = re.compile(r"0|1|0?\.[0-9]{1,9}|[01]\.0*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One switch. At most one of ``probability`` and ``nth`` is set; neither means off."""

    route: Route
    kind: Kind
    probability: float | None = None
    nth: int | None = None

    def matches(self, routes: Iterable[Route], *, ranged: bool) -> bool:
        """Whether a request of these routes is one the rule looks at."""
        return self.route in routes and (ranged or self.kind not in RANGE_KINDS)


def parse_rule(text: str) -> Rule:
    """Read ``ROUTE=KIND:RATE``.

    Raises:
        UsageError: it is not of that form; the message names the valid words.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise UsageError(f"a fault is ROUTE=KIND:RATE, like git=truncate:#3; not {text!r}")
    route, kind = _word(Route, found["route"]), _word(Kind, found["kind"])
    rate = found["rate"]
    if nth := _NTH.fullmatch(rate):
        return Rule(route, kind, nth=int(nth[1]))
    if _PROBABILITY.fullmatch(rate):
        return Rule(route, kind, probability=float(rate))
    if rate == "off":
        return Rule(route, kind)
    raise UsageError(f"a fault's rate is a number from 0 to 1, #N or off; not {rate!r}")


def _word(words: type[_Word], text: str) -> _Word:
    try:
        return words(text)
    except ValueError:
        known = ", ".join(words)
        message = f"{text!r} is no {words.__name__.lower()} of a fault; it is one of {known}"
        raise UsageError(message) from None


class Faults:
    """The switches that are on, and how often each has been looked at."""

    def __init__(self, rules: Iterable[str] = (), *, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._rules: dict[tuple[Route, Kind], Rule] = {}
        self._seen: dict[tuple[Route, Kind], int] = {}
        for rule in rules:
            self.switch(rule)

    def switch(self, text: str) -> None:
        """Turn a fault on, or off; its count of requests begins anew.

        Raises:
            UsageError: see ``parse_rule``.
        """
        rule = parse_rule(text)
        key = (rule.route, rule.kind)
        self._rules.pop(key, None)
        self._seen[key] = 0
        if rule.probability is not None or rule.nth is not None:
            self._rules[key] = rule

    def draw(self, routes: Iterable[Route], *, ranged: bool = False) -> Kind | None:
        """What goes wrong with a request, if anything: the first rule that strikes."""
        routes = frozenset(routes)
        matching = [r for r in self._rules.values() if r.matches(routes, ranged=ranged)]
        struck = [rule.kind for rule in matching if self._strikes(rule)]
        return struck[0] if struck else None

    def _strikes(self, rule: Rule) -> bool:
        key = (rule.route, rule.kind)
        self._seen[key] += 1
        if rule.probability is None:
            return self._seen[key] == rule.nth
        return self._random.random() < rule.probability
