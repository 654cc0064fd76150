"""Killed at its durable steps, cut off from power, refused by the machine: nothing is lost.

A few of each; ``scripts/crash.py`` makes hundreds happen. That a run is ready again within two
seconds is measured there: here it would depend on what else the machine does.
"""

import io_errors
import kill_points
import power_cuts
import pytest

pytestmark = pytest.mark.slow


def bad(verdicts):
    return [(verdict.told, verdict.faults) for verdict in verdicts if verdict.faults]


def test_killed_at_durable_steps_the_same_command_finishes_the_same(verdicts):
    assert bad(verdicts(kill_points, 18)) == []


def test_without_strace_calls_from_python_are_counted(verdicts, monkeypatch):
    monkeypatch.setattr("injection.HAS_STRACE", False)
    assert bad(verdicts(kill_points, 3)) == []


def test_what_was_acknowledged_survives_a_power_cut(verdicts):
    found = verdicts(power_cuts, 6)
    assert bad(found) == []


def test_an_error_of_the_machine_ends_typed_and_later_in_the_same_content(verdicts):
    found = verdicts(io_errors, 24)
    assert bad(found) == []
    assert sum(verdict.told.count("exit 7") for verdict in found) > 12
