"""A dataset made by hand: two snapshots, a force push, a moved head, and one blob fetched later."""

from datetime import UTC, datetime

from ptmtorrent.model.key import origin_key, package_key
from ptmtorrent.shards import documents, manifest
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import ShardWriter

FIRST, SECOND = "2026-10-21", "2026-11-21"
BIRD = "https://huggingface.co/org/bird"
CAT = "https://huggingface.co/org/cat"
AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
WEIGHTS = "f" * 64
README = "e" * 64
HOSTILE = "=1+1 '\" \x1b[2J\r\n|"


def package(name, package_id, origin, **more):
    row = {
        "package_key": package_key("huggingface", package_id),
        "hub": "huggingface",
        "package_id": package_id,
        "name": name,
        "url": origin,
        "origin_key": origin_key(origin),
        "origin": origin,
        "status": "listed",
        "first_seen": FIRST,
        "last_seen": FIRST,
        "depth": "history",
        "raw_sha256": "0" * 64,
        "raw_index": 0,
        "observed_at": AT,
    }
    said = ("former_names", "languages", "tags", "datasets", "papers")
    read = ("load_targets", "entry_points", "dependencies")
    return {**row, **dict.fromkeys((*said, *read), ()), **more}


def origin(url, head):
    return {"origin_key": origin_key(url), "url": url, "kind": "huggingface", "head": head}


def listing(outcome):
    counts = {"listed": 2, "unparsed": 0, "drift": (), "scope": "{}"}
    whole = outcome == "complete"
    return {"hub": "huggingface", "listing_complete": whole, "outcome": outcome, **counts}


def commit(url, oid):
    texts = {"sha256": "0" * 64, "swhid": f"swh:1:rev:{oid}", "parents": []}
    row = {"subject": HOSTILE, "message": HOSTILE, "signature": "none", "signer": "none"}
    return {"origin_key": origin_key(url), "origin": url, "oid": oid, **texts, **row}


def file(url, revision, path, sha256, **more):
    row = {"origin_key": origin_key(url), "origin": url, "revision": revision, "path": path}
    return {**row, "mode": "100644", "oid": "0" * 40, "sha256": sha256, "held": True, **more}


def blob(held):
    reason = None if held else "network"
    return {"sha256": WEIGHTS, "size": 7, "held": held, "reason": reason, "references": 1}


NOT_HELD = {"held": False, "reason": "network", "lfs": True}

FIRST_ROWS = {
    "packages": [package("org/bird", "1", BIRD), package("org/cat", "2", CAT)],
    "origins": [origin(BIRD, "b1"), origin(CAT, "c1")],
    "unreachable": [],
    "blobs": [blob(held=False)],
    "commits": [commit(BIRD, "b0"), commit(BIRD, "b1"), commit(CAT, "c1")],
    "files": [
        file(BIRD, "b1", "README.md", README),
        file(BIRD, "b1", "weights.bin", WEIGHTS, **NOT_HELD),
        file(CAT, "c1", "README.md", README),
    ],
}
SECOND_ROWS = {
    "packages": [
        package("org/eagle", "1", BIRD, former_names=["org/bird"], last_seen=SECOND),
        package("org/cat", "2", CAT, status="gone"),
        package("org/cat", "3", CAT, last_seen=SECOND),
    ],
    "origins": [origin(BIRD, "b2"), origin(CAT, "c1")],
    "unreachable": [{"origin_key": origin_key(BIRD), "origin": BIRD, "oid": "b1"}],
    "blobs": [blob(held=True)],
    "commits": [commit(BIRD, "b2")],
    "files": [file(BIRD, "b2", "weights.bin", WEIGHTS, **NOT_HELD)],
}
FACTS = ("commits", "files")


def build(dataset, snapshot, rows, previous=None):
    """Write a snapshot as the build pass does; returns its manifest."""
    tables = {}
    for name, content in rows.items():
        with ShardWriter(dataset, load_schema(name), snapshot) as out:
            out.write(content)
        old = previous.tables[name].shards if previous and name in FACTS else ()
        tables[name] = (*old, *out.shards)
    about = manifest.About(
        snapshot=snapshot,
        previous=previous.snapshot if previous else None,
        tool="ptmtorrent 0",
        hubs=("huggingface",),
    )
    made = manifest.build(about, tables, ())
    documents.write(dataset, made)
    manifest.write(dataset, made)
    return made


def build_both(dataset):
    """Both snapshots of the small dataset."""
    first = build(dataset, FIRST, FIRST_ROWS)
    build(dataset, SECOND, SECOND_ROWS, first)
