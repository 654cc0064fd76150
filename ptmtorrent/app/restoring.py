"""The commands ``restore`` and ``diff``: what was held, what changed; the root stays as it is."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ptmtorrent.app.contents import open_dataset, package_of
from ptmtorrent.app.context import Context
from ptmtorrent.console.changes import show_changes
from ptmtorrent.console.restored import show_restored
from ptmtorrent.errors import NotFoundError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.query.dataset import Dataset
from ptmtorrent.query.diff import Comparison
from ptmtorrent.restore.package import Wish
from ptmtorrent.restore.package import restore as restore_package
from ptmtorrent.restore.place import target_of
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.root import Root, open_root

_ORIGIN = "SELECT url, visit_sha256, reason FROM origins WHERE origin_key = {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What to restore, where, in which form, and as of which snapshot (None for the newest)."""

    package: str
    directory: Path
    worktree: bool = False
    at: str | None = None


def restore(context: Context, options: RestoreOptions) -> int:
    """Rebuild a package's repository, or the files of its head, from the root alone."""
    root = open_root(context.root, create=False)
    hub, name = package_of(options.package, context.settings.hubs)
    target = target_of(options.directory, root.path)
    with open_dataset(root.path, options.at) as dataset:
        wish = _wish(root, dataset, hub, name)
    with LocalStore.at(root.path, write=False) as store:
        restored = restore_package(store, wish, target, worktree=options.worktree)
    show_restored(context.console, asdict(restored), _lines(Path(restored.report)))
    return 0


def _wish(root: Root, dataset: Dataset, hub: str, name: str) -> Wish:
    """Which visit, and who may keep it. NotFoundError, with the reason, when it is not held."""
    package = dataset.package(hub, name).row
    called = f"{hub}:{package['name']}"
    if package["origin_key"] is None:
        raise NotFoundError(f"{called} has no git repository")
    [(url, visit, reason)] = dataset.answer(_ORIGIN.format(package["origin_key"])).rows()
    if visit is None:
        told = reason or package["reason"] or _plain_status(package["status"])
        raise NotFoundError(f"{called} is not held at {dataset.snapshot}: {told}")
    ledger = Ledger.open_to_read(root.layout.ledger)
    try:
        holdings = ledger.reads.holdings(url, visit)
    finally:
        ledger.close()
    return Wish(called, dataset.snapshot, visit, tuple(holdings))


def _plain_status(status: str) -> str:
    return "only its listing was fetched" if status == "listed" else status


def _lines(report: Path) -> Iterator[dict[str, Any]]:
    """What a report says of single files."""
    with report.open(encoding="ascii") as lines:
        values = map(json.loads, lines)
        yield from (value for value in values if "what" in value)


def diff(context: Context, before: str, after: str) -> int:
    """What changed between two snapshots."""
    root = open_root(context.root, create=False)
    with Comparison(root.layout.dataset, before, after) as found:
        show_changes(context.console, found.counts(), found.changes())
    return 0
