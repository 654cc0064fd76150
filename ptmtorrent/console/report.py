"""What a finished run shows: the table of hubs, the figures, what was skipped or failed."""

from collections.abc import Iterator

from ptmtorrent.console.summary import EXIT_FAILED, EXIT_LIMIT, Summary, unreached
from ptmtorrent.console.terminal import Console
from ptmtorrent.console.words import seconds, size

SHOWN = 20
"""Troubles listed one by one."""

TABLES = ("packages", "origins", "commits", "files", "blobs")
COLUMNS = ("packages", "origins", "done", "postponed", "failed", "skipped")

Trouble = tuple[str, str, str, str, str]
"""(hub, stage, key, state, reason)."""


def show(console: Console, summary: Summary, troubles: list[Trouble]) -> None:
    """The figures of a run on stdout; what failed, and what to do about it, on stderr."""
    if console.as_json:
        console.record(summary.to_json())
    else:
        _show_figures(console, summary)
    _show_troubles(console, troubles)
    for sentence in advice(summary):
        console.note(sentence)


def figures_of(summary: Summary) -> Iterator[tuple[str, str]]:
    """Name and value of each figure of a run."""
    if summary.rows:
        counts = [f"{summary.rows[name]:,} {name}" for name in TABLES if name in summary.rows]
        yield "rows", ", ".join(counts)
    objects, held, saved = summary.blobs
    requests, refused, received = summary.network
    packs = size(summary.pack_bytes)
    yield "stored", f"{size(held)} in {objects:,} objects, {packs} in git packs"
    yield "saved", f"{size(saved)} by deduplication: equal objects are stored once"
    if requests:
        yield "received", f"{size(received)} in {requests:,} requests, {refused:,} refused"
        yield "took", seconds(summary.seconds)
    for state in ("skipped", "failed"):
        reasons = summary.reasons_of(state)
        if reasons:
            yield state, ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    if summary.manifest:
        yield "manifest", summary.manifest


def advice(summary: Summary) -> Iterator[str]:
    """What did not go well, and what to do."""
    for listing in summary.unreached:
        since = (listing.unreachable_since or "")[:16].replace("T", " ")
        yield f"{listing.hub}: not reached since {since} UTC: {listing.reason}"
    if summary.unreached:
        yield "everything received so far is kept; run the same command again later to go on"
        yield "`ptmtorrent doctor` shows what is wrong from here; `make demo` needs no network"
    for listing in unreached(summary.listings, summary.needed):
        yield f"{listing.hub}: optional, and left out of this snapshot: {listing.reason}"
    if summary.exit_code == EXIT_LIMIT:
        yield "the limit of bytes was reached; `snapshot --new` with a higher --max-bytes goes on"
    if summary.exit_code == EXIT_FAILED:
        yield "some items failed; `snapshot --retry-failed` tries them again"


def _show_figures(console: Console, summary: Summary) -> None:
    console.result(f"snapshot {summary.snapshot}\n")
    hubs = summary.to_json()["hubs"]
    rows = [(hub, *(figures[column] for column in COLUMNS)) for hub, figures in hubs.items()]
    console.figures(("hub", *COLUMNS), rows)
    console.result("")
    for name, value in figures_of(summary):
        console.result(f"{name:<9} {value}")
    for name, value in console.budgets():
        console.result(f"{'budget':<9} {name}: {value}")


def _show_troubles(console: Console, troubles: list[Trouble]) -> None:
    for hub, stage, key, state, reason in troubles[:SHOWN]:
        console.note(f"{state}: {hub} {stage} {key}: {reason}")
    if len(troubles) > SHOWN:
        console.note("... and more; `ptmtorrent query` the table attempts for all of them")
