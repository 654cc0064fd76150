"""Reading shards back, a batch in memory at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def row_count(path: Path) -> int | None:
    """Rows of a Parquet file, as its footer has them; None when that cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowException:
        return None


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Some columns of a Parquet file, row by row."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(columns)):
            yield from zip(*(batch[name].to_pylist() for name in columns), strict=True)
