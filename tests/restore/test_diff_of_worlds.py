"""`diff` of two snapshots says what happened to the world between them, and nothing else."""

import json

import pytest
from restoring import FIRST, SECOND, context

from ptmtorrent.app.restoring import diff
from ptmtorrent.errors import NotFoundError


@pytest.fixture
def said(moved, capfd):
    def tell(before, after, *, as_json=True):
        moved.close()
        assert diff(context(moved.root, as_json=as_json), before, after) == 0
        return capfd.readouterr().out

    return tell


def card(told):
    return next((f["sha256"] for f in told["files"] if f["path"] == "README.md"), None)


def expected(moved):
    """(name, kind) of what plain clones and the world's own record tell."""
    old, new = moved.clones[FIRST].told, moved.clones[SECOND].told
    old_ids, new_ids = ({t["id"]: t for t in side.values()} for side in (old, new))
    both = [(old_ids[i], new_ids[i]) for i in old_ids.keys() & new_ids.keys()]
    found = {(n["name"], "head") for o, n in both if o["head"] != n["head"]}
    found |= {(n["name"], "card") for o, n in both if card(o) != card(n)}
    found |= {(n["name"], "renamed") for o, n in both if o["name"] != n["name"]}
    found |= {(n["name"], "added") for i, n in new_ids.items() if i not in old_ids}
    now = {t["id"]: t for t in moved.truth()["repositories"]}
    for i in old_ids.keys() - new_ids.keys():
        found.add((now[i]["name"], now[i]["status"]))
    return found


def test_what_happened_to_the_world_and_nothing_else(moved, said):
    changes = [json.loads(line) for line in said(FIRST, SECOND).splitlines()]
    found = {(change["name"], change["change"]) for change in changes}
    assert len(found) == len(changes)
    weights = {pair for pair in found if pair[1] == "weights"}
    assert found - weights == expected(moved)
    assert len(weights) == 1
    assert {kind for _, kind in found} == {
        *("added", "gone", "renamed", "gated", "head", "card", "weights")
    }
    assert set(changes[0]) == {"hub", "package_id", "name", "change", "before", "after"}
    keys = [(c["hub"], c["name"], c["package_id"], c["change"]) for c in changes]
    assert keys == sorted(keys)


def test_a_table_of_counts_and_a_line_a_change_for_people(said):
    told = said(FIRST, SECOND, as_json=False)
    assert "huggingface  renamed" in told
    assert ": renamed: " in told
    assert " -> " in told


def test_nothing_is_said_to_be_nothing(said):
    assert said(SECOND, SECOND) == ""
    assert said(SECOND, SECOND, as_json=False) == "Nothing changed.\n"


def test_an_unknown_snapshot_names_the_nearest(said):
    with pytest.raises(NotFoundError, match=f"nearest is {SECOND}"):
        said(FIRST, "2026-11-25")
