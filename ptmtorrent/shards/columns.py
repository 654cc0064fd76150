"""Rows to Arrow columns: the border where a value meets the type its column promises."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from ptmtorrent.shards.schema import Column, Schema

Row = Mapping[str, Any]

_SURROGATE = re.compile("[\ud800-\udfff]")


def record_batch(schema: Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    """The rows as one batch; a column that a row lacks is NULL in it.

    Text that UTF-8 cannot hold (lone surrogates, which stand for bytes that were not UTF-8) gets
    U+FFFD in their place. A column that is not in the schema, a value of another type, and a NULL
    where none may be are bugs of the caller: TypeError or ValueError, with table and column.
    """
    _check_names(schema, rows)
    return pa.record_batch([_array(schema, c, rows) for c in schema.columns], schema=schema.arrow)


def weight(row: Row) -> int:
    """About how many bytes a row takes; depends on its values alone."""
    return sum(map(_weight, row.values()))


def _weight(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return 8 + len(value)
    if isinstance(value, (list, tuple)):
        return 8 + sum(map(_weight, value))
    if isinstance(value, Mapping):
        return sum(map(_weight, value.values()))
    return 8


def _check_names(schema: Schema, rows: Iterable[Row]) -> None:
    unknown = set().union(*rows) - {column.name for column in schema.columns}
    if unknown:
        raise ValueError(f"{schema.name} has no column {', '.join(sorted(unknown))}")


def _array(schema: Schema, column: Column, rows: Sequence[Row]) -> pa.Array:
    values = [row.get(column.name) for row in rows]
    _check_types(schema, column, values)
    try:
        return _convert(column, values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise TypeError(f"{schema.name}.{column.name} ({column.type}): {error}") from error


def _convert(column: Column, values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, column.data_type.arrow)
    except UnicodeEncodeError:
        return pa.array([_encodable(value) for value in values], column.data_type.arrow)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, (list, tuple)):
        return [_encodable(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _encodable(item) for key, item in value.items()}
    return value


def _check_types(schema: Schema, column: Column, values: Iterable[Any]) -> None:
    wanted = column.data_type.python
    for kind in set(map(type, values)):
        if kind is type(None):
            if not column.nullable:
                raise ValueError(f"{schema.name}.{column.name} may not be NULL")
        elif not _fits(kind, wanted):
            raise TypeError(f"{schema.name}.{column.name} is {column.type}, not {kind.__name__}")
    if wanted is datetime and any(value and value.tzinfo is None for value in values):
        raise TypeError(f"{schema.name}.{column.name}: a time without a zone")


def _fits(kind: type, wanted: type) -> bool:
    if wanted is list:
        return issubclass(kind, (list, tuple))
    if wanted is float:
        return kind in (int, float)
    return issubclass(kind, wanted) and (kind is not bool or wanted is bool)
