"""The figures of a snapshot, and of a run that worked on it."""

from collections.abc import Mapping

from ptmtorrent.app.run import Run
from ptmtorrent.app.session import Held
from ptmtorrent.console.summary import Summary


def summary_of(
    here: Held, snapshot: str, optional: frozenset[str], run: Run | None = None
) -> Summary:
    """The figures of a snapshot, and of the run that worked on it, if there was one."""
    reads = here.ledger.reads
    row = next(row for row in reads.snapshots() if row.id == snapshot)
    manifest, rows = _told(here, snapshot) if row.finished_at else (None, {})
    listings, figures = reads.listings(row.seq), here.ledger.figures(row.seq)
    return Summary(
        snapshot=snapshot,
        manifest=manifest,
        packages=dict.fromkeys((listing.hub for listing in listings), 0) | dict(figures.packages),
        origins=figures.origins,
        items=figures.items,
        listings=listings,
        rows=rows,
        blobs=figures.blobs,
        pack_bytes=figures.pack_bytes,
        network=run.network if run else (0, 0, 0),
        limit_reached=run.limit_reached if run else False,
        seconds=run.seconds if run else 0.0,
        optional=optional,
    )


def _told(here: Held, snapshot: str) -> tuple[str, Mapping[str, int]]:
    """The path of a manifest, and the rows of each table. Loads what only tables need."""
    from ptmtorrent.shards import manifest as manifests  # noqa: PLC0415

    manifest = manifests.load(here.dataset, snapshot)
    rows = {name: table.rows for name, table in manifest.tables.items()}
    return str(manifests.path_of(here.dataset, snapshot)), rows
