"""The documents of a snapshot: views.sql for DuckDB, SCHEMA.md for people.

Both are generated from ``schemas/`` and the manifest; nothing in them is written by hand twice.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.shards.manifest import Manifest, Shard, path_of
from ptmtorrent.shards.schema import Column, Kind, Schema, load_schemas

NAMES = ("views.sql", "SCHEMA.md")

_DERIVED = {
    "commits": """\
SELECT c.* FROM all_commits AS c
WHERE EXISTS (SELECT 1 FROM origins AS o WHERE o.origin_key = c.origin_key)
AND NOT EXISTS (
  SELECT 1 FROM unreachable AS u WHERE u.origin_key = c.origin_key AND u.oid = c.oid
)""",
    "files": """\
SELECT f.* REPLACE (
  coalesce(b.held, f.held) AS held,
  CASE WHEN coalesce(b.held, f.held) THEN NULL ELSE coalesce(b.reason, f.reason) END AS reason
)
FROM (
  SELECT * FROM all_files WHERE sha256 IS NOT NULL
  UNION ALL
  SELECT f.* FROM all_files AS f
  WHERE f.sha256 IS NULL AND NOT EXISTS (
    SELECT 1 FROM all_files AS n
    WHERE n.origin_key = f.origin_key AND n.revision = f.revision AND n.path = f.path
      AND n.oid = f.oid AND n.sha256 IS NOT NULL
  )
) AS f
JOIN origins AS o ON o.origin_key = f.origin_key AND o.head = f.revision
LEFT JOIN blobs AS b ON b.sha256 = f.sha256""",
}
"""The views of fact tables: what of all facts is so at the snapshot."""

_NOTES = {
    "commits": "The view leaves out commits that are `unreachable` at the snapshot, and those of"
    " origins that no package names any more.",
    "files": "The view has the files of the heads at the snapshot, and says whether each is held"
    " then; a row without a sha256 gives way to a later one that has it.",
}

_GROWTH = {
    Kind.STATE: "A state table: written whole at each snapshot.",
    Kind.FACT: "A fact table: rows never change, and each snapshot adds those first seen in it.",
    Kind.HISTORY: "A history table: what happened while the snapshot was made.",
}


def write(dataset: Path, manifest: Manifest) -> dict[str, str]:
    """Write the documents beside where the manifest will lie; returns the sha256 of each."""
    folder = path_of(dataset, manifest.snapshot).parent
    disk.make_dirs(folder)
    disk.remove_temps(folder)
    texts = (views_sql(manifest).encode(), schema_md().encode())
    for name, data in zip(NAMES, texts, strict=True):
        disk.write_atomic(folder / name, data)
    return {name: sha256_of(data) for name, data in zip(NAMES, texts, strict=True)}


def views_sql(manifest: Manifest, prefix: str = "") -> str:
    """SQL for DuckDB: a view for each table over exactly the shards the manifest lists.

    Paths begin with ``prefix``; without one they are relative to the dataset. Facts also have a
    view ``all_TABLE`` with every row of every snapshot so far.
    """
    schemas = load_schemas()
    statements = [s for schema in schemas.values() for s in _base(manifest, schema, prefix)]
    for name, query in _DERIVED.items():
        row = f"{schemas[name].row} {_NOTES[name]}".replace("`", "")
        statements += _view(name, query, row, schemas[name])
    head = f"-- Snapshot {manifest.snapshot}. Start DuckDB in dataset/: paths are relative to it.\n"
    return head + "\n".join(f"{s};" for s in (*statements, "SET TimeZone = 'UTC'")) + "\n"


def schema_md() -> str:
    """The data dictionary: every table and column, in Markdown."""
    schemas = load_schemas()
    head = (
        "# Tables and columns\n\n"
        "Generated from `schemas/`. Types are DuckDB's. All times are UTC. The views also have\n"
        "the column `snapshot` (or, for facts, `first_snapshot`): the id in the path of the row's\n"
        "shard.\n"
    )
    return "\n".join([head, *map(_chapter, schemas.values())])


def sql_text(value: str) -> str:
    """A text as SQL writes it, whatever is in it."""
    return "'" + value.replace("'", "''") + "'"


def _base(manifest: Manifest, schema: Schema, prefix: str) -> list[str]:
    name = f"all_{schema.name}" if schema.name in _DERIVED else schema.name
    return _view(name, _scan(schema, _shards(manifest, schema), prefix), schema.row, schema)


def _shards(manifest: Manifest, schema: Schema) -> tuple[Shard, ...]:
    if schema.kind is Kind.HISTORY:
        folder = f"{schema.name}/"
        return tuple(shard for shard in manifest.history if shard.path.startswith(folder))
    table = manifest.tables.get(schema.name)
    return table.shards if table else ()


def _scan(schema: Schema, shards: Iterable[Shard], prefix: str) -> str:
    paths = ",\n  ".join(sql_text(prefix + shard.path) for shard in shards)
    if not paths:
        return _nothing(schema)
    columns = ", ".join(_name(column.name) for column in schema.columns)
    place = sql_text(f"/{schema.partition}=([^/]+)/[^/]+$")
    return (
        f"SELECT {columns},\n"
        f"  regexp_extract(filename, {place}, 1) AS {_name(schema.partition)}\n"
        f"FROM read_parquet([\n  {paths}\n], hive_partitioning = false)"
    )


def _nothing(schema: Schema) -> str:
    columns = [f"CAST(NULL AS {c.data_type.sql}) AS {_name(c.name)}" for c in schema.columns]
    columns.append(f"CAST(NULL AS VARCHAR) AS {_name(schema.partition)}")
    return f"SELECT {', '.join(columns)}\nWHERE false"


def _view(name: str, query: str, row: str, schema: Schema) -> list[str]:
    view = _name(name)
    comments = [(c.name, c.description) for c in schema.columns]
    comments.append((schema.partition, "The snapshot in whose folder the row's shard lies."))
    return [
        f"CREATE OR REPLACE VIEW {view} AS\n{query}",
        f"COMMENT ON VIEW {view} IS {sql_text(row)}",
        *(f"COMMENT ON COLUMN {view}.{_name(c)} IS {sql_text(about)}" for c, about in comments),
    ]


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _chapter(schema: Schema) -> str:
    return (
        f"## {schema.name}\n\n{schema.row} {_GROWTH[schema.kind]}\n{_note(schema)}\n"
        f"Key: {_list(schema.key)}. Order of rows: {', '.join(schema.sort)}.\n\n"
        "| Column | Type | What it is | Unit | NULL | Example |\n|---|---|---|---|---|---|\n"
        f"{''.join(map(_line, schema.columns))}"
    )


def _note(schema: Schema) -> str:
    if schema.name not in _NOTES:
        return ""
    return f"{_NOTES[schema.name]} `all_{schema.name}` has every row of every snapshot so far.\n"


def _line(column: Column) -> str:
    cells = (
        f"`{column.name}`",
        f"{column.data_type.sql}",
        column.sentence,
        column.unit,
        column.null,
        f"`{_example(column.example)}`",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _example(value: object) -> str:
    plain = isinstance(value, str) and value.isprintable()
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
