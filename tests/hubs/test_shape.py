"""Counting how records differ from a shape: what counts, what does not, and what it may cost."""

import tracemalloc
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.hubs.reading import shape as shapes
from ptmtorrent.hubs.reading.shape import LONGEST_NAME, MOST_NAMES, Field, drift_of
from ptmtorrent.model.package import Change, Drift

SHAPE = (
    Field("id", str, always=True),
    Field("count", int),
    Field("score", (int, float)),
    Field("flag", bool),
    Field("anything", object),
    Field("day", date),
    Field("meta", dict),
    Field("meta.sha", str, always=True),
    Field("meta.size", int),
    Field("meta.inner", dict),
    Field("meta.inner.deep", int),
    Field("card", dict, open=True),
    Field("card.license", object),
    Field("card.version", str),
    Field("card.owner", str, always=True),
    Field("free", dict, open=True),
    Field("free.name", object, always=True),
    Field("loose", dict, open=True),
    Field("loose.strict", object),
    Field("loose.strict.known", object),
    Field("files", list),
    Field("files.path", str),
    Field("unlooked", dict),
)


def drift(record: object) -> list[tuple[str, str]]:
    return [(one.field, one.change.value) for one in drift_of([record], SHAPE)]


FITTING = {
    "id": "a",
    "count": 3,
    "score": 0.5,
    "flag": True,
    "anything": [1],
    "day": date(2026, 1, 2),
    "meta": {"sha": "b", "size": 1, "inner": {"deep": 1}},
    "card": {"license": ["x"], "owner": "o", "free": {"of": "us"}},
    "free": {"name": 1, "more": 2},
    "loose": {"strict": {"known": 1}, "more": 2},
    "files": [{"path": "p"}],
    "unlooked": {"x": 1},
}


@pytest.mark.parametrize(
    "record",
    [
        FITTING,
        {"id": "only what is always there"},
        FITTING | {"count": None, "meta": None, "card": None, "day": None},
        FITTING | {"score": 1},
        FITTING | {"day": datetime(2026, 1, 2)},
        *(FITTING | {"anything": v} for v in (True, 1, "x", {}, 2.5, None, date(2026, 1, 2), b"")),
        *(FITTING | {"card": {"owner": "o", "license": v}} for v in (True, 1, {}, None)),
        FITTING | {"files": [{"never": "compared"}, 3]},
    ],
)
def test_a_record_as_the_shape_says_has_not_drifted(record):
    assert drift(record) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": None}, [("id", "gone")]),
        ({"id": 1}, [("id", "type")]),
        ({"count": True}, [("count", "type")]),
        ({"count": 1.0}, [("count", "type")]),
        ({"score": False}, [("score", "type")]),
        ({"flag": 1}, [("flag", "type")]),
        ({"day": "2026-01-02"}, [("day", "type")]),
        ({"meta": []}, [("meta", "type")]),
        ({"meta": {}}, [("meta.sha", "gone")]),
        ({"meta": {"sha": None}}, [("meta.sha", "gone")]),
        ({"meta": {"sha": "b", "size": "1"}}, [("meta.size", "type")]),
        ({"meta": {"sha": "b", "x": 1}}, [("meta.x", "new")]),
        ({"meta": {"sha": "b", "x": None}}, [("meta.x", "new")]),
        ({"meta": {"sha": "b", "inner": {"y": 1}}}, [("meta.inner.y", "new")]),
        ({"meta": {"sha": "b", "inner": {"deep": ""}}}, [("meta.inner.deep", "type")]),
        ({"card": {"license": 1}}, [("card.owner", "gone")]),
        ({"card": {"owner": "o", "version": 2}}, [("card.version", "type")]),
        ({"free": {"more": 1}}, [("free.name", "gone")]),
        ({"loose": {"strict": {"x": 1}}}, [("loose.strict.x", "new")]),
        ({"files": {"path": 1, "x": 1}}, [("files", "type")]),
        ({"surprise": 1}, [("surprise", "new")]),
        ({"surprise": 1, "anything": True}, [("surprise", "new")]),
        ({"surprise": 1, "day": datetime(2026, 1, 2)}, [("surprise", "new")]),
        ({"": 1, "a.b": 2}, [("", "new"), ("a.b", "new")]),
        ({1: 1, None: 1, 2: 2}, [("<NoneType>", "new"), ("<int>", "new")]),
        ({"\ud800\0": 1}, [("\ufffd", "new")]),
        (
            {"id": 1, "count": "x", "z": 1, "a": 1},
            [("a", "new"), ("count", "type"), ("id", "type"), ("z", "new")],
        ),
    ],
)
def test_each_difference_is_named_once_in_the_order_of_names(change, expected):
    assert drift(FITTING | change) == expected


