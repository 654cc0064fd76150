"""ONNX Model Zoo against the real manifest and statistics, and against files made to hurt."""

import json
import time
from collections import Counter

import pytest
from hub_contract import records_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import UsageError
from ptmtorrent.hubs.base import Means
from ptmtorrent.hubs.onnxmodelzoo import MANIFEST, ONNXMODELZOO, parse
from ptmtorrent.hubs.shapes.onnxmodelzoo import SHAPE, TURNKEY_SHAPE
from ptmtorrent.hubs.shelf import shelf_page
from ptmtorrent.model.package import Change, Drift, Package

ZOO = "https://github.com/quillmark/zoo"
SHA = "5c106cde" * 8
ENTRY = {
    "model": "Tern Net-int8",
    "model_path": "validated/vision/counting birds/tern#1.onnx",
    "onnx_version": "1.9",
    "opset_version": 12,
    "metadata": {
        "model_sha": SHA,
        "model_bytes": 9,
        "tags": ["vision", "counting", "tern"],
        "model_with_data_path": "x.tar.gz",
    },
}
FOLDER = "Computer_Vision/skip/tern_Opset16_timm"
STATS = b"""author: timm
builds: {x86_ort: {iterations: 100}}
builtin_model_script: https://github.com/quillmark/turnkey/blob/main/tern.py
class: TernNet
hash: 25cce11f
model_name: tern
onnx_input_dimensions: {x: [1, 3]}
onnx_model_information: {ir_version: 8, opset: 16, size on disk (KiB): 9.5}
onnx_ops_counter: {Add: 1}
parameters: 1024
system_info: {Processor: p}
task: Computer_Vision
"""


def manifest(*entries):
    return shelf_page(ZOO, [(MANIFEST, json.dumps(entries).encode())])


def turnkey(stats: bytes = STATS, folder: str = FOLDER):
    return shelf_page(ZOO, [(f"{folder}/turnkey_stats.yaml", stats)])


def only(body) -> Package:
    parsed = parse(body)
    assert parsed.unparsed == ()
    [(_, package)] = parsed.packages
    return package


def test_an_entry_of_the_manifest_becomes_a_package():
    assert only(manifest(ENTRY)) == Package(
        hub="onnxmodelzoo",
        package_id="Tern Net-int8@12",
        name="Tern Net-int8@12",
        url=f"{ZOO}/blob/HEAD/validated/vision/counting%20birds/tern%231.onnx",
        origin=ZOO,
        collection="manifest",
        task="counting",
        framework="onnx",
        tags=("vision", "counting", "tern"),
        twin=SHA,
    )


def test_statistics_in_a_folder_become_a_package():
    assert only(turnkey()) == Package(
        hub="onnxmodelzoo",
        package_id=FOLDER,
        name=FOLDER,
        url=f"{ZOO}/tree/HEAD/{FOLDER}",
        origin=ZOO,
        collection="turnkey",
        owner="timm",
        task="Computer_Vision",
        library="timm",
        framework="onnx",
        architecture="TernNet",
        parameters=1024,
        twin="timm/tern/25cce11f@16",
    )


def test_an_author_that_is_no_library_is_none():
    package = only(turnkey(STATS.replace(b"author: timm", b"author: torch_hub")))
    assert (package.owner, package.library) == ("torch_hub", None)


def test_a_page_may_hold_both_and_numbers_go_through():
    files = [
        (f"{FOLDER}/turnkey_stats.yaml", STATS),
        (MANIFEST, json.dumps([ENTRY, 7, ENTRY | {"opset_version": 13}]).encode()),
        ("z/turnkey_stats.yaml", b""),
    ]
    parsed = parse(shelf_page(ZOO, files))
    found = [(index, package.collection) for index, package in parsed.packages]
    assert found == [(0, "turnkey"), (1, "manifest"), (3, "manifest")]
    assert [one.index for one in parsed.unparsed] == [2, 4]


