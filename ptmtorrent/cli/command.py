"""The command line: arguments and environment to settings, one call into ``app``, an exit code.

The only reader of the environment. Precedence: flag, ``PTMTORRENT_*``, ``--config`` or
``./ptmtorrent.toml``. stdout carries results only; everything else goes to stderr.
"""

import argparse
import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ptmtorrent import __version__
from ptmtorrent.app import audit, collecting, repairing, restoring
from ptmtorrent.app import commands as app
from ptmtorrent.app.signals import stoppable
from ptmtorrent.cli.arguments import CONFIG, PROGRAM, ROOT, RUNS, parse
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import CommandError, FatalError, UsageError
from ptmtorrent.model.clock import Clock, parse_rfc3339
from ptmtorrent.sandbox.serve import Options
from ptmtorrent.settings import Settings, parse_count, parse_depth, parse_size

_READERS: Mapping[str, Callable[[str], Any]] = {
    "depth": parse_depth,
    "top": parse_count,
    "max_bytes": parse_size,
    "contact": str,
}
"""Settings that flags and environment may say, and how they are read."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code that CONTRACT names."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(quiet="--quiet" in words, as_json="--json" in words)
    try:
        with stoppable():
            return run(parse(words), console, os.environ)
    except CommandError as error:
        console.note(f"{PROGRAM}: {error}")
        return error.exit_code
    except BrokenPipeError:
        _print_no_more()
        return 0
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        console.note(f"{PROGRAM}: internal error: {told}; --log-file FILE keeps the details")
        return 1


def run(arguments: argparse.Namespace, console: Console, environment: Mapping[str, str]) -> int:
    """Carry out parsed arguments."""
    context = app.Context(
        root=Path(arguments.root or environment.get("PTMTORRENT_ROOT") or ROOT),
        settings=_settings(arguments, environment),
        clock=_clock(environment),
        console=console,
        version=__version__,
    )
    with _logged_to(arguments.log_file), _printed():
        return _command(context, arguments)


def _command(context: app.Context, arguments: argparse.Namespace) -> int:
    calls: Mapping[str, Callable[[], int]] = {
        "status": lambda: app.status(context),
        "doctor": lambda: app.doctor(context),
        "query": lambda: app.query(context, _query_options(arguments)),
        "get": lambda: app.get(context, arguments.package, arguments.path, arguments.output),
        "verify": lambda: audit.verify(context.root, context.console, quick=arguments.quick),
        "restore": lambda: restoring.restore(context, _restore_options(arguments)),
        "diff": lambda: restoring.diff(context, arguments.before, arguments.after),
        "gc": lambda: collecting.gc(context, _gc_options(arguments)),
        "sandbox": lambda: app.sandbox(_sandbox_options(arguments)),
        "demo": lambda: app.demo(context, Path(arguments.directory), _program()),
    }
    command = arguments.command
    if command == "fetch" and arguments.repair:
        return repairing.repair(context)
    if command in RUNS:
        return app.run_passes(context, _run_options(arguments, command))
    return calls[command]()


def _settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    path = arguments.config or (CONFIG if CONFIG.is_file() else None)
    settings = app.load_settings(path)
    chosen = _chosen(vars(arguments), environment)
    settings = replace(settings, **chosen)
    settings.selected()  # a hub that is not known is named before anything begins
    return settings


def _chosen(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """What flags and environment say, flags first."""
    chosen: dict[str, Any] = {"limit": given.get("limit"), "only": tuple(given.get("only") or ())}
    for word, read in _READERS.items():
        name = f"PTMTORRENT_{word.upper()}"
        if given.get(word) is not None:
            chosen[word] = read(given[word])
        elif name in environment:
            chosen[word] = _of_environment(name, environment[name], read)
    return chosen


def _of_environment(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _run_options(arguments: argparse.Namespace, command: str) -> app.RunOptions:
    return app.RunOptions(
        command=command,
        as_of=arguments.as_of and _day(arguments.as_of),
        new=arguments.new,
        retry_failed=arguments.retry_failed,
    )


def _day(text: str) -> str:
    """A day as snapshots are named; Python alone would also take ``20261121`` and week dates."""
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        day = ""
    if day != text:
        raise UsageError(f"--as-of takes a day like 2026-11-21, not {text!r}")
    return day


def _query_options(arguments: argparse.Namespace) -> app.QueryOptions:
    if (arguments.sql is None) == (arguments.file is None):
        raise UsageError("give the SQL as one argument, as - for standard input, or with -f FILE")
    if arguments.json and (arguments.csv or arguments.parquet):
        raise UsageError("one form at a time: --csv, --json or --parquet OUT")
    if arguments.file is not None:
        sql = _read(arguments.file)
    else:
        sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    form = "csv" if arguments.csv else "json" if arguments.json else "table"
    return app.QueryOptions(sql=sql, form=form, parquet=arguments.parquet, at=arguments.at)


def _gc_options(arguments: argparse.Namespace) -> collecting.GcOptions:
    grace = timedelta(days=arguments.grace)
    return collecting.GcOptions(delete=arguments.delete, grace=grace)


def _restore_options(arguments: argparse.Namespace) -> restoring.RestoreOptions:
    return restoring.RestoreOptions(
        package=arguments.package,
        directory=arguments.directory,
        worktree=arguments.worktree,
        at=arguments.at,
    )


def _sandbox_options(arguments: argparse.Namespace) -> Options:
    return Options(
        directory=arguments.directory,
        packages=arguments.packages,
        seed=arguments.seed,
        port=arguments.port,
        rtt_ms=arguments.rtt_ms,
        faults=tuple(arguments.fault),
        tls=arguments.tls,
    )


def _program() -> str:
    """What to call this program by from here: it need not be where a shell looks."""
    return sys.argv[0] if Path(sys.argv[0]).name == PROGRAM else PROGRAM


def _clock(environment: Mapping[str, str]) -> Clock:
    """The real clock, its data side frozen by PTMTORRENT_CLOCK."""
    frozen = environment.get("PTMTORRENT_CLOCK")
    if not frozen:
        return Clock(lambda: datetime.now(UTC), time.time)
    try:
        at = parse_rfc3339(frozen)
    except ValueError as error:
        raise UsageError(
            f"PTMTORRENT_CLOCK must be a time like 2026-11-21T00:00:00Z: {error}"
        ) from None
    return Clock(lambda: at, time.time)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


@contextmanager
def _printed() -> Iterator[None]:
    """All that the block prints is out at its end; FatalError where there is no room for it."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        _print_no_more()
        raise FatalError(f"the output cannot be written: {error.strerror}") from error


def _print_no_more() -> None:
    """What is left in buffers goes nowhere, and Python does not try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _logged_to(path: Path | None) -> Iterator[None]:
    """Log into a file while the block runs; without one, nowhere."""
    handler: logging.Handler = logging.NullHandler() if path is None else _log_file(path)
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(level if path is None else logging.INFO)
    try:
        yield
    except CommandError as error:
        logger.error("%s", error)  # noqa: TRY400  # expected, and said in one sentence
        raise
    except Exception:
        logger.exception("internal error")
        raise
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


def _log_file(path: Path) -> logging.Handler:
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the log {path}: {error}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return handler
