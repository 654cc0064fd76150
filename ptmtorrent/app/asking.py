"""The commands query and get."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ptmtorrent import disk
from ptmtorrent.app.contents import open_dataset, package_of
from ptmtorrent.app.context import Context
from ptmtorrent.console.output import printing
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import UsageError
from ptmtorrent.query.answer import Answer

SHOWN_ROWS = 1000
"""Rows of a table; more than that nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """A question and the form of its answer: ``table``, ``csv`` or ``json``."""

    sql: str
    form: str = "table"
    parquet: Path | None = None
    at: str | None = None


def query(context: Context, options: QueryOptions) -> int:
    """Answer one question."""
    with open_dataset(context.root, options.at) as dataset:
        answer = dataset.answer(options.sql)
        if options.parquet is not None:
            answer.write_parquet(options.parquet)
        elif options.form == "csv":
            with printing():
                answer.write_csv(sys.stdout)
        elif options.form == "json":
            with printing():
                answer.write_json(sys.stdout)
        else:
            _show(context.console, answer)
    return 0


def _show(console: Console, answer: Answer) -> None:
    """An answer as a table, which has to fit into memory; what EXPLAIN draws, as it is drawn."""
    rows = list(islice(answer.rows(), SHOWN_ROWS + 1))
    if answer.columns == ("explain_key", "explain_value"):
        for _, drawing in rows:
            console.result(str(drawing))
        return
    console.table(answer.columns, rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        console.note(f"only the first {SHOWN_ROWS} rows; --csv, --json and --parquet give all")


def get(context: Context, package: str, path: str, output: Path | None) -> int:
    """Print one file of a package's head."""
    hub, name = package_of(package, context.settings.hubs)
    with (
        open_dataset(context.root) as dataset,
        dataset.package(hub, name).open(path) as source,
        _target(output) as target,
    ):
        for piece in _pieces(source, path):
            target.write(piece)
        target.flush()
    return 0


def _pieces(source: BinaryIO, path: str) -> Iterator[bytes]:
    """The bytes of a file of a package; FatalError, naming it, when they cannot be read."""
    while True:
        with disk.refusals(Path(path)):
            piece = source.read(disk.CHUNK)
        if not piece:
            return
        yield piece


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    """Where bytes go: stdout, or a file that has its name only when it is whole.

    UsageError or FatalError when it takes none. The block does nothing else with files.
    """
    if output is None:
        with printing():
            yield sys.stdout.buffer
        return
    if not output.parent.is_dir() or output.is_dir():
        raise UsageError(f"cannot write {output}: not a file in a folder that is there")
    partial = output.with_name(f"{output.name}.partial")
    try:
        with disk.refusals(output), partial.open("wb") as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
