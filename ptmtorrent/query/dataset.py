"""A dataset to ask questions of: DuckDB with views over exactly the shards of one snapshot."""

from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from ptmtorrent.errors import NotFoundError, UsageError
from ptmtorrent.query.answer import Answer
from ptmtorrent.query.connection import connect
from ptmtorrent.query.package import Contents, Package, find_package
from ptmtorrent.query.statement import check
from ptmtorrent.shards.manifest import Manifest, latest, load, snapshots
from ptmtorrent.shards.schema import Schema, load_schema, load_schemas


class Dataset:
    """One snapshot of a dataset, to be asked. A context manager, for closing.

    Args:
        folder: the dataset: tables, and ``snapshots/`` with the manifests.
        at: the snapshot; the newest when None.
        contents: reads the bytes behind the rows; without it ``Package.open`` cannot.

    Raises:
        NotFoundError: there is no such snapshot; the message lists those there are.
        IntegrityError: the manifest was changed or damaged, or a shard of it is not there.
    """

    def __init__(
        self, folder: Path, at: str | None = None, contents: Contents | None = None
    ) -> None:
        self.folder = Path(folder).resolve()
        self.manifest: Manifest = latest(self.folder) if at is None else load(self.folder, at)
        self._contents = contents
        self._connection = connect(self.folder, {"main": self.manifest})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def snapshot(self) -> str:
        """The id of the snapshot that is asked."""
        return self.manifest.snapshot

    @property
    def snapshots(self) -> tuple[str, ...]:
        """The ids of all finished snapshots, oldest first."""
        return snapshots(self.folder)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(load_schemas())

    def schema(self, table: str) -> Schema:
        """What a table is: one row, key, columns. NotFoundError if there is none of that name."""
        if table not in self.tables:
            raise NotFoundError(f"no table {table}; there is: {', '.join(self.tables)}")
        return load_schema(table)

    def at(self, snapshot: str) -> "Dataset":
        """The same dataset at another snapshot, to be closed by itself."""
        return Dataset(self.folder, snapshot, self._contents)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """DuckDB's own relation of one SELECT, or EXPLAIN of one. UsageError for anything else."""
        check(self._connection, query)
        try:
            return self._connection.sql(query)
        except duckdb.Error as error:
            raise UsageError(str(error)) from error

    def answer(self, query: str) -> Answer:
        """The answer to a query, to be read or written. UsageError as ``sql`` has it."""
        return Answer(self.sql(query), self.folder)

    def package(self, hub: str, name: str) -> Package:
        """A package by name, former name, package id or ``id=PACKAGE_ID``. NotFoundError."""
        return find_package(self._connection, self._contents, hub, name)

    def close(self) -> None:
        """Let go of the connection and its relations."""
        self._connection.close()
