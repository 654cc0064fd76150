"""The views give the state of the snapshot that is asked, and the connection is shut."""

import io
import os
import shutil
import subprocess
import sys

import duckdb
import pyarrow as pa
import pytest
from small_dataset import BIRD, FIRST, FIRST_ROWS, SECOND, WEIGHTS, build

from ptmtorrent.errors import IntegrityError, NotFoundError, UsageError
from ptmtorrent.query.dataset import Dataset
from ptmtorrent.shards.schema import load_schemas


@pytest.fixture(scope="module")
def first(folder):
    with Dataset(folder, FIRST) as dataset:
        yield dataset


@pytest.fixture(scope="module")
def second(folder):
    with Dataset(folder) as dataset:
        yield dataset


def ask(dataset, query):
    return list(dataset.answer(query).rows())


def test_the_newest_snapshot_is_asked_unless_another_is_named(first, second):
    assert (first.snapshot, second.snapshot) == (FIRST, SECOND)
    assert second.snapshots == (FIRST, SECOND)
    assert second.manifest.previous == FIRST
    with second.at(FIRST) as again:
        assert ask(again, "SELECT name FROM packages ORDER BY 1") == [("org/bird",), ("org/cat",)]


def test_commits_leave_out_those_a_force_push_made_unreachable(first, second):
    query = "SELECT oid FROM commits ORDER BY oid"
    assert ask(first, query) == [("b0",), ("b1",), ("c1",)]
    assert ask(second, query) == [("b0",), ("b2",), ("c1",)]


def test_all_facts_of_every_snapshot_so_far_stay_readable(first, second):
    query = "SELECT oid, first_snapshot FROM all_commits ORDER BY oid"
    assert ask(second, query) == [("b0", FIRST), ("b1", FIRST), ("b2", SECOND), ("c1", FIRST)]
    assert len(ask(first, query)) == 3
    assert ask(second, "SELECT count(*) FROM all_files") == [(4,)]


def test_files_are_those_of_the_heads_at_the_snapshot(first, second):
    query = "SELECT origin, revision, path FROM files WHERE origin_key = {} ORDER BY path"
    key = ask(first, f"SELECT origin_key FROM origins WHERE url = '{BIRD}'")[0][0]
    assert ask(first, query.format(key)) == [
        (BIRD, "b1", "README.md"),
        (BIRD, "b1", "weights.bin"),
    ]
    assert ask(second, query.format(key)) == [(BIRD, "b2", "weights.bin")]


def test_what_is_held_is_what_was_held_at_the_snapshot(first, second):
    query = f"SELECT held, reason FROM files WHERE sha256 = '{WEIGHTS}'"
    assert ask(first, query) == [(False, "network")]
    assert ask(second, query) == [(True, None)]
    facts = "SELECT held, reason FROM all_files WHERE path = 'weights.bin'"
    assert ask(second, facts) == [(False, "network")] * 2


def test_a_file_that_no_blob_stands_for_keeps_its_own_word(second):
    assert ask(second, "SELECT held, reason FROM files WHERE path = 'README.md'") == [(True, None)]


def test_snapshot_columns_are_text(second):
    assert ask(second, "SELECT DISTINCT snapshot, typeof(snapshot) FROM packages") == [
        (SECOND, "VARCHAR")
    ]


def test_empty_and_absent_tables_are_empty_views_of_the_right_types(second):
    for name in ("refs", "hubs", "attempts"):
        assert ask(second, f"SELECT count(*) FROM {name}") == [(0,)]
    for name, schema in load_schemas().items():
        types = [str(kind).replace('"', "") for kind in second.sql(f"SELECT * FROM {name}").types]
        assert types == [*(column.data_type.sql for column in schema.columns), "VARCHAR"]


def test_a_dataset_of_no_rows_at_all_can_be_asked(tmp_path):
    build(tmp_path, FIRST, {name: [] for name in FIRST_ROWS})
    with Dataset(tmp_path) as dataset:
        assert ask(dataset, "SELECT count(*) FROM files") == [(0,)]
        assert ask(dataset, "SELECT count(*) FROM commits") == [(0,)]


def test_views_and_columns_carry_their_descriptions(second):
    rows = dict(ask(second, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"))
    assert set(rows) == {*second.tables, "all_commits", "all_files"}
    assert all(text.startswith("One row is ") for text in rows.values())
    found = ask(second, "SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal")
    assert all(comment for _, comment in found)
    wanted = {c.description for c in second.schema("files").columns}
    assert wanted <= {comment for _, comment in found}


def test_unknown_names_are_told_with_the_known_ones(folder, second):
    with pytest.raises(NotFoundError, match=f"{FIRST}, {SECOND}"):
        Dataset(folder, "2026-01-01")
    with pytest.raises(NotFoundError, match="commits, files"):
        second.schema("weights")


@pytest.mark.parametrize("table", ["packages", "commits"])
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 9)])
def test_a_lost_or_cut_shard_is_an_integrity_error_that_names_it(folder, tmp_path, table, damage):
    shutil.copytree(folder, tmp_path / "dataset")
    for path in (tmp_path / "dataset" / table).rglob(f"*={SECOND}/*.parquet"):
        damage(path)
    with pytest.raises(IntegrityError, match=f"{table}.*part-00000"):
        Dataset(tmp_path / "dataset", SECOND)