@pytest.mark.parametrize(
    "change", [{"model": 5}, {"model": ""}, {"opset_version": "12"}, {"opset_version": True}]
)
def test_an_entry_that_cannot_be_read_costs_itself_only(change):
    parsed = parse(manifest(ENTRY | change, ENTRY))
    assert [index for index, _ in parsed.packages] == [1]
    assert [one.index for one in parsed.unparsed] == [0]


@pytest.mark.parametrize(
    "stats",
    [
        b"",
        b"[]",
        b"text",
        b"author: timm",
        b"model_name: [x]",
        b"\xff",
        b"a: &x [*x]",
        b"[" * 10**4,
    ],
)
def test_statistics_that_cannot_be_read_cost_themselves_only(stats):
    files = [("a/turnkey_stats.yaml", stats), (f"{FOLDER}/turnkey_stats.yaml", STATS)]
    parsed = parse(shelf_page(ZOO, files))
    assert [package.name for _, package in parsed.packages] == [FOLDER]
    assert [one.index for one in parsed.unparsed] == [0]
    assert parsed.unparsed[0].reason.startswith("a/turnkey_stats.yaml: ")


@pytest.mark.parametrize("path", ["", "../../x", "/etc/x", "a//b", "a/./b", 5, None])
def test_a_path_that_leads_nowhere_makes_no_link(path):
    assert only(manifest(ENTRY | {"model_path": path})).url == ZOO


@pytest.mark.parametrize("digest", ["", "5C" * 32, "5c" * 31, "x" * 64, 5, None])
def test_what_is_no_sha256_is_no_twin(digest):
    metadata = ENTRY["metadata"] | {"model_sha": digest}
    assert only(manifest(ENTRY | {"metadata": metadata})).twin is None


@pytest.mark.parametrize("missing", [b"author: timm", b"hash: 25cce11f", b"opset: 16, "])
def test_half_a_turnkey_twin_is_none(missing):
    assert only(turnkey(STATS.replace(missing, b""))).twin is None


@pytest.mark.parametrize("change", [{"metadata": []}, {"metadata": {"tags": "vision"}}])
def test_a_field_of_another_type_counts_as_absent(change):
    package = only(manifest(ENTRY | change))
    assert (package.task, package.twin) == (None, None)


def test_a_folder_whose_name_is_no_utf8_is_named_and_linked():
    package = only(turnkey(folder="a\udcff b"))
    assert (package.name, package.url) == ("a\ufffd b", f"{ZOO}/tree/HEAD/a%FF%20b")


def test_each_record_drifts_from_its_own_shape():
    drift = parse(manifest(ENTRY | {"class": "x"})).drift
    assert drift == (Drift("class", Change.NEW, 1),)
    drift = parse(turnkey(STATS + b"model: x\nparameters: many\n")).drift
    assert drift == (Drift("model", Change.NEW, 1), Drift("parameters", Change.TYPE, 1))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_parse_survives_any_bytes(body):
    assert parse(body).packages == ()
    both = shelf_page(ZOO, [(MANIFEST, body), ("a/turnkey_stats.yaml", body)])
    assert records_of(parse(both)) >= 1


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(ENTRY)), _VALUE, st.sampled_from(STATS.split(b"\n")[:-1]))
def test_parse_survives_any_value_of_a_field(name, value, line):
    written = json.dumps(value).encode()
    entries = ENTRY | {name: value}, ENTRY | {"metadata": {"tags": value}}
    assert records_of(parse(manifest(*entries))) == 2
    stats = STATS.replace(line, line.split(b":")[0] + b": " + written)
    assert records_of(parse(turnkey(stats))) == 1


def test_repository_and_organisation_are_settings():
    values = {"repository": "quillmark/zoo", "organisation": "quills"}
    hub = ONNXMODELZOO.build(Means(None, None), values)
    assert hub.origin == ZOO
    assert ONNXMODELZOO.bytes_at(values) == ("huggingface", "quills/*")
    assert ONNXMODELZOO.without_lfs(values) == {ZOO}
    with pytest.raises(UsageError, match="repository"):
        ONNXMODELZOO.build(Means(None, None), values | {"repository": "zoo"})


