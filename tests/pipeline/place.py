"""A real store, journal and ledger, and a hub made of a list."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ptmtorrent.errors import NetworkError
from ptmtorrent.hubs import modelzoo
from ptmtorrent.hubs.huggingface import parse
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.package import Answer, AnswerKind, ListedPage, Scope
from ptmtorrent.model.work import Depth
from ptmtorrent.pipeline.fetching import ByteBudget, Fetching
from ptmtorrent.pipeline.intake import Intake
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.pipeline.pages import Pages
from ptmtorrent.pipeline.recorder import Recorder
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import open_root

HUB, ZOO = "huggingface", "modelzoo"
AT = datetime(2026, 11, 21, tzinfo=UTC)
CLOCK = Clock(lambda: AT, lambda: 1e9)


def record(number: int, **fields: object) -> dict[str, object]:
    """A record as the hub lists it."""
    base = {"_id": f"{number:024x}", "id": f"org/m{number}", "sha": "1" * 40}
    return base | {"lastModified": "2026-01-01T00:00:00.000Z"} | fields


class ListHub:
    """A hub whose pages are a list; ``broken_at`` makes one page fail."""

    def __init__(self, pages: list[list[dict[str, object]]], broken_at: int | None = None) -> None:
        self.pages = pages
        self.broken_at = broken_at
        self.asked: list[str] = []

    forge = None

    def first_cursor(self, scope: Scope) -> str:
        return "/0"

    async def page(self, cursor: str) -> ListedPage:
        self.asked.append(cursor)
        number = int(cursor[1:])
        if number == self.broken_at:
            raise NetworkError("cut")
        following = f"/{number + 1}" if number + 1 < len(self.pages) else None
        return ListedPage(json.dumps(self.pages[number]).encode(), cursor, following)

    async def ask(self, name: str, package_id: str) -> Answer:
        return Answer(AnswerKind.GONE)


class Place:
    """A root with everything open."""

    def __init__(self, path: Path) -> None:
        root = open_root(path, create=True)
        self.path = root.path
        self.store = LocalStore.at(root.path, write=True)
        self.journal = Journal.open(root.path, write=True)
        self.ledger = Ledger.open(root.layout.ledger)
        self.pages = Pages(self.store, {HUB: parse, ZOO: modelzoo.parse})
        self.intake = Intake(self.ledger, self.store, self.pages)
        self.caught_up = self.intake.catch_up(self.journal)

    def recorder(self) -> Recorder:
        return Recorder(self.ledger, self.store, self.journal, intake=self.intake, clock=CLOCK)

    def begin(self, name: str = "2026-11-21") -> int:
        entry = self.journal.append(Kind.BEGIN, AT, snapshot=name, as_of=name[:10])
        self.journal.sync()
        with self.ledger.transaction():
            self.intake.take([entry])
        return self.intake.number(name)

    def close(self) -> None:
        self.ledger.close()
        self.journal.close()
        self.store.close()


def fetching_by(
    visit_origin: object, place: Place, recorder: Recorder, number: int, **settings: Any
) -> Fetching:
    """Fetching that can visit, and nothing else."""
    values = {
        "snapshot_id": "2026-11-21",
        "depth": Depth.HISTORY,
        "hubs": {},
        "budget": ByteBudget(None),
        "watch": lambda event: None,
        "fetch_object": None,
        "fetch_asset": None,
        "is_as_held": None,
        "caseless": frozenset({"https://github.com"}),
    }
    values |= settings
    return Fetching(
        number=number, store=place.store, recorder=recorder, visit_origin=visit_origin, **values
    )
