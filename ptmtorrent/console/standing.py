"""Where a run stands, a row a hub, from the ledger alone."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ptmtorrent.console.summary import ENDINGS
from ptmtorrent.console.terminal import Console
from ptmtorrent.console.words import size
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import Snapshot
from ptmtorrent.model.clock import parse_rfc3339, rfc3339

COLUMNS = ("hub", "packages", "origins", *ENDINGS)


def status_rows(
    ledger: Ledger, snapshot: Snapshot, hosts: Mapping[str, str]
) -> list[dict[str, Any]]:
    """CONTRACT's row for each hub.

    Args:
        ledger: open for reading.
        snapshot: the one to tell of.
        hosts: hub id -> host whose budget is shown.
    """
    packages, origins, counts = ledger.reads.standing(snapshot.seq)
    hubs = sorted({listing.hub for listing in ledger.reads.listings(snapshot.seq)} | set(packages))
    gates = {name: json.loads(state) for name, state in ledger.reads.gates().items()}
    rows = []
    for hub in hubs:
        mine = [count for count in counts if count.hub == hub]
        ends = {word: sum(c.items for c in mine if c.state == word) for word in ENDINGS}
        left, resets_at = _budget(gates, hosts.get(hub, hub))
        rows.append(
            {"hub": hub, "packages": packages.get(hub, 0), "origins": origins.get(hub, 0)}
            | ends
            | {"bytes": sum(c.bytes for c in mine), "budget_left": left, "resets_at": resets_at}
        )
    return rows


def show_standing(
    console: Console, snapshot: Snapshot, rows: Sequence[Mapping[str, Any]], ahead: int
) -> None:
    """The same for people: a table, what is still to do, and what the hubs allow."""
    to_do = f", {ahead:,} items to do" if ahead else ""
    state = "finished" if snapshot.finished_at else f"open{to_do}"
    console.result(f"snapshot {snapshot.id} ({state})\n")
    figures = [[row[name] for name in COLUMNS] + [size(row["bytes"])] for row in rows]
    console.figures((*COLUMNS, "received"), figures)
    for row in rows:
        if row["budget_left"] is not None:
            console.result(f"\n{row['hub']}: {row['budget_left']:,} requests left{_until(row)}")


def _until(row: Mapping[str, Any]) -> str:
    at = row["resets_at"]
    return f" until {parse_rfc3339(at):%Y-%m-%d %H:%M:%S} UTC" if at else ""


def _budget(gates: Mapping[str, Any], host: str) -> tuple[int | None, str | None]:
    """The scarcest advertised budget of a host, and when it resets."""
    known = [
        (state["left"], state.get("resets_at"))
        for name, state in gates.items()
        if host in name.split() and state.get("left") is not None
    ]
    if not known:
        return None, None
    left, resets_at = min(known, key=lambda pair: pair[0])
    at = None if resets_at is None else datetime.fromtimestamp(resets_at, UTC)
    return int(left), None if at is None else rfc3339(at.replace(microsecond=0))
