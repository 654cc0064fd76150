"""The ledger: whole, and saying what the journal says.

It is copied first, log and all, so that nothing is written beside it. Then SQLite checks its own
structure; a second ledger is made of the same journal lines; and the two are compared, table by
table, row by row: every table and column of ``ledger/contents.sql``. Whether objects are held is
compared with the store, what a build counted with the newest finished snapshot, and the figures
that are kept with what counting finds. Attempts, gates, and items not yet done are work: nothing
says what they should be.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ptmtorrent.audit.fault import Fault, FaultKind, Findings, quote
from ptmtorrent.audit.ground import Ground, check_file, is_there
from ptmtorrent.audit.snapshots import Snapshots
from ptmtorrent.audit.stock import Stock
from ptmtorrent.errors import FatalError, IntegrityError, StoppedError
from ptmtorrent.ledger.contents import KEYS, Contents, Row
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.store.journal import Entry, Head

MOST_DIFFERENCES = 20
"""Differences of one table that are told; the rest is counted."""

_HEADER = 100
_OPEN = (b"todo", b"leased", b"postponed", b"failed")


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the ledger outside the root; ``path`` is None when there is none to compare."""

    path: Path | None
    position: Head | None


def copy_ledger(ground: Ground, found: Findings) -> Copy:
    """Copy the ledger, unless a run writes to it."""
    source = ground.layout.ledger
    if ground.is_written():
        ground.say("a run is writing: the ledger is left out, and so is what is added meanwhile")
        return Copy(None, None)
    if not is_there(source):
        if any(ground.layout.journal.glob("*.jsonl")):
            found.add(FaultKind.MISSING, "the ledger; the next run rebuilds it", "nothing")
        return Copy(None, None)
    if check_file(source, found) is None:
        return Copy(None, None)
    target = ground.scratch / "copy.sqlite"
    with found.reading():
        for suffix in ("", "-wal"):
            if Path(f"{source}{suffix}").exists():
                shutil.copyfile(f"{source}{suffix}", f"{target}{suffix}")
    if found:
        return Copy(None, None)
    if ground.is_written():
        ground.say("a run has begun: the ledger is left out")
        return Copy(None, None)
    return Copy(target, _position(target))


