"""The list of garbage, and since when it is: what makes a collection take two cycles.

``store/v1/garbage.json``: {"format": 1, "seen": time of the last cycle, "since": {name: time}}.
A name is a blob's sha256, or the path of a shard under the root. Losing the list costs nothing but
time: what is garbage is marked anew.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.model.clock import parse_rfc3339, rfc3339
from ptmtorrent.model.visit import canonical_json

GRACE = timedelta(days=14)
"""How long something must have been garbage before it may go."""

_FORMAT = 1
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Marks:
    """What earlier cycles found: since when each name is garbage, and when the last one ran."""

    since: Mapping[str, datetime] = field(default_factory=dict)
    seen: datetime = _NEVER


@dataclass(frozen=True, slots=True)
class Moment:
    """When a cycle runs: by its clock, and the latest time that the root has ever heard of."""

    now: datetime
    latest: datetime


def marked(garbage: Collection[str], marks: Marks, moment: Moment) -> Marks:
    """The list after this cycle: old marks stay, new ones are of now, the others go.

    A mark is never earlier than a time the root has heard of: a clock that stood too early when
    something was marked must not make it look old once it is right.
    """
    seen = max(moment.now, moment.latest, marks.seen)
    return Marks({name: marks.since.get(name, seen) for name in garbage}, seen)


def due(garbage: Collection[str], marks: Marks, now: datetime, grace: timedelta) -> list[str]:
    """What an earlier cycle marked so long ago that it may go now, sorted."""
    return sorted(
        name for name in garbage if name in marks.since and now - marks.since[name] >= grace
    )


def load(path: Path) -> Marks:
    """The list of earlier cycles; an empty one when there is none that can be read."""
    with disk.refusals(path):
        text = path.read_bytes() if path.exists() else b""
    try:
        value = json.loads(text)
        since = {str(name): parse_rfc3339(at) for name, at in value["since"].items()}
        return Marks(since, parse_rfc3339(value["seen"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Marks()


def save(path: Path, marks: Marks) -> None:
    """Write the list, durably."""
    since = {name: rfc3339(at) for name, at in marks.since.items()}
    value = {"format": _FORMAT, "seen": rfc3339(marks.seen), "since": since}
    disk.write_atomic(path, canonical_json(value) + b"\n")
