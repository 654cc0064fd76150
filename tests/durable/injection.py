"""Steps: the calls of a run that change its root, counted; and runs in which one goes wrong.

strace counts each thread for itself. So a step is known by the name of the call and the number at
which the first of all threads gets there: at this number the injection fires.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "main_job"))

from job import Job
from launch import VARIABLE
from storm import COMMAND

CALLS = (
    *("openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "fchmod", "mkdir"),
    *("rename", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir"),
)
TRACED = "trace=" + ",".join(f"?{call}" for call in CALLS)
"""A question mark: not every architecture has every one of them."""

HAS_STRACE = shutil.which("strace") is not None
WITHOUT_STRACE = "NO STRACE HERE: only calls made from Python are counted, none of SQLite's"

_LINE = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*)\) += (-?\d+)(.*)")
_BEGUN = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*) <unfinished \.\.\.>")
_ENDED = re.compile(r"(\d+) +[\d.]+ <\.\.\. \w+ resumed>(.*)\) += (-?\d+)(.*)")


@dataclass(frozen=True, slots=True)
class Step:
    """One call that changes a root: ``number`` counts the calls of this name in its thread."""

    call: str
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """A line of strace's log; ``at`` is seconds since the epoch, ``result`` -1 when it failed."""

    thread: str
    at: float
    name: str
    arguments: str
    result: int
    rest: str

    @property
    def is_injected(self) -> bool:
        """Whether it was made to fail."""
        return self.rest.endswith("(INJECTED)")

    @property
    def changes(self) -> bool:
        """Whether a call of this kind, with these arguments, changes the disk."""
        return self.name != "openat" or "O_CREAT" in self.arguments


def start(job: Job, plan: dict[str, object]) -> subprocess.Popen[str]:
    """Begin the snapshot of a job, with a plan that ``launch.py`` understands."""
    job.program = (sys.executable, str(Path(__file__).with_name("launch.py")))
    try:
        return job.start(*COMMAND, **{VARIABLE: json.dumps(plan)})
    finally:
        job.program = Job.program


def watched(log: Path) -> dict[str, object]:
    """The plan of a run in which every step is written down and nothing goes wrong."""
    return {"strace": _arguments(log, TRACED)} if HAS_STRACE else {"count": str(log)}


def killed_at(step: Step) -> dict[str, object]:
    """The plan of a run that is killed as it enters a step."""
    if not HAS_STRACE:
        return {"kill": [step.call, step.number]}
    inject = f"inject={step.call}:signal=SIGKILL:when={step.number}"
    return {"strace": _arguments(Path(os.devnull), f"trace={step.call}", inject)}


def failed_at(step: Step, error: str, log: Path, *, sticky: bool) -> dict[str, object]:
    """The plan of a run in which a step is refused; ``sticky``: and all calls of its name after."""
    inject = f"inject={step.call}:error={error}:when={step.number}{'+' if sticky else ''}"
    return {"strace": _arguments(log, TRACED, inject)}


def _arguments(log: Path, *expressions: str) -> list[str]:
    chosen = [word for expression in expressions for word in ("-e", expression)]
    return ["-f", "-b", "execve", "-y", "-ttt", "-qqq", "-s", "512", "-o", str(log), *chosen]


def calls_of(log: Path) -> Iterator[Call]:
    """The calls of a log, in the order in which they began; 0 is the result of one cut short."""
    calls, begun = list[Call](), dict[str, int]()
    for line in log.read_text(errors="replace").splitlines():
        if found := _LINE.fullmatch(line):
            thread, at, name, arguments, result, rest = found.groups()
            calls.append(Call(thread, float(at), name, arguments, int(result), rest))
        elif found := _BEGUN.fullmatch(line):
            thread, at, name, arguments = found.groups()
            begun[thread] = len(calls)
            calls.append(Call(thread, float(at), name, arguments, 0, ""))
        elif (found := _ENDED.fullmatch(line)) and found[1] in begun:
            place = begun.pop(found[1])
            arguments = calls[place].arguments + found[2]
            calls[place] = replace(
                calls[place], arguments=arguments, result=int(found[3]), rest=found[4]
            )
    return iter(calls)


def steps_of(calls: Iterable[Call], root: Path) -> list[Step]:
    """The steps at which an injection can fire, in order."""
    numbers: dict[tuple[str, str], int] = {}
    reached: set[tuple[str, int]] = set()
    steps = []
    for call in calls:
        number = numbers[call.thread, call.name] = numbers.get((call.thread, call.name), 0) + 1
        is_first = (call.name, number) not in reached
        reached.add((call.name, number))
        if is_first and call.changes and str(root) in call.arguments:
            steps.append(Step(call.name, number, _path_in(call.arguments, root)))
    return steps


def _path_in(arguments: str, root: Path) -> str:
    """The last path under a root, relative to it."""
    tail = arguments.rpartition(str(root))[2]
    return re.split(r'[">]', tail, maxsplit=1)[0].lstrip("/") or "."
