"""What is not documented does not exist: commands, settings, tables, hubs, make targets."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from ptmtorrent.cli import COMMANDS
from ptmtorrent.hubs import HUBS
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.settings import GithubSettings, GitSettings, NetworkSettings


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(readme, command):
    assert re.search(rf"`ptmtorrent {command}\b|^ptmtorrent {command}\b", readme, re.MULTILINE)


@pytest.mark.parametrize("hub", [kind.id for kind in HUBS])
def test_every_hub_and_its_settings_are_in_the_readme(readme, hub):
    kind = next(kind for kind in HUBS if kind.id == hub)
    assert kind.title in readme
    assert f"[hubs.{hub}]" in readme
    assert all(name in readme for name in kind.settings)


def test_every_setting_is_in_the_readme(readme):
    tables = {"github": GithubSettings, "network": NetworkSettings, "git": GitSettings}
    for section, kind in tables.items():
        assert f"[{section}]" in readme
        for field in fields(kind):
            assert re.search(rf"^{field.name} = ", readme, re.MULTILINE), field.name
    for name in ("depth", "top", "max_bytes", "contact"):
        assert re.search(rf"^#? ?{name} = ", readme, re.MULTILINE), name


def test_every_table_is_documented(repository):
    tables = [path.name.split(".")[0] for path in (repository / "schemas").glob("*.v1.json")]
    text = (repository / "docs/SCHEMA.md").read_text()
    readme = (repository / "README.md").read_text()
    assert tables
    for table in tables:
        assert re.search(rf"^#+ .*{table}", text, re.MULTILINE)
        assert f"`{table}`" in readme


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_journal_line_is_in_formats(repository, kind):
    assert f"| `{kind}` |" in (repository / "docs/FORMATS.md").read_text()


def test_every_make_target_is_explained(repository):
    text = (repository / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()
    for target in phony:
        assert re.search(rf"^{target}:.*## ", text, re.MULTILINE), target


def test_nothing_committed_names_a_path_of_one_machine(repository):
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home)/\w")
    for folder in ("ptmtorrent", "tests", "docs", "schemas", "scripts"):
        for path in (repository / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".sql", ".json", ".toml"):
                assert not pattern.search(path.read_text()), path