def test_a_shard_that_is_not_parquet_is_an_integrity_error(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "dataset")
    for path in (tmp_path / "dataset/packages").rglob("*.parquet"):
        size = path.stat().st_size
        path.unlink()
        path.write_bytes(bytes(size))
    with pytest.raises(IntegrityError, match="cannot be read"):
        Dataset(tmp_path / "dataset", SECOND)


def test_views_sql_works_in_plain_duckdb_from_the_dataset_folder(folder):
    script = (
        "import duckdb; c = duckdb.connect();"
        f"c.execute(open('snapshots/{SECOND}/views.sql').read());"
        "print(c.execute('SELECT count(*) FROM files').fetchone()[0],"
        "c.execute('SELECT observed_at::VARCHAR FROM packages LIMIT 1').fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "TZ": "Asia/Kolkata"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 2026-11-21 06:00:00+00\n"


def test_the_documents_lie_beside_the_manifest(folder):
    names = {path.name for path in (folder / "snapshots" / SECOND).iterdir()}
    assert names == {"manifest.json", "views.sql", "SCHEMA.md"}


REFUSED = [
    "COPY packages TO '{folder}/packages.csv'",
    "COPY (SELECT 1) TO '{folder}/x.parquet' (USE_TMP_FILE false)",
    "EXPLAIN ANALYZE COPY packages TO '{folder}/packages.csv'",
    "EXPLAIN (ANALYZE) COPY packages TO '{folder}/packages.csv'",
    "/* a */ -- b\n explain analyze COPY packages TO '{folder}/packages.csv'",
    "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
    "ATTACH '{folder}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "CREATE TABLE x (a INTEGER)",
    "INSERT INTO packages SELECT * FROM packages",
    "DROP VIEW packages",
    "CALL pragma_version()",
    "EXPORT DATABASE '{folder}/x'",
    "PREPARE x AS SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW packages",
    "",
    "-- nothing",
    "SELEC 1",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/x''')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('{folder}/../secret.csv')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM 'https://127.0.0.1:1/x.parquet'",
    "SELECT getenv('HOME')",
    "SELECT * FROM rows",
    "SELECT nothing FROM packages",
]


@pytest.mark.parametrize("query", REFUSED)
def test_anything_but_reading_the_dataset_is_refused(folder, second, query):
    (folder.parent / "secret.csv").write_text("a\n1\n")
    before = sorted(folder.rglob("*"))
    rows = pa.table({"a": [1]})
    with pytest.raises(UsageError) as caught:
        ask(second, query.replace("{folder}", str(folder).replace("'", "''")))
    assert str(caught.value)
    assert sorted(folder.rglob("*")) == before
    assert ask(second, "SELECT 1") == [tuple(rows["a"].to_pylist())]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM packages;",
        "FROM packages",
        "TABLE packages",
        "VALUES (1)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "DESCRIBE packages",
        "SUMMARIZE packages",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT count(*) FROM files",
        "-- why\nexplain /* it */ select 1",
        "SELECT date_trunc('month', observed_at) FROM packages",
    ],
)
def test_every_way_to_write_a_select_is_allowed(second, query):
    assert ask(second, query)


def test_the_configuration_is_locked_even_for_the_connection_itself(second):
    connection = second._connection
    for setting in ("enable_external_access = true", "allowed_directories = ['/']", "threads = 1"):
        with pytest.raises(duckdb.Error):
            connection.execute(f"SET {setting}")


def test_no_progress_bar_goes_to_stdout_in_a_program_given_on_the_command_line(folder):
    """DuckDB draws one there by itself (measured, 1.5.5 and 2.0), into whatever stdout is."""
    script = (
        "import sys; from ptmtorrent.query.dataset import Dataset\n"
        "with Dataset(sys.argv[1]) as d:\n"
        "    print(*d.answer(\"SELECT current_setting('enable_progress_bar')\").rows())"
    )
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "(False,)\n"


def test_a_relation_is_duckdbs_own(second):
    relation = second.sql("SELECT name, likes FROM packages ORDER BY package_id")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.filter("name = 'org/eagle'").fetchall() == [("org/eagle", None)]


class Shelf:
    """Contents that say what they were asked for."""

    def open(self, origin, oid, sha256):
        return io.BytesIO(f"{origin} {oid} {sha256}".encode())


def test_a_package_opens_the_files_of_its_head(folder):
    with Dataset(folder, contents=Shelf()) as dataset:
        package = dataset.package("huggingface", "org/eagle")
        with package.open("weights.bin") as source:
            assert source.read() == f"{BIRD} {'0' * 40} {WEIGHTS}".encode()
        with pytest.raises(NotFoundError, match=r"has no file README\.md"):
            package.open("README.md")


def test_a_file_that_was_not_held_says_why(first):
    with pytest.raises(NotFoundError, match="not held: network"):
        first.package("huggingface", "org/bird").open("weights.bin")


@pytest.mark.parametrize(
    ("name", "package_id"),
    [
        ("org/eagle", "1"),
        ("org/bird", "1"),
        ("id=2", "2"),
        ("org/cat", "3"),
        ("3", "3"),
    ],
)
def test_a_package_is_found_by_name_former_name_or_id_and_the_living_come_first(
    second, name, package_id
):
    assert second.package("huggingface", name).row["package_id"] == package_id


@pytest.mark.parametrize("name", ["org/dog", "id=org/cat", "' OR 1=1 --", ""])
def test_no_other_package_is_found(second, name):
    with pytest.raises(NotFoundError):
        second.package("huggingface", name)
    with pytest.raises(NotFoundError):
        second.package("modelhub", "org/cat")
