"""Run one command, with something going wrong at the k-th call of the system it makes.

Started as a program by ``injection.Injection``; the words after it are those of the command. The
command is imported whole before the counting begins, so that the steps counted are its own. What
is to happen is in the environment, as JSON: ``{"strace": [arguments]}`` puts strace on this process
and all its threads (not on git, which is let go when it begins); ``{"count": log}`` and
``{"kill": [name, k]}`` do without strace and see calls made from Python alone.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

VARIABLE = "PTMTORRENT_TEST_INJECTION"
COUNTED = ("fsync", "rename", "replace", "link", "unlink", "mkdir", "pwrite")
"""What is counted without strace."""
DEADLINE_S = 20.0


def main() -> int:
    from ptmtorrent import cli

    plan = json.loads(os.environ.pop(VARIABLE))
    if "strace" in plan:
        traced_by(plan["strace"])
    else:
        counted(plan.get("count"), plan.get("kill"))
    return cli.main(sys.argv[1:])


def traced_by(arguments: list[str]) -> None:
    """Return when strace has taken hold of every thread of this process.

    It looks again and again: the kernel lets nobody wait for that, and strace's own word for it
    comes with others on a stream that somebody would have to read to the end.
    """
    tracer = subprocess.Popen(["strace", *arguments, "-p", str(os.getpid())])
    until = time.monotonic() + DEADLINE_S
    while not all(is_traced(task) for task in Path("/proc/self/task").iterdir()):
        if tracer.poll() is not None or time.monotonic() > until:
            sys.exit("strace cannot trace here")
        time.sleep(0.002)


def is_traced(task: Path) -> bool:
    return "TracerPid:\t0\n" not in (task / "status").read_text()


def counted(log: str | None, kill: tuple[str, int] | None) -> None:
    """Put a counter before the calls of ``os``; it writes a log, or ends this process."""
    stream = Path(log).open("a", buffering=1) if log else None  # noqa: SIM115  # to the end
    numbers = dict.fromkeys(COUNTED, 0)
    lock = threading.Lock()

    def count(name: str, args: tuple[object, ...]) -> None:
        with lock:
            numbers[name] += 1
            if stream:
                stream.write(f"1 0.0 {name}({shown(args[0])}) = 0\n")
            if kill and [name, numbers[name]] == list(kill):
                os.kill(os.getpid(), signal.SIGKILL)

    def counting(name: str):
        call = getattr(os, name)
        return lambda *args, **kwargs: (count(name, args), call(*args, **kwargs))[1]

    for name in COUNTED:
        setattr(os, name, counting(name))


def shown(argument: object) -> str:
    """A path, or what a descriptor stands for, as strace shows it."""
    if isinstance(argument, int):
        return f"{argument}<{Path(f'/proc/self/fd/{argument}').readlink()}>"
    return f'"{os.fspath(argument)}"'


if __name__ == "__main__":
    sys.exit(main())
