"""The command line: arguments and environment to settings, one call into ``app``, an exit code.

The only reader of the environment. Precedence: flag, ``PTMTORRENT_*``, ``--config`` or
``./ptmtorrent.toml``. stdout carries results only; everything else goes to stderr.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

from ptmtorrent import __version__
from ptmtorrent.app import commands as app
from ptmtorrent.app.signals import stoppable
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import CommandError, UsageError
from ptmtorrent.model.clock import Clock, parse_rfc3339
from ptmtorrent.sandbox.serve import Options
from ptmtorrent.settings import Settings, check_name, parse_depth, parse_size

PROGRAM = "ptmtorrent"
DESCRIPTION = "Builds a dataset of pre-trained model packages: resumable, and polite to the hubs."
CONFIG = Path("ptmtorrent.toml")
ROOT = "ptmtorrent-data"

COMMANDS = {
    "plan": "what a fetch would cost: requests, bytes, inodes, hours",
    "list": "list the hubs; every page is kept as received",
    "fetch": "bring in the origins and objects of what is listed",
    "build": "write the tables and the manifest of the open snapshot",
    "snapshot": "list, fetch and build; run it again to go on",
    "status": "where a run stands; works beside it",
    "doctor": "whether this machine is ready and the hubs answer",
    "query": 'ask the dataset: query "SELECT ..." | -f FILE | -',
    "get": "print one file of a package",
    "sandbox": "serve a small world of hubs on loopback",
    "demo": "run the main job offline against the sandbox",
}
RUNS = ("plan", "list", "fetch", "build", "snapshot")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of leaving, and names the nearest command."""

    def error(self, message: str) -> NoReturn:
        """UsageError, which the caller shows."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Only the command has choices."""
        if action.choices is not None:
            check_name(str(value), action.choices, "command")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code that CONTRACT names."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(quiet="--quiet" in words, as_json="--json" in words)
    try:
        with stoppable():
            code = run(parse(words), console, os.environ)
            sys.stdout.flush()
            return code
    except CommandError as error:
        console.note(f"{PROGRAM}: {error}")
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
    with _logged_to(arguments.log_file):
        return _command(context, arguments)


def _command(context: app.Context, arguments: argparse.Namespace) -> int:
    calls: Mapping[str, Callable[[], int]] = {
        "status": lambda: app.status(context),
        "doctor": lambda: app.doctor(context),
        "query": lambda: app.query(context, _query_options(arguments)),
        "get": lambda: app.get(context, arguments.package, arguments.path, arguments.output),
        "sandbox": lambda: app.sandbox(_sandbox_options(arguments)),
        "demo": lambda: app.demo(context, Path(arguments.directory)),
    }
    command = arguments.command
    if command in RUNS:
        return app.run_passes(context, _run_options(arguments, command))
    return calls[command]()


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Arguments of one command; UsageError names the nearest valid word."""
    _check_order(words)
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        known = [flag for action in _flags(parser, arguments.command) for flag in action]
        check_name(unknown[0].split("=")[0], known, f"argument of {arguments.command}")
        raise UsageError(f"{unknown[0]} is not understood at its place")
    return arguments


def _check_order(words: Sequence[str]) -> None:
    """UsageError unless a command comes before all flags that are not everybody's."""
    everybody = Parser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    _add_global(everybody, first=True)
    rest = everybody.parse_known_args(words)[1]
    if not rest:
        raise UsageError(f"no command; one of {', '.join(COMMANDS)}")
    if rest[0].startswith("-") and rest[0] not in ("-h", "--help"):
        raise UsageError(f"{rest[0]}: the command comes first, then its flags")


