"""Rows to shards: Parquet files whose bytes depend on the sequence of the rows and nothing else.

Rows are gathered into *slices* of 4,096 rows (fewer when they are heavy), slices into row groups,
row groups into parts. Every cut is decided by the rows so far, never by the batches they came in,
nor by the clock, the machine, the locale or the hash seed. (Measured: between versions of pyarrow
the bytes differ; the manifest names the version.)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from ptmtorrent import disk
from ptmtorrent.shards.columns import Row, record_batch, weight
from ptmtorrent.shards.manifest import Shard
from ptmtorrent.shards.part import Part
from ptmtorrent.shards.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Where slices, row groups and parts end; part of the format, as other cuts give other bytes.

    Attributes:
        group_rows: rows of a full row group: what one DuckDB thread reads at a time.
        group_bytes: size of a row group in Arrow memory, past which it ends.
        part_groups: row groups of a full part.
    """

    slice_rows: int = 4096
    slice_bytes: int = 8 << 20
    group_rows: int = 122_880
    group_bytes: int = 64 << 20
    part_groups: int = 16


@dataclass(slots=True)
class ShardWriter:
    """Writes the shards of one table of one snapshot: ``dataset/TABLE/v1/.../part-NNNNN.parquet``.

    A context manager. Leaving it normally finishes the last part; ``shards`` then lists them all
    (none when there were no rows). Leaving it by an exception leaves no unfinished file. A part
    has its name only when it is complete, synced and read back; what an interrupted build left in
    the folder is replaced or removed. Memory stays within one row group. Raises FatalError when
    the machine refuses, and TypeError or ValueError for rows that are not of the schema.
    """

    dataset: Path
    schema: Schema
    snapshot: str
    cuts: Cuts = Cuts()
    shards: tuple[Shard, ...] = ()
    _slice: list[Row] = field(default_factory=list)
    _slice_bytes: int = 0
    _group_rows: int = 0
    _group: list[pa.RecordBatch] = field(default_factory=list)
    _part: Part | None = None

    def __enter__(self) -> Self:
        disk.make_dirs(self._folder)
        disk.remove_temps(self._folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._part is not None:
                self._part.abandon()

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows, in batches of any size."""
        for row in rows:
            self._slice.append(row)
            self._slice_bytes += weight(row)
            if self._slice_is_full:
                self._end_slice()

    @property
    def _folder(self) -> Path:
        return self.dataset / self.schema.folder(self.snapshot)

    @property
    def _slice_is_full(self) -> bool:
        rows = len(self._slice)
        return (
            rows == self.cuts.slice_rows
            or self._group_rows + rows == self.cuts.group_rows
            or self._slice_bytes >= self.cuts.slice_bytes
        )

    def _end_slice(self) -> None:
        self._group.append(record_batch(self.schema, self._slice))
        self._group_rows += len(self._slice)
        self._slice, self._slice_bytes = [], 0
        group_bytes = sum(batch.nbytes for batch in self._group)
        if self._group_rows == self.cuts.group_rows or group_bytes >= self.cuts.group_bytes:
            self._end_group()

    def _end_group(self) -> None:
        table = pa.Table.from_batches(self._group)
        self._group, self._group_rows = [], 0
        if self._part is None:
            path = self._folder / f"part-{len(self.shards):05d}.parquet"
            self._part = Part.begin(path, self.schema, table.num_rows)
        self._part.write(table)
        if self._part.groups == self.cuts.part_groups:
            self._end_part(self._part)

    def _end_part(self, part: Part) -> None:
        self.shards = (*self.shards, part.publish(self.dataset))
        self._part = None

    def _finish(self) -> None:
        if self._slice:
            self._end_slice()
        if self._group:
            self._end_group()
        if self._part is not None:
            self._end_part(self._part)
        self._remove_strangers()

    def _remove_strangers(self) -> None:
        """Remove parts of an interrupted build that this one does not have."""
        ours = {Path(shard.path).name for shard in self.shards}
        with disk.refusals(self._folder):
            for path in self._folder.glob("part-*.parquet"):
                if path.name not in ours:
                    path.unlink()
            if not any(self._folder.iterdir()):
                self._folder.rmdir()
