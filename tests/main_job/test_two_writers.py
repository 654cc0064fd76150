"""A second writer is turned away; where no lock works, one ends and the other is right."""

import pytest
from job import Job
from storm import COMMAND, left_behind, lose_ledger

from ptmtorrent.errors import WriterActiveError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.local import LocalStore

pytestmark = pytest.mark.slow

NO_LOCK = "import fcntl\nfcntl.flock = lambda fd, operation: None\n"
"""Every lock is granted to everybody, as on some network file systems."""


@pytest.fixture
def without_locks(tmp_path) -> dict[str, str]:
    """The environment of a process whose locks do nothing."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_LOCK)
    return {"PYTHONPATH": str(tmp_path / "site")}


def test_a_second_writer_is_turned_away_and_the_first_is_not_disturbed(another, small):
    with another.served(rtt_ms=500):
        first = another.start(*COMMAND)
        another.until(lambda: has_come_to(another, "in the listing"), first)
        code, out, err = another.end(*COMMAND)
        _, said = first.communicate(timeout=60)
    assert (code, out) == (11, "")
    assert "another process writes here" in err
    assert (first.returncode, said) == (0, "")
    assert another.content() == small.content()


@pytest.mark.parametrize("moment", ["at once", "in the listing", "in the fetch"])
def test_where_no_lock_works_one_of_two_ends_and_nothing_is_wrong(
    another: Job, small: Job, without_locks, moment
):
    with another.served(rtt_ms=20):
        first = another.start(*COMMAND, **without_locks)
        another.until(lambda: has_come_to(another, moment), first)
        second = another.start(*COMMAND, **without_locks)
        said = [process.communicate(timeout=60)[1] for process in (first, second)]
        assert {first.returncode, second.returncode} <= {0, 11}, said
        assert Journal.open(another.root, write=False).verify() > 0
        assert another.end(*COMMAND)[0] == 0
        assert another.content() == small.content()
        is_sound(another)
        lose_ledger(another.root)
        assert another.end(*COMMAND)[0] == 0
    assert another.content() == small.content()
    assert list(left_behind(another.root)) == []


def has_come_to(job: Job, moment: str) -> bool:
    asked = {"at once": 0, "in the listing": 1, "in the fetch": 12}[moment]
    return len(job.requests()) >= asked


def is_sound(job: Job) -> None:
    with LocalStore.at(job.root, write=False) as store:
        assert all(len(store.read(name)) == store.size(name) for name in store.names())


def test_a_ledger_that_another_process_has_written_to_takes_nothing_more(tmp_path):
    first, second = (Ledger.open(tmp_path / "ledger.sqlite") for _ in range(2))
    with first.transaction():
        first.roots.position(1, "a")
    with first.transaction():
        first.roots.position(2, "b")
    with pytest.raises(WriterActiveError), second.transaction():
        second.roots.position(1, "c")
    assert first.reads.position() == (2, "b")
    first.close()
    second.close()
