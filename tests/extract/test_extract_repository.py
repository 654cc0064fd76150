"""git at rest: in a closed environment, within limits, and gone when it is to go."""

import resource
import threading
from pathlib import Path

import pytest
from repositories import Maker, hold

from ptmtorrent.errors import CorruptError, FailError
from ptmtorrent.extract import repository
from ptmtorrent.extract.history import commits
from ptmtorrent.extract.repository import GitChild, Leash, git_at
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.store.local import LocalStore

READER = ("cat-file", "--batch-command", "--buffer")


def pid_of(child: GitChild) -> int:
    """Of a reader that has begun to answer: it is git by then."""
    child.write(b"info HEAD\nflush\n")
    assert child.output.readline()
    return child._process.pid


def limit_of(pid: int, kind: int) -> int:
    return resource.prlimit(pid, kind)[1]


def test_a_child_has_no_variable_but_ours(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with git_at(maker.at_rest(), *READER) as child:
        pairs = Path(f"/proc/{pid_of(child)}/environ").read_bytes().decode().split("\0")
    names = {pair.partition("=")[0] for pair in pairs if pair}
    of_the_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert names - of_the_shell == set(repository._ENVIRONMENT) | {"GIT_DIR"}


def test_a_child_has_limits_that_it_cannot_raise(maker: Maker) -> None:
    with git_at(maker.at_rest(), *READER) as child:
        pid = pid_of(child)
        assert limit_of(pid, resource.RLIMIT_DATA) == 352 * 1024 * 1024
        assert limit_of(pid, resource.RLIMIT_CPU) == 3600
        assert limit_of(pid, resource.RLIMIT_CORE) == 0
        assert limit_of(pid, resource.RLIMIT_FSIZE) == 4 * 1024 * 1024


def test_what_gitpython_asks_for_has_the_same_limits(maker: Maker) -> None:
    maker.git("config", "alias.limits", "!ulimit -H -d; ulimit -H -t")
    with repository.open_repository(maker.at_rest()) as repo:
        said = repo.git.execute(["git", "limits"])
    assert str(said).split() == [str(352 * 1024), "3600"]


def test_complaints_beyond_any_pipe_do_not_block_and_the_last_one_is_told(maker: Maker) -> None:
    maker.git("config", "alias.complain", "!head -c 200000 /dev/zero >&2; echo the end >&2; exit 1")
    with pytest.raises(CorruptError) as caught, git_at(maker.at_rest(), "complain"):
        pass
    assert str(caught.value).startswith("git complain:")


def test_complaints_are_cut_short_whoever_makes_them(maker: Maker) -> None:
    """They are in memory; what git starts is bound as git is."""
    maker.git("config", "alias.complain", "!head -c 8000000 /dev/zero >&2")
    with pytest.raises(CorruptError), git_at(maker.at_rest(), "complain"):
        pass


def test_a_leash_ends_what_runs_in_another_thread_and_what_is_started_after(maker: Maker) -> None:
    leash, running, ended = Leash(), threading.Event(), []

    def work() -> None:
        try:
            with git_at(maker.at_rest(), *READER, leash=leash) as child:
                running.set()
                child.output.read()
        except FailError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert running.wait(10)
    leash.end()
    thread.join(10)
    assert not thread.is_alive()
    work()
    assert len(ended) == 2


def test_every_process_of_a_workbench_is_on_its_leash(maker: Maker, store: LocalStore) -> None:
    maker.write("a", b"1\n")
    maker.commit()
    visit, leash = maker.visit(), Leash()
    holding = hold(store, visit, [maker.pack()])
    with pytest.raises(CorruptError), workbench(store, visit, holding, leash=leash) as view:
        leash.end()
        list(commits(view, b"key"))
    assert not any(store._layout.partial.iterdir())
