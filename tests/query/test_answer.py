"""Answers stream, and each form says the same."""

import csv
import io
import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from small_dataset import FIRST, HOSTILE

from ptmtorrent.errors import UsageError
from ptmtorrent.query.dataset import Dataset

EVERYTHING = """
SELECT 1 AS a, NULL AS b, 2.5::DOUBLE AS c, 'NaN'::DOUBLE AS d, true AS e, [1, 2] AS f,
    {'x': 1} AS g, TIMESTAMPTZ '2026-11-21 06:00:00+02' AS h, DATE '2026-11-21' AS i,
    '\\xE9'::BLOB AS j, 1.50::DECIMAL(5, 2) AS k, sum(9223372036854775807) AS l, -1 AS m
FROM range(2)
"""


@pytest.fixture(scope="module")
def dataset(folder):
    with Dataset(folder) as opened:
        yield opened


def text_of(answer, form):
    out = io.StringIO()
    getattr(answer, f"write_{form}")(out)
    return out.getvalue()


def test_json_lines_have_rfc_3339_times_and_plain_numbers(dataset):
    (line,) = text_of(dataset.answer(EVERYTHING), "json").splitlines()
    assert json.loads(line) == {
        "a": 1,
        "b": None,
        "c": 2.5,
        "d": "nan",
        "e": True,
        "f": [1, 2],
        "g": {"x": 1},
        "h": "2026-11-21T04:00:00.000000Z",
        "i": "2026-11-21",
        "j": "e9",
        "k": 1.5,
        "l": 2 * (2**63 - 1),
        "m": -1,
    }


def test_csv_has_values_as_duckdb_writes_them(dataset):
    names, row = csv.reader(io.StringIO(text_of(dataset.answer(EVERYTHING), "csv")))
    assert names == list("abcdefghijklm")
    assert row[:8] == [
        "1",
        "",
        "2.5",
        "nan",
        "true",
        "[1, 2]",
        "{'x': 1}",
        "2026-11-21 04:00:00+00",
    ]
    assert row[8:] == ["2026-11-21", "\\xE9", "1.50", "18446744073709551614", "-1"]


def test_hostile_text_is_harmless_in_csv_and_whole_in_json(dataset):
    answer = dataset.answer("SELECT message FROM commits LIMIT 1")
    _, row = csv.reader(io.StringIO(text_of(answer, "csv"), newline=""))
    assert row == [f"'{HOSTILE}"]
    line = text_of(answer, "json")
    assert json.loads(line) == {"message": HOSTILE}
    assert line.count("\n") == 1
    assert "\x1b" not in line


def test_parquet_has_the_rows(dataset, tmp_path):
    target = tmp_path / "out.parquet"
    target.write_text("older")
    dataset.answer("SELECT name, observed_at FROM packages ORDER BY package_id").write_parquet(
        target
    )
    assert pq.read_table(target)["name"].to_pylist() == ["org/eagle", "org/cat", "org/cat"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_parquet_is_not_written_among_the_shards(dataset, folder, tmp_path):
    answer = dataset.answer("SELECT 1")
    (tmp_path / "link").symlink_to(folder)
    for place in (folder / "x.parquet", tmp_path / "link/x.parquet", tmp_path / "no/x.parquet"):
        with pytest.raises(UsageError):
            answer.write_parquet(place)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_query_that_fails_on_the_way_is_a_usage_error(dataset, tmp_path, form):
    query = "SELECT CASE WHEN range = 99999 THEN 'x' ELSE '1' END::INTEGER AS n FROM range(100000)"
    out = tmp_path / "x" if form == "parquet" else io.StringIO()
    with pytest.raises(UsageError, match="Could not convert"):
        getattr(dataset.answer(query), f"write_{form}")(out)
    assert list(tmp_path.iterdir()) == []


def test_order_is_kept(dataset):
    query = "SELECT range AS n FROM range(50000) ORDER BY n DESC"
    lines = text_of(dataset.answer(query), "csv").split()
    assert lines == ["n", *map(str, range(49999, -1, -1))]


def test_an_explanation_can_be_written_like_any_answer(dataset):
    for form in ("csv", "json"):
        assert "plan" in text_of(dataset.answer("EXPLAIN SELECT 1"), form)


def test_two_columns_of_one_name_are_both_there(dataset):
    (line,) = text_of(dataset.answer("SELECT 1 AS a, 2 AS a"), "json").splitlines()
    assert json.loads(line) == {"a": 1, "a_1": 2}
    assert text_of(dataset.answer("SELECT 1 AS a, 2 AS a"), "csv") == "a,a_1\r\n1,2\r\n"


STREAM = """
import resource, sys
from ptmtorrent.query.dataset import Dataset
dataset = Dataset(sys.argv[1], sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
class Nowhere:
    def write(self, text): pass
dataset.answer("SELECT range, repeat('x', 1000) AS t FROM range(100000)").write_json(Nowhere())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_an_answer_larger_than_memory_streams(folder):
    command = [sys.executable, "-c", STREAM, str(folder), FIRST]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 80
