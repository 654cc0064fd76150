"""Modelhub.ai against the real registry and repositories, and against files made to hurt."""

import json
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import SkipReason, UsageError
from ptmtorrent.hubs.base import Means
from ptmtorrent.hubs.modelhub import CONFIG, INIT, LICENSE, MODELHUB, parse, refine
from ptmtorrent.hubs.reading.shape import drift_of
from ptmtorrent.hubs.shapes.modelhub import CONFIG_SHAPE, INIT_SHAPE
from ptmtorrent.hubs.shelf import shelf_page
from ptmtorrent.model.package import Asset, Change, Drift, Package, Paper

REGISTRY = "https://github.com/quillmark/registry"
ENTRY = {
    "id": "1b3c0000-aaaa-bbbb-cccc-000000000001",
    "name": "tern-net",
    "task_extended": "Counting terns",
    "github": "https://github.com/quillmark/tern-net.git",
    "github_branch": "master",
    "backend": ["colab", "MXNet", "onnx"],
}
CONFIG_TEXT = {
    "meta": {
        "task": "Counting",
        "application_area": "Birds",
        "data_type": "Photo",
        "data_source": "https://terns.example/data",
    },
    "publication": {
        "url": "https://arxiv.org/abs/2601.00001v2",
        "bibtex": "@article{x, doi = {10.5555/Tern.1}, eprint={2601.00001}}",
    },
    "model": {"architecture": "CNN", "format": ".onnx", "learning_type": "Supervised"},
}
RELEASE = "https://github.com/quillmark/tern-net/releases/download/v1.0/tern.onnx"


@dataclass(frozen=True)
class Files:
    """A repository with these files."""

    content: dict[str, bytes] = field(default_factory=dict)

    def read(self, path, revision=None):
        return self.content.get(path)


def page(*entries):
    return shelf_page(REGISTRY, [("models.json", json.dumps(entries).encode())])


def package(**changes) -> Package:
    [(_, found)] = parse(page(ENTRY | changes)).packages
    return found


def refined(config=None, init=None):
    contents = {CONFIG: config, INIT: init}
    files = {path: json.dumps(value).encode() for path, value in contents.items() if value}
    return refine(package(), Files(files))


def assets(*files):
    named = [{"src_url": url, "dest_file_path": path} for url, path in files]
    return refined(init={"external_contrib_files": named}).assets


def test_an_entry_becomes_a_package():
    found = package()
    assert (found.hub, found.package_id, found.name) == ("modelhub", ENTRY["id"], "tern-net")
    assert found.origin == found.url == "https://github.com/quillmark/tern-net"
    assert (found.owner, found.task) == ("quillmark", "Counting terns")
    assert (found.framework, found.tags) == ("mxnet", ("colab", "MXNet", "onnx"))
    assert found.twin is None


@pytest.mark.parametrize("link", [5, None, "", "https://terns.example/x", "https://github.com/a"])
def test_a_package_whose_link_is_no_repository_is_kept_and_leads_to_the_registry(link):
    found = package(github=link)
    assert (found.origin, found.owner) == (None, None)
    assert found.url == f"{REGISTRY}/blob/HEAD/models.json"


@pytest.mark.parametrize("backend", ["colab", [], ["colab", 5], {"a": 1}, None])
def test_what_is_no_framework_is_none(backend):
    assert package(backend=backend).framework is None


@pytest.mark.parametrize(
    "entry", [7, None, [], {}, ENTRY | {"id": 7}, ENTRY | {"name": ""}, ENTRY | {"id": None}]
)
def test_an_entry_that_cannot_be_read_costs_itself_only(entry):
    parsed = parse(page(entry, ENTRY))
    assert [index for index, _ in parsed.packages] == [1]
    assert [one.index for one in parsed.unparsed] == [0]


def test_a_registry_that_is_broken_in_one_place_keeps_its_other_entries():
    body = b'[{"id": 1,,}, %s]' % json.dumps(ENTRY).encode()
    parsed = parse(shelf_page(REGISTRY, [("models.json", body)]))
    assert [index for index, _ in parsed.packages] == [1]
    assert [one.index for one in parsed.unparsed] == [0]


