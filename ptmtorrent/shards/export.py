"""Answers of a query, as they stream out of DuckDB: rows in Python, or one Parquet file."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ptmtorrent.errors import UsageError
from ptmtorrent.shards import durable


def rows_of(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """The rows of a stream, a batch in memory at a time.

    Whole numbers of any width are ints, times aware datetimes. UsageError when the query fails
    on the way.
    """
    with _query_errors():
        for batch in reader:
            yield from zip(*map(_values, batch.columns), strict=True)


def write_parquet(reader: pa.RecordBatchReader, target: Path) -> None:
    """Write a stream to a Parquet file, whole or not at all; a file of that name is replaced."""
    temp, file = durable.open_temp(target.parent)
    try:
        with durable.refusals(target), file:
            _write(reader, file)
            durable.sync_file(file, 0o644)
        durable.publish(temp, target)
    finally:
        temp.unlink(missing_ok=True)


def _write(reader: pa.RecordBatchReader, file: Any) -> None:
    with (
        _query_errors(),
        pq.ParquetWriter(file, reader.schema, compression="zstd", compression_level=9) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        return [int(value) if isinstance(value, Decimal) else value for value in values]
    return values


@contextmanager
def _query_errors() -> Iterator[None]:
    """A stream that fails does so because of the query: DuckDB's words in a UsageError."""
    try:
        yield
    except pa.ArrowException as error:
        raise UsageError(str(error)) from error
