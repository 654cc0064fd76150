"""One Parquet file on its way to being a shard."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ptmtorrent import disk
from ptmtorrent.errors import IntegrityError
from ptmtorrent.shards.manifest import Shard
from ptmtorrent.shards.schema import Schema

BLOOM_FPP = 0.01
SHARD_MODE = 0o444


@dataclass(slots=True)
class Part:
    """A Parquet file under a temporary name beside its target.

    It gets its name in ``publish``, when it is complete, synced and read back.
    """

    target: Path
    temp: Path
    file: BinaryIO
    parquet: pq.ParquetWriter
    groups: int = 0
    rows: int = 0

    @classmethod
    def begin(cls, target: Path, schema: Schema, group_rows: int) -> "Part":
        """A new part; ``group_rows``, the rows of its first group, sizes the bloom filters."""
        temp, file = disk.open_temp(target.parent)
        return cls(target, temp, file, _parquet_writer(file, schema, group_rows))

    def write(self, table: pa.Table) -> None:
        """Append a table as one row group."""
        with disk.refusals(self.target):
            self.parquet.write_table(table, row_group_size=table.num_rows)
        self.groups += 1
        self.rows += table.num_rows

    def publish(self, dataset: Path) -> Shard:
        """Finish the file, check it, and give it its name. IntegrityError if it reads wrong."""
        with disk.refusals(self.target):
            with self.file:
                self.parquet.close()
            disk.sync_file(self.temp, mode=SHARD_MODE)
        path = self.target.relative_to(dataset).as_posix()
        shard = Shard(path, self.temp.stat().st_size, self._read_back(), self.rows)
        disk.publish(self.temp, self.target)
        return shard

    def abandon(self) -> None:
        """Forget the file; that it can perhaps not be written to no longer matters."""
        with disk.refusals(self.temp):
            self.temp.unlink(missing_ok=True)
        if not self.file.closed:
            with suppress(OSError), self.file:
                self.parquet.close()

    def _read_back(self) -> str:
        with disk.refusals(self.temp), self.temp.open("rb") as file:
            if _counts(file) != (self.rows, self.groups):
                raise IntegrityError(f"{self.target}: what was written does not read back")
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()


def _counts(file: BinaryIO) -> tuple[int, int] | None:
    """Rows and row groups as the footer has them, or None if it cannot be read."""
    try:
        found = pq.read_metadata(file)
    except pa.ArrowException:
        return None
    return found.num_rows, found.num_row_groups


def _parquet_writer(file: BinaryIO, schema: Schema, group_rows: int) -> pq.ParquetWriter:
    bloom: Any = {c.name: {"ndv": group_rows, "fpp": BLOOM_FPP} for c in schema.columns if c.bloom}
    return pq.ParquetWriter(
        file,
        schema.arrow,
        version="2.6",
        compression="zstd",
        compression_level=9,
        data_page_version="1.0",
        write_statistics=True,
        write_page_index=True,
        write_page_checksum=True,
        use_content_defined_chunking=True,
        bloom_filter_options=bloom or None,
    )
