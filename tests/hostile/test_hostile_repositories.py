"""Every hostile repository ends as it must: in time, in memory, and nothing but its own end."""

from functools import partial

import pytest
from histories import HISTORIES
from scene import Case, places, played
from servers import SERVERS, large, liar
from trees import TREES
from watch import MIB, run_apart

from ptmtorrent.extract import history, wanted

pytestmark = pytest.mark.slow

CASES = (*TREES, *HISTORIES, *SERVERS)
MEMORY_MIB = 512


def test_the_table_is_long_enough_and_each_case_is_there_once():
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_ends_as_it_must(case: Case, tmp_path, outside, canary):
    place = places(tmp_path)
    ran = run_apart(partial(played, case, place, outside, canary))
    end = ran.value
    assert (end.ends, end.told) == (case.ends, case.told if case.ends == "done" else ""), end
    assert end.message.isprintable(), end.message
    assert ran.own_mib <= MEMORY_MIB
    assert end.strangers == []
    assert canary.connections() == 0
    assert outside.now() == outside.before
    assert end.leftovers == []
    assert not list(tmp_path.rglob("MARK"))


def test_a_pack_that_unpacks_to_more_than_a_head_may_have_is_over_the_limit(
    tmp_path, outside, canary, monkeypatch
):
    monkeypatch.setattr(wanted, "MOST", 2 * MIB)
    case = Case("a file of 3 MiB", partial(large, 3))
    end = run_apart(partial(played, case, places(tmp_path), outside, canary)).value
    assert end.ends == "skipped over_limit"
    assert end.leftovers == []


def test_commits_that_are_too_many_bytes_together_cost_their_own_facts(
    tmp_path, outside, canary, monkeypatch
):
    monkeypatch.setattr(history, "MAX_HISTORY_BYTES", 100)
    end = run_apart(partial(played, Case("plain", liar), places(tmp_path), outside, canary)).value
    assert (end.ends, end.told) == ("done", "skipped over_limit")
