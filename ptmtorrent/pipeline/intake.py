"""From journal lines to the ledger: the one way a root becomes known, live and on replay.

A line names blobs; they are read back from the store, so what the ledger knows is what the store
holds. Records are read here, in outline, by the hub's own pure reader. A blob that is lost costs
what it alone told: the line is taken in with the names that it says itself, so that a page is asked
for again and an origin visited again. Nothing is made up.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from ptmtorrent.errors import CorruptError, IntegrityError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.roots import (
    AssetLine,
    ListingLine,
    PageLine,
    RepackLine,
    Verdict,
    VisitLine,
)
from ptmtorrent.model.clock import rfc3339
from ptmtorrent.model.package import Outline, ParsedPage, Scope
from ptmtorrent.model.work import Stage
from ptmtorrent.pipeline.kept import read_holding, read_visit
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.pipeline.pages import Pages
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Entry, Journal

T = TypeVar("T")
BATCH = 500
NOTHING: ParsedPage[Outline] = ParsedPage()


def silent(_: str) -> None:
    """Say nothing."""


class Intake:
    """Takes journal lines into the ledger; ``say`` is told of each that names a lost blob."""

    def __init__(
        self, ledger: Ledger, store: BlobStore, pages: Pages, say: Callable[[str], None] = silent
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._pages = pages
        self._say = say
        self._numbers = {s.id: s.seq for s in ledger.reads.snapshots()}

    def number(self, snapshot_id: str) -> int:
        """The ledger's number of a snapshot."""
        return self._numbers[snapshot_id]

    def catch_up(self, journal: Journal) -> int:
        """Take in what the ledger has not seen of the journal; returns how many lines.

        A ledger that was lost comes back whole this way, attempts aside. Raises IntegrityError
        when the ledger has seen lines that this journal does not have.
        """
        applied, digest = self._ledger.reads.position()
        if applied and _digest_at(journal, applied) != digest:
            raise IntegrityError(
                f"the ledger knows journal line {applied} as another than the journal has it:"
                " they belong to different roots; move the ledger away, and it is rebuilt"
            )
        taken = 0
        for batch in _batches(journal.entries(after=applied)):
            with self._ledger.transaction():
                self.take(batch)
            taken += len(batch)
        if taken and not digest:
            self._find_held()
        return taken

    def take(self, entries: Iterable[Entry]) -> None:
        """Take lines in, within the caller's transaction."""
        last = None
        for last in entries:
            self._apply(last)
        if last is not None:
            self._ledger.roots.position(last.n, last.digest)

    def complete(self, entry: Entry) -> None:
        """Take in what the line of a visit could not tell, now that it can, if it is the newest.

        Within the caller's transaction.
        """
        line = self._visit(entry)
        if self._ledger.reads.held(line.url) == (line.visit_sha256, line.holding_sha256):
            self._ledger.roots.visit(line)

    def _apply(self, entry: Entry) -> None:
        payload, at = entry.payload, rfc3339(entry.at)
        match Kind(entry.kind):
            case Kind.BEGIN:
                number = self._ledger.roots.begin(payload["snapshot"], payload["as_of"], at)
                self._numbers[payload["snapshot"]] = number
            case Kind.PAGE | Kind.RECORD:
                self._ledger.roots.page(self._page(entry))
            case Kind.LISTING:
                names = ("hub", "outcome", "reason", "scope")
                number = self.number(payload["snapshot"])
                said = {name: payload[name] for name in names}
                self._ledger.roots.listing(ListingLine(snapshot=number, at=at, **said))
            case Kind.VISIT:
                self._ledger.roots.visit(self._visit(entry))
            case Kind.REPACK:
                self._ledger.roots.repack(self._repack(entry))
            case Kind.ASSET:
                self._ledger.roots.asset(self._asset(entry))
            case Kind.MOVED:
                number = self.number(payload["snapshot"])
                self._ledger.roots.moved(number, payload["hub"], payload["origin"], payload["to"])
            case Kind.ANSWER:
                self._ledger.roots.settle(self._verdict(payload))
            case Kind.SNAPSHOT:
                untold = payload.get("untold", ())
                self._ledger.roots.finish(
                    payload["snapshot"], payload["manifest"], at, untold=untold
                )

    def _kept(self, entry: Entry, read: Callable[[str], T], key: str) -> T | None:
        """A blob that a line names, read; None, and a notice, when it is lost."""
        try:
            return read(entry.payload[key])
        except CorruptError as error:
            self._say(f"{described(entry)}: {error}")
            return None

    def _page(self, entry: Entry) -> PageLine:
        payload = entry.payload
        parsed = self._kept(entry, partial(self._pages.read, payload["hub"]), "sha256")
        is_lost, parsed = parsed is None, parsed or NOTHING
        kept = _selected(parsed.packages, payload.get("globs", ()), payload.get("take"))
        return PageLine(
            snapshot=self.number(payload["snapshot"]),
            hub=payload["hub"],
            sha256=payload["sha256"],
            at=rfc3339(entry.at),
            cursor=payload["cursor"],
            next_cursor=payload.get("next"),
            packages=tuple(kept),
            unparsed=len(parsed.unparsed),
            is_answer=entry.kind == Kind.RECORD,
            is_lost=is_lost,
            scope=payload.get("scope", "{}"),
            drift=parsed.drift,
        )

    def _visit(self, entry: Entry) -> VisitLine:
        payload = entry.payload
        visit = self._kept(entry, partial(read_visit, self._store), "visit")
        return VisitLine(
            snapshot=self.number(payload["snapshot"]),
            hub=payload["hub"],
            at=rfc3339(entry.at),
            url=_origin_of(entry) if visit is None else visit.url,
            visit=visit,
            visit_sha256=payload["visit"],
            holding=self._kept(entry, partial(read_holding, self._store), "holding"),
            holding_sha256=payload["holding"],
            fingerprint=payload["fingerprint"],
            depth=payload["depth"],
            is_shelf=payload.get("shelf", False),
        )

    def _repack(self, entry: Entry) -> RepackLine:
        payload = entry.payload
        holding = self._kept(entry, partial(read_holding, self._store), "holding")
        return RepackLine(
            visit=payload["visit"],
            holding=payload["holding"],
            replaces=payload["replaces"],
            pack_bytes=None if holding is None else holding.pack_bytes,
        )

    def _asset(self, entry: Entry) -> AssetLine:
        payload = entry.payload
        return AssetLine(
            snapshot=self.number(payload["snapshot"]),
            hub=payload["hub"],
            at=rfc3339(entry.at),
            url=payload["url"],
            sha256=payload["sha256"],
            size=payload["size"],
        )

    def _verdict(self, payload: Mapping[str, Any]) -> Verdict:
        return Verdict(
            snapshot=self.number(payload["snapshot"]),
            hub=payload["hub"],
            stage=Stage(payload["stage"]),
            key=payload["key"],
            state="skipped",
            reason=payload["reason"],
        )

    def _find_held(self) -> None:
        """After a rebuild: which wanted objects the store has."""
        with self._ledger.transaction():
            names = (blob.sha256 for blob in self._ledger.reads.blobs() if not blob.held)
            found = ((name, self._store.size(name)) for name in names if self._store.has(name))
            self._ledger.roots.hold(found)


