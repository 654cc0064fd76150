"""Shards: the bytes depend on the rows alone, and nothing unfinished has a name."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent import disk
from ptmtorrent.errors import FatalError, IntegrityError
from ptmtorrent.shards import part
from ptmtorrent.shards.columns import record_batch
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import Cuts, ShardWriter

DAY = "2026-11-21"
CUTS = Cuts()
AT = datetime(2026, 11, 21, 6, tzinfo=UTC)


def ref(number, **more):
    row = {
        "origin_key": number // 10,
        "origin": f"https://example.org/{number // 10}",
        "name": f"refs/heads/{number}",
        "target": hashlib.sha1(str(number).encode()).hexdigest(),
        "kind": "commit",
        "commit": None,
    }
    return {**row, **more}


def write(dataset, table, *batches, cuts=CUTS):
    with ShardWriter(dataset, load_schema(table), DAY, cuts) as out:
        for batch in batches:
            out.write(batch)
    return out.shards


def test_a_shard_is_what_its_entry_says(tmp_path):
    (shard,) = write(tmp_path, "refs", map(ref, range(10)))
    data = (tmp_path / shard.path).read_bytes()
    assert shard.path == f"refs/v1/snapshot={DAY}/part-00000.parquet"
    assert (shard.bytes, shard.rows) == (len(data), 10)
    assert shard.sha256 == hashlib.sha256(data).hexdigest()


def test_facts_lie_under_the_snapshot_that_first_saw_them(tmp_path):
    row = {column.name: None for column in load_schema("files").columns}
    row |= {"origin_key": 1, "origin": "o", "revision": "r", "path": "p", "mode": "m", "oid": "i"}
    row |= {"held": False}
    (shard,) = write(tmp_path, "files", [row])
    assert shard.path == f"files/v1/first_snapshot={DAY}/part-00000.parquet"


def test_no_rows_make_no_shard(tmp_path):
    assert write(tmp_path, "refs", []) == ()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_round_trip_keeps_every_value_in_arrow_and_in_duckdb(tmp_path):
    row = {
        **{c.name: None for c in load_schema("packages").columns},
        "package_key": -(2**63),
        "hub": "huggingface",
        "package_id": "1",
        "name": "org/bird",
        "former_names": ["a", "b"],
        "url": "https://example.org",
        "status": "listed",
        "first_seen": DAY,
        "last_seen": DAY,
        "languages": [],
        "tags": ["x"],
        "datasets": [],
        "papers": [{"kind": "arxiv", "id": "1512.03385"}],
        "load_targets": [{"repository": "org/bird", "ref": None, "entry_point": "bird"}],
        "entry_points": ["bird"],
        "dependencies": [],
        "depth": "full",
        "raw_sha256": "0" * 64,
        "raw_index": 3,
        "created_at": AT.astimezone(timezone(timedelta(hours=5))),
        "observed_at": AT,
    }
    (shard,) = write(tmp_path, "packages", [row])
    path = str(tmp_path / shard.path)
    assert pq.read_table(path, partitioning=None).to_pylist() == [row]
    found = duckdb.connect().execute(
        "SELECT package_key, former_names, papers, languages, epoch_us(observed_at), likes"
        " FROM read_parquet(?)",
        [path],
    )
    micros = int(AT.timestamp()) * 1_000_000
    assert found.fetchall() == [
        (-(2**63), ["a", "b"], [{"kind": "arxiv", "id": "1512.03385"}], [], micros, None)
    ]


def test_the_bytes_do_not_depend_on_the_batches(tmp_path):
    cuts = Cuts(slice_rows=64, group_rows=640, part_groups=2)
    rows = [ref(number) for number in range(3000)]
    whole = write(tmp_path / "a", "refs", rows, cuts=cuts)
    single = write(tmp_path / "b", "refs", *([row] for row in rows), cuts=cuts)
    uneven = write(tmp_path / "c", "refs", rows[:7], [], rows[7:2000], rows[2000:], cuts=cuts)
    assert whole == single == uneven
    assert [shard.rows for shard in whole] == [1280, 1280, 440]


def test_row_groups_are_cut_at_exactly_122880_rows(tmp_path):
    row = ref(1)
    (shard,) = write(tmp_path, "refs", (row for _ in range(122_880 + 5)))
    found = pq.read_metadata(tmp_path / shard.path)
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [122_880, 5]


def test_heavy_rows_cut_a_row_group_by_their_bytes_and_the_count_still_holds(tmp_path):
    cuts = Cuts(slice_bytes=10_000, group_bytes=50_000, group_rows=100)
    rows = [ref(n, name="x" * (3000 if n < 40 else 1)) for n in range(400)]
    (shard,) = write(tmp_path, "refs", rows, cuts=cuts)
    found = pq.read_metadata(tmp_path / shard.path)
    groups = [found.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert max(groups) == 100
    assert groups[0] < 40
    assert sum(groups) == 400


SCRIPT = """
import sys
from pathlib import Path
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import ShardWriter
from datetime import datetime, UTC
rows = [{"hub": f"h{n}", "stage": "visit", "item": "i\\u00e9", "outcome": "done", "bytes": n,
         "seconds": n / 3, "at": datetime.fromtimestamp(n * 1e6, UTC), "tool": "t", "message": ""}
        for n in range(500)]