def test_drift_is_counted():
    drift = parse(page(ENTRY | {"stars": 1, "backend": "onnx"})).drift
    assert drift == (Drift("backend", Change.TYPE, 1), Drift("stars", Change.NEW, 1))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_parse_survives_any_bytes(body):
    assert parse(body).packages == ()
    parse(shelf_page(REGISTRY, [("models.json", body)]))


def test_the_config_says_what_the_registry_does_not():
    found = refined(CONFIG_TEXT).package
    assert (found.task, found.architecture, found.framework) == ("Counting", "CNN", "onnx")
    assert found.tags == ("colab", "MXNet", "onnx", "Birds", "Photo", "Supervised")
    assert found.datasets == ("https://terns.example/data",)
    assert found.papers == (Paper("arxiv", "2601.00001"), Paper("doi", "10.5555/tern.1"))


MIT = """Permission is hereby granted, free of charge, to any person who finds a tern, subject to:

The above notice and this permission
notice shall be included in all copies."""
BSD = "Redistribution and use in source and binary forms, with or without feathers, are permitted."
APACHE = 'Licensed under the Apache License, Version 2.0 (the "License");'
REMARK = "# Put your terms here.\n# They are for the model under license.\n"


@pytest.mark.parametrize(
    ("text", "raw", "identifier"),
    [
        (f"Given by T. Tern\n\nMIT License\n\n(c) T. Tern\n\n{MIT}", "MIT License", "MIT"),
        (f"{REMARK}\nCopyright T. Tern\n\n{MIT}\n", "Copyright T. Tern", "MIT"),
        (f"Copyright T. Tern\r\n\r\n{APACHE}\r\nand so on", APACHE, "Apache-2.0"),
        (f"LICENSE\n\n{BSD}\n", BSD, "BSD-2-Clause"),
        (f"{BSD}\nNeither the name of\nthe tern may be used.", BSD, "BSD-3-Clause"),
        (
            "Under http://creativecommons.org/licenses/by-nc/4.0/ (NonCommercial)",
            "Under http://creativecommons.org/licenses/by-nc/4.0/ (NonCommercial)",
            "CC-BY-NC-4.0",
        ),
        (
            "https://creativecommons.org/licenses/by-tern/9.9",
            "https://creativecommons.org/licenses/by-tern/9.9",
            None,
        ),
        (f"MIT License for the beak\n{MIT}\n{APACHE}", "MIT License for the beak", None),
        (f"MIT License\n{MIT}\nFor non-commercial use.", "MIT License", None),
        ("MIT licensed terns", "MIT licensed terns", None),
        ("No license information\n", "No license information", None),
        ("Ask the authors.", "Ask the authors.", None),
        ("tern " * 200, ("tern " * 100), None),
        (REMARK, None, None),
        ("\n \n", None, None),
        ("MIT License\n" + "x" * 70_000, None, None),
    ],
)
def test_the_licence_of_the_model_is_read_from_its_file(text, raw, identifier):
    found = refine(package(), Files({LICENSE: text.encode()})).package
    assert (found.license_raw, found.license_spdx) == (raw, identifier)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_licence_file_is_survived(content):
    found = refine(package(), Files({LICENSE: content})).package
    assert found.license_spdx is None
    str(found.license_raw).encode()


def test_a_package_without_readable_files_stays_as_listed():
    for files in ({}, {CONFIG: b"", INIT: b"{"}, {CONFIG: b"[" * 10**5, INIT: b"\xff"}):
        found = refine(package(), Files(files))
        assert found.package == package()
        assert found.assets == ()


def test_text_of_the_template_says_nothing():
    template = {
        "meta": {"task": "e.g. Segmentation", "data_source": "private"},
        "model": {"architecture": " ", "format": "YOUR MODEL'S FORMAT"},
    }
    assert refined(template).package == package()


@pytest.mark.parametrize(
    ("file_format", "framework"), [(".ONNX", "onnx"), (".prototxt", "mxnet"), ("", "mxnet")]
)
def test_a_format_counts_where_the_registry_names_its_framework_too(file_format, framework):
    config = {"model": {"format": file_format}}
    assert refined(config).package.framework == framework


def test_a_format_counts_where_the_registry_names_no_framework():
    files = Files({CONFIG: b'{"model": {"format": ".pth.tar"}}'})
    assert refine(package(backend=["colab"]), files).package.framework == "pytorch"