def test_the_listing_is_the_manifest_at_the_root_and_every_folders_statistics():
    hub = ONNXMODELZOO.build(Means(None, None), ONNXMODELZOO.settings)
    wanted = [MANIFEST, "a/turnkey_stats.yaml", "a/b/c/turnkey_stats.yaml"]
    others = [f"a/{MANIFEST}", "turnkey_stats.yaml", "a/other_turnkey_stats.yaml", "README.md"]
    assert [path for path in wanted + others if hub.wanted(path)] == wanted


def test_the_real_manifest_is_read_without_loss(samples):
    content = (samples / "onnx/ONNX_HUB_MANIFEST.json").read_bytes()
    parsed = parse(shelf_page("https://github.com/onnx/models", [(MANIFEST, content)]))
    found = [package for _, package in parsed.packages]
    assert (len(found), parsed.unparsed, parsed.drift) == (184, (), ())
    assert len({package.package_id for package in found}) == 184
    for package, entry in zip(found, json.loads(content), strict=True):
        assert package.name == f"{entry['model']}@{entry['opset_version']}"
        assert package.twin == entry["metadata"]["model_sha"]
        assert list(package.tags) == entry["metadata"]["tags"]
        assert package.url.endswith(entry["model_path"])
    assert Counter(package.task for package in found) == {
        "classification": 119,
        "object detection segmentation": 33,
        "machine comprehension": 12,
        "style transfer": 10,
        "body analysis": 9,
        "super resolution": 1,
    }


def test_entries_of_the_first_manifest_that_share_an_id_are_named(samples):
    content = (samples / "onnx/history/ONNX_HUB_MANIFEST.first.8d345e63.json").read_bytes()
    parsed = parse(shelf_page(ZOO, [(MANIFEST, content)]))
    assert (len(parsed.packages), len(parsed.unparsed), parsed.drift) == (115, 5, ())


def test_the_real_statistics_are_read_without_loss(samples):
    paths = sorted((samples / "onnx/turnkey_stats").glob("*.yaml"))
    files = [(path.name.replace("__", "/"), path.read_bytes()) for path in paths]
    parsed = parse(shelf_page("https://github.com/onnx/models", files))
    found = {package.name: package for _, package in parsed.packages}
    assert (len(found), parsed.unparsed, parsed.drift) == (17, (), ())
    assert {package.framework for package in found.values()} == {"onnx"}
    assert Counter(package.owner for package in found.values()) == {
        "timm": 14,
        "torch_hub": 1,
        "transformers": 2,
    }
    assert all(package.parameters and package.twin for package in found.values())
    resnet = found["Computer_Vision/resnet50_Opset18_timm"]
    assert (resnet.architecture, resnet.parameters) == ("ResNet", 25557032)
    assert resnet.twin == "timm/resnet50/25cce11f@18"


def test_statistics_are_read_fast_enough_for_thousands_of_them(samples):
    path = next((samples / "onnx/turnkey_stats").glob("*.yaml"))
    files = [(f"{n}/turnkey_stats.yaml", path.read_bytes()) for n in range(100)]
    body, before = shelf_page(ZOO, files), time.process_time()
    assert len(parse(body).packages) == 100
    assert time.process_time() - before < 100 * 0.005


def test_every_key_of_the_real_files_is_in_the_shapes(samples):
    text = (samples / "onnx/ONNX_HUB_MANIFEST.json").read_text()
    known = {one.name for one in SHAPE}
    assert {key for entry in json.loads(text) for key in dotted(entry)} <= known
    yaml = pytest.importorskip("yaml")
    known = {one.name for one in TURNKEY_SHAPE}
    free = ("onnx_input_dimensions.", "onnx_ops_counter.")
    for path in (samples / "onnx/turnkey_stats").glob("*.yaml"):
        keys = dotted(yaml.safe_load(path.read_bytes()))
        assert {key for key in keys if not key.startswith(free)} <= known


def dotted(value, prefix=""):
    if isinstance(value, list):
        for one in value:
            yield from dotted(one, prefix)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from dotted(inner, f"{prefix}{key}.")
