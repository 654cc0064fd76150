"""Rows that wait for their turn: in memory while they are few, in a file when they are many."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pyarrow as pa

from ptmtorrent import disk
from ptmtorrent.shards.columns import Row, record_batch, weight
from ptmtorrent.shards.schema import Schema

IN_MEMORY = 4 * 2**20
"""Weight of the rows that are held in memory; about a tenth of what Python needs for small ones."""


@dataclass(slots=True)
class Spool:
    """Rows of one table, to be read once, in the order they came in.

    The file has no name (where the file system can do that), so nothing is left of it, however we
    end. Raises FatalError when the
    machine refuses, and TypeError or ValueError for rows that are not of the schema.
    """

    folder: Path
    schema: Schema
    in_memory: int = IN_MEMORY
    _rows: list[Row] = field(default_factory=list)
    _weight: int = 0
    _file: IO[bytes] | None = None
    _batches: pa.ipc.RecordBatchStreamWriter | None = None

    def fill(self, rows: Iterable[Row]) -> None:
        """Add rows; those added are given up when the one after them cannot be had."""
        try:
            for row in rows:
                self._rows.append(row)
                self._weight += weight(row)
                if self._weight >= self.in_memory:
                    self._spill()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row]:
        try:
            yield from self._spilled()
            yield from self._rows
        finally:
            self.close()

    def close(self) -> None:
        """Forget the rows."""
        self._rows = []
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        with disk.refusals(self.folder):
            if self._file is None or self._batches is None:
                self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115  # see close
                self._batches = pa.ipc.new_stream(self._file, self.schema.arrow)
            self._batches.write_batch(record_batch(self.schema, self._rows))
        self._rows, self._weight = [], 0

    def _spilled(self) -> Iterator[Row]:
        if self._file is None or self._batches is None:
            return
        with disk.refusals(self.folder):
            self._batches.close()
            self._file.seek(0)
            for batch in pa.ipc.open_stream(self._file):
                yield from batch.to_pylist()
