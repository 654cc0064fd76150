"""Who writes: a name for each writer, and whether the one behind a name is gone.

Unfinished work carries the name of its writer, so that two writers never touch the same file and
what a killed one left can be told from what a live one works on. No lock is involved.
"""

import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.disk import STALE_S

_PROC = Path("/proc")
_UNKNOWN = "0"
_TEXT = re.compile(r"(\d+)-(\d+)-(\d+)-([0-9a-f]+)-([0-9a-f]+)-([\w.]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class WriterId:
    """One writer: process, machine, and a random part of its own.

    Attributes:
        start: when the process started, in clock ticks since boot (proc(5), field 22).
        namespace: inode of its pid namespace; a pid means nothing outside of it.
        boot: first digits of the machine's boot id, or "0" where there is none.
        nonce: tells two stores opened by one process apart.
    """

    pid: int
    start: int
    namespace: int
    boot: str
    nonce: str
    host: str

    def __str__(self) -> str:
        return f"{self.pid}-{self.start}-{self.namespace}-{self.boot}-{self.nonce}-{self.host}"

    @classmethod
    def parse(cls, text: str) -> "WriterId | None":
        """The writer a name stands for, or None if it is not one."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        pid, start, namespace, boot, nonce, host = match.groups()
        return cls(int(pid), int(start), int(namespace), boot, nonce, host)

    @classmethod
    def here(cls) -> "WriterId":
        """A new name for this process."""
        return cls(
            pid=os.getpid(),
            start=start_of(os.getpid()) or 0,
            namespace=_namespace(),
            boot=_boot(),
            nonce=secrets.token_hex(4),
            host=re.sub(r"[^\w.]", "_", socket.gethostname(), flags=re.ASCII)[:64] or "unnamed",
        )


def is_gone(writer: WriterId, here: WriterId, start_now: int | None, idle_s: float) -> bool:
    """Whether a writer has ended.

    Args:
        writer: the one in question.
        here: a writer of this process.
        start_now: when the process that has the writer's pid here started; None if none has it.
        idle_s: seconds since its work changed last.
    """
    known = _UNKNOWN not in (here.boot, writer.boot)
    if known and (writer.boot, writer.namespace) == (here.boot, here.namespace):
        return start_now != writer.start
    if known and writer.host == here.host and writer.boot != here.boot:
        return True
    return idle_s > STALE_S


def start_of(pid: int) -> int | None:
    """When the process with this pid started (clock ticks since boot); None if there is none."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().replace("-", "")[:8]
    except OSError:
        return _UNKNOWN


def _namespace() -> int:
    try:
        return (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return 0
