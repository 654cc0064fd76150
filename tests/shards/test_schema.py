"""The schema files keep what they promise."""

from datetime import datetime

import pyarrow as pa
import pytest

from ptmtorrent.shards.columns import record_batch
from ptmtorrent.shards.documents import schema_md
from ptmtorrent.shards.schema import Kind, Schema, data_type, load_schema, load_schemas

SCHEMAS = load_schemas()
COLUMNS = [pytest.param(s, c, id=f"{s.name}.{c.name}") for s in SCHEMAS.values() for c in s.columns]
TABLES = {
    "assets": Kind.STATE,
    "attempts": Kind.HISTORY,
    "blobs": Kind.STATE,
    "commits": Kind.FACT,
    "files": Kind.FACT,
    "hubs": Kind.STATE,
    "not_held": Kind.STATE,
    "origins": Kind.STATE,
    "packages": Kind.STATE,
    "refs": Kind.STATE,
    "unreachable": Kind.STATE,
}


def value_of(example, kind):
    """An example as the rows have it."""
    if kind == "timestamp":
        return datetime.fromisoformat(example)
    return bytes.fromhex(example) if kind == "binary" else example


def test_every_table_has_a_schema():
    assert {name: schema.kind for name, schema in SCHEMAS.items()} == TABLES


def test_there_is_no_other_table():
    with pytest.raises(KeyError):
        load_schema("weights")


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_table_says_what_a_row_is_and_its_keys_are_columns(schema):
    names = [column.name for column in schema.columns]
    assert schema.row.startswith("One row is ")
    assert len(names) == len(set(names))
    assert set(schema.key) <= set(names)
    assert not any(c.nullable for c in schema.columns if c.name in schema.key)
    assert schema.version == 1


@pytest.mark.parametrize(("schema", "column"), COLUMNS)
def test_every_column_is_explained(schema, column):
    assert data_type(column.type)
    assert column.sentence.endswith(".")
    assert (column.null == "never") is not column.nullable
    assert column.null == "never" or column.null.startswith("when ")
    if column.type == "timestamp":
        assert column.unit == "UTC"
    if column.name == "bytes" or column.name.endswith("_bytes"):
        assert column.unit == "bytes" or column.type == "binary"


@pytest.mark.parametrize(("schema", "column"), COLUMNS)
def test_the_example_has_the_type_of_its_column(schema, column):
    alone = Schema(schema.name, 1, schema.kind, schema.row, (), (), (column,))
    value = value_of(column.example, column.type)
    batch = record_batch(alone, [{column.name: value}])
    assert batch.schema.field(0).type == column.data_type.arrow
    assert batch.to_pylist() == [{column.name: value}]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_arrow_schema_carries_the_descriptions(schema):
    for column, field in zip(schema.columns, schema.arrow, strict=True):
        assert field.metadata[b"description"].decode() == column.description
        assert field.nullable == column.nullable
    assert schema.arrow.metadata[b"ptmtorrent.table"] == schema.name.encode()


def test_times_are_utc_in_microseconds():
    assert data_type("timestamp").arrow == pa.timestamp("us", "UTC")


def test_the_data_dictionary_is_current(repository):
    assert (repository / "docs/SCHEMA.md").read_text() == schema_md()
