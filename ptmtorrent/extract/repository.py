"""Repositories at rest, opened so that git sees nothing but them.

git runs with a closed environment: no system, global or inherited configuration, an empty HOME, no
prompt, no protocol at all, no lazy fetch, no replaced objects, and no attributes but git's own. So
nothing it does can reach the network or depend on this machine. Its memory and processor time are
limited: a repository may be built to take all there is.

This is the only module that starts git in this room. GitPython opens the repositories; since it
hands on the environment it finds, ``ClosedGit`` runs through ``env -i`` what GitPython asks for.
What this room asks for is asked often, and gets its environment directly.
"""

import os
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Lock
from typing import IO, Any

import git

from ptmtorrent.errors import CorruptError, FatalError, ItemError, SkipError, SkipReason
from ptmtorrent.model.text import display

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ATTR_SOURCE": _EMPTY_TREE,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.bigFileThreshold",
    "GIT_CONFIG_VALUE_0": "8m",
    "GIT_CONFIG_KEY_1": "core.fsync",
    "GIT_CONFIG_VALUE_1": "none",
}
"""Larger files are streamed, and are binary to a diff: its memory is a multiple of the lines.
Nothing that git writes here is relied upon after a power cut."""

_LIMITED = """ulimit -c 0
ulimit -d "$1" || exit 1
ulimit -t "$2" || exit 1
[ -z "$3" ] || ulimit -f "$3" || [ "$(ulimit -f)" -le "$3" ] || exit 1
shift 3
exec "$@"
"""
_MEMORY_KIB = 352 * 1024
_CPU_S = 3600
_COMPLAINTS = 4 * 1024 * 1024
"""Bytes: complaints are kept in memory, and most commands write nothing else to a file."""
_TOO_MUCH = ("out of memory", "cannot allocate memory")
_ERROR_LIMIT = 64 * 1024


class ClosedGit(git.Git):
    """GitPython's git command, run in the closed environment."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """As ``git.Git.execute``; the first word of the command is ``git``, whatever it says."""
        command, *rest = args
        closed = [f"{name}={value}" for name, value in _environment(str(self.working_dir)).items()]
        command = ["env", "-i", *closed, *_limited(command[1:])]
        return super().execute(command, *rest, **kwargs)


class ClosedRepo(git.Repo):
    """GitPython's repository; everything it asks of git is asked of ``ClosedGit``."""

    GitCommandWrapperType = ClosedGit
    leash: "Leash"


def _environment(git_dir: str) -> dict[str, str]:
    return _ENVIRONMENT | {"GIT_DIR": git_dir}


