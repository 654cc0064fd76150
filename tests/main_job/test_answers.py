"""Asking and getting, as a user does: every form of question and answer, and what is refused."""

import csv
import io
import json
import sys

import pyarrow.parquet as pq
import pytest
from job import CLOCK, Job, sha256

import ptmtorrent as pt

QUESTION = "SELECT name, likes FROM packages ORDER BY name"


@pytest.fixture
def ask(small: Job, capsys):
    """Ask; returns (exit code, stdout, stderr)."""

    def asking(*words: str) -> tuple[int, str, str]:
        with small.served():
            code = small.run("query", *words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return asking


def test_every_form_has_the_same_answer(ask, small: Job, tmp_path, monkeypatch):
    rows = small.rows(QUESTION)
    code, table, _ = ask(QUESTION)
    assert code == 0
    assert all(name in table for name, _ in rows)
    _, text, _ = ask(QUESTION, "--csv")
    assert [(n, int(v)) for n, v in list(csv.reader(io.StringIO(text)))[1:]] == rows
    _, text, _ = ask(QUESTION, "--json")
    assert [tuple(json.loads(line).values()) for line in text.splitlines()] == rows
    assert ask(QUESTION, "--parquet", str(tmp_path / "out.parquet")) == (0, "", "")
    assert [tuple(r.values()) for r in pq.read_table(tmp_path / "out.parquet").to_pylist()] == rows
    (tmp_path / "question.sql").write_text(QUESTION)
    assert ask("-f", str(tmp_path / "question.sql"))[1] == table
    monkeypatch.setattr(sys, "stdin", io.StringIO(QUESTION))
    assert ask("-")[1] == table
    assert ask(QUESTION, "--at", CLOCK[:10])[1] == table


def test_explain_is_shown_as_it_is_drawn(ask):
    code, out, _ = ask("EXPLAIN SELECT 1")
    assert code == 0
    assert len(out.splitlines()) > 3
    assert "\\n" not in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["DROP VIEW packages"], 2, "only SELECT"),
        (["COPY packages TO '/tmp/x'"], 2, "only SELECT"),
        (["SELECT 1; SELECT 2"], 2, "one statement"),
        (["-- nothing"], 2, "no statement"),
        (["SELECT * FROM read_csv('/etc/passwd')"], 2, ""),
        (["SELEC 1"], 2, "syntax error"),
        (["SELECT * FROM pakages"], 2, "packages"),
        (["SELECT 'x'::INT"], 2, "Conversion Error"),
        ([""], 2, "no statement"),
        ([], 2, "-f FILE"),
        (["SELECT 1", "-f", "x.sql"], 2, "-f FILE"),
        (["-f", "/nonexistent/x.sql"], 2, "cannot read"),
        (["SELECT 1", "--csv", "--json"], 2, "one form"),
        (["SELECT 1", "--at", "2020-01-01"], 4, CLOCK[:10]),
        (["SELECT 1", "--parquet", "/nonexistent/x"], 2, "no such folder"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(ask, words, code, told):
    found, out, err = ask(*words)
    assert (found, out) == (code, "")
    assert told in err
    assert "Traceback" not in err


def test_an_answer_longer_than_a_page_says_so(ask):
    code, out, err = ask("SELECT * FROM range(5000)")
    assert code == 0
    assert len(out.splitlines()) < 1100
    assert "--csv" in err
    assert len(ask("SELECT * FROM range(5000)", "--csv")[1].splitlines()) == 5001


def test_get_writes_to_stdout_and_to_files(small: Job, tmp_path, capfdbinary):
    [(name, package_id, path, digest)] = small.rows(
        "SELECT name, package_id, path, sha256 FROM files JOIN packages USING (origin_key)"
        " WHERE lfs AND held ORDER BY ALL LIMIT 1"
    )
    with small.served():
        for package in (f"huggingface:{name}", f"huggingface:id={package_id}"):
            capfdbinary.readouterr()
            assert small.run("get", package, path) == 0
            assert sha256(capfdbinary.readouterr().out) == digest
        target = tmp_path / "out.bin"
        assert small.run("get", f"huggingface:{name}", path, "-o", str(target)) == 0
    assert capfdbinary.readouterr().out == b""
    assert sha256(target.read_bytes()) == digest


def test_get_names_what_is_not_there(small: Job, capsys):
    [(name,)] = small.rows("SELECT name FROM packages WHERE status = 'listed' ORDER BY 1 LIMIT 1")
    cases = [
        (("huggingface:no/such", "x"), 4, "no package huggingface:no/such"),
        (("huggingface:id=000000", "x"), 4, "no package"),
        ((f"huggingface:{name}", "no/such"), 4, "no file no/such"),
        (("hugingface:a/b", "x"), 2, "'huggingface'"),
        (("a/b", "x"), 2, "HUB:NAME"),
        ((f"huggingface:{name}", "README.md", "-o", "/nonexistent/x"), 2, "cannot write"),
    ]
    with small.served():
        for words, code, told in cases:
            assert small.run("get", *words) == code, words
            shown = capsys.readouterr()
            assert told in shown.err
            assert shown.out == ""


def test_get_says_that_an_object_is_not_held(another: Job, capsys):
    with another.served():
        assert another.run("snapshot") == 0
        [(name, path)] = another.rows(
            "SELECT name, path FROM files JOIN packages USING (origin_key) WHERE lfs LIMIT 1"
        )
        capsys.readouterr()
        assert another.run("get", f"huggingface:{name}", path) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert "not held" in told.err
    assert "depth" in told.err


def test_python_opens_the_same_dataset(small: Job):
    with pt.open(small.root) as dataset:
        assert dataset.snapshot == CLOCK[:10]
        assert {"packages", "commits", "files", "blobs", "attempts"} <= set(dataset.tables)
        assert dataset.sql(QUESTION).fetchall() == small.rows(QUESTION)
        assert {"path", "sha256"} <= {column.name for column in dataset.schema("files").columns}
        with dataset.at(CLOCK[:10]) as same:
            assert same.sql("SELECT count(*) FROM packages").fetchall() == [(10,)]
        [(name, digest)] = dataset.sql(
            "SELECT name, sha256 FROM files JOIN packages USING (origin_key)"
            " WHERE path = 'README.md' ORDER BY 1 LIMIT 1"
        ).fetchall()
        with dataset.package("huggingface", name).open("README.md") as file:
            assert sha256(file.read()) == digest
