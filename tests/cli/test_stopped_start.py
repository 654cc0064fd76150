"""A signal that comes before a command has begun, or after it is over, ends the process cleanly."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

APART = 20
"""Imports from one stop to the next; with 1 it takes six times as long."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """({signal: {exit code: processes}}, all else that was said on stderr)."""
    script = str(Path(__file__).with_name("stopped_start.py"))
    done = subprocess.run(
        [sys.executable, script, str(APART), "--version"],
        cwd=tmp_path_factory.mktemp("stopped"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, _, ends = done.stderr.rpartition("ends ")
    return json.loads(ends), said


def test_at_every_moment_of_the_start_and_at_the_exit_a_signal_gives_its_code(stopped):
    ends, _ = stopped
    assert {name: list(codes) for name, codes in ends.items()} == {
        "SIGINT": ["130"],
        "SIGTERM": ["143"],
    }
    assert ends["SIGINT"]["130"] == ends["SIGTERM"]["143"] > 20


def test_and_one_sentence_each_without_a_traceback(stopped):
    ends, said = stopped
    processes = sum(sum(codes.values()) for codes in ends.values())
    assert said.splitlines() == ["ptmtorrent: stopped"] * processes


def test_the_package_itself_leaves_signals_alone():
    """Only the program handles them; whoever imports the package keeps their own handling."""
    code = (
        "import signal; before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM);"
        "import ptmtorrent, ptmtorrent.cli, ptmtorrent.__main__;"
        "assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
