"""What a process writes where: results on stdout, the rest on stderr, and secrets nowhere."""

import errno
import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from job import Job

from ptmtorrent.cli import command, main
from ptmtorrent.errors import FatalError
from ptmtorrent.store.files import BlobFiles
from ptmtorrent.store.local import LocalStore

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
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["query", "SELECT * FROM files"],
        ["query", "SELECT * FROM files", "--csv"],
        ["query", "SELECT * FROM files", "--json"],
        ["verify", "--quick"],
    ],
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


class Unreadable(io.BytesIO):
    """A file on a disk with a fault."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_disk_that_cannot_be_read_is_not_taken_for_the_output(small: Job, capfd, monkeypatch):
    monkeypatch.setattr(BlobFiles, "open", lambda files, sha256: Unreadable())
    [(name, path, sha256)] = small.rows(
        "SELECT name, path, sha256 FROM files JOIN packages USING (origin_key)"
        " WHERE lfs AND held ORDER BY ALL LIMIT 1"
    )
    with small.served():
        assert small.run("get", f"huggingface:{name}", path) == 7
    assert capfd.readouterr().err == (
        f"ptmtorrent: {path}: input/output error; check the disk before going on\n"
    )
    with (
        LocalStore.at(small.root, write=False) as store,
        pytest.raises(FatalError, match=rf"{sha256}: input/output error"),
    ):
        store.read(sha256)


def test_an_error_that_has_no_name_is_not_taken_for_the_output_either(capfd, monkeypatch):
    def fail(*_: object) -> int:
        Unreadable().read()

    monkeypatch.setattr(command, "call", fail)
    assert main(["status"]) == 1
    assert "internal error: OSError: [Errno 5]" in capfd.readouterr().err


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
