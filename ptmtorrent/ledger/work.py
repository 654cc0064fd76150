"""Planning, leasing and closing items."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ptmtorrent.ledger.figures import Figures
from ptmtorrent.ledger.rows import Item
from ptmtorrent.ledger.statements import statements
from ptmtorrent.model.clock import parse_rfc3339, rfc3339
from ptmtorrent.model.work import (
    AskTask,
    AssetTask,
    Attempt,
    Done,
    Failed,
    HeldAsset,
    ObjectSource,
    Postponed,
    Skipped,
    Stage,
)

SQL = statements("work.sql")
EVERYTHING = 2**62


@dataclass(frozen=True, slots=True)
class OriginPlan:
    """What the ledger knows of an origin to be visited; names are of blobs.

    Attributes:
        status: what the hub's listing says of a package there.
    """

    url: str
    holding: str | None
    visit: str | None
    fingerprint: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is left of a stage.

    Attributes:
        places: where items wait to be leased -> when the first is due (epoch seconds).
        is_under_way: whether some are leased.
    """

    places: Mapping[str, float]
    is_under_way: bool


class Work:
    """The face of the ledger that hands out work; call within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def plan_asks(self, snapshot: int, hub: str) -> int:
        """Ask for every package that a complete listing did not show; returns how many."""
        return self._run("plan_asks", snapshot=snapshot, hub=hub).rowcount

    def plan_visits(
        self, snapshot: int, hub: str, *, depth: int, top: int | None, globs: Iterable[str]
    ) -> int:
        """Visit the origins of the packages listed; returns how many items are new.

        A plan that was made already is not made again, unless something was listed since, or a
        plan of another depth was made, whose visits any hub's items may have got.
        """
        names = list(globs)
        place = {"snapshot": snapshot, "hub": hub}
        (last_page,) = self._run("last_page", **place).fetchone()
        about = json.dumps([depth, top, names, last_page])
        if self._run("is_planned", about=about, **place).fetchone():
            return 0
        self._run("forget_other_depths", snapshot=snapshot, depth=depth)
        self._run("set_planned", about=about, **place)
        return self._run(
            "plan_visits",
            snapshot=snapshot,
            hub=hub,
            depth=depth,
            top=EVERYTHING if top is None else top,
            globs=json.dumps(names),
        ).rowcount

    def plan_objects(self, snapshot: int, late: Iterable[str] = ()) -> int:
        """Fetch the objects that visited heads stand for, but for those of ``late`` origins."""
        left = json.dumps(sorted(late))
        return self._run("plan_objects", snapshot=snapshot, late=left).rowcount

    def plan_objects_of(self, snapshot: int, hub: str, origin: str) -> int:
        """Fetch the objects that one visited head stands for."""
        return self._run("plan_objects_of", snapshot=snapshot, hub=hub, origin=origin).rowcount

    def plan_asset(self, snapshot: int, hub: str, url: str, sha256_prefix: str | None) -> int:
        """Fetch an asset, or see once a snapshot whether what is held is what is there.

        A name that promises digits of its sha256 stands for the same bytes for ever.
        """
        self._run("wish_asset", url=url, sha256_prefix=sha256_prefix)
        return self._run("plan_asset", snapshot=snapshot, hub=hub, url=url).rowcount

    def asset_task(self, url: str) -> AssetTask:
        """What is known of an asset."""
        prefix, size, since = self._run("asset_task", key=url).fetchone()
        held = None if size is None else HeldAsset(size, parse_rfc3339(since))
        return AssetTask(url, prefix, held)

    def release(self) -> None:
        """What a killed process had leased is free again."""
        self._run("release")

    def retry_failed(self, snapshot: int, stages: Iterable[Stage]) -> int:
        """Failed items of these stages are to be done again; returns how many.

        Name only what will be carried out: a failure that nobody tries again keeps its reason.
        """
        return self._run(
            "retry_failed", snapshot=snapshot, stages=json.dumps(list(stages))
        ).rowcount

    def waiting(self, stage: Stage, snapshot: int) -> Waiting:
        """Where items of a stage wait, in a few leaps however many there are."""
        places: dict[str, float] = {}
        is_under_way = False
        for state, place, due in self._run("waiting", stage=stage, snapshot=snapshot):
            if state == "leased":
                is_under_way = True
            else:
                places[place] = min(due, places.get(place, due))
        return Waiting(places, is_under_way)

    def lease(
        self, stage: Stage, snapshot: int, *, now: float, shares: Mapping[str, int]
    ) -> list[Item]:
        """Take items that are due: of each place so many, the ones that waited longest first."""
        items: list[Item] = []
        for place, count in shares.items():
            if not count:
                continue
            about = {"place": place, "now": now, "count": count}
            rows = self._run("lease", stage=stage, snapshot=snapshot, **about)
            items += (Item(*row) for row in rows.fetchall())
        return sorted(items, key=lambda item: item.id)

    def close(self, attempt: Attempt, snapshot: int, tool: str) -> None:
        """Write an attempt down, and its outcome on the item."""
        state, reason, not_before = _state(attempt)
        names = {"stage": attempt.stage, "state": state, "reason": reason, "bytes": attempt.bytes}
        self._run("close_item", key=attempt.item, not_before=not_before, **names)
        self.attempt(attempt, snapshot, tool)

    def attempt(self, attempt: Attempt, snapshot: int, tool: str) -> None:
        """Write down an attempt that belongs to no item (a listing)."""
        state, reason, _ = _state(attempt)
        self._run(
            "add_attempt",
            snapshot=snapshot,
            hub=attempt.hub,
            stage=attempt.stage,
            item=attempt.item,
            outcome=state,
            reason=reason,
            http_status=attempt.status,
            bytes=attempt.bytes,
            seconds=attempt.seconds,
            at=rfc3339(attempt.at),
            tool=tool,
            message=attempt.message,
        )

    def ask_task(self, item: Item) -> AskTask:
        """What to ask a hub for."""
        row = self._run("ask_task", hub=item.hub, key=item.key).fetchone()
        return AskTask(*row)

    def origin_plan(self, item: Item, snapshot: int) -> OriginPlan:
        """What is known of the origin of a visit; little, if no package names it."""
        row = self._run("origin_task", key=item.key, snapshot=snapshot).fetchone()
        return OriginPlan(*row) if row else OriginPlan(item.key, None, None, None, None)

    def object_size(self, sha256: str) -> int:
        """Size of an object in bytes, as its pointers say."""
        return int(self._run("object_size", key=sha256).fetchone()[0])

    def object_sources(self, sha256: str) -> tuple[ObjectSource, ...]:
        """Some places an object can be had from."""
        rows = self._run("object_sources", key=sha256).fetchall()
        return tuple(
            ObjectSource(origin, revision, path.decode("utf-8", "surrogateescape"), size)
            for origin, revision, path, size in rows
        )

    def save_gates(self, states: dict[str, str]) -> None:
        """Keep what hosts allow, for the next process."""
        rows = [{"name": name, "state": state} for name, state in states.items()]
        self._connection.executemany(SQL["set_gate"], rows)

    def keep_figures(self, snapshot: int, figures: Figures) -> None:
        """Keep what was counted, until something changes."""
        self._run("keep_figures", snapshot=snapshot, counted=figures.to_text())

    def forget_figures(self) -> None:
        """Something has changed: what was counted does not hold any more."""
        self._run("forget_figures")

    def _run(self, name: str, /, **values: object) -> sqlite3.Cursor:
        return self._connection.execute(SQL[name], values)


def _state(attempt: Attempt) -> tuple[str, str | None, float]:
    """(state, reason, not before) of an outcome."""
    match attempt.outcome:
        case Done():
            return "done", None, 0.0
        case Skipped(reason):
            return "skipped", reason, 0.0
        case Failed(reason):
            return "failed", reason, 0.0
        case Postponed(not_before, reason):
            return "postponed", reason, not_before.timestamp()
