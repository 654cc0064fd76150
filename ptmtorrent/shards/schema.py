"""What each table is: its columns, their types and their meaning, from ``schemas/TABLE.v1.json``.

These files are the one source of the Arrow schemas, of SCHEMA.md and of the comments on the views.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa

VERSION = 1
"""The version of every table's schema; it is part of the paths of its shards."""


class Kind(StrEnum):
    """How a table grows from snapshot to snapshot."""

    STATE = "state"
    """Written whole at each snapshot."""
    FACT = "fact"
    """Rows never change; a snapshot adds those first seen in it."""
    HISTORY = "history"
    """What happened during a snapshot; no part of its content."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A type a column may have, in the three languages it is spoken of."""

    arrow: pa.DataType
    sql: str
    python: type


_SCALARS: Mapping[str, DataType] = {
    "string": DataType(pa.string(), "VARCHAR", str),
    "int64": DataType(pa.int64(), "BIGINT", int),
    "int32": DataType(pa.int32(), "INTEGER", int),
    "int16": DataType(pa.int16(), "SMALLINT", int),
    "bool": DataType(pa.bool_(), "BOOLEAN", bool),
    "float64": DataType(pa.float64(), "DOUBLE", float),
    "binary": DataType(pa.binary(), "BLOB", bytes),
    "timestamp": DataType(pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE", datetime),
}
_LIST = re.compile(r"list<(.+)>")
_STRUCT = re.compile(r"struct<(\w+:\w+(?:,\w+:\w+)*)>")


def data_type(name: str) -> DataType:
    """The type that schema files call by a name: a scalar, a struct of scalars, a list of either.

    Names: ``int64``, ``list<string>``, ``list<struct<kind:string,id:string>>``; else KeyError.
    """
    if inner := _LIST.fullmatch(name):
        member = data_type(inner[1])
        return DataType(pa.list_(member.arrow), f"{member.sql}[]", list)
    if inner := _STRUCT.fullmatch(name):
        fields = [(field, _SCALARS[kind]) for field, kind in _pairs(inner[1])]
        arrow = pa.struct([(field, kind.arrow) for field, kind in fields])
        sql = ", ".join(f"{field} {kind.sql}" for field, kind in fields)
        return DataType(arrow, f"STRUCT({sql})", dict)
    return _SCALARS[name]


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(field, kind) for field, _, kind in (part.partition(":") for part in text.split(","))]


@dataclass(frozen=True, slots=True)
class Column:
    """A column and everything one may ask about it.

    Attributes:
        type: a name that ``data_type`` knows.
        sentence: what the value is.
        unit: its unit, or the empty string.
        null: when the value is NULL; ``never`` where it may not be.
        example: a value as JSON has it: times as RFC 3339 text, binary as hex.
        bloom: whether shards carry a bloom filter, for look-ups by id.
    """

    name: str
    type: str
    nullable: bool
    sentence: str
    unit: str
    null: str
    example: Any
    bloom: bool = False

    @property
    def data_type(self) -> DataType:
        """Its type in Arrow, SQL and Python."""
        return data_type(self.type)

    @property
    def description(self) -> str:
        """Sentence, unit and null rule in one text."""
        unit = f" Unit: {self.unit}." if self.unit else ""
        return f"{self.sentence}{unit} NULL: {self.null}."


@dataclass(frozen=True, slots=True)
class Schema:
    """A table: what one row is, its key, the order of its rows, and its columns."""

    name: str
    version: int
    kind: Kind
    row: str
    key: tuple[str, ...]
    sort: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def partition(self) -> str:
        """What the folders of its shards are named after."""
        return "first_snapshot" if self.kind is Kind.FACT else "snapshot"

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of its shards, every field with its description."""
        fields = [
            pa.field(c.name, c.data_type.arrow, c.nullable, {"description": c.description})
            for c in self.columns
        ]
        about = {"ptmtorrent.table": self.name, "ptmtorrent.schema_version": str(self.version)}
        return pa.schema(fields, {**about, "description": self.row})

    def folder(self, snapshot: str) -> str:
        """Where the shards of a snapshot lie, relative to the dataset."""
        return f"{self.name}/v{self.version}/{self.partition}={snapshot}"


def load_schema(table: str) -> Schema:
    """The schema of a table. KeyError if there is no such table."""
    path = _folder() / f"{table}.v{VERSION}.json"
    if not path.is_file():
        raise KeyError(table)
    return _parse(json.loads(path.read_text(encoding="utf-8")))


def load_schemas() -> Mapping[str, Schema]:
    """The schemas of all tables by name, in the order of their names."""
    names = sorted(path.name.split(".")[0] for path in _folder().glob(f"*.v{VERSION}.json"))
    return {name: load_schema(name) for name in names}


def _folder() -> Path:
    """``schemas/``: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def _parse(value: Mapping[str, Any]) -> Schema:
    return Schema(
        name=value["name"],
        version=value["version"],
        kind=Kind(value["kind"]),
        row=value["row"],
        key=tuple(value["key"]),
        sort=tuple(value["sort"]),
        columns=tuple(Column(**column) for column in value["columns"]),
    )