@pytest.mark.parametrize(
    ("text", "paper"),
    [
        ("https://doi.org/10.48550/arXiv.2601.00002", Paper("arxiv", "2601.00002")),
        ("journal={arXiv preprint arXiv:2601.00002}", Paper("arxiv", "2601.00002")),
        ("eprint = {2601.00002},", Paper("arxiv", "2601.00002")),
        ("https://link.example/chapter/10.5555/978-3_40", Paper("doi", "10.5555/978-3_40")),
        ("https://journal.example/a?id=10.5555/j.1", Paper("doi", "10.5555/j.1")),
        ("@article{10.5555/j.1, author = {A}}", Paper("doi", "10.5555/j.1")),
        ("doi={10.5555/j_1}, url={x}", Paper("doi", "10.5555/j_1")),
    ],
)
@pytest.mark.parametrize("name", ["url", "bibtex"])
def test_papers_are_found_however_they_are_named(name, text, paper):
    assert refined({"publication": {name: text}}).package.papers == (paper,)


def test_assets_of_releases_are_to_be_fetched_wherever_they_are():
    [found] = assets((RELEASE, "/contrib_src/model/tern:1.onnx"))
    assert found == Asset(url=RELEASE, place=INIT, path="contrib_src/model/tern:1.onnx")


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/quillmark/tern-net/releases/download/v1.0/tern.onnx",
        "https://github.com.terns.example/a/b/releases/download/v1/x",
        "https://user@github.com/a/b/releases/download/v1/x",
        "https://github.com:8443/a/b/releases/download/v1/x",
        "https://github.com/a/b/releases/download/v1/../x",
        "https://github.com/a/b/releases/download/../x",
        "https://github.com/a/b/releases/download/v1/%2e%2e",
        "https://github.com/a/b/releases/download/v1/x?raw=1",
        "https://github.com/a/b/releases/download/v1/",
        "https://github.com/a/b/releases/download/v1/x/y",
        "https://github.com/../b/releases/download/v1/x",
        "https://github.com/login/b/releases/download/v1/x",
        "https://github.com/a/../releases/download/v1/x",
        "https://github.com/a/b/archive/v1.zip",
        "https://drive.terns.example/file",
        "ftp://terns.example/file",
        "file:///etc/passwd",
    ],
)
def test_any_other_url_is_kept_and_not_fetched(url):
    found = assets((url, "model.onnx"))
    assert [one.reason for one in found] == ([] if "///" in url else [SkipReason.UNSUPPORTED])


@pytest.mark.parametrize(
    "text", ["e.g. link to weights", "", "weights", "https://", "https://a b", "a: b", 5, None, []]
)
def test_text_that_is_no_url_is_no_asset(text):
    assert assets((text, "model.onnx")) == ()


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("/contrib_src/model/x", "contrib_src/model/x"),
        ("contrib_src//./model/x", "contrib_src/model/x"),
        ("//etc/passwd", "etc/passwd"),
        ("/contrib_src/../../x", None),
        ("..", None),
        ("a\\..\\x", None),
        ("/", None),
        ("e.g. contrib_src/model/x", None),
        (5, None),
        ("a\0b", "ab"),
    ],
)
def test_a_destination_is_a_place_in_the_repository_or_none(destination, path):
    assert [one.path for one in assets((RELEASE, destination))] == [path]


@pytest.mark.parametrize("listed", [5, "text", {"src_url": RELEASE}, [5, "text", None, [RELEASE]]])
def test_what_is_no_list_of_files_names_none(listed):
    assert refined(init={"external_contrib_files": listed}).assets == ()


def test_a_url_that_is_named_twice_is_one_asset():
    found = assets((RELEASE, "a"), (RELEASE, "/a"), (RELEASE + "2", "b"), (RELEASE, "c"))
    assert [(one.url, one.path) for one in found] == [(RELEASE, "a"), (RELEASE + "2", "b")]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
