"""The page on reliability names tests that are there, and the list of mutants does not rot."""

import ast
import re
import sys
from pathlib import Path

import pytest

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/RELIABILITY.md").read_text()


def names_in(path: Path) -> set[str]:
    """Names of the functions of a file, those in classes too."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, kinds)}


def test_every_test_that_the_page_names_is_there(page, repository):
    named = NAMED.findall(page)
    missing = [f"{file}::{name}" for file, name in named if not (repository / file).is_file()]
    missing += [
        f"{file}::{name}"
        for file, name in named
        if (repository / file).is_file() and name not in names_in(repository / file)
    ]
    assert missing == []
    assert len(named) > 50


def test_every_promise_has_tests(page):
    promises = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [promise.split(".")[0] for promise in promises] == [str(n) for n in range(1, 11)]
    assert all(len(NAMED.findall(promise)) >= 3 for promise in promises)


def test_every_row_names_a_test(page):
    rows = [line for line in page.splitlines() if line.startswith("| ") and "What is" not in line]
    assert [row for row in rows if not NAMED.search(row)] == []


@pytest.fixture
def protections(repository: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    import protections

    yield protections.MUTANTS
    sys.modules.pop("protections", None)


def test_every_mutant_still_applies(protections, repository):
    """Its text is in its file exactly once, and the tests that must catch it are there."""
    assert len({mutant.name for mutant in protections}) == len(protections) >= 20
    for mutant in protections:
        assert (repository / mutant.file).read_text().count(mutant.old) == 1, mutant.name
        for test in mutant.tests:
            file, _, name = test.partition("[")[0].partition("::")
            assert (repository / file).exists(), test
            assert not name or name in names_in(repository / file), test
