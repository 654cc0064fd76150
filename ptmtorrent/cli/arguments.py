"""What the command line takes: commands, flags, and the help that names them."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ptmtorrent import __version__
from ptmtorrent.errors import UsageError
from ptmtorrent.settings import check_name, parse_count

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
    "restore": "rebuild a package's repository, or the files of its head",
    "diff": "what changed between two snapshots",
    "verify": "check every byte of a root, and name what is not as it should be",
    "gc": "show what no root reaches; --delete removes what was so for long enough",
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
        parser = build_parser()
        known = {flag for name in COMMANDS for flags in _flags(parser, name) for flag in flags}
        check_name(rest[0].split("=")[0], known, "flag")
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
    parser.add_argument(
        "--top", type=parse_count, metavar="N", help="fetch the N most downloaded a hub"
    )
    parser.add_argument(
        "--limit", type=parse_count, metavar="N", help="list at most N packages a hub"
    )
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


def _add_fetch(parser: Parser) -> None:
    _add_run(parser)
    text = "read every blob; bring in again what is damaged or missing"
    parser.add_argument("--repair", action="store_true", help=text)


def _add_verify(parser: Parser) -> None:
    text = "leave the bytes of large blobs and shards unread"
    parser.add_argument("--quick", action="store_true", help=text)


def _add_gc(parser: Parser) -> None:
    parser.add_argument("--delete", action="store_true", help="remove what is due")
    text = "what must have been garbage for so long (14)"
    parser.add_argument("--grace", type=parse_count, metavar="DAYS", default=14, help=text)


def _add_restore(parser: Parser) -> None:
    parser.add_argument("package", help="HUB:NAME or HUB:id=PACKAGE_ID")
    parser.add_argument("directory", type=Path, metavar="DIR", help="new or empty")
    parser.add_argument("--worktree", action="store_true", help="the files instead of a repository")
    parser.add_argument("--at", metavar="SNAPSHOT", help="as of an earlier snapshot")


def _add_diff(parser: Parser) -> None:
    parser.add_argument("before", metavar="A", help="a snapshot")
    parser.add_argument("after", metavar="B", help="another")


def _add_sandbox(parser: Parser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--packages", type=parse_count, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=_port, default=0)
    parser.add_argument("--rtt-ms", type=_natural, default=0, help="added before each answer")
    parser.add_argument("--fault", action="append", default=[], metavar="ROUTE=KIND:RATE")
    parser.add_argument("--tls", action="store_true", help="https with a certificate of its own")


def _add_demo(parser: Parser) -> None:
    parser.add_argument("directory", nargs="?", default="demo", metavar="DIR")


_ADD = {
    "status": _add_nothing,
    "doctor": _add_nothing,
    "query": _add_query,
    "get": _add_get,
    "fetch": _add_fetch,
    "gc": _add_gc,
    "verify": _add_verify,
    "restore": _add_restore,
    "diff": _add_diff,
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


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"not a number from 0: {text!r}")
    return int(text)


def _port(text: str) -> int:
    if _natural(text) > 65535:
        raise UsageError(f"not a port: {text!r}")
    return int(text)
