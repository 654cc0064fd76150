"""What the journal names: pages that can be read, visits and holdings as they were written.

A blob whose bytes are damaged is named where blobs and segments are checked, and passed over here.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ptmtorrent.audit.fault import Fault, FaultKind, quote
from ptmtorrent.audit.ground import Ground
from ptmtorrent.audit.journal import Text, believed
from ptmtorrent.audit.stock import Stock
from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError, StoppedError
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.store.journal import Entry

_NAMES = {
    "page": ("sha256",),
    "record": ("sha256",),
    "visit": ("visit", "holding"),
    "repack": ("visit", "holding", "replaces"),
    "asset": ("sha256",),
}
"""Kind of line -> keys of the blobs it names."""

Problem = tuple[str, str]
"""(Expected, found) of a blob that is whole, and yet not what it is named for."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Checks what each line of the journal names.

    Attributes:
        replaced: holdings whose visit another one keeps since; they and their packs may be gone.
    """

    ground: Ground
    stock: Stock
    replaced: frozenset[str]

    def check(self, text: Text) -> Iterator[Fault]:
        """The lines of one journal file."""
        for number, entry in believed(text):
            place = f"{self.ground.name(text.path)} line {number}"
            yield from self._line(f"{place} ({_subject(entry)})", entry)

    def _line(self, place: str, entry: Entry) -> Iterator[Fault]:
        payload = entry.payload
        for key in _NAMES.get(entry.kind, ()):
            size = payload.get("size") if entry.kind == "asset" else None
            if payload.get(key) not in self.replaced:
                yield from self.stock.wants(payload.get(key), place, size)
        if entry.kind in ("page", "record") and not self.ground.quick:
            yield from self._content(place, payload.get("sha256"), self._page_of(payload))
        elif entry.kind in ("visit", "repack"):
            yield from self._visit(place, payload)

    def _visit(self, place: str, payload: Mapping[str, Any]) -> Iterator[Fault]:
        holdings: list[Holding] = []
        yield from self._content(place, payload.get("visit"), _visit_problem)
        yield from self._content(place, payload.get("holding"), _holding_into(holdings))
        for holding in holdings:
            yield from self._held(place, payload, holding)

    def _held(self, place: str, payload: Mapping[str, Any], holding: Holding) -> Iterator[Fault]:
        path = self.ground.name(self.ground.layout.blob(payload["holding"]))
        if holding.visit != payload.get("visit"):
            wanted = f"a holding of visit {payload.get('visit')}, as {place} says"
            yield Fault(FaultKind.RECORD, path, wanted, f"one of {holding.visit}")
        by = f"the holding {payload['holding']}"
        for pack in () if payload["holding"] in self.replaced else holding.packs:
            yield from self.stock.wants(pack, by)
        for blob in holding.wanted:
            if not blob.lfs:
                yield from self.stock.wants(blob.sha256, by, blob.size)

    def _content(
        self, place: str, name: object, problem_of: Callable[[bytes], Problem | None]
    ) -> Iterator[Fault]:
        """A blob that is not what the line names it for."""
        data = self._read(name)
        problem = None if data is None else problem_of(data)
        if problem and isinstance(name, str):
            path = self.ground.name(self.ground.layout.blob(name))
            yield Fault(FaultKind.CONTENT, path, f"{problem[0]}, as {place} says", problem[1])

    def _read(self, name: object) -> bytes | None:
        try:
            return self.stock.store.read(str(name)) if self.stock.has(name) else None
        except (IntegrityError, NotFoundError, FatalError, OSError):
            return None  # named where blobs and segments are checked

    def _page_of(self, payload: Mapping[str, Any]) -> Callable[[bytes], Problem | None]:
        parse = self.ground.parsers.get(payload.get("hub", ""))

        def problem(data: bytes) -> Problem | None:
            if parse is None:
                return f"a page of a hub that is known, not {payload.get('hub')}", "a page"
            try:
                parse(gzip.decompress(data))
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                return "a page, compressed", quote(str(error))
            except (StoppedError, MemoryError):  # says nothing of the page
                raise
            except Exception as error:  # readers never raise; one that does has met its page
                return "a page its hub's reader can read", quote(repr(error))
            return None

        return problem


def replaced_holdings(texts: Iterable[Text]) -> frozenset[str]:
    """Holdings that a ``repack`` line replaced and no later line names again."""
    found: set[str] = set()
    for text in texts:
        for _, entry in believed(text):
            found.discard(str(entry.payload.get("holding")))
            if entry.kind == "repack":
                found.add(str(entry.payload.get("replaces")))
    return frozenset(found)


def _subject(entry: Entry) -> str:
    """What a line is of: its kind, origin or hub, and snapshot."""
    said = entry.payload
    of = said.get("origin") or said.get("url") or said.get("hub")
    return quote(f"{entry.kind} of {of}, snapshot {said.get('snapshot')}")


def _visit_problem(data: bytes) -> Problem | None:
    try:
        is_right = Visit.from_bytes(data).to_bytes() == data
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return "a visit", quote(repr(error))
    return None if is_right else ("a visit in its one encoding", "another encoding")


def _holding_into(holdings: list[Holding]) -> Callable[[bytes], Problem | None]:
    def problem(data: bytes) -> Problem | None:
        try:
            holding = Holding.from_bytes(data)
            is_right = holding.to_bytes() == data
        except (ValueError, KeyError, TypeError, IndexError) as error:
            return "a holding", quote(repr(error))
        holdings.append(holding)
        return None if is_right else ("a holding in its one encoding", "another encoding")

    return problem
