"""The import table of docs/ARCHITECTURE.md is the rule."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROW = re.compile(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
PACKAGE = "ptmtorrent"


def names(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([\w.]+)`", cell))


@pytest.fixture(scope="module")
def rules(repository: Path) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    text = (repository / "docs/ARCHITECTURE.md").read_text()
    return {m[1]: (names(m[2]), names(m[3])) for m in ROW.finditer(text)}


def modules(repository: Path) -> Iterator[tuple[str, Path]]:
    root = repository / PACKAGE
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        room = parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            yield room, path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides which room it is from"
            module = node.module or ""
            yield from (
                (f"{module}.{alias.name}" for alias in node.names)
                if module == PACKAGE
                else (module,)
            )


def test_every_room_is_in_the_table_and_every_row_is_a_room(rules, repository):
    assert {room for room, _ in modules(repository)} == set(rules)


def test_rooms_import_only_what_the_table_allows(rules, repository):
    wrong = []
    for room, path in modules(repository):
        for name in imports(path):
            if name.startswith(f"{PACKAGE}."):
                target = name.split(".")[1]
                if target not in {room, "__version__"} | rules[room][0]:
                    wrong.append(f"{path.relative_to(repository)} imports {name}")
    assert wrong == []


def test_third_party_packages_are_imported_by_their_owners_only(rules, repository):
    wrong = []
    for room, path in modules(repository):
        for name in imports(path):
            top = name.split(".")[0]
            if top != PACKAGE and top not in sys.stdlib_module_names | rules[room][1]:
                wrong.append(f"{path.relative_to(repository)} imports {top}")
    assert wrong == []


def test_the_table_has_no_cycle(rules):
    done: set[str] = set()
    while left := [r for r in rules if r not in done and not rules[r][0] - done]:
        done.update(left)
    assert set(rules) == done


def test_no_hub_imports_another(repository):
    files = {p.stem for p in (repository / PACKAGE / "hubs").glob("*.py")}
    shared = {"__init__", "base", "github", "shelf"}
    for hub in files - shared:
        path = repository / PACKAGE / "hubs" / f"{hub}.py"
        own = {name for name in files if name.startswith(f"{hub}_")} | {hub.partition("_")[0]}
        others = {f"{PACKAGE}.hubs.{name}" for name in files - shared - own}
        assert not others & set(imports(path))


def test_modules_and_functions_keep_to_their_size(repository):
    wrong = []
    for _, path in modules(repository):
        text = path.read_text()
        if text.count("\n") > 400:
            wrong.append(f"{path.name}: more than 400 lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > 50:
                    wrong.append(f"{path.name}:{node.name}: {lines} lines")
    assert wrong == []


def test_only_the_command_line_reads_the_environment(repository):
    for room, path in modules(repository):
        text = path.read_text()
        if re.search(r"\bos\.(environ|getenv)\b", text):
            is_token_of_host = path.name == "github.py" and text.count("os.environ") == 1
            assert room in ("cli", "sandbox") or is_token_of_host, path