def _position(path: Path) -> Head | None:
    try:
        with Contents.of(path) as contents:
            position = contents.position()
    except IntegrityError:
        return None  # named when the contents are checked
    return Head(*position) if position else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Checks a copy of the ledger.

    Attributes:
        lines: the journal up to the line the ledger says it has taken in; None when it cannot
            be believed, and so nothing can be compared.
        is_store_whole: whether a ledger that cannot be made anew is to blame on the journal.
    """

    ground: Ground
    stock: Stock
    copy: Path
    lines: Callable[[], Iterable[Entry]] | None
    is_store_whole: bool

    def check(self, found: Findings) -> None:
        """All faults of the ledger."""
        self.ground.seen(found.name)
        _check_size(self.copy, found)
        try:
            with Contents.of(self.copy) as ledger:
                problems = ledger.problems()
                for problem in problems:
                    found.add(FaultKind.CONTENT, "a sound database", problem)
                if not problems and not self.ground.quick:
                    self._compare(ledger, found)
                    _tell(found, _outdated(self.copy))
        except IntegrityError as error:
            found.add(FaultKind.CONTENT, "a ledger", error)

    def held(self, found: Findings) -> Iterator[Fault]:
        """Objects the ledger says are held, and that are not here, or of another size."""
        with Contents.of(self.copy) as ledger:
            for digest, size, held, _ in ledger.rows("held"):
                name = _text(digest)
                if held and not self.stock.has(name):
                    yield from self.stock.wants(name, found.name, size)
                elif held and self._is_wrong_about(name, size):
                    found.add(FaultKind.RECORD, f"object {name} of its size", f"{size} bytes")

    def _is_wrong_about(self, name: str, size: int) -> bool:
        """Whether a blob has another size, and is right; one that is damaged is named itself."""
        is_other = self.stock.store.size(name) != size
        return is_other and not self.ground.quick and self.stock.is_sound(name)

    def _compare(self, ledger: Contents, found: Findings) -> None:
        """With a ledger made of the journal."""
        if self.lines is None:
            return
        path = self.ground.scratch / "rebuilt.sqlite"
        try:
            is_whole = self.ground.rebuild(path, self.stock.store, self.lines())
        except (FatalError, StoppedError, MemoryError):  # says nothing of the root
            raise
        except Exception as error:  # a journal of another version, or roots that are damaged
            if self.is_store_whole:
                found.add(FaultKind.RECORD, "a ledger that can be rebuilt", repr(error))
                return
            is_whole = False
        if not (is_whole or self.is_store_whole):
            self.ground.say("the ledger is not compared: what it is rebuilt of is damaged")
            return
        with Contents.of(path) as rebuilt:
            for table in KEYS:
                self.ground.seen(f"{found.name} {table}")
                _tell(found, differences(table, rebuilt, ledger))
        _tell(found, self._unheld(ledger))

    def counts(self, snapshots: Snapshots, found: Findings) -> None:
        """What a build counted, against the snapshot that it built."""
        with Contents.of(self.copy) as ledger:
            _tell(found, _miscounted(ledger, snapshots))
            _tell(found, _mislaid(ledger, snapshots))

    def _unheld(self, ledger: Contents) -> Iterator[tuple[str, str]]:
        """Objects that are here and, though nothing is left to be done, not known to be."""
        for sha256, _, held, state in ledger.rows("held"):
            if not held and state not in _OPEN and self.stock.has(_text(sha256)):
                yield f"object {_text(sha256)} to be held, as it is", "not held"


def _outdated(path: Path) -> Iterator[tuple[str, str]]:
    with closing(Ledger.open_to_read(path)) as ledger:
        for snapshot in ledger.outdated():
            yield f"the figures of {snapshot} as they are", "others"


def _miscounted(ledger: Contents, snapshots: Snapshots) -> Iterator[tuple[str, str]]:
    """Commits of visits that the newest snapshot counts otherwise."""
    columns = ("origin_key", "visit_sha256", "commits")
    built = snapshots.rows("origins", columns)
    told = ((key, visit.encode(), n) for key, visit, n in built if visit and n is not None)
    for wanted, actual in paired(told, ledger.rows("counted"), 2):
        if wanted and actual and wanted != actual:
            yield f"visit {_text(wanted[1])} with {wanted[2]} commits", str(actual[2])


def _mislaid(ledger: Contents, snapshots: Snapshots) -> Iterator[tuple[str, str]]:
    """Commits that are lost by the newest snapshot alone, or by the ledger alone."""
    if not ledger.is_settled():
        return  # a build that was killed may have gone further
    built = snapshots.rows("unreachable", ("origin_key", "oid"))
    told = ((key, oid.encode()) for key, oid in built)
    for wanted, actual in paired(told, ledger.rows("lost"), 2):
        if wanted is None or actual is None:
            lost = _text((wanted or actual or ("", ""))[1])
            yield f"commit {lost} {'lost' if wanted else 'not lost'}", "the opposite"


def _check_size(path: Path, found: Findings) -> None:
    """A database without a log is as long as its header says (SQLite, Database File Format, 1.3).

    SQLite overlooks a last page that is cut short, and bytes behind it.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER)
    if len(head) < _HEADER or Path(f"{path}-wal").exists():
        return
    page = int.from_bytes(head[16:18], "big")
    size = (65_536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
    if head[24:28] == head[92:96] and size != path.stat().st_size:
        found.add(FaultKind.SIZE, f"{size} bytes", f"{path.stat().st_size} bytes")


def differences(table: str, rebuilt: Contents, ledger: Contents) -> Iterator[tuple[str, str]]:
    """(Expected, found) of each row that is not the same in both."""
    keys, columns = KEYS[table], rebuilt.columns(table)
    for wanted, actual in paired(rebuilt.rows(table), ledger.rows(table), keys):
        if wanted is None and actual is not None:
            if table != "items":
                yield f"no row {_row(table, columns, actual[:keys])}", "one"
        elif wanted is not None and actual is None:
            if table != "items":
                yield _row(table, columns, wanted), "no such row"
        elif wanted is not None and actual is not None and not is_same(table, wanted, actual):
            yield _row(table, columns, wanted), _row(table, columns, actual)


def is_same(table: str, wanted: Row, actual: Row) -> bool:
    """Whether a row is as the journal makes it, but for what work may have changed since."""
    if table == "objects":
        _, size, held = wanted
        return bool(actual[2]) or (actual[1], actual[2]) == (size, held)
    if table == "items" and actual[2] != wanted[2]:
        return bool(actual[2] > wanted[2])
    return wanted == actual


def paired(
    first: Iterator[Row], second: Iterator[Row], keys: int
) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows of two sequences sorted by key, those with the same key together."""
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        takes_one = other is None or (one is not None and one[:keys] <= other[:keys])
        takes_other = one is None or (other is not None and other[:keys] <= one[:keys])
        yield (one if takes_one else None), (other if takes_other else None)
        one = next(first, None) if takes_one else one
        other = next(second, None) if takes_other else other


def _tell(found: Findings, told: Iterator[tuple[str, str]]) -> None:
    for wanted, actual in islice(told, MOST_DIFFERENCES):
        found.add(FaultKind.RECORD, quote(wanted), actual)
    more = sum(1 for _ in told)
    if more:
        found.add(FaultKind.RECORD, "no more differences", f"{more} more")


def _row(table: str, columns: list[str], row: Row) -> str:
    named = ", ".join(f"{c}={_text(value)}" for c, value in zip(columns, row, strict=False))
    return f"{table}: {named}"


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