def build_parser() -> Parser:
    """The parser of all commands; ``help`` shows those that work."""
    parser = Parser(prog=PROGRAM, description=DESCRIPTION, allow_abbrev=False)
    _add_global(parser, first=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        _add_global(command, first=False)
        _ADD.get(name, _add_run)(command)
    return parser


def _add_global(parser: Parser, *, first: bool) -> None:
    """Flags of every command, before or after its name; only the first place has defaults."""

    def add(flag: str, **options: Any) -> None:
        parser.add_argument(flag, **options if first else options | {"default": argparse.SUPPRESS})

    add("--root", metavar="DIR", help=f"where the data is (PTMTORRENT_ROOT, default {ROOT})")
    add("--config", metavar="FILE", type=Path, help=f"settings (default ./{CONFIG})")
    add("--json", action="store_true", help="JSON Lines on stdout")
    add("--quiet", action="store_true", help="no progress")
    add("--log-file", metavar="FILE", type=Path, help="write a log")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")


def _add_run(parser: Parser) -> None:
    parser.add_argument("--depth", help="listing, history (default) or full")
    parser.add_argument("--only", action="append", metavar="HUB[:GLOB]", help="may be repeated")
    parser.add_argument("--top", type=_count, metavar="N", help="fetch the N most downloaded a hub")
    parser.add_argument("--limit", type=_count, metavar="N", help="list at most N packages a hub")
    parser.add_argument("--max-bytes", metavar="SIZE", help="receive at most so much")
    parser.add_argument("--as-of", metavar="DAY", help="the day a new snapshot is labelled with")
    parser.add_argument("--new", action="store_true", help="begin the next snapshot of the day")
    parser.add_argument("--retry-failed", action="store_true", help="try failed items again")


def _add_nothing(parser: Parser) -> None:
    """Nothing of its own."""


def _add_query(parser: Parser) -> None:
    parser.add_argument("sql", nargs="?", metavar="SQL", help="one SELECT or EXPLAIN; - for stdin")
    parser.add_argument("-f", "--file", type=Path, help="read the SQL from a file")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--csv", action="store_true", help="CSV on stdout")
    output.add_argument("--parquet", type=Path, metavar="OUT", help="write a Parquet file")
    parser.add_argument("--at", metavar="SNAPSHOT", help="an earlier snapshot")


def _add_get(parser: Parser) -> None:
    parser.add_argument("package", help="HUB:NAME or HUB:id=PACKAGE_ID")
    parser.add_argument("path", help="a path in the head of its repository")
    parser.add_argument("-o", "--output", type=Path, help="write to a file instead of stdout")


def _add_sandbox(parser: Parser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--packages", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rtt-ms", type=int, default=0, help="added before each answer")
    parser.add_argument("--fault", action="append", default=[], metavar="ROUTE=KIND:RATE")
    parser.add_argument("--tls", action="store_true", help="https with a certificate of its own")


def _add_demo(parser: Parser) -> None:
    parser.add_argument("directory", nargs="?", default="demo", metavar="DIR")


_ADD = {
    "status": _add_nothing,
    "doctor": _add_nothing,
    "query": _add_query,
    "get": _add_get,
    "sandbox": _add_sandbox,
    "demo": _add_demo,
}


def _flags(parser: Parser, command: str) -> list[Sequence[str]]:
    choices: Mapping[str, Parser] = next(
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return [action.option_strings for action in choices[command]._actions]


def _settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    path = arguments.config or (CONFIG if CONFIG.is_file() else None)
    settings = app.load_settings(path)
    chosen = _chosen(vars(arguments), environment)
    settings = replace(settings, **chosen)
    settings.selected()  # a hub that is not known is named before anything begins
    return settings


def _chosen(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """What flags and environment say, flags first."""
    words = ("depth", "top", "max_bytes", "contact")
    chosen: dict[str, Any] = {
        word: environment[name]
        for word in words
        if (name := f"PTMTORRENT_{word.upper()}") in environment
    }
    chosen |= {word: given[word] for word in words if given.get(word) is not None}
    if "depth" in chosen:
        chosen["depth"] = parse_depth(chosen["depth"])
    chosen |= {word: parse_size(chosen[word]) for word in ("top", "max_bytes") if word in chosen}
    return chosen | {"limit": given.get("limit"), "only": tuple(given.get("only") or ())}


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


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(f"not a number from 1: {text!r}")
    return int(text)


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
