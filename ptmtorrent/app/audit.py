"""The command verify: audits a root with what the rest of the program knows.

It takes no lock and writes nothing under the root. Beside a run it checks what stands: the ledger
is then left out, and so is what the run adds.
"""

import fcntl
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from ptmtorrent import disk
from ptmtorrent.app.session import pages_of
from ptmtorrent.audit.audit import audit
from ptmtorrent.audit.fault import FaultKind
from ptmtorrent.audit.ground import Ground
from ptmtorrent.console.faults import show_fault, show_verdict
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import FatalError, IntegrityError, NotFoundError
from ptmtorrent.hubs import HUBS
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.events import ItemFinished, PassStarted
from ptmtorrent.pipeline.intake import BATCH, Intake
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Entry
from ptmtorrent.store.layout import Layout


def verify(root: Path, console: Console, *, quick: bool) -> int:
    """Check everything of a root; CONTRACT's exit code: 0, 6, or 7 where it cannot be read.

    Raises:
        NotFoundError: there is no root.
        FatalError: there is no room for a second ledger in the temporary directory.
    """
    layout = Layout(root.absolute())
    if not layout.format_file.exists() and not layout.store.exists():
        raise NotFoundError(f"{layout.root}: no ptmtorrent root here")
    checked, faults = Counter[str](), Counter[FaultKind]()

    def seen(name: str) -> None:
        checked["things"] += 1
        console.watch(ItemFinished("verify", name, "done", None, 0, ""))

    with TemporaryDirectory(prefix="ptmtorrent-verify-") as scratch, console:
        console.watch(PassStarted("verify"))
        ground = Ground(
            layout=layout,
            scratch=Path(scratch),
            quick=quick,
            is_written=lambda: is_written(layout),
            kinds=frozenset(Kind),
            parsers={kind.id: kind.parse for kind in HUBS},
            rebuild=rebuild,
            seen=seen,
            say=console.note,
        )
        for fault in audit(ground):
            faults[fault.kind] += 1
            show_fault(console, fault)
    show_verdict(console, checked["things"], faults.total())
    return exit_code(faults)


def exit_code(faults: Counter[FaultKind]) -> int:
    """What the machine does not let us read comes before what is wrong."""
    if faults[FaultKind.UNREADABLE]:
        return FatalError.exit_code
    return IntegrityError.exit_code if faults.total() else 0


def rebuild(path: Path, store: BlobStore, entries: Iterable[Entry]) -> bool:
    """Make a ledger that has taken in the given journal lines; whether all they name was here."""
    lost: list[str] = []
    ledger = Ledger.open(path)
    try:
        intake = Intake(ledger, store, pages_of(store), lost.append)
        lines = iter(entries)
        while batch := list(islice(lines, BATCH)):
            with ledger.transaction():
                intake.take(batch)
    finally:
        ledger.close()
    return not lost


def is_written(layout: Layout) -> bool:
    """Whether a run writes to the root now. Takes the lock for an instant, shared, unwritten."""
    try:
        with disk.refusals(layout.lock), layout.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False
