"""Every recorded file of the real hubs has a reader, and every key in it has a place."""

import fnmatch
import json
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ptmtorrent.hubs import huggingface, modelzoo, pytorchhub
from ptmtorrent.hubs.reading import yamltext
from ptmtorrent.hubs.reading.shape import Field, Shape, drift_of
from ptmtorrent.hubs.shapes import modelhub, onnxmodelzoo
from ptmtorrent.model.oid import parse_pointer
from ptmtorrent.sandbox.generate import generate

SHAPES: dict[str, Shape] = {
    "huggingface": huggingface.SHAPE,
    "modelhub": modelhub.SHAPE,
    "modelhub config": modelhub.CONFIG_SHAPE,
    "modelhub init": modelhub.INIT_SHAPE,
    "modelzoo": modelzoo.SHAPE,
    "modelzoo detail": modelzoo.DETAIL_SHAPE,
    "pytorchhub": pytorchhub.SHAPE,
    "onnxmodelzoo": onnxmodelzoo.SHAPE,
    "onnxmodelzoo turnkey": onnxmodelzoo.TURNKEY_SHAPE,
}
BROKEN = {
    "huggingface/cards/sample_no_metadata.md",
    "huggingface/cards/sample_template.md",
    "pytorchhub/_template.md",
}
"""Cards without readable front matter, on purpose."""


def plain(path: Path) -> Any:
    return json.loads(path.read_text())


def answer(path: Path) -> Any:
    """The body of a recorded exchange."""
    recorded = plain(path)
    return recorded.get("body", recorded)


def siblings(path: Path) -> Any:
    return {"siblings": plain(path)}


def security(path: Path) -> Any:
    return {"securityRepoStatus": plain(path)}


def turnkey(path: Path) -> Any:
    return yamltext.loads(path.read_bytes())


def card(path: Path) -> Any:
    return pytorchhub.front_matter(path.read_bytes())[0]


def hf_card(path: Path) -> Any:
    return {"cardData": card(path)}


def text(path: Path) -> None:
    assert path.read_text().strip()


def table(path: Path) -> None:
    columns = {line.count("\t") for line in path.read_text().splitlines()}
    assert len(columns) == 1
    assert columns != {0}


def pointer(path: Path) -> None:
    assert parse_pointer(path.read_bytes()) is not None


def described(path: Path) -> None:
    """A description of a format, or vectors for tests: no record of a hub."""
    assert plain(path)


Reader = Callable[[Path], Any]

READERS: tuple[tuple[str, Reader, str], ...] = (
    ("README.md", text, ""),
    ("git-lfs/batch/*response*.json", answer, "git-LFS batch answer"),
    ("git-lfs/batch/request*.json", answer, "git-LFS batch request"),
    ("git-lfs/pointers/*", pointer, ""),
    ("git-lfs/schemas/*.json", described, ""),
    ("huggingface/api/*anonymous.json", answer, "error"),
    ("huggingface/api/redirect-*.json", answer, "error"),
    ("huggingface/api/model-*.json", answer, "huggingface"),
    ("huggingface/api/commits-*.json", answer, "commits"),
    ("huggingface/api/discussions-*.json", answer, "discussions"),
    ("huggingface/api/org-*.json", answer, "organisation"),
    ("huggingface/api/user-*.json", answer, "user"),
    ("huggingface/cards/*.md", hf_card, "huggingface"),
    ("huggingface/http/*.json", described, ""),
    ("huggingface/http/*.txt", text, ""),
    ("huggingface/raw/model_info.*.json", plain, "huggingface"),
    ("huggingface/raw/models_list.*.json", plain, "huggingface"),
    ("huggingface/raw/siblings.*.json", siblings, "huggingface"),
    ("huggingface/raw/security_status.*.json", security, "huggingface"),
    ("huggingface/raw/commits.*.json", plain, "commits"),
    ("huggingface/raw/refs.*.json", plain, "refs"),
    ("huggingface/raw/tree.*.json", plain, "tree"),
    ("modelhub/hub_README.md", text, ""),
    ("modelhub/hub_config_schema.json", described, ""),
    ("modelhub/models.json", plain, "modelhub"),
    ("modelhub/repos/*/config.json", plain, "modelhub config"),
    ("modelhub/repos/*/init.json", plain, "modelhub init"),
    ("modelhub/repos/*/ls-tree.tsv", table, ""),
    ("modelzoo/*.txt", text, ""),
    ("onnx/*MANIFEST*.json", plain, "onnxmodelzoo"),
    ("onnx/history/*.json", plain, "onnxmodelzoo"),
    ("onnx/README.md", text, ""),
    ("onnx/readmes/*.md", text, ""),
    ("onnx/*.txt", text, ""),
    ("onnx/lfs_pointer_index.tsv", table, ""),
    ("onnx/lfs_pointers/*.ptr", pointer, ""),
    ("onnx/turnkey_stats/*.yaml", turnkey, "onnxmodelzoo turnkey"),
    ("other/hf_v2_manifest.*.json", plain, "registry manifest"),
    ("ptmtorrent/legacy/*.json", described, ""),
    ("ptmtorrent/legacy/*.txt", text, ""),
    ("ptmtorrent/schemas/*.json", described, ""),
    ("pytorchhub/*.md", card, "pytorchhub"),
)
"""Glob, reader, what its records are; the first that matches counts."""


