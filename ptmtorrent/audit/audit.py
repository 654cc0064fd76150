"""The whole audit, in the order in which one thing vouches for the next."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain as chain_of

from ptmtorrent.audit.blobs import check_blobs
from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground
from ptmtorrent.audit.journal import Chain, Text, texts
from ptmtorrent.audit.ledger import Comparison, Copy, copy_ledger
from ptmtorrent.audit.rootfiles import check_root
from ptmtorrent.audit.roots import Roots, replaced_holdings
from ptmtorrent.audit.segments import check_segments
from ptmtorrent.audit.snapshots import Snapshots, is_true
from ptmtorrent.audit.stock import Stock, stocked
from ptmtorrent.audit.tree import check_store
from ptmtorrent.store.journal import Entry, Head, Journal


def audit(ground: Ground) -> Iterator[Fault]:
    """Every fault of a root, as it is found; one does not end the search for the next.

    Raises FatalError when the machine refuses the scratch folder.
    """
    on_ledger = ground.findings(ground.layout.ledger)
    copy = copy_ledger(ground, on_ledger)
    files = texts(ground)
    chain = Chain(ground, files, copy.position)
    yield from check_root(ground)
    yield from check_store(ground)
    damaged = _Counted(chain_of(check_segments(ground), check_blobs(ground)))
    yield from damaged
    yield from chain.check()
    last = chain.last if chain.is_end_in_doubt else None
    if last and last.kind == "snapshot" and not is_true(ground, last.payload):
        yield chain.give_up_end()
    with stocked(ground) as stock:
        rest = _Rest(ground, stock, files, chain, is_store_whole=not damaged.count)
        yield from rest.roots()
        snapshots = Snapshots(ground, stock, chain.is_sound)
        in_dataset = _Counted(snapshots.check(files))
        yield from in_dataset
        built = snapshots if chain.is_sound and not in_dataset.count else None
        yield from rest.ledger(copy, on_ledger, built)


class _Counted:
    """Faults passed on, and how many they were."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = faults
        self.count = 0

    def __iter__(self) -> Iterator[Fault]:
        for fault in self._faults:
            self.count += 1
            yield fault


@dataclass(slots=True)
class _Rest:
    """What needs the journal to have been read."""

    ground: Ground
    stock: Stock
    files: list[Text]
    chain: Chain
    is_store_whole: bool
    are_roots_whole: bool = True

    def roots(self) -> Iterator[Fault]:
        """What the journal names."""
        roots = Roots(self.ground, self.stock, replaced_holdings(self.files))
        for text in self.files:
            for fault in roots.check(text):
                self.are_roots_whole = False
                yield fault

    def ledger(self, copy: Copy, found: Findings, built: Snapshots | None) -> Iterator[Fault]:
        """The ledger, and whether it knows the journal we have; ``built`` if all of it is whole."""
        if copy.path is not None:
            comparison = Comparison(
                self.ground,
                self.stock,
                copy.path,
                self._lines(copy.position),
                is_store_whole=self.is_store_whole,
            )
            comparison.check(found)
            if not found:
                yield from comparison.held(found)
                if built is not None and not self.ground.quick:
                    comparison.counts(built, found)
            if copy.position is not None:
                yield from self._judge(copy.position, found)
                return
        yield from found

    def _lines(self, position: Head | None) -> Callable[[], Iterable[Entry]] | None:
        """The lines the ledger has taken in; None when they cannot be had as they were."""
        if not (self.chain.is_sound and self.are_roots_whole):
            self.ground.say("the ledger is not compared: the journal or its roots are damaged")
            return None
        last = self._last(position)
        return None if last is None else lambda: self._until(last)

    def _last(self, position: Head | None) -> Head | None:
        """The last line that the ledger has taken in, by all that can be known."""
        if position is None or self.chain.found_known is not None:
            return self.chain.found_known or Head(0, "")
        return self.chain.head if position.n == self.chain.head.n else None

    def _until(self, last: Head) -> Iterator[Entry]:
        if last.n:
            for entry in Journal.open(self.ground.layout.root, write=False).entries():
                yield entry
                if entry.digest == last.digest:
                    return

    def _judge(self, position: Head, found: Findings) -> Iterator[Fault]:
        """Whether journal or ledger is wrong where they disagree about the last line taken in.

        When the ledger says all that the journal says, its note of the line is wrong; when not,
        the line was changed, and so all else that differs is explained.
        """
        where, head = self.chain.found_known, self.chain.head
        is_other = bool(found) or not self.are_roots_whole
        if self.chain.is_sound and self.chain.is_end_in_doubt and is_other:
            yield self.chain.give_up_end()
            return
        if where is None and position.n <= head.n and self.chain.is_sound:
            wanted = f"to have taken in line number {position.n} as it is in the journal"
            found.add(FaultKind.CHAIN, wanted, f"its sha256 as {position.digest}")
        elif where is not None and where != position:
            found.add(FaultKind.CHAIN, f"line {position.digest} as number {where.n}", position.n)
        yield from found
