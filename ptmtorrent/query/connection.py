"""A shut connection to the shards of one snapshot, or of several side by side.

It reads the dataset's folder and nothing else, loads no extension, takes no setting, and sees no
variable of the program.
"""

import os
from pathlib import Path

import duckdb

from ptmtorrent.errors import IntegrityError
from ptmtorrent.shards.documents import sql_text, views_sql
from ptmtorrent.shards.manifest import Manifest


def connect(folder: Path, snapshots: dict[str, Manifest]) -> duckdb.DuckDBPyConnection:
    """Open views over exactly the shards of each manifest, in the schema it is listed under.

    Args:
        folder: the dataset, as an absolute path.
        snapshots: name of a schema (``main`` is the one that queries need not name) -> manifest.

    Raises:
        IntegrityError: a shard is not there, or a table cannot be read.
    """
    for manifest in snapshots.values():
        _check(folder, manifest)
    connection = duckdb.connect(":memory:", config=_config(folder))
    try:
        connection.execute(f"SET allowed_directories = [{sql_text(f'{folder}/')}]")
        connection.execute("SET enable_progress_bar = false")  # it would go to stdout
        connection.execute("SET enable_external_access = false")
        for schema, manifest in snapshots.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; SET schema = '{schema}'")
            connection.execute(views_sql(manifest, prefix=f"{folder}/"))
        connection.execute("SET schema = 'main'; SET lock_configuration = true")
    except duckdb.Error as error:
        connection.close()
        names = ", ".join(manifest.snapshot for manifest in snapshots.values())
        raise IntegrityError(f"snapshot {names} cannot be read: {error}") from error
    return connection


def _check(folder: Path, manifest: Manifest) -> None:
    """Every shard is there with its size; whether its bytes are right, ``verify`` tells."""
    for shard in manifest.shards:
        path = folder / shard.path
        found = path.stat().st_size if path.is_file() else None
        if found != shard.bytes:
            raise IntegrityError(f"{path}: {found} bytes instead of {shard.bytes}; run `verify`")


def _config(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "temp_directory": f"{folder.parent}/.query-{os.getpid()}",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
