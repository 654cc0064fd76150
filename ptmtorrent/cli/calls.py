"""From arguments to one function of ``app``.

Each call loads what its command needs, and nothing else: loading everything takes longer than most
commands do.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ptmtorrent.app.context import Context
from ptmtorrent.cli.arguments import PROGRAM, RUNS
from ptmtorrent.errors import UsageError


def call(context: Context, arguments: argparse.Namespace) -> int:
    """Call one function of ``app``."""
    command = arguments.command
    if command == "fetch" and arguments.repair:
        from ptmtorrent.app import repairing

        return repairing.repair(context)
    if command in RUNS:
        return _run_passes(context, arguments)
    return _COMMANDS[command](context, arguments)


def _run_passes(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import passes

    options = passes.RunOptions(
        command=arguments.command,
        as_of=arguments.as_of and _day(arguments.as_of),
        new=arguments.new,
        retry_failed=arguments.retry_failed,
    )
    return passes.run_passes(context, options)


def _status(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import standing

    return standing.status(context)


def _doctor(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import doctor

    return doctor.doctor(context)


def _query(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import asking

    return asking.query(context, asking.QueryOptions(**_question(arguments)))


def _get(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import asking

    return asking.get(context, arguments.package, arguments.path, arguments.output)


def _verify(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import audit

    return audit.verify(context.root, context.console, quick=arguments.quick)


def _restore(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import restoring

    options = restoring.RestoreOptions(
        package=arguments.package,
        directory=arguments.directory,
        worktree=arguments.worktree,
        at=arguments.at,
    )
    return restoring.restore(context, options)


def _diff(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import restoring

    return restoring.diff(context, arguments.before, arguments.after)


def _gc(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import collecting

    grace = timedelta(days=arguments.grace)
    return collecting.gc(context, collecting.GcOptions(delete=arguments.delete, grace=grace))


def _sandbox(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import showing
    from ptmtorrent.sandbox.serve import Options

    options = Options(
        directory=arguments.directory,
        packages=arguments.packages,
        seed=arguments.seed,
        port=arguments.port,
        rtt_ms=arguments.rtt_ms,
        faults=tuple(arguments.fault),
        tls=arguments.tls,
    )
    return showing.sandbox(options)


def _demo(context: Context, arguments: argparse.Namespace) -> int:
    from ptmtorrent.app import showing

    return showing.demo(context, Path(arguments.directory), _program())


_COMMANDS: Mapping[str, Callable[[Context, argparse.Namespace], int]] = {
    "status": _status,
    "doctor": _doctor,
    "query": _query,
    "get": _get,
    "verify": _verify,
    "restore": _restore,
    "diff": _diff,
    "gc": _gc,
    "sandbox": _sandbox,
    "demo": _demo,
}


def _day(text: str) -> str:
    """A day as snapshots are named; Python alone would also take ``20261121`` and week dates."""
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        day = ""
    if day != text:
        raise UsageError(f"--as-of takes a day like 2026-11-21, not {text!r}")
    return day


def _question(arguments: argparse.Namespace) -> dict[str, Any]:
    """The SQL, and the form of the answer. UsageError when there are two of either, or none."""
    if (arguments.sql is None) == (arguments.file is None):
        raise UsageError("give the SQL as one argument, as - for standard input, or with -f FILE")
    if arguments.json and (arguments.csv or arguments.parquet):
        raise UsageError("one form at a time: --csv, --json or --parquet OUT")
    if arguments.file is not None:
        sql = _read(arguments.file)
    else:
        sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    form = "csv" if arguments.csv else "json" if arguments.json else "table"
    return {"sql": sql, "form": form, "parquet": arguments.parquet, "at": arguments.at}


def _program() -> str:
    """What to call this program by from here: it need not be where a shell looks."""
    return sys.argv[0] if Path(sys.argv[0]).name == PROGRAM else PROGRAM


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
