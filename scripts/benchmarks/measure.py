"""Time, processor time and memory of a command with all its children, as the kernel counts them."""

import os
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one run of a command took.

    Attributes:
        seconds: wall time, from the start of its process to its end.
        processor_s: user and system time of the command and all its children.
        server_s: the same of the servers it talked to.
        peak_bytes: the most memory that any one of its processes had.
        out: what it printed.
    """

    seconds: float
    processor_s: float
    server_s: float = 0.0
    peak_bytes: int = 0
    out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as a user gives it.

    Attributes:
        prepare: done before each run, and not timed: an empty root, say.
    """

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    prepare: Callable[[], None]


def run(command: Command, servers: Sequence[int] = ()) -> Taken:
    """Prepare, run to the end, and say what it took.

    Args:
        command: what to run.
        servers: process ids of what it talks to.

    Raises:
        RuntimeError: it failed; the message is the end of what it said.
    """
    command.prepare()
    served = processor_of(servers)
    with TemporaryFile() as out, TemporaryFile() as err:
        began = monotonic()
        process = subprocess.Popen(
            command.words, cwd=command.folder, env=command.environment, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            told = (out.read() + err.read()).decode(errors="replace")[-2000:]
            raise RuntimeError(f"{command.words[0]} ended with {process.returncode}: {told}")
        return Taken(
            seconds=seconds,
            processor_s=usage.ru_utime + usage.ru_stime,
            server_s=processor_of(servers) - served,
            peak_bytes=usage.ru_maxrss * 1024,
            out=out.read().decode(errors="replace"),
        )


def in_turn(sides: Mapping[str, Callable[[], Taken]], rounds: int) -> dict[str, list[Taken]]:
    """Run each side once, then each again, and so on: what disturbs one disturbs the others."""
    taken: dict[str, list[Taken]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(side())
    return taken


def median_s(runs: Sequence[Taken]) -> float:
    """The median of the wall times."""
    return statistics.median(one.seconds for one in runs)


def processor_of(pids: Sequence[int]) -> float:
    """User and system seconds of processes, and of all they started (proc(5))."""
    return sum(_processor_of(pid) for pid in pids)


def _processor_of(pid: int) -> float:
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        children = (folder / f"task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = sum(int(field) for field in fields[11:15]) * _TICK_S
    return own + sum(_processor_of(int(child)) for child in children)
