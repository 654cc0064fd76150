"""Packages as their hub lists them, and as the files of their repositories refine them.

Every package is derived from blobs: its record from the page as received, its refinement from the
packs of its origin. So the same package comes out, whenever it is asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby

from ptmtorrent.errors import CorruptError, FailError, FailReason, SkipError
from ptmtorrent.extract.reading import HeldTree, held_tree
from ptmtorrent.hubs.base import Tree
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import PackageRow
from ptmtorrent.model.events import Notice, Watcher
from ptmtorrent.model.package import Package, PackageStatus, ParsedPage, Refined
from ptmtorrent.pipeline.kept import read_holding, read_page, read_visit
from ptmtorrent.store.base import BlobStore

Parser = Callable[[bytes], ParsedPage[Package]]
Records = dict[int, Package]
Refiner = Callable[[Package, Tree], Refined]


@dataclass(frozen=True, slots=True)
class Refining:
    """Reads packages back.

    Attributes:
        parsers: hub id -> the reader of its pages.
        refiners: hub id -> the reader of its packages' files, for hubs that have one.
        lost: after ``packages``: hub id -> why packages of it, not known to be gone, are missing.
    """

    ledger: Ledger
    store: BlobStore
    parsers: Mapping[str, Parser]
    refiners: Mapping[str, Refiner]
    watch: Watcher
    lost: dict[str, str] = field(default_factory=dict)

    def packages(self, hub: str) -> Iterator[tuple[PackageRow, Refined]]:
        """All packages of a hub: in listing order, or by origin where their files are read.

        An origin that cannot be read costs its packages their refinement, and is told.
        """
        refine = self.refiners.get(hub)
        listed = self._listed(hub, by_origin=refine is not None)
        if refine is None:
            yield from ((row, Refined(package)) for row, package in listed)
            return
        for (_, visit, holding), group in groupby(listed, key=lambda pair: _place(pair[0])):
            yield from self._refined(refine, visit, holding, group)

    def _listed(self, hub: str, *, by_origin: bool) -> Iterator[tuple[PackageRow, Package]]:
        page: str = ""
        records: Records | None = None
        for row in self.ledger.reads.packages(hub, by_origin=by_origin):
            if row.page != page:
                page, records = row.page, self._records(hub, row.page)
            if records is not None:
                yield row, records[row.raw_index]
            elif row.status != PackageStatus.GONE:
                self.lost[hub] = f"{FailReason.CORRUPT}: page {page} was listed and is lost"

    def _records(self, hub: str, page: str) -> Records | None:
        """The packages of a page; None, and a notice, when it is lost."""
        try:
            return dict(self.parsers[hub](read_page(self.store, page)).packages)
        except CorruptError as error:
            self.watch(Notice(f"{hub}: packages are missing that were listed last on {error}"))
            return None

    def _refined(
        self,
        refine: Refiner,
        visit: str | None,
        holding: str | None,
        group: Iterator[tuple[PackageRow, Package]],
    ) -> Iterator[tuple[PackageRow, Refined]]:
        listed = list(group)
        try:
            with self._tree(visit, holding) as tree:
                found = [Refined(p) if tree is None else refine(p, tree) for _, p in listed]
        except (SkipError, FailError) as error:
            self.watch(Notice(f"{listed[0][0].origin}: its files cannot be read: {error}"))
            found = [Refined(package) for _, package in listed]
        yield from zip((row for row, _ in listed), found, strict=True)

    def _tree(
        self, visit: str | None, holding: str | None
    ) -> AbstractContextManager[HeldTree | None]:
        if visit is None or holding is None:
            return nullcontext()
        kept = read_visit(self.store, visit), read_holding(self.store, holding)
        return held_tree(self.store, *kept)


def _place(row: PackageRow) -> tuple[str | None, str | None, str | None]:
    return row.origin, row.visit, row.holding
