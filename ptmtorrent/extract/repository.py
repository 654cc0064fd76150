"""Repositories at rest, opened so that git sees nothing but them.

git runs with a closed environment (``env -i``): no system, global or inherited configuration, an
empty HOME, no prompt, no protocol at all, no lazy fetch, no replaced objects, and no attributes
but git's own. So nothing it does can reach the network or depend on this machine. Its memory and
processor time are limited: a repository may be built to take all there is.
This is the only module that starts git in this room; GitPython does the starting.
"""

import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any

import git

from ptmtorrent.errors import CorruptError, FatalError, ItemError, SkipError, SkipReason
from ptmtorrent.model.text import display

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_ENVIRONMENT = (
    "HOME=/nonexistent",
    "LC_ALL=C",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_GLOBAL=/dev/null",
    "GIT_ATTR_NOSYSTEM=1",
    f"GIT_ATTR_SOURCE={_EMPTY_TREE}",
    "GIT_TERMINAL_PROMPT=0",
    "GIT_ALLOW_PROTOCOL=",
    "GIT_NO_LAZY_FETCH=1",
    "GIT_NO_REPLACE_OBJECTS=1",
    "GIT_OPTIONAL_LOCKS=0",
    "GIT_CONFIG_COUNT=1",
    "GIT_CONFIG_KEY_0=core.bigFileThreshold",
    "GIT_CONFIG_VALUE_0=8m",
)
"""Larger files are streamed, and are binary to a diff: its memory is a multiple of the lines."""

_LIMITED = 'ulimit -c 0; ulimit -d "$0" || exit 1; ulimit -t "$1" || exit 1; shift; exec "$@"'
_MEMORY_KIB = 352 * 1024
_CPU_S = 3600
_TOO_MUCH = ("out of memory", "cannot allocate memory")
_ERROR_LIMIT = 64 * 1024


class ClosedGit(git.Git):
    """GitPython's git command, run in the closed environment."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """As ``git.Git.execute``; the first word of the command is ``git``, whatever it says."""
        command, *rest = args
        return super().execute(_closed(Path(str(self.working_dir)), command[1:]), *rest, **kwargs)


class ClosedRepo(git.Repo):
    """GitPython's repository; everything it asks of git is asked of ``ClosedGit``."""

    GitCommandWrapperType = ClosedGit


def _closed(git_dir: Path, arguments: Sequence[str]) -> list[str]:
    executable = shutil.which("git")
    if executable is None:
        raise FatalError("git is not installed; install git 2.36 or newer")
    limits = [str(_MEMORY_KIB), str(_CPU_S)]
    limited = ["/bin/sh", "-c", _LIMITED, *limits, "env", "-i", *_ENVIRONMENT]
    return [*limited, f"GIT_DIR={git_dir}", executable, *arguments]


@contextmanager
def open_repository(git_dir: Path) -> Iterator[git.Repo]:
    """A bare git directory of our own making, open for reading.

    It is closed, and its processes are gone, at the end. Its ``config`` is obeyed, so a directory
    that somebody else has written, or that knows a remote, is not for here.

    Raises CorruptError when the directory is no git repository.
    """
    try:
        repo = ClosedRepo(git_dir.absolute(), expand_vars=False)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        raise CorruptError("not a git repository") from error
    try:
        yield repo
    finally:
        repo.close()


@contextmanager
def git_child(repo: git.Repo, *arguments: str) -> Iterator["GitChild"]:
    """A running git command to write to and read from.

    The process is gone at the end, however the block is left. Raises CorruptError when the block
    ended well and git did not.
    """
    started = repo.git.execute(["git", *arguments], istream=PIPE, as_process=True)
    process = started.proc
    if process is None:
        raise CorruptError(f"git {arguments[0]} did not start")
    child = GitChild(process, arguments[0])
    try:
        yield child
        child.finish()
    finally:
        child.kill()


class GitChild:
    """A git command with pipes; its complaints are read aside, so it never blocks on them."""

    def __init__(self, process: "Popen[bytes]", name: str) -> None:
        self._process = process
        self._name = name
        self._complaint = b""
        self.input = _pipe(process.stdin)
        self.output = _pipe(process.stdout)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        errors = _pipe(self._process.stderr)
        while chunk := errors.read(4096):
            self._complaint = (self._complaint + chunk)[-_ERROR_LIMIT:]

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
        self._listener.join()
        complaint = f"git {self._name}: {plain(self._complaint.decode(errors='replace'))}"
        if status == -signal.SIGXCPU or any(word in complaint.lower() for word in _TOO_MUCH):
            return SkipError(f"more than git may use: {complaint}", SkipReason.OVER_LIMIT)
        return CorruptError(complaint)

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
        self._listener.join()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                _close_quietly(pipe)


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
