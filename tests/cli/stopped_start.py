"""Start the program and, at every so many-th of its imports, stop a copy of it made there.

Run as a program; the words after its name are: how many imports apart, then those of a command.
The copies are forks: each sends itself a signal and must not come back. The last line on stderr is
``ends``, and {signal: {code: copies}} as JSON; the last copies are made when the program is over.
"""

import atexit
import json
import os
import signal
import sys
from collections import Counter
from importlib.metadata import entry_points

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOT_STOPPED = 99


class Stopper:
    """Makes copies and stops them; not while it makes one."""

    def __init__(self, apart: int) -> None:
        self.apart = apart
        self.imports = 0
        self.is_on = True
        self.ends: dict[str, Counter[int]] = {signum.name: Counter() for signum in SIGNALS}

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "import" and self.is_on:
            self.imports += 1
            if self.imports % self.apart == 0:
                self.stop_copies()

    def stop_copies(self) -> None:
        self.is_on = False
        for signum in SIGNALS:
            self.ends[signum.name][self.stop_copy(signum)] += 1
        self.is_on = True

    def stop_copy(self, signum: signal.Signals) -> int:
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signum)
            os._exit(NOT_STOPPED)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def tell(self) -> None:
        self.stop_copies()
        print("ends", json.dumps(self.ends), file=sys.stderr)


def main() -> int:
    stopper = Stopper(int(sys.argv.pop(1)))
    [command] = entry_points(group="console_scripts", name="ptmtorrent")
    run = command.load()
    atexit.register(stopper.tell)
    sys.addaudithook(stopper.hear)
    return run()


if __name__ == "__main__":
    sys.exit(main())