def _digest_at(journal: Journal, number: int) -> str | None:
    if number == journal.head.n:
        return journal.head.digest
    line = next(journal.entries(after=number - 1), None)
    return None if line is None else line.digest


def described(entry: Entry) -> str:
    """A line of the journal in words: what it is of, and where it stands."""
    said = entry.payload
    what = said.get("origin") or " ".join(filter(None, (said.get("hub"), said.get("cursor"))))
    return f"{what}, snapshot {said['snapshot']}, journal line {entry.n} ({entry.kind})"


def _origin_of(entry: Entry) -> str:
    """The origin of a visit that is lost. IntegrityError when an old line does not name it."""
    if "origin" not in entry.payload:
        text = f"{described(entry)}: the visit is lost, and with it which origin it was of"
        raise IntegrityError(f"{text}; put the ledger or the blob back from a copy of this root")
    return str(entry.payload["origin"])


def _selected(
    packages: Iterable[tuple[int, Outline]], globs: Iterable[str], take: int | None
) -> Iterator[tuple[int, Outline]]:
    scope = Scope(globs=tuple(globs))
    chosen = ((index, package) for index, package in packages if scope.selects(package.name))
    return islice(chosen, None if take is None else min(take, sys.maxsize))


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    iterator = iter(entries)
    while batch := list(islice(iterator, BATCH)):
        yield batch