def _limited(arguments: Sequence[str]) -> list[str]:
    """The command that sets the limits and becomes git; they bind whatever git starts."""
    executable = shutil.which("git")
    if executable is None:
        raise FatalError("git is not installed; install git 2.36 or newer")
    blocks = "" if arguments[0] == "index-pack" else str(_COMPLAINTS // 512)
    limits = [str(_MEMORY_KIB), str(_CPU_S), blocks]
    return ["/bin/sh", "-c", _LIMITED, "sh", *limits, executable, *arguments]


class Leash:
    """Holds the git processes of several threads, to end all of them at once."""

    def __init__(self) -> None:
        self._held: set[Popen[bytes]] = set()
        self._ended = False
        self._lock = Lock()

    def hold(self, process: "Popen[bytes]") -> None:
        """Take hold of a process; it is killed at once if all were to end."""
        with self._lock:
            self._held.add(process)
            if self._ended:
                process.kill()

    def release(self, process: "Popen[bytes]") -> None:
        """Let go of a process that has ended."""
        with self._lock:
            self._held.discard(process)

    def end(self) -> None:
        """Kill what is held, and whatever will be."""
        with self._lock:
            self._ended = True
            for process in self._held:
                process.kill()


@contextmanager
def open_repository(git_dir: Path, leash: Leash | None = None) -> Iterator[ClosedRepo]:
    """A bare git directory of our own making, open for reading; ``leash`` holds its processes.

    It is closed, and its processes are gone, at the end. Its ``config`` is obeyed, so a directory
    that somebody else has written, or that knows a remote, is not for here.

    Raises CorruptError when the directory is no git repository.
    """
    try:
        repo = ClosedRepo(git_dir.absolute(), expand_vars=False)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        raise CorruptError("not a git repository") from error
    repo.leash = leash or Leash()
    try:
        yield repo
    finally:
        repo.close()


@contextmanager
def git_child(repo: ClosedRepo, *arguments: str) -> Iterator["GitChild"]:
    """A running git command of an open repository, as ``git_at``."""
    with git_at(Path(repo.git_dir), *arguments, leash=repo.leash) as child:
        yield child


@contextmanager
def git_at(git_dir: Path, *arguments: str, leash: Leash | None = None) -> Iterator["GitChild"]:
    """A running git command to write to and read from.

    The process is gone at the end, however the block is left. Raises CorruptError when the block
    ended well and git did not; SkipError (over_limit) when git needed more than it may use.
    """
    complaints = os.memfd_create("complaints")
    try:
        process = Popen(
            _limited(arguments),
            cwd=git_dir,
            env=_environment(str(git_dir.absolute())),
            stdin=PIPE,
            stdout=PIPE,
            stderr=complaints,
        )
        child = GitChild(process, arguments[0], complaints)
        with child.held(leash or Leash()):
            yield child
    finally:
        os.close(complaints)


class GitChild:
    """A git command with pipes. It complains into a file, so it never blocks on that."""

    def __init__(self, process: "Popen[bytes]", name: str, complaints: int) -> None:
        self._process = process
        self._name = name
        self._complaints = complaints
        self.input = _pipe(process.stdin)
        self.output = _pipe(process.stdout)

    @contextmanager
    def held(self, leash: Leash) -> Iterator[None]:
        """Around the use of it: it is finished at the end, and gone however the block is left."""
        try:
            leash.hold(self._process)
            yield
            self.finish()
        finally:
            self.kill()
            leash.release(self._process)

    def write(self, data: bytes) -> None:
        """Send ``data`` now. Raises CorruptError when git has died."""
        try:
            self.input.write(data)
            self.input.flush()
        except BrokenPipeError as error:
            raise self.broken() from error

    def write_lines(self, words: Iterable[str]) -> None:
        """Send one word a line, and that was all. Raises CorruptError when git has died."""
        self.write("".join(f"{word}\n" for word in words).encode())
        self.input.close()

    def broken(self) -> ItemError:
        """The error that says that git ended early, in git's words."""
        status = self._process.wait()
        complaint = f"git {self._name}: {plain(self._last_words())}"
        if status == -signal.SIGXCPU or any(word in complaint.lower() for word in _TOO_MUCH):
            return SkipError(f"more than git may use: {complaint}", SkipReason.OVER_LIMIT)
        return CorruptError(complaint)

    def _last_words(self) -> str:
        size = os.fstat(self._complaints).st_size
        words = os.pread(self._complaints, _ERROR_LIMIT, max(0, size - _ERROR_LIMIT))
        return words.decode(errors="replace")

    def finish(self) -> None:
        """Close git's input, pass over the rest of its output, and check how it ended."""
        self.input.close()
        while self.output.read(64 * 1024):
            pass
        if self._process.wait() != 0:
            raise self.broken()

    def kill(self) -> None:
        """End the process if it runs, and let go of its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        _close_quietly(self.input)
        self.output.close()


def _close_quietly(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        pipe.close()  # what was not sent is dropped: nobody is there to read it


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise CorruptError("git was started without a pipe")
    return stream


def plain(text: str) -> str:
    """A complaint of git on one line, short, and safe to show."""
    return display(" ".join(text.split()))[:500]
