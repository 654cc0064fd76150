"""What a process writes where: results on stdout, the rest on stderr, and secrets nowhere."""

import json
import subprocess
from pathlib import Path

import pytest
from job import Job

CANARY = "hf_canaryQ7w8E9r0T1y2U3i4O5p6A7s8D9f0"
WIDE = "SELECT a.* FROM files AS a, files AS b"


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_a_reader_that_goes_away_is_no_error(small: Job, form):
    with small.served():
        process = small.start("query", WIDE, *form)
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert "Traceback" not in err
    assert "Broken" not in err


def test_a_reader_that_never_reads_is_no_error(small: Job):
    with small.served():
        process = small.start("query", "SELECT 1", "--csv")
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
    assert (process.wait(timeout=30), err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "words", [["status"], ["query", "SELECT * FROM files", "--csv"], ["verify", "--quick"]]
)
def test_an_output_without_room_is_seven_and_one_sentence(small: Job, words):
    place = [*small.program, "--root", str(small.root), "--quiet"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*place, *words], cwd=small.root.parent, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    told = "ptmtorrent: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (7, told)


def test_a_plan_of_nothing_says_so(small: Job, capsys):
    with small.served():
        assert small.run("plan", "--depth", "full") == 0
    assert "has nothing left to ask for, at depth full" in capsys.readouterr().out


def test_quiet_says_nothing_and_json_is_only_json(another: Job):
    with another.served():
        code, out, err = another.end("snapshot", "--depth", "listing", "--quiet", "--json")
    assert (code, err) == (0, "")
    [line] = map(json.loads, out.splitlines())
    assert set(line) == {"snapshot", "manifest", "hubs", "reasons", "blobs", "network", "seconds"}


def test_a_wrong_token_is_named_and_never_shown(another: Job, tmp_path):
    log = tmp_path / "run.log"
    with another.served() as box:
        code, out, err = another.end("snapshot", "--log-file", str(log), HF_TOKEN=CANARY)
        assert '"auth": true' in box.requests.read_text()
    assert code == 5
    assert "HF_TOKEN" in err
    assert "not accepted" in err
    written = [path for path in another.root.rglob("*") if path.is_file()]
    assert len(written) > 5
    for data in (out, err, log.read_text(), *(path.read_bytes() for path in written)):
        assert CANARY not in str(data)
    assert "HF_TOKEN" in log.read_text()


def test_a_log_tells_what_a_run_did_and_how_it_failed(another: Job, tmp_path):
    log = tmp_path / "run.log"
    with another.served("cdn=corrupt:1"):
        assert another.snapshot("--log-file", str(log)) == 3
        assert another.run("query", "SELECT nonsense", "--log-file", str(log)) == 2
    text = log.read_text()
    for sentence in ("list begins", "fetch begins", "build begins", "corrupt", "nonsense"):
        assert sentence in text, sentence