with ShardWriter(Path(sys.argv[1]), load_schema("attempts"), "2026-11-21") as out:
    out.write(rows)
print(out.shards[0].sha256)
"""


def test_the_bytes_do_not_depend_on_hash_seed_zone_or_locale(tmp_path):
    machines = [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "7", "TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"},
    ]
    found = set()
    for number, machine in enumerate(machines):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / str(number))]
        done = subprocess.run(
            command, env={**os.environ, **machine}, capture_output=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_shards_carry_what_readers_are_promised(tmp_path):
    (shard,) = write(tmp_path, "refs", map(ref, range(1000)))
    path = tmp_path / shard.path
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    assert all(c.compression == "ZSTD" for c in columns)
    assert all(c.has_column_index and c.has_offset_index for c in columns)
    assert columns[0].statistics.max == 99


def test_a_flipped_bit_in_a_page_is_noticed_by_readers_that_check(tmp_path):
    (shard,) = write(tmp_path, "refs", map(ref, range(1000)))
    column = pq.read_metadata(tmp_path / shard.path).row_group(0).column(3)
    data = bytearray((tmp_path / shard.path).read_bytes())
    data[column.dictionary_page_offset + column.total_compressed_size // 2] ^= 1
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(data)
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(damaged, columns=["target"], page_checksum_verification=True)


def test_ids_have_bloom_filters_that_find_what_is_there(tmp_path):
    rows = [
        {"sha256": f"{n:064x}", "size": n, "held": True, "reason": None, "references": 1}
        for n in range(1000)
    ]
    (shard,) = write(tmp_path, "blobs", rows)
    probe = "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, 'sha256', ?)"
    path = str(tmp_path / shard.path)
    ask = duckdb.connect().execute
    assert ask(probe, [path, f"{5:064x}"]).fetchall() == [(False,)]
    assert ask(probe, [path, "ff" * 32]).fetchall() == [(True,)]


def test_nothing_of_the_machine_or_the_moment_is_in_a_shard(tmp_path):
    (shard,) = write(tmp_path, "refs", [ref(1)])
    data = (tmp_path / shard.path).read_bytes()
    assert str(tmp_path).encode() not in data
    keys = set(pq.read_metadata(tmp_path / shard.path).metadata)
    about = {b"description", b"ptmtorrent.table", b"ptmtorrent.schema_version"}
    assert keys == {b"ARROW:schema"} | about


HOSTILE = [
    "\ud800",
    "caf\udce9",
    "a\x00b",
    "'; DROP TABLE files; --",
    '"',
    "\x1b[2J",
    "=1+1",
    "\r\n",
    "\u202e",
    "😀" * 1000,
    "",
]


def test_hostile_text_survives(tmp_path):
    (shard,) = write(tmp_path, "refs", [ref(n, name=text) for n, text in enumerate(HOSTILE)])
    path = str(tmp_path / shard.path)
    wanted = ["\ufffd", "caf\ufffd", *HOSTILE[2:]]
    names = pq.read_table(path, columns=["name"], partitioning=None)["name"].to_pylist()
    assert names == wanted
    found = duckdb.connect().execute("SELECT name FROM read_parquet(?)", [path]).fetchall()
    assert [name for (name,) in found] == wanted


@given(st.lists(st.text(st.characters(codec=None)), max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_text_becomes_text_of_the_same_length(texts):
    row = {**dict.fromkeys(("author", "committer"), None), "parents": texts}
    row |= {"origin_key": 1, **dict.fromkeys(("origin", "oid", "sha256", "swhid"), "")}
    row |= dict.fromkeys(("subject", "message", "signature", "signer"), "")
    (parents,) = record_batch(load_schema("commits"), [row])["parents"].to_pylist()
    assert [len(text) for text in parents] == [len(text) for text in texts]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"colour": "red"}, ValueError, "refs has no column colour"),
        ({"origin_key": "1"}, TypeError, "refs.origin_key is int64, not str"),
        ({"origin_key": True}, TypeError, "refs.origin_key is int64, not bool"),
        ({"origin_key": 2**70}, TypeError, "refs.origin_key"),
        ({"name": b"x"}, TypeError, "refs.name is string, not bytes"),
        ({"name": None}, ValueError, "refs.name may not be NULL"),
    ],
)
def test_a_row_that_is_not_of_the_schema_is_refused(tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        write(tmp_path, "refs", [ref(1, **change)])
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_time_without_a_zone_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"attempts\.at: a time without a zone"):
        write(tmp_path, "attempts", [{"at": datetime(2026, 1, 1), **attempt()}])


def attempt():
    texts = dict.fromkeys(("hub", "stage", "item", "outcome", "tool", "message"), "")
    return {**texts, "bytes": 0, "seconds": 0.5}


def test_a_missing_column_is_null(tmp_path):
    (shard,) = write(tmp_path, "attempts", [{"at": AT, **attempt()}])
    row = pq.read_table(tmp_path / shard.path, partitioning=None).to_pylist()[0]
    assert row["http_status"] is None


def test_an_error_leaves_no_file_behind(tmp_path):
    out = ShardWriter(tmp_path, load_schema("refs"), DAY, Cuts(group_rows=10))
    with pytest.raises(RuntimeError), out:
        out.write(map(ref, range(25)))
        assert list(tmp_path.rglob("*.tmp"))
        raise RuntimeError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


KILLED = """
import os, signal, sys
from pathlib import Path
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import Cuts, ShardWriter
row = {"origin_key": 1, "origin": "o", "name": "n", "target": "t", "kind": "commit"}
cuts = Cuts(group_rows=10)
with ShardWriter(Path(sys.argv[1]), load_schema("refs"), "2026-11-21", cuts) as out:
    out.write(row for _ in range(25))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_build_left_is_replaced_and_removed(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    folder = tmp_path / f"refs/v1/snapshot={DAY}"
    assert list(folder.glob(".*.tmp"))
    (folder / "part-00000.parquet").write_bytes(b"an older build")
    (folder / "part-00001.parquet").write_bytes(b"an older build")
    (shard,) = write(tmp_path, "refs", [ref(1)])
    assert [path.name for path in folder.iterdir()] == ["part-00000.parquet"]
    assert hashlib.sha256((tmp_path / shard.path).read_bytes()).hexdigest() == shard.sha256


def test_a_shard_is_named_only_after_it_is_synced(tmp_path, monkeypatch):
    steps = []
    sync, publish = disk.sync_file, disk.publish
    monkeypatch.setattr(
        disk, "sync_file", lambda path, mode: (sync(path, mode=mode), steps.append("sync"))
    )
    monkeypatch.setattr(
        disk, "publish", lambda temp, target: (steps.append("name"), publish(temp, target))
    )
    write(tmp_path, "refs", [ref(1)])
    assert steps == ["sync", "name"]


def test_a_file_that_does_not_read_back_is_not_named(tmp_path, monkeypatch):
    monkeypatch.setattr(part.pq, "read_metadata", broken)
    with pytest.raises(IntegrityError):
        write(tmp_path, "refs", [ref(1)])
    assert not list(tmp_path.rglob("part-*"))


def broken(file):
    raise pa.ArrowInvalid("no footer")


def test_a_disk_without_space_is_a_fatal_error():
    full = Path("/dev/full")
    with pytest.raises(FatalError, match="no space"), disk.refusals(full):
        full.write_bytes(b"x" * 100_000)


LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from ptmtorrent.errors import FatalError
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import Cuts, ShardWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
row = {"origin_key": 1, "origin": "o", "target": "t", "kind": "commit"}
try:
    with ShardWriter(Path(sys.argv[1]), load_schema("refs"), "2026-11-21") as out:
        out.write({**row, "name": os.urandom(20).hex()} for _ in range(20_000))
except FatalError as error:
    print(error)
"""


def test_a_file_that_cannot_grow_is_a_fatal_error_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "larger than allowed" in done.stdout
    assert done.stderr == ""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_shards_are_read_only(tmp_path):
    (shard,) = write(tmp_path, "refs", [ref(1)])
    assert (tmp_path / shard.path).stat().st_mode & 0o777 == 0o444
