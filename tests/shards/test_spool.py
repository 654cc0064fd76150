"""Rows that wait: few in memory, many in a file, and the same when they are read."""

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import FatalError
from ptmtorrent.shards.columns import weight
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.spool import Spool

FILES = load_schema("files")


def file(number, **more):
    row = {column.name: None for column in FILES.columns}
    row |= {"origin_key": 1, "origin": "o", "revision": "r", "mode": "100644", "oid": "1" * 40}
    return row | {"path": f"{number:06d}", "held": True, "lfs": False, "size": number} | more


def spooled(folder, rows, in_memory):
    spool = Spool(folder, FILES, in_memory)
    spool.fill(rows)
    return spool


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.binary(max_size=9), st.text(max_size=9))))
def test_rows_are_the_same_from_a_file_and_from_memory(tmp_path_factory, values):
    rows = [file(n, size=n, path_bytes=b or None, path=p) for n, b, p in values]
    folder = tmp_path_factory.getbasetemp()
    found = list(spooled(folder, rows, in_memory=300))
    assert found == rows == list(spooled(folder, rows, in_memory=2**40))
    assert [weight(row) for row in found] == [weight(row) for row in rows]


def test_no_more_than_a_part_is_in_memory_and_the_file_has_no_name(tmp_path):
    spool = Spool(tmp_path, FILES, in_memory=1000)
    spool.fill(map(file, range(1000)))
    assert len(spool._rows) < 20
    assert list(tmp_path.iterdir()) == []
    assert [row["size"] for row in spool] == list(range(1000))
    assert spool._file.closed


def test_rows_that_end_early_leave_nothing_open(tmp_path):
    def rows():
        yield from map(file, range(100))
        raise KeyError("torn")

    spool = Spool(tmp_path, FILES, in_memory=1000)
    with pytest.raises(KeyError):
        spool.fill(rows())
    assert spool._file.closed


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(FatalError, match="full"):
        spooled(tmp_path, map(file, range(100)), in_memory=1000)
