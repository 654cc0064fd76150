"""Nothing goes before two cycles and the grace have passed, whatever the clock does."""

from datetime import UTC, datetime, timedelta

import pytest

from ptmtorrent.collect.buckets import Buckets
from ptmtorrent.collect.marks import Marks, Moment, due, load, marked, save
from ptmtorrent.model.oid import sha256_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GRACE = 14 * DAY
A, B = sha256_of(b"a"), sha256_of(b"b")


def at(day: float, latest: float = 0) -> Moment:
    return Moment(NOON + day * DAY, NOON + latest * DAY)


def test_the_first_cycle_only_marks():
    assert due([A], Marks(), NOON, timedelta(0)) == []
    assert marked([A], Marks(), at(0)).since == {A: NOON}


@pytest.mark.parametrize(("day", "expected"), [(13.99, []), (14, [A]), (400, [A])])
def test_a_mark_must_be_as_old_as_the_grace(day, expected):
    marks = marked([A], Marks(), at(0))
    assert due([A, B], marks, NOON + day * DAY, GRACE) == expected


def test_what_is_reached_again_loses_its_mark():
    marks = marked([A, B], Marks(), at(0))
    marks = marked([B], marks, at(10))
    marks = marked([A, B], marks, at(12))
    assert due([A, B], marks, NOON + 20 * DAY, GRACE) == [B]


def test_a_clock_that_jumped_back_lets_nothing_go():
    marks = marked([A], Marks(), at(0))
    assert due([A], marks, NOON - 100 * DAY, GRACE) == []
    assert marked([A], marks, at(-100)).since == {A: NOON}


@pytest.mark.parametrize("known", ["journal", "list"])
def test_a_mark_made_by_a_clock_that_stood_too_early_is_not_old_once_it_is_right(known):
    seen = marked([], Marks(), at(0)) if known == "list" else Marks()
    marks = marked([A], seen, at(-1000, latest=0 if known == "journal" else -1000))
    assert due([A], marks, NOON + 13 * DAY, GRACE) == []
    assert due([A], marks, NOON + 14 * DAY, GRACE) == [A]


def test_the_list_is_read_as_it_was_written(tmp_path):
    marks = marked([A, "dataset/files/x.parquet"], Marks(), at(3))
    save(tmp_path / "garbage.json", marks)
    assert load(tmp_path / "garbage.json") == marks


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"since": {"a": 1}, "seen": "x"}'])
def test_a_list_that_is_lost_or_damaged_is_an_empty_one(tmp_path, text):
    path = tmp_path / "garbage.json"
    if text is not None:
        path.write_bytes(text)
    assert load(path) == Marks()


def test_buckets_keep_every_digest_once(tmp_path, monkeypatch):
    monkeypatch.setattr("ptmtorrent.collect.buckets._SPILL_BYTES", 100)
    names = [sha256_of(b"%d" % n) for n in range(500)]
    buckets = Buckets(tmp_path / "b")
    buckets.add(names)
    buckets.add(names[:50])
    found = [digest.hex() for number in range(256) for digest in buckets.bucket(number)]
    assert sorted(found) == sorted(names)
