"""The figures that are kept are what counting them again would find, whatever was written since."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_ledger import AT, HUB, begin, leased, package, page, plan, visit

from ptmtorrent.errors import WriterActiveError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.roots import AssetLine, RepackLine, Verdict
from ptmtorrent.model.work import Attempt, Failed, FailReason, Stage

URL = "https://huggingface.co/org/m1"
MOVED = "https://huggingface.co/org/moved"
ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path):
    opened = Ledger.open(path)
    yield opened
    opened.close()


def fill(ledger: Ledger) -> int:
    """A snapshot of three packages, two of which are visited."""
    snapshot = begin(ledger)
    with ledger.transaction():
        ledger.roots.page(page(snapshot, *(package(n) for n in (1, 2, 3))))
        ledger.roots.visit(visit(snapshot, URL, objects=(ONE, TWO)))
        ledger.roots.visit(visit(snapshot, "https://huggingface.co/org/m2", objects=(ONE,)))
        ledger.roots.hold([(ONE, 10)])
    plan(ledger, snapshot)
    return snapshot


def fail_one(ledger: Ledger) -> None:
    [item] = leased(ledger, Stage.VISIT, 1, 1)
    at = datetime(2026, 11, 21, tzinfo=UTC)
    outcome = Failed(FailReason.NETWORK)
    attempt = Attempt(Stage.VISIT, item.key, outcome, at, 1.0, bytes=7, hub=HUB)
    ledger.work.close(attempt, 1, "t")


CHANGES = {
    "page": lambda led: led.roots.page(page(1, package(9))),
    "visit": lambda led: led.roots.visit(visit(1, "https://huggingface.co/org/m3", objects=(TWO,))),
    "moved": lambda led: led.roots.moved(1, HUB, URL, MOVED),
    "repack": lambda led: led.roots.repack(
        RepackLine(visit="v" * 64, holding="n" * 64, replaces="h" * 64, pack_bytes=5)
    ),
    "hold": lambda led: led.roots.hold([(TWO, 10)]),
    "lose": lambda led: led.roots.lose([ONE]),
    "asset": lambda led: led.roots.asset(
        AssetLine(snapshot=1, hub=HUB, at=AT, url="https://a/b", sha256="a" * 64, size=3)
    ),
    "settle": lambda led: led.roots.settle(Verdict(1, HUB, Stage.VISIT, URL, "skipped", "gone")),
    "objects": lambda led: led.work.plan_objects(1),
    "fail": fail_one,
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_leaves_figures_that_do_not_hold(ledger, path, change):
    snapshot = fill(ledger)
    before = ledger.figures(snapshot)
    assert ledger.reads.kept_figures(snapshot) == before == ledger.reads.figures(snapshot)
    with ledger.transaction():
        CHANGES[change](ledger)
    assert ledger.reads.kept_figures(snapshot) is None
    after = ledger.figures(snapshot)
    assert after == ledger.reads.figures(snapshot) != before
    ledger.close()
    opened = Ledger.open(path)
    assert opened.reads.kept_figures(snapshot) == after
    opened.close()


def test_failed_items_that_are_retried_are_counted_anew(ledger):
    snapshot = fill(ledger)
    with ledger.transaction():
        fail_one(ledger)
    assert "failed" in {count.state for count in ledger.figures(snapshot).items}
    with ledger.transaction():
        assert ledger.work.retry_failed(snapshot, Stage) == 1
    assert "failed" not in {count.state for count in ledger.figures(snapshot).items}


def test_what_changes_no_row_leaves_the_figures(ledger):
    snapshot = fill(ledger)
    with ledger.transaction():
        ledger.work.save_gates({"host api": "{}"})
    kept = ledger.figures(snapshot)
    with ledger.transaction():
        ledger.work.save_gates({"host api": "{}"})
        ledger.work.release()
        ledger.work.retry_failed(snapshot, Stage)
    assert plan(ledger, snapshot) == 0
    assert ledger.reads.kept_figures(snapshot) == kept


def test_what_is_taken_back_leaves_the_figures(ledger):
    snapshot = fill(ledger)
    kept = ledger.figures(snapshot)
    with ledger.transaction(keep=False):
        ledger.roots.lose([ONE])
        assert ledger.reads.figures(snapshot) != kept
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.roots.lose([ONE])
        raise RuntimeError
    assert ledger.reads.kept_figures(snapshot) == kept == ledger.reads.figures(snapshot)


def test_each_snapshot_has_figures_of_its_own(ledger):
    first = fill(ledger)
    with ledger.transaction():
        ledger.roots.finish("2026-11-21", "m" * 64, AT)
    second = begin(ledger, "2026-11-22")
    plan(ledger, second)
    for snapshot in (first, second, first):
        assert ledger.figures(snapshot) == ledger.reads.figures(snapshot)
    assert ledger.figures(first) != ledger.figures(second)


def test_nothing_is_kept_of_a_ledger_that_another_process_changed(ledger, path):
    snapshot = fill(ledger)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE objects SET held = 0")
    other.close()
    with pytest.raises(WriterActiveError):
        ledger.figures(snapshot)
    assert ledger.reads.kept_figures(snapshot) is None


NONE = [b"", b"[]", b"{}", b'{"items": [{}], "blobs": [0, 0, 0]}', b"\xff\xfe"]


@pytest.mark.parametrize("text", NONE)
def test_figures_that_are_none_are_named_and_counted_anew(ledger, path, text):
    snapshot = fill(ledger)
    counted, standing = ledger.figures(snapshot), ledger.reads.standing(snapshot)
    keep(ledger, path, text)
    opened = Ledger.open(path)
    assert opened.outdated() == ["2026-11-21"]
    assert opened.reads.standing(snapshot) == standing
    assert opened.figures(snapshot) == counted == opened.reads.kept_figures(snapshot)
    assert opened.outdated() == []
    opened.close()


def keep(ledger: Ledger, path: Path, text: bytes) -> None:
    """Close a ledger, and put other figures into it."""
    ledger.close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE figures SET counted = CAST(? AS TEXT)", [text])
    other.close()


def test_where_a_snapshot_stands_is_told_by_the_figures_that_are_kept(ledger, path):
    snapshot = fill(ledger)
    standing, counted = ledger.reads.standing(snapshot), ledger.figures(snapshot)
    assert ledger.reads.standing(snapshot) == standing
    other = replace(counted, packages={HUB: 77})
    keep(ledger, path, other.to_text().encode())
    opened = Ledger.open_to_read(path)
    assert opened.reads.standing(snapshot)[0] == {HUB: 77}, "nothing is counted"
    assert opened.outdated() == ["2026-11-21"]
    opened.close()
