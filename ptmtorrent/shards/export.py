"""Answers of a query, as they stream out of DuckDB: rows in Python, or one Parquet file."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ptmtorrent import disk
from ptmtorrent.errors import UsageError


def rows_of(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """The rows of a stream, a batch in memory at a time.

    Whole numbers of any width are ints, times aware datetimes. UsageError when the query fails
    on the way.
    """
    for batch in _batches(reader):
        yield from zip(*map(_values, batch.columns), strict=True)


def write_parquet(reader: pa.RecordBatchReader, target: Path) -> None:
    """Write a stream to a Parquet file, whole or not at all; a file of that name is replaced.

    UsageError when the query fails on the way, or has a type that Parquet does not.
    """
    temp, file = disk.open_temp(target.parent)
    try:
        with disk.refusals(target):
            with file:
                _write(reader, file)
            disk.sync_file(temp)
        disk.publish(temp, target)
    finally:
        temp.unlink(missing_ok=True)


def _write(reader: pa.RecordBatchReader, file: BinaryIO) -> None:
    try:
        writer = pq.ParquetWriter(file, reader.schema, compression="zstd", compression_level=9)
    except pa.ArrowException as error:
        raise UsageError(f"Parquet cannot hold this answer: {error}") from error
    with writer:
        for batch in _batches(reader):
            writer.write_batch(batch)


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of a stream. One that breaks off does so with DuckDB's words, as an OSError."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise UsageError(str(error)) from error
        yield batch


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        return [int(value) if isinstance(value, Decimal) else value for value in values]
    return values
