"""The end of a run: tables, documents, the manifest last of all, the journal line, the figures.

A process killed before the journal line builds again, and gets the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ptmtorrent.app.run import Run
from ptmtorrent.app.session import Held
from ptmtorrent.console.summary import UNREACHED
from ptmtorrent.errors import WriterActiveError
from ptmtorrent.hubs import GIT_HOSTS
from ptmtorrent.model.events import PassStarted
from ptmtorrent.pipeline.build import HISTORY, STATE, Build
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.pipeline.telling import FACTS
from ptmtorrent.shards import documents
from ptmtorrent.shards import manifest as manifests
from ptmtorrent.shards.manifest import About, Manifest, Shard


def finish(run: Run) -> Path:
    """Build the open snapshot and close it; returns the path of its manifest."""
    run.watch(PassStarted("build"))
    here, snapshot = run.here, run.snapshot
    previous = _previous(here)
    build = Build(
        ledger=here.ledger,
        store=here.store,
        dataset=here.dataset,
        snapshot=snapshot,
        refining=here.refining(run.watch),
        hosts={str(urlsplit(place.base).hostname): place.id for place in GIT_HOSTS},
        privacy_key=here.root.privacy_key,
        watch=run.watch,
        cut_off=partial(_cut_off, run),
    )
    with _alone(here.dataset):
        shards = build.run()
    hubs = tuple(listing.hub for listing in here.ledger.reads.listings(snapshot.seq))
    about = About(
        snapshot=snapshot.id,
        previous=previous.snapshot if previous else None,
        tool=run.tool,
        hubs=hubs,
    )
    history = [shard for name in HISTORY for shard in shards[name]]
    manifest = manifests.build(about, tables_of(previous, shards), history)
    digests = documents.write(here.dataset, manifest)
    digests[manifests.FILE_NAME] = manifests.write(here.dataset, manifest)
    _close(run, manifest, digests, build.untold)
    return manifests.path_of(here.dataset, snapshot.id)


def _cut_off(run: Run, hub: str, reason: str) -> None:
    """Journal that a hub's listing is not whole, however it ended: its packages are not gone."""
    here, number = run.here, run.snapshot.seq
    for listing in here.ledger.reads.listings(number):
        if listing.hub == hub and listing.outcome not in UNREACHED:
            said = {"hub": hub, "outcome": "cut", "reason": reason, "scope": listing.scope}
            _journal(run, Kind.LISTING, said)


@contextmanager
def _alone(dataset: Path) -> Iterator[None]:
    """Where locks do nothing, a second build clears away what looks left behind: ours."""
    try:
        yield
    except FileNotFoundError as error:
        text = f"{error.filename} vanished while {dataset} was being built"
        raise WriterActiveError(
            f"{text}: another process writes here; run one at a time"
        ) from error


def tables_of(
    previous: Manifest | None, new: Mapping[str, tuple[Shard, ...]]
) -> dict[str, tuple[Shard, ...]]:
    """The shards a snapshot reads: state as of now, and all facts, old and new."""
    old = {name: previous.tables[name].shards for name in FACTS} if previous else {}
    return {name: (*old.get(name, ()), *new[name]) for name in (*STATE, *FACTS)}


def _previous(here: Held) -> Manifest | None:
    done = [row.id for row in here.ledger.reads.snapshots() if row.finished_at is not None]
    return manifests.load(here.dataset, done[-1]) if done else None


def _close(run: Run, manifest: Manifest, digests: Mapping[str, str], untold: Sequence[str]) -> None:
    """Journal the snapshot and let the ledger know; from here on it is finished.

    ``digests`` has the sha256 of each file of the snapshot's folder.
    """
    run.here.store.flush()
    said = {
        "manifest": digests[manifests.FILE_NAME],
        "content_sha256": manifest.content_sha256,
        "documents": {name: digests[name] for name in documents.NAMES},
        "untold": list(untold),
    }
    _journal(run, Kind.SNAPSHOT, said)


def _journal(run: Run, kind: Kind, said: Mapping[str, object]) -> None:
    """A line of the run's snapshot; the ledger knows of it when this returns."""
    here, snapshot = run.here, run.snapshot.id
    with here.ledger.transaction():
        entry = here.journal.append(kind, run.clock.data(), snapshot=snapshot, **said)
        here.journal.sync()
        here.intake.take([entry])
