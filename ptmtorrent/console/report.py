"""What a finished run shows: the table of hubs, the figures, what was skipped or failed."""

from collections.abc import Iterator

from ptmtorrent.console.summary import Summary
from ptmtorrent.console.terminal import Console, seconds, size

SHOWN = 20
"""Troubles listed one by one."""

Trouble = tuple[str, str, str, str, str]
"""(hub, stage, key, state, reason)."""


def show(console: Console, summary: Summary, troubles: list[Trouble]) -> None:
    """The figures of a run on stdout, the list of what failed on stderr."""
    if console.as_json:
        console.record(summary.to_json())
        return
    columns = ("hub", "packages", "origins", "done", "postponed", "failed", "skipped")
    hubs = summary.to_json()["hubs"]
    console.table(
        f"snapshot {summary.snapshot}",
        columns,
        [(hub, *(figures[column] for column in columns[1:])) for hub, figures in hubs.items()],
    )
    for name, value in figures_of(summary):
        console.result(f"{name:<26} {value}")
    _show_troubles(console, troubles)
    for listing in summary.unreached:
        console.note(f"{listing.hub}: the listing ended too early: {listing.reason}; run it again")


def figures_of(summary: Summary) -> Iterator[tuple[str, str]]:
    """Name and value of each figure of a run."""
    for table in ("packages", "origins", "commits", "files", "blobs"):
        if table in summary.rows:
            yield table, f"{summary.rows[table]:,}"
    objects, held, saved = summary.blobs
    requests, refused, received = summary.network
    yield "bytes stored", f"{size(held + summary.pack_bytes)} ({objects:,} objects, and git packs)"
    yield "saved by deduplication", size(saved)
    yield "received", f"{size(received)} in {requests:,} requests, {refused:,} refused"
    for reason, count in summary.reasons.items():
        yield f"skipped or failed: {reason}", f"{count:,}"
    yield "took", seconds(summary.seconds)
    if summary.manifest:
        yield "manifest", summary.manifest


def _show_troubles(console: Console, troubles: list[Trouble]) -> None:
    for hub, stage, key, state, reason in troubles[:SHOWN]:
        console.note(f"{state}: {hub} {stage} {key}: {reason}")
    if len(troubles) > SHOWN:
        console.note("... and more; `ptmtorrent query` the table attempts for all of them")
