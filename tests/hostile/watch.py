"""Watchers: who connected where, who wrote where, and how much a job used."""

import hashlib
import os
import pickle
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 2**20


@dataclass
class Canary:
    """A listening port of loopback; the kernel completes connections, we count them later."""

    listener: socket.socket

    @classmethod
    @contextmanager
    def open(cls) -> Iterator["Canary"]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            listener.setblocking(False)
            yield cls(listener)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connections(self) -> int:
        """How many have connected since the last question."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
                count += 1
        return count


@dataclass
class Outside:
    """HOME, the working directory and the place for temporary files, each with a file in it."""

    path: Path
    before: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, path: Path) -> "Outside":
        for name in ("home", "cwd", "tmp"):
            (path / name).mkdir(parents=True)
            (path / name / "victim").write_text("untouched")
        outside = cls(path)
        outside.before = outside.now()
        return outside

    def now(self) -> dict[str, str]:
        """Every path, with what it is and holds."""
        return {
            str(path.relative_to(self.path)): _state(path) for path in sorted(self.path.rglob("*"))
        }

    def enter(self) -> None:
        """Make this process live here."""
        os.chdir(self.path / "cwd")
        os.environ |= {"HOME": str(self.path / "home"), "TMPDIR": str(self.path / "tmp")}


def _state(path: Path) -> str:
    stat = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return f"{stat.st_mode:o} {content}"


@dataclass
class Contacts:
    """Names this process resolved and addresses it connected to (audit events of Python)."""

    names: list[str] = field(default_factory=list)
    addresses: list[tuple[str, int]] = field(default_factory=list)

    def listen(self) -> None:
        """From now on, and for ever: only for a process of its own."""
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self.names.append(str(arguments[0]))
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            self.addresses.append((arguments[1][0], arguments[1][1]))


FRESH_MIB = 110.0
"""What `ptmtorrent snapshot` has in memory when it begins (measured)."""


@dataclass
class Ran:
    """How a job in a process of its own ended.

    The child is a fork of the tests, which carries what other tests have loaded; ``own_mib`` is
    what the job took beyond that, and what a process of the program has when it begins.
    """

    value: Any
    seconds: float
    peak_mib: float
    started_mib: float

    @property
    def own_mib(self) -> float:
        return self.peak_mib - self.started_mib + FRESH_MIB


def run_apart(job: Callable[[], Any], seconds: float = 30.0) -> Ran:
    """Run ``job`` in a child; TimeoutError, with everything killed, when it takes too long.

    Memory is the sum of the peaks of all processes of the child's tree that lived together.
    """
    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(job, reading, writing)
    os.close(writing)
    try:
        data, peak, first = _followed(pid, reading, began + seconds)
    finally:
        os.close(reading)
        for one in (*_tree(pid), pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        os.waitpid(pid, 0)
    kind, value = pickle.loads(data)
    if kind == "raised":
        raise AssertionError(value)
    return Ran(value, time.monotonic() - began, peak, first)


def _child(job: Callable[[], Any], reading: int, writing: int) -> None:
    os.close(reading)
    try:
        answer = ("value", job())
    except BaseException as error:
        import traceback

        answer = ("raised", "".join(traceback.format_exception(error)))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(pickle.dumps(answer))
    os._exit(0)


def _followed(pid: int, pipe: int, deadline: float) -> tuple[bytes, float, float]:
    data, peak, first = b"", 0.0, 0.0
    while time.monotonic() < deadline:
        now = sum(_peak_mib(one) for one in (pid, *_programs(pid)))
        peak, first = max(peak, now), first or now
        if select.select([pipe], [], [], 0.02)[0]:
            chunk = os.read(pipe, MIB)
            if not chunk:
                return data, peak, first
            data += chunk
    raise TimeoutError("it did not end in time")


def _tree(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_tree(child)]
    return found


def _programs(pid: int) -> list[int]:
    """Processes below one that run a program; until it does, a fork's memory is its parent's."""
    return [one for one in _tree(pid) if _words(one) != _words(pid)]


def _words(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _peak_mib(pid: int) -> float:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return 0.0
