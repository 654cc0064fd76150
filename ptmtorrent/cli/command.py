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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ptmtorrent import __version__
from ptmtorrent.app.context import Context, load_settings
from ptmtorrent.app.signals import stoppable
from ptmtorrent.cli.arguments import CONFIG, PROGRAM, ROOT, parse
from ptmtorrent.cli.calls import call
from ptmtorrent.console.output import printing
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import CommandError, OutputError, UsageError
from ptmtorrent.model.clock import Clock, parse_rfc3339
from ptmtorrent.settings import Settings, parse_count, parse_depth, parse_size

_READERS: Mapping[str, Callable[[str], Any]] = {
    "depth": parse_depth,
    "top": parse_count,
    "max_bytes": parse_size,
    "contact": str,
}
"""Settings that flags and environment may say, and how they are read."""


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
    context = Context(
        root=Path(arguments.root or environment.get("PTMTORRENT_ROOT") or ROOT),
        settings=_settings(arguments, environment),
        clock=_clock(environment),
        console=console,
        version=__version__,
    )
    with _logged_to(arguments.log_file), _printed():
        return call(context, arguments)


def _settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    path = arguments.config or (CONFIG if CONFIG.is_file() else None)
    settings = load_settings(path)
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


@contextmanager
def _printed() -> Iterator[None]:
    """All that the block prints is out at its end; OutputError where there is no room for it."""
    try:
        yield
        with printing():
            sys.stdout.flush()
    except OutputError:
        _print_no_more()
        raise


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
