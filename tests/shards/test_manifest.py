"""The manifest: what it says is checked, and it is the only way into a snapshot."""

import hashlib
import json

import pytest

from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.shards import manifest
from ptmtorrent.shards.manifest import About, Shard

DAY = "2026-11-21"
SHARD = Shard(f"refs/v1/snapshot={DAY}/part-00000.parquet", 10, "a" * 64, 3)
ATTEMPTS = Shard(f"attempts/v1/snapshot={DAY}/part-00000.parquet", 9, "b" * 64, 2)


def about(snapshot=DAY, previous=None):
    return About(snapshot=snapshot, previous=previous, tool="ptmtorrent 0", hubs=("modelhub",))


def made(snapshot=DAY):
    return manifest.build(about(snapshot), {"refs": (SHARD,), "files": ()}, (ATTEMPTS,))


def test_it_reads_back_as_written_and_has_the_keys_of_the_contract(tmp_path):
    digest = manifest.write(tmp_path, made())
    path = tmp_path / "snapshots" / DAY / "manifest.json"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert manifest.load(tmp_path, DAY) == made()
    value = json.loads(path.read_bytes())
    assert value["tables"]["refs"] == {"schema_version": 1, "rows": 3, "shards": [SHARD.to_json()]}
    assert set(value) == {
        "format",
        "snapshot",
        "as_of",
        "tool",
        "pyarrow",
        "previous",
        "hubs",
        "tables",
        "history",
        "content_sha256",
    }


def test_the_content_digest_leaves_out_the_history_and_itself():
    value = json.loads(made().to_bytes())
    for key in ("history", "content_sha256"):
        value.pop(key)
    wanted = hashlib.sha256(canonical_json(value)).hexdigest()
    assert made().content_sha256 == wanted
    assert manifest.build(about(), {"refs": (SHARD,), "files": ()}, ()).content_sha256 == wanted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rows": 3', '"rows": 4'),
        ("a" * 64, "c" * 64),
        ('"as_of": "2026-11-21"', '"as_of": "2026-11-22"'),
        ('"format": 1', '"format": 2'),
        (f"refs/v1/snapshot={DAY}/part-00000.parquet", "../../etc/passwd"),
        (f"attempts/v1/snapshot={DAY}/part-00000.parquet", "/etc/passwd"),
        ("{", "["),
        ('"hubs"', '"hobs"'),
    ],
)
def test_a_changed_manifest_is_detected(tmp_path, old, new):
    manifest.write(tmp_path, made())
    path = tmp_path / "snapshots" / DAY / "manifest.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(IntegrityError):
        manifest.load(tmp_path, DAY)


def test_a_path_outside_the_dataset_is_refused_even_when_the_digest_fits():
    value = json.loads(made().to_bytes())
    value["tables"]["refs"]["shards"][0]["path"] = "refs/v1/../../../x.parquet"
    with pytest.raises(ValueError, match="not a shard"):
        manifest.Manifest.from_bytes(json.dumps(value).encode())


def test_rows_that_do_not_add_up_are_refused_even_when_the_digest_fits():
    value = json.loads(made().to_bytes())
    value["tables"]["refs"]["rows"] = 4
    with pytest.raises(ValueError, match="do not add up"):
        manifest.Manifest.from_bytes(json.dumps(value).encode())


def test_a_folder_that_is_not_a_snapshot_is_not_one(tmp_path):
    place = tmp_path / "snapshots/notes/manifest.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(made().to_bytes())
    for name in ("notes", "../snapshots/notes"):
        with pytest.raises(NotFoundError):
            manifest.load(tmp_path, name)


def test_the_manifest_of_another_snapshot_is_refused(tmp_path):
    manifest.write(tmp_path, made())
    (tmp_path / "snapshots" / DAY).rename(tmp_path / "snapshots/2026-11-22")
    with pytest.raises(IntegrityError, match="is the manifest of 2026-11-21"):
        manifest.load(tmp_path, "2026-11-22")


@pytest.mark.parametrize("snapshot", ["2026-11-22", "../..", "", "2026-11-21.0", "٢٠٢٦-11-21"])
def test_an_unknown_snapshot_is_not_found_and_the_known_ones_are_told(tmp_path, snapshot):
    manifest.write(tmp_path, made())
    with pytest.raises(NotFoundError, match=DAY):
        manifest.load(tmp_path, snapshot)


def test_snapshots_are_ordered_by_day_and_then_by_number(tmp_path):
    ids = ["2026-11-21.10", "2026-11-22", "2026-11-21.2", "2026-11-21"]
    for snapshot in ids:
        manifest.write(tmp_path, made(snapshot))
    (tmp_path / "snapshots/2026-12-01").mkdir()
    (tmp_path / "snapshots/notes").mkdir()
    (tmp_path / "snapshots/notes/manifest.json").touch()
    assert manifest.snapshots(tmp_path) == tuple(sorted(ids, key=manifest.order_of))
    assert manifest.snapshots(tmp_path)[1:3] == ("2026-11-21.2", "2026-11-21.10")
    assert manifest.latest(tmp_path).snapshot == "2026-11-22"
    assert manifest.load(tmp_path, "2026-11-21.2").as_of == "2026-11-21"


def test_a_dataset_without_a_finished_snapshot_has_no_latest(tmp_path):
    with pytest.raises(NotFoundError):
        manifest.latest(tmp_path)


@pytest.mark.parametrize(
    ("existing", "wanted"),
    [
        ((), DAY),
        (("2026-11-20",), DAY),
        ((DAY,), f"{DAY}.2"),
        ((DAY, f"{DAY}.9", f"{DAY}.10"), f"{DAY}.11"),
    ],
)
def test_the_next_snapshot_of_a_day_is_numbered(existing, wanted):
    assert manifest.next_snapshot_id(DAY, existing) == wanted
