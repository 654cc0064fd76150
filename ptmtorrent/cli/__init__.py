"""The command line: ``arguments`` says what it takes, ``command`` carries one out."""

from ptmtorrent.cli.arguments import COMMANDS
from ptmtorrent.cli.command import main

__all__ = ["COMMANDS", "main"]
