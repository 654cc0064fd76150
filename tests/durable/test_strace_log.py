"""The log of strace is read as it is written: calls that overlap come in two lines."""

from pathlib import Path

from injection import calls_of

LOG = """\
71 1.0 pwrite64(5</r/a.jsonl>, "x"..., 842, 3540 <unfinished ...>
72 1.1 fsync(6</r/b.seg>) = -1 ENOSPC (No space left on device) (INJECTED)
71 1.2 <... pwrite64 resumed>) = 842
72 1.3 fsync(6</r/b.seg> <unfinished ...>
+++ killed by SIGKILL +++
"""


def test_a_call_in_two_lines_is_one_call_that_began_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    calls = list(calls_of(tmp_path / "log"))
    assert [(call.thread, call.name, call.result) for call in calls] == [
        ("71", "pwrite64", 842),
        ("72", "fsync", -1),
        ("72", "fsync", 0),
    ]
    assert calls[0].arguments.endswith(", 842, 3540")
    assert [call.is_injected for call in calls] == [False, True, False]
