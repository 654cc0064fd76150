"""The other four hubs on disk: what each lists, in the shapes that the real ones have."""

import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from ptmtorrent.model.oid import parse_pointer
from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.world import Repository, World, object_path


class Hubs:
    """A world, and the heads of its repositories at GitHub."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.world = World.load(directory)
        self.truth: dict[str, Any] = json.loads((directory / "truth.json").read_text())["hubs"]

    def find(self, forge: str, name: str) -> Repository:
        return next(r for r in self.world.repositories if (r.forge, r.name) == (forge, name))

    def head(self, name: str, forge: str = "github") -> dict[str, bytes]:
        files = repository.read(self.find(forge, name).path(self.directory)).files
        return {file.path.decode(): file.data for file in files}

    def json(self, name: str, path: str) -> Any:
        return json.loads(self.head(name)[path])


@pytest.fixture(scope="module")
def hubs(pristine: Path) -> Hubs:
    return Hubs(pristine)


def test_the_registry_holds_every_kind_of_entry(hubs):
    entries = hubs.json("waterside-ai/registry", "models.json")
    always = {"id", "name", "task_extended", "github", "github_branch", "backend"}
    whole = [one for one in entries if one["id"]]
    assert len(entries) - len(whole) == hubs.truth["modelhub"]["unparsed"] == 1
    assert all(always <= set(one) <= always | {"gpu"} for one in whole)
    ids = [one["id"] for one in whole]
    assert [one for one in ids if len(one) == 4] == ["0000", "0001"]
    assert all(str(uuid.UUID(one)) == one for one in ids if len(one) > 4)
    assert any(one["github"].startswith("http://") for one in whole)
    assert any(one["github"].endswith(".git") for one in whole)
    there = [one["repository"] for one in hubs.truth["modelhub"]["packages"]]
    assert (len(there), there.count(None)) == (8, 1)


def test_model_repositories_hold_what_the_registry_promises(hubs):
    misspelt = 0
    for one in hubs.truth["modelhub"]["packages"]:
        if one["repository"] is None:
            continue
        files = hubs.head(one["repository"])
        config = json.loads(files["contrib_src/model/config.json"])
        assert config["id"] == one["id"]
        assert set(config) == {"id", "meta", "publication", "model", "modelhub"}
        assert {"README.md", "contrib_src/license/model", "init/init.json"} <= set(files)
        assert any(re.fullmatch(r"dockerfiles/\w+:1\.0\.0", path) for path in files)
        misspelt += "provevance" in config["model"]
    assert misspelt == 1
    weights = hubs.head("waterside-ai/mud-unet")["contrib_src/model/model.onnx"]
    assert len(weights) > 1 << 20


def test_external_files_are_of_every_kind(hubs):
    told = {one["url"]: one["reason"] for one in hubs.truth["modelhub"]["assets"]}
    assert sorted(map(str, told.values())) == ["None", "None", "missing_at_origin", "unsupported"]
    wanted = [
        file
        for one in hubs.truth["modelhub"]["packages"]
        if one["repository"]
        for file in hubs.json(one["repository"], "init/init.json")["external_contrib_files"]
    ]
    urls = [file["src_url"] for file in wanted]
    assert set(told) == {url for url in urls if url.startswith("https:")}
    assert len(urls) > len(set(urls))
    assert any(url.startswith("e.g.") for url in urls)
    assert any(file["dest_file_path"].startswith("/") for file in wanted)


def test_an_asset_is_shared_with_another_hub(hubs):
    assets = {one["sha256"] for one in hubs.truth["modelhub"]["assets"]}
    manifest = hubs.json("norrland-zoo/models", "ONNX_HUB_MANIFEST.json")
    assert assets & {one["metadata"]["model_sha"] for one in manifest}


def test_cards_have_front_matter_and_others_do_not_count(hubs):
    files = hubs.head("wader-hub/cards")
    assert {"README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "docs/template.md"} <= set(files)
    fields: dict[str, dict[str, Any]] = {}
    for one in hubs.truth["pytorchhub"]["packages"]:
        text = files[f"{one['id']}.md"].decode()
        fields[one["id"]] = yaml.safe_load(text.split("---\n")[1])
        assert "torch.hub.load('" in text
    always = set.intersection(*(set(one) for one in fields.values()))
    assert len(always) == 14
    assert {"order", "demo-model-link"} <= set().union(*fields.values())
    assert any("“" in str(one["accelerator"]) for one in fields.values())
    assert len({one["github-id"] for one in fields.values()}) == 4
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(files["heron_broken.md"].decode().split("---\n")[1])
    assert hubs.truth["pytorchhub"]["unparsed"] == 1


def test_cards_lead_to_a_tag_a_renamed_and_a_missing_repository(hubs):
    told = {one["id"]: one for one in hubs.truth["pytorchhub"]["packages"]}
    assert told["gone-lab_mooring"]["repository"] is None
    assert told["quillmark_tern"]["origin"] == "https://github.com/quillmark/pytorch-tern"
    assert told["quillmark_tern"]["repository"] == "quillmark/tern"
    refs = repository.refs_of(hubs.find("github", "wader-hub/vision").path(hubs.directory))
    assert "refs/tags/v0.2.0" in refs
    assert b"wader-hub/vision:v0.2.0" in hubs.head("wader-hub/cards")["wader_vision_dunlin.md"]


def test_weights_promise_their_hash_and_keep_it(hubs):
    reasons = {}
    for one in hubs.truth["pytorchhub"]["assets"]:
        name, promised = re.fullmatch(
            r"https://download\.pytorch\.org/models/(\w+)-([0-9a-f]{8})\.pth", one["url"]
        ).groups()
        reasons[name] = one["reason"]
        if one["sha256"]:
            data = object_path(hubs.directory, one["sha256"]).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            assert (digest, len(data)) == (one["sha256"], one["size"])
            assert digest.startswith(promised)
    assert (reasons["knot50"], reasons["swell"]) == (None, "missing_at_origin")
    assert len(reasons) == 6


def test_the_manifest_names_the_pointers_beside_it(hubs):
    files = hubs.head("norrland-zoo/models")
    manifest = json.loads(files["ONNX_HUB_MANIFEST.json"])
    assert len({(one["model"], one["opset_version"]) for one in manifest}) == 6
    for one in manifest:
        said = one["metadata"]
        for path, name in (
            (one["model_path"], "model"),
            (said["model_with_data_path"], "model_with_data"),
        ):
            pointer = parse_pointer(files[path])
            assert (pointer.sha256, pointer.size) == (said[f"{name}_sha"], said[f"{name}_bytes"])
    assert 0 < sum("io_ports" not in one["metadata"] for one in manifest) < 6
    assert 0 < sum("extra_ports" in one["metadata"] for one in manifest) < 6
    assert files[".lfsconfig"] == b"[lfs]\n  fetchexclude = *\n"


def test_each_folder_of_turnkey_holds_statistics_and_a_pointer(hubs):
    files = hubs.head("norrland-zoo/models")
    found = [path for path in files if path.endswith("/turnkey_stats.yaml")]
    assert len(found) == 8
    seen = set()
    for path in found:
        folder = path.rpartition("/")[0]
        said = yaml.safe_load(files[path])
        opset = said["onnx_model_information"]["opset"]
        name = f"{said['model_name']}_Opset{opset}"
        assert folder.endswith(f"/{name}_{said['author']}")
        assert folder.startswith(said["task"] + "/")
        seen.add(parse_pointer(files[f"{folder}/{name}.onnx"]).sha256)
    assert len(seen) == 7


def test_every_object_of_the_zoo_but_one_is_found_by_its_hash_at_hugging_face(hubs):
    zoo = hubs.find("github", "norrland-zoo/models")
    wanted = {p.sha256 for p in repository.read(zoo.path(hubs.directory)).objects}
    held, named = set(), 0
    for one in hubs.world.repositories:
        if one.forge == "huggingface" and one.name.startswith("norrland-zoo/"):
            assert (one.record["library_name"], one.record["tags"][0]) == ("onnx", "onnx")
            contents = repository.read(one.path(hubs.directory))
            held |= {pointer.sha256 for pointer in contents.objects}
            stem = one.name.partition("/")[2]
            named += f"{stem}.onnx".encode() in {file.path for file in contents.files}
    assert named == 13
    assert (
        wanted - held
        == set(zoo.missing_objects)
        == set(hubs.truth["onnxmodelzoo"]["missing_objects"])
    )
    assert len(zoo.missing_objects) == 1
    assert held <= wanted
    assert zoo.lfs_closed


def test_names_at_hugging_face_are_not_always_those_of_the_files(hubs):
    manifest = hubs.json("norrland-zoo/models", "ONNX_HUB_MANIFEST.json")
    stems = {Path(one["model_path"]).stem for one in manifest}
    names = {one.name.partition("/")[2] for one in hubs.world.repositories}
    assert len(stems - names) == 3


def test_the_catalogue_has_every_kind_of_link(hubs):
    records = [one.record for one in hubs.world.catalogue]
    assert len({one["slug"] for one in records}) == len(records) == 8
    keys = {"slug", "title", "description", "stars", "link", "framework", "categories"}
    assert all(set(one) == keys for one in records)
    links = [str(one["link"]) for one in records]
    for kind in ("None", "/tree/main/", "http://github", "//marsh.example", ".git"):
        assert sum(kind in link for link in links) == 1, kind
    assert any(one["stars"] is None and one["description"] is None for one in records)
    assert [one.detail for one in hubs.world.catalogue].count(None) == 1


def test_equal_names_lead_to_repositories_of_several_hubs(hubs):
    places: dict[str, set[str]] = {}
    for hub, told in hubs.truth.items():
        for one in told["packages"]:
            places.setdefault(one["origin"], set()).add(hub)
    assert sum(len(found) > 1 for origin, found in places.items() if origin) >= 3
