"""The command status."""

from ptmtorrent.app.context import Context, budget_hosts
from ptmtorrent.console.standing import show_standing, status_rows
from ptmtorrent.errors import NotFoundError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.store.root import open_root


def status(context: Context) -> int:
    """Where the newest snapshot stands; reads only, so it works beside a run."""
    root = open_root(context.root, create=False)
    ledger = Ledger.open_to_read(root.layout.ledger)
    try:
        snapshots = ledger.reads.snapshots()
        if not snapshots:
            raise NotFoundError(f"{context.root} has no snapshot yet")
        newest = snapshots[-1]
        rows = status_rows(ledger, newest, budget_hosts())
        ahead = sum(items for _, _, items, _ in ledger.reads.work_ahead(newest.seq))
    finally:
        ledger.close()
    if context.console.as_json:
        for row in rows:
            context.console.record(row)
        return 0
    show_standing(context.console, newest, rows, ahead)
    return 0
