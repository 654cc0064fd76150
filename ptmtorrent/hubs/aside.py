"""A second process that reads pages in outline, for a hub so large that it pays.

Reading records is what a long listing spends most processor time on, and in Python it holds the
interpreter: another thread gains nothing, another processor does. Pages go to the process and
outlines come back through a pair of sockets, each as one message; it ends when they are closed, so
it cannot outlive us. It gets no token, touches no file, and has no name to be asked by.

    python -m ptmtorrent.hubs.aside HUB     (standard input is the socket)
"""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from threading import Lock

from ptmtorrent.hubs import HUBS
from ptmtorrent.hubs.reading.outlines import from_bytes, to_bytes
from ptmtorrent.model.package import Outline, ParsedPage

log = logging.getLogger(__name__)

AFTER = 1
"""Pages after which it is begun: a listing of one page is over before the process has begun."""


class Aside:
    """The process of one hub, seen from ours; see ``ptmtorrent.pipeline.pages.Aside``."""

    def __init__(self, hub: str, after: int = AFTER) -> None:
        self._hub = hub
        self._pages_before = after
        self._process: subprocess.Popen[bytes] | None = None
        self._there: Connection | None = None
        self._is_starting = self._is_ready = False
        self._asking, self._hearing = Lock(), Lock()

    def is_ready(self) -> bool:
        """Whether it takes a page now; begins the process when enough pages have come."""
        self._pages_before -= 1
        if self._pages_before == -1:
            self._begin()
        if self._is_starting and self._there is not None and self._there.poll():
            self._is_starting, self._is_ready = False, self._has_greeted(self._there)
        return self._is_ready

    def read(self, body: bytes) -> ParsedPage[Outline]:
        """The packages of a page; EOFError or OSError when the process is no more.

        Of two threads that ask, the second sends its page while the first waits, and hears later.
        """
        there = self._there
        if there is None:
            raise EOFError("it has ended")
        with self._asking:
            there.send_bytes(body)
            self._hearing.acquire()
        try:
            said = there.recv_bytes()
        finally:
            self._hearing.release()
        return from_bytes(said)

    def give_up(self) -> None:
        """End the process; it has nothing to finish. Whoever waits for it gets EOFError."""
        self._is_starting = self._is_ready = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End it, and what leads to it; nobody may be asking."""
        self.give_up()
        there, self._there = self._there, None
        if there is not None:
            there.close()

    def _has_greeted(self, there: Connection) -> bool:
        try:
            return there.recv_bytes() == b""
        except (EOFError, OSError) as error:
            log.warning("the process to read pages of %s did not start: %s", self._hub, error)
            return False

    def _begin(self) -> None:
        """Start it with the modules we have, nothing else of our environment, and no signals.

        A signal that a terminal sends to all of a job is for us. Where the machine has no process
        to spare there is none, and pages are read here.
        """
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-s", "-m", __name__, self._hub],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    process_group=0,
                )
                self._there = Connection(ours.detach())
                self._is_starting = True
        except OSError as error:
            log.warning("no process to read pages of %s: %s", self._hub, error)


def main(words: Sequence[str]) -> int:
    """Answer with the outline of each page that comes, until nobody asks any more."""
    kind = next(kind for kind in HUBS if kind.id == words[0])
    with Connection(0) as asker:
        asker.send_bytes(b"")
        while True:
            try:
                body = asker.recv_bytes()
            except EOFError:
                return 0
            asker.send_bytes(to_bytes(kind.in_outline(body)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
