"""What people see: progress that tells what it knows, tables that can be read."""

import io

import pytest
from rich.console import Console as Terminal

from ptmtorrent.console.grid import grid
from ptmtorrent.console.progress import bar, facts, line
from ptmtorrent.console.tally import Tally
from ptmtorrent.console.terminal import Console
from ptmtorrent.model.events import (
    BudgetChanged,
    BytesReceived,
    ItemFinished,
    Notice,
    PageListed,
    PassStarted,
    TableBuilt,
    WorkFound,
)


def fetching() -> Tally:
    tally = Tally()
    tally.take(PassStarted("list"), 0.0)
    tally.take(PageListed("huggingface", 1000, 3000), 5.0)
    tally.take(PassStarted("fetch", 100), 10.0)
    tally.take(WorkFound(100), 10.0)
    for number in range(50):
        tally.take(BytesReceived("h", 2**20), 10.0 + number / 5)
        tally.take(ItemFinished("object", "x", "done", None, 9, ""), 10.0 + number / 5)
    tally.take(ItemFinished("visit", "x", "skipped", "gated", 0, ""), 20.0)
    tally.take(ItemFinished("visit", "x", "postponed", "refused", 0, ""), 20.0)
    tally.take(BudgetChanged("h", "api", 99, 60.0), 20.0)
    tally.take(BudgetChanged("h", "git", 0, None, 90.0), 20.0)
    tally.take(BudgetChanged("cdn", "pages", None, None), 20.0)
    return tally


def test_progress_says_how_far_how_fast_how_long_and_what_is_allowed():
    shown = dict(facts(fetching(), 20.0))
    assert shown["fetch"] == "51 of 200, 10 s so far, 29 s to go"
    assert shown["items"] == "50 done, 1 skipped, 0 failed, 1 postponed"
    assert shown["received"] == "50.0 MiB, 5.0 MiB/s"
    assert shown["h api"] == "99 requests left, resets in 1 min 0 s"
    assert shown["h git"] == "closed for 1 min 30 s"
    assert "cdn pages" not in shown
    assert "; h api: 99 requests left" in line(fetching(), 20.0)


def test_bytes_that_git_received_count_too():
    tally = Tally()
    tally.take(ItemFinished("visit", "x", "done", None, 500, ""), 1.0)
    tally.take(BytesReceived("h", 70), 1.0)
    tally.take(ItemFinished("object", "x", "done", None, 70, ""), 1.0)
    assert tally.bytes == 570


def test_a_list_tells_packages_and_a_build_its_tables():
    tally = Tally()
    tally.take(PassStarted("list"), 0.0)
    tally.take(PageListed("huggingface", 1000, 3000), 5.0)
    assert dict(facts(tally, 6.0)) == {"list": "3,000 packages of huggingface, 6 s so far"}
    tally.take(PassStarted("build"), 10.0)
    tally.take(TableBuilt("files", 1200, 1), 11.0)
    assert dict(facts(tally, 12.0)) == {"build": "tables 1, rows 1,200, 2 s so far"}


def test_the_marks_of_a_rate_stay_few():
    tally = Tally()
    for number in range(100_000):
        tally.take(BytesReceived("h", 1), number / 1000)
    assert len(tally._marks) < 50


@pytest.mark.parametrize(
    ("part", "full"), [(0, 0), (1, 0), (50, 12), (99, 23), (100, 24), (101, 24)]
)
def test_a_bar_is_full_at_the_end_and_not_before(part, full):
    assert bar(part, 100).count("━") == full
    assert len(bar(part, 100)) == 24


def shown(columns, rows, *, width: int, terminal: bool) -> list[str]:
    out = Terminal(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    out.print(grid(columns, rows, out))
    return out.file.getvalue().splitlines()


def test_a_table_too_wide_for_the_terminal_becomes_a_line_a_value():
    columns = [f"column_{n}" for n in range(12)]
    rows = [[f"value {n}" for n in range(12)], [None] * 12]
    narrow = shown(columns, rows, width=60, terminal=True)
    assert narrow[0].split() == ["column_0", "value", "0"]
    assert len(narrow) == 26
    wide = shown(columns, rows, width=200, terminal=True)
    assert wide[0].split() == columns
    assert shown(columns, rows, width=100_000, terminal=False) == wide
    assert shown(columns, [], width=60, terminal=True)


def test_numbers_stand_to_the_right_and_nothing_is_markup():
    lines = shown(["name", "n"], [["[bold]x", 7], ["\x1b[2J", 1234567]], width=80, terminal=False)
    assert lines[2].startswith("[bold]x")
    assert lines[3].split() == ["\\x1b[2J", "1234567"]
    assert lines[2].endswith(" 7")


def test_progress_never_goes_to_stdout_and_quiet_keeps_it_back(capsys):
    for quiet in (False, True):
        with Console(quiet=quiet) as console:
            console.watch(Notice("something \x1b[2J happened"))
            console.watch(ItemFinished("object", "x", "failed", "corrupt", 0, "wrong hash"))
        told = capsys.readouterr()
        assert told.out == ""
        assert ("wrong hash" in told.err) is not quiet
        assert "\x1b" not in told.err