def test_a_field_that_is_always_there_is_missed():
    assert drift({}) == [("id", "gone")]


@pytest.mark.parametrize("record", [None, 3, "text", [], [{"id": 1}], ValueError("not JSON")])
def test_a_record_that_is_no_table_has_no_fields(record):
    assert drift(record) == []


def test_records_are_counted_not_differences():
    records = [{"id": 1}, {"id": "a", "x": 1}, {"id": 2, "x": 1}, {"id": "a"}, "no table"]
    assert drift_of(records, SHAPE) == (
        Drift("id", Change.TYPE, 2),
        Drift("x", Change.NEW, 2),
    )


def test_names_that_look_alike_once_cut_count_a_record_once():
    long = "n" * LONGEST_NAME
    record = {"id": "a", f"{long}1": 1, f"{long}2": 1, 1: 0, 2: 0, "meta": {"sha": "", "x": 1}}
    found = drift_of([record | {"meta.x": 1}], SHAPE)
    assert [(one.field, one.records) for one in found] == [("<int>", 1), ("meta.x", 1), (long, 1)]


def test_new_names_never_crowd_out_what_became_of_the_known_ones():
    junk = {f"junk{n}": n for n in range(10 * MOST_NAMES)}
    found = drift_of([{"id": 1}, {"id": "a", **junk}, {"id": "a", "meta": {}}], SHAPE)
    assert sum(one.change is Change.NEW for one in found) == MOST_NAMES
    assert {"id", "meta.sha"} <= {one.field for one in found}


def test_there_is_room_for_so_many_new_names_a_page_and_no_more():
    half = MOST_NAMES * 6 // 10
    records = [{"id": "a"} | {f"{n}-{m}": 0 for m in range(half)} for n in range(3)]
    assert len(drift_of(records, SHAPE)) == MOST_NAMES


def test_a_name_already_counted_goes_on_being_counted_when_there_is_no_more_room():
    junk = [{"id": "a", f"junk{n}": n} for n in range(2 * MOST_NAMES)]
    found = drift_of([{"id": "a", "x": 1}, *junk, {"id": "a", "x": 2}], SHAPE)
    assert Drift("x", Change.NEW, 2) in found


@pytest.mark.parametrize(("records", "names"), [(1, 300_000), (300, 1000)])
def test_any_number_of_random_names_takes_no_memory(records, names):
    tables = [{f"{n}-{m}": m for m in range(names)} for n in range(records)]
    tracemalloc.start()
    found = drift_of(tables, SHAPE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == MOST_NAMES + 1
    assert peak < 300_000


def test_a_record_as_expected_is_never_walked(monkeypatch):
    """The quick look decides alone: that is what makes counting cheap."""
    monkeypatch.setattr(shapes, "_old_changes", None)
    monkeypatch.setattr(shapes, "_new", None)
    assert drift(FITTING) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([one.name.rpartition(".")[2] for one in SHAPE]) | st.text(max_size=3),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


def changes_by_the_book(record: dict) -> set[tuple[str, str]]:
    """The meaning of drift, spelled out without any care for speed."""
    found: set[tuple[str, str]] = set()
    tables = {"": record}
    for name in ("meta", "meta.inner", "card", "free", "loose", "loose.strict"):
        table, _, last = name.rpartition(".")
        inner = tables.get(table, {}).get(last)
        if isinstance(inner, dict):
            tables[name] = inner
    for table, inner in tables.items():
        known = {f.name.rpartition(".")[2]: f for f in SHAPE if f.name.rpartition(".")[0] == table}
        prefix = f"{table}." if table else ""
        if table not in ("card", "free", "loose"):
            found |= {(f"{prefix}{k}".replace("\0", ""), "new") for k in inner if k not in known}
        for key, one in known.items():
            types = one.types if isinstance(one.types, tuple) else (one.types,)
            if inner.get(key) is None:
                found |= {(one.name, "gone")} if one.always else set()
            elif object not in types and type(inner[key]) not in types:
                found |= {(one.name, "type")}
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(values, max_size=5))
def test_any_json_is_survived_and_nothing_counts_more_often_than_there_are_records(records):
    found = drift_of(records, SHAPE)
    assert list(found) == sorted(found)
    assert all(1 <= one.records <= len(records) for one in found)
    assert all(len(one.field) <= LONGEST_NAME + 20 for one in found)


@settings(max_examples=100, deadline=None)
@given(values.filter(lambda value: isinstance(value, dict)))
def test_the_quick_way_counts_what_the_plain_way_counts(record):
    assert set(drift(record)) == changes_by_the_book(record)