_KEYS = ("meta", "model", "publication", "external_contrib_files", "src_url", "dest_file_path")
_FILE = st.recursive(
    _JSON,
    lambda inner: (
        st.dictionaries(
            st.sampled_from((*_KEYS, "task", "url", "format", "data_source")), inner, max_size=4
        )
        | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(_FILE, _FILE)
def test_refine_survives_any_json(config, init):
    files = Files({CONFIG: json.dumps(config).encode(), INIT: json.dumps(init).encode()})
    found = refine(package(), files)
    assert found.package.package_id == ENTRY["id"]
    str(found).encode()


def test_the_registry_is_a_setting():
    hub = MODELHUB.build(Means(None, None), {"registry": "quillmark/registry"})
    assert hub.origin == REGISTRY
    assert [path for path in ("models.json", "a/models.json", "x") if hub.wanted(path)] == [
        "models.json"
    ]
    with pytest.raises(UsageError, match="registry"):
        MODELHUB.build(Means(None, None), {"registry": "nothing"})


def test_the_real_registry_is_read_without_loss(samples):
    content = (samples / "modelhub/models.json").read_bytes()
    parsed = parse(
        shelf_page("https://github.com/modelhub-ai/modelhub", [("models.json", content)])
    )
    assert (len(parsed.packages), parsed.unparsed, parsed.drift) == (33, (), ())
    found = [one for _, one in parsed.packages]
    for one, entry in zip(found, json.loads(content), strict=True):
        assert (one.package_id, one.name, one.task) == tuple(
            entry[name] for name in ("id", "name", "task_extended")
        )
        assert one.origin == one.url == entry["github"]
    assert len({one.package_id for one in found}) == 33
    assert Counter(one.owner for one in found) == {"modelhub-ai": 32, "bhklab": 1}
    assert Counter(one.framework for one in found) == Counter(
        pytorch=13, tensorflow=8, mxnet=6, caffe=3, cntk=1, keras=1
    ) + Counter({None: 1})


@dataclass(frozen=True)
class Sample:
    """A recorded repository: two of its files lie side by side."""

    folder: object

    def read(self, path, revision=None):
        file = self.folder / path.rsplit("/", 1)[1]
        return file.read_bytes() if file.exists() else None


@pytest.fixture
def refined_samples(samples):
    content = (samples / "modelhub/models.json").read_bytes()
    packages = [one for _, one in parse(shelf_page(REGISTRY, [("models.json", content)])).packages]
    folders = {folder.name: folder for folder in (samples / "modelhub/repos").iterdir()}
    return {
        one.name: refine(one, Sample(folders[one.name])) for one in packages if one.name in folders
    }


def test_the_real_configs_are_read_without_loss(refined_samples, samples):
    assert len(refined_samples) == 14
    for name, found in refined_samples.items():
        config = json.loads((samples / f"modelhub/repos/{name}/config.json").read_bytes())
        assert found.package.task == config["meta"]["task"]
        assert (found.package.architecture or "") == config["model"]["architecture"]
        assert {config["meta"]["data_type"], config["meta"]["application_area"]} <= {
            *found.package.tags
        }
    arc = refined_samples["arc-face"].package
    assert (arc.framework, arc.papers) == ("onnx", (Paper("arxiv", "1801.07698"),))
    assert refined_samples["unet-2d"].package.framework == "keras"
    without = [name for name, found in refined_samples.items() if not found.package.papers]
    assert without == ["resnet-50"]


def test_the_real_assets_are_those_of_releases_and_nothing_of_the_template(refined_samples):
    found = {name: found.assets for name, found in refined_samples.items() if found.assets}
    assert {name: len(assets) for name, assets in found.items()} == {
        "arc-face": 1,
        "deepscan-brats": 2,
        "inception-v3": 1,
        "resnet-50": 1,
        "unet-2d": 1,
        "vgg-19": 1,
    }
    for one in (one for assets in found.values() for one in assets):
        assert (one.place, one.reason) == (INIT, None)
        assert one.path.startswith("contrib_src/model/")


def test_every_key_of_the_real_files_is_in_the_shapes(samples):
    for name, shape in {"config.json": CONFIG_SHAPE, "init.json": INIT_SHAPE}.items():
        files = sorted((samples / "modelhub/repos").glob(f"*/{name}"))
        assert len(files) == 14
        records = [json.loads(path.read_bytes()) for path in files]
        assert drift_of(records, shape) == ()
        known = {one.name for one in shape}
        assert {key for record in records for key in dotted(record)} <= known


def dotted(value, prefix=""):
    if isinstance(value, list):
        for one in value:
            yield from dotted(one, prefix)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from dotted(inner, f"{prefix}{key}.")
