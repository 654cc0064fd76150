"""A root with a journal, and cycles on it by any clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ptmtorrent.collect.cycle import Collected, Cycle
from ptmtorrent.model.visit import Holding, Visit, Wanted
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import open_root

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PLACE = {"snapshot": "2026-11-21", "hub": "huggingface"}


class Place:
    """A root that is open for writing."""

    def __init__(self, path: Path) -> None:
        self.root = open_root(path, create=True)
        self.open()

    def open(self) -> None:
        self.store = LocalStore.at(self.root.path, write=True)
        self.journal = Journal.open(self.root.path, write=True)

    def close(self) -> None:
        self.store.close()
        self.journal.close()

    def end(self) -> None:
        """End the process well."""
        with self.store:
            pass
        self.journal.close()

    def note(self, kind: str, at: datetime = NOON, **payload: object) -> None:
        self.store.flush()
        self.journal.append(kind, at, **PLACE, **payload)
        self.journal.sync()

    def page(self, data: bytes) -> str:
        name = self.store.put(data)
        self.note("page", sha256=name)
        return name

    def visit(self, url: str, *packs: str, wanted: tuple[Wanted, ...] = ()) -> tuple[str, str]:
        visit = self.store.put(Visit(url, (), None, None).to_bytes())
        holding = Holding(visit, packs, wanted, 1, "2.39")
        name = self.store.put(holding.to_bytes())
        self.note("visit", visit=visit, holding=name)
        return visit, name

    def repack(self, visit: str, replaces: str, *packs: str) -> str:
        name = self.store.put(Holding(visit, packs, (), 1, "2.39").to_bytes())
        self.note("repack", visit=visit, holding=name, replaces=replaces)
        return name

    def cycle(self, day: float, *, delete: bool = True, grace: timedelta = 14 * DAY) -> Collected:
        return Cycle(
            layout=self.root.layout,
            store=self.store,
            journal=self.journal,
            now=NOON + day * DAY,
            grace=grace,
            delete=delete,
        ).run()

    def collect(self) -> set[str]:
        """Two cycles with the grace in between; the names that went."""
        self.cycle(0)
        return {garbage.name for garbage in self.cycle(15).garbage if garbage.is_gone}
