"""``ptmtorrent`` and ``python -m ptmtorrent``: signals first, then the rest of the program.

Importing everything takes over a second, in which a signal can come as at any other time. Before a
command has begun and after it is over nothing is under way, so a signal ends the process at once.
"""

import os
import signal
import sys
from importlib import import_module
from types import FrameType

STOPPED = b"ptmtorrent: stopped\n"


def main() -> int:
    """Run one command; returns the exit code that CONTRACT names."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _leave)
    code: int = import_module("ptmtorrent.cli").main()
    return code


def _leave(signum: int, frame: FrameType | None) -> None:
    """End with the signal's code; an exception would be caught by whatever is being imported."""
    try:
        os.write(2, STOPPED)
    finally:
        os._exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
