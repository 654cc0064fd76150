"""The answer to a query: its columns and rows, and the forms it can be written in.

Rows stream: whatever the size of the answer, a batch of it is in memory.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, count
from pathlib import Path
from typing import Any, TextIO

import duckdb

from ptmtorrent.errors import UsageError
from ptmtorrent.model.clock import rfc3339
from ptmtorrent.shards import export

BATCH_ROWS = 4096
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query came to; it is run when rows are asked for, once for each asking.

    Every method raises UsageError, with DuckDB's words, when the query fails while it runs.
    """

    relation: duckdb.DuckDBPyRelation
    dataset: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns; a name that comes again gets a number."""
        return _distinct(self.relation.columns)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Its rows, as Python values."""
        return export.rows_of(_stream(self.relation))

    def write_csv(self, out: TextIO) -> None:
        """Write CSV (RFC 4180): values as DuckDB writes them, NULL as nothing.

        Text that a spreadsheet would take for a formula gets a ``'`` in front, as OWASP advises
        ("CSV Injection"); JSON and Parquet have it as it is.
        """
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([_unformula(name) for name in self.columns])
        texts = [str(kind) == "VARCHAR" for kind in self.relation.types]
        for row in export.rows_of(_stream(self._as_text())):
            writer.writerow(_csv_row(row, texts))

    def write_json(self, out: TextIO) -> None:
        """Write JSON Lines: an object a row; times RFC 3339 UTC, binary as hex."""
        names = self.columns
        for row in self.rows():
            value = {name: _plain(value) for name, value in zip(names, row, strict=True)}
            out.write(json.dumps(value, allow_nan=False) + "\n")

    def write_parquet(self, target: Path) -> None:
        """Write a Parquet file. UsageError for a place among the shards."""
        if target.resolve().is_relative_to(self.dataset.resolve()):
            raise UsageError(f"{target}: the dataset itself is not a place for answers")
        if not target.parent.is_dir():
            raise UsageError(f"{target.parent}: no such folder")
        export.write_parquet(_stream(self.relation), target)

    def _as_text(self) -> duckdb.DuckDBPyRelation:
        places = range(1, len(self.relation.columns) + 1)
        return self.relation.project(", ".join(f"CAST(#{n} AS VARCHAR) AS c{n}" for n in places))


def _stream(relation: duckdb.DuckDBPyRelation) -> Any:
    try:
        return relation.to_arrow_reader(BATCH_ROWS)
    except duckdb.Error as error:
        raise UsageError(str(error)) from error


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in names:
        tries = chain([name], (f"{name}_{number}" for number in count(1)))
        found[next(candidate for candidate in tries if candidate not in found)] = None
    return tuple(found)


def _csv_row(row: Sequence[str | None], texts: Sequence[bool]) -> list[str | None]:
    return [
        _unformula(value) if value and is_text else value
        for value, is_text in zip(row, texts, strict=True)
    ]


def _unformula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: Any) -> Any:
    """A value as JSON can say it; numbers that it cannot (NaN, infinity) as text."""
    match value:
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case None | bool() | int():
            return value
        case float() | Decimal():
            return float(value) if math.isfinite(value) else str(value)
        case _:
            return _text(value)


def _text(value: Any) -> str:
    match value:
        case datetime():
            return rfc3339(value if value.tzinfo else value.replace(tzinfo=UTC))
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)