@pytest.fixture(scope="module")
def documented(repository: Path) -> dict[str, set[str]]:
    """The answers that make no column, with the keys that docs/FORMATS.md lists."""
    formats = (repository / "docs/FORMATS.md").read_text()
    body = formats.split("## Answers of hubs that make no column\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", body, re.MULTILINE)
    return {kind: set(re.findall(r"`([^`]+)`", keys)) for kind, keys in rows if "`" in keys}


def reader_of(name: str) -> tuple[Reader, str] | None:
    rows = (row[1:] for row in READERS if fnmatch.fnmatchcase(name, row[0]))
    return next(rows, None)


def files(samples: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(samples.rglob("*")):
        if path.is_file():
            yield path.relative_to(samples).as_posix(), path


def read_all(samples: Path) -> Iterator[tuple[str, str, Any]]:
    """Name, kind and value of every file that holds records of a hub."""
    for name, path in files(samples):
        reader, kind = reader_of(name) or (text, "")
        if kind and name not in BROKEN:
            yield name, kind, reader(path)


def keys(value: Any, free: frozenset[str], prefix: str = "") -> set[str]:
    """Dotted names of all keys; nothing below those that are free."""
    if isinstance(value, list):
        return set().union(*(keys(one, free, prefix) for one in value))
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{prefix}{key}"
            found.add(name)
            found |= set() if name in free else keys(inner, free, f"{name}.")
    return found


def test_every_file_has_a_reader_and_can_be_read(samples):
    names = [name for name, _ in files(samples)]
    assert len(names) > 200
    assert [name for name in names if reader_of(name) is None] == []
    for name, path in files(samples):
        if name not in BROKEN:
            reader, _ = reader_of(name)
            reader(path)


def test_every_row_reads_a_file(samples):
    taken = {reader_of(name) for name, _ in files(samples)}
    assert [row for row in READERS if row[1:] not in taken] == []


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_is_broken_on_purpose_is_told_so(samples, name):
    with pytest.raises(ValueError, match=r"."):
        reader_of(name)[0](samples / name)


def test_every_key_of_a_record_is_in_its_shape(samples):
    missing = {}
    for name, kind, value in read_all(samples):
        if kind in SHAPES:
            free = frozenset(one.name for one in SHAPES[kind] if one.open)
            known = {one.name for one in SHAPES[kind]}
            unknown = keys(value, free) - known
            missing |= {name: sorted(unknown)} if unknown else {}
    assert missing == {}


@pytest.mark.parametrize(
    ("schema", "record", "kind"),
    [
        ("modelZooHubMetadata", "Model", "modelzoo"),
        ("modelZooModelMetadata", "ModelZooModelMetadatum", "modelzoo detail"),
    ],
)
def test_every_key_of_a_hub_known_by_descriptions_only_is_in_its_shape(
    samples, schema, record, kind
):
    described = plain(samples / f"ptmtorrent/schemas/{schema}.json")["definitions"]
    known = {one.name for one in SHAPES[kind]}
    assert set(described[record]["properties"]) <= known
    categories = {f"categories.{key}" for key in described["Category"]["properties"]}
    assert categories <= known


def test_every_key_of_other_answers_is_documented_and_every_documented_one_occurs(
    samples, documented
):
    found: dict[str, set[str]] = {}
    for _, kind, value in read_all(samples):
        if kind not in SHAPES:
            found.setdefault(kind, set()).update(keys(value, frozenset()))
    assert found == documented


def test_the_section_on_what_is_kept_raw_is_what_the_shapes_say(repository):
    """So the documentation cannot say less or more; ``make docs`` writes it."""
    script = runpy.run_path(str(repository / "scripts/write_field_docs.py"))
    assert script["section"]() in (repository / "docs/FORMATS.md").read_text()
    assert {id(shape) for _, _, shape in script["KINDS"]} == {id(s) for s in SHAPES.values()}


@pytest.mark.parametrize("kind", SHAPES)
def test_every_column_that_a_field_names_exists(repository, kind):
    columns = {
        f"{path.name.split('.')[0]}.{column['name']}"
        for path in (repository / "schemas").glob("*.v1.json")
        for column in json.loads(path.read_text())["columns"]
    }
    assert {one.column for one in SHAPES[kind] if one.column} <= columns


@pytest.mark.parametrize("kind", SHAPES)
def test_a_shape_names_each_field_once_and_with_it_the_table_that_holds_it(kind):
    shape = SHAPES[kind]
    names = [one.name for one in shape]
    assert len(names) == len(set(names))
    holders = {name.rpartition(".")[0] for name in names} - {""}
    assert holders <= set(names)
    for one in shape:
        types = one.types if isinstance(one.types, tuple) else (one.types,)
        if one.name in holders or one.open:
            assert {dict, list, object} & {*types}, one


def test_the_real_records_of_our_own_request_have_not_drifted(samples):
    records = [v for name, _, v in read_all(samples) if ".expand" in name or "model_info" in name]
    assert len(records) == 5
    assert drift_of(records, huggingface.SHAPE) == ()


def test_what_the_sandbox_invents_has_the_shape_of_the_real_hub(tmp_path):
    world = generate(tmp_path / "world", packages=40, seed=1)
    records = [r.record for r in world.repositories if r.forge == "huggingface" and not r.missing]
    assert len(records) > 30
    assert drift_of(records, huggingface.SHAPE) == ()


def test_a_key_that_is_nowhere_is_found():
    shape = (Field("a", dict, open=True), Field("b", list))
    free = frozenset(one.name for one in shape if one.open)
    assert keys([{"a": {"x": 1}, "b": [{"c": {"d": [[{"e": 1}]]}}]}], free) == {
        *("a", "b", "b.c", "b.c.d", "b.c.d.e")
    }
