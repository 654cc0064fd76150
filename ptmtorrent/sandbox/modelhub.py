"""Modelhub.ai in a box: a registry at GitHub, and the repositories that it names.

Formats: ``models.json`` and ``config_schema.json`` of github.com/modelhub-ai/modelhub, and the
``init/init.json`` of its model repositories.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ptmtorrent.sandbox import onnxzoo, pickles, weights
from ptmtorrent.sandbox.cards import json_bytes
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.companions import Companion
from ptmtorrent.sandbox.writer import Writer

REGISTRY = "waterside-ai/registry"
_FIRST_ID = 420000000
_PLAIN_BYTES = 1_150_000

_TEMPLATE = (
    {"src_url": "e.g. where your weights are", "dest_file_path": "e.g. contrib_src/model/weights"},
    {"src_url": "LEAVE THIS LIST EMPTY IF YOU NEED NO FILES", "dest_file_path": "..."},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the registry.

    Attributes:
        link: how the registry spells the repository, where that is odd.
        colab: its id, where it is a notebook and has no UUID.
        gpu: as the registry says; None where it does not.
        files: URLs that ``init.json`` wants to be downloaded.
        plain: about how many bytes of weights are in git itself.
        provenance: how its configuration spells that key.
        served: whether the repository is there.
    """

    name: str
    task: str
    backend: tuple[str, ...] = ("onnx",)
    owner: str = "waterside-ai"
    link: str = ""
    colab: str = ""
    gpu: bool | None = None
    files: tuple[str, ...] = ()
    plain: int = 0
    provenance: str = "provenance"
    served: bool = True

    @property
    def github(self) -> str:
        """Its repository: ``owner/name``."""
        return f"{self.owner}/{self.name}"


def release(repository: str, file: str) -> str:
    """The address of a file of a repository's release."""
    return f"https://github.com/{repository}/releases/download/v1.0/{file}"


_TIDE, _EBB = "waterside-ai/tide-net", "waterside-ai/ebb-detect"

MODELS = (
    Model(
        name="tide-net",
        task="Reading tide tables",
        backend=("mxnet", "onnx"),
        files=(release(_TIDE, "model.onnx"), release(_TIDE, "model.onnx")),
    ),
    Model(
        name="mud-unet",
        task="Segmenting mud flats",
        gpu=True,
        plain=_PLAIN_BYTES,
        provenance="provevance",
    ),
    Model(
        name="ebb-detect",
        task="Finding the ebb",
        backend=("pytorch",),
        gpu=False,
        files=(
            release(_EBB, "weights.pt"),
            release(_EBB, "labels.bin"),
            "https://files.estuary.example/ebb/extra.bin",
        ),
    ),
    Model(name="colab_lagoon", task="Lagoons - Notebook", backend=("colab",), colab="0000"),
    Model(
        name="colab_sandbank", task="Sandbanks - Notebook", backend=("colab", "keras"), colab="0001"
    ),
    Model(name="lost-lagoon", task="Finding lost lagoons", served=False),
    Model(
        name="reed-seg",
        task="Segmenting reeds",
        link="http://github.com/waterside-ai/reed-seg.git",
        plain=8_000,
    ),
    Model(name="sedge-class", task="Telling sedges apart", owner="norrland-lab", plain=6_000),
    Model(name="salt-pan", task="Counting salt pans", plain=7_000),
)
"""Every model that is ever in the registry; all but the last from the beginning."""

LOST, GAINED = "sedge-class", "salt-pan"
"""What the registry loses and gains in the world's first move."""

_NAMELESS: Mapping[str, Any] = {
    "id": "",
    "name": "",
    "task_extended": "",
    "github": "https://github.com/waterside-ai/nameless",
    "github_branch": "main",
    "backend": [],
}
"""An entry that cannot be read: nothing says which model it is."""


def assets(seed: int) -> dict[str, bytes]:
    """What release assets hold, by address: one has the bytes of an ONNX zoo's model."""
    return {
        release(_TIDE, "model.onnx"): onnxzoo.HERON.data(seed),
        release(_EBB, "weights.pt"): pickles.zip_checkpoint(dice(seed, "modelhub", _EBB), 90_000),
    }


def companions() -> tuple[Companion, ...]:
    """The registry and every repository of a model that is there."""
    registry = Companion(_FIRST_ID, REGISTRY, _write_registry)
    return (
        registry,
        *(
            Companion(_FIRST_ID + number, model.github, _writer_of(model))
            for number, model in enumerate(MODELS, 1)
            if model.served
        ),
    )


def move(writer: Writer) -> None:
    """Commit to the registry what changes in the world's first move: one leaves, one comes."""
    kept = [model for model in MODELS if model.name != LOST]
    writer.put("models.json", json_bytes(_entries(writer.seed, kept)))
    writer.commit("Update models.json")


def _write_registry(writer: Writer) -> None:
    first = [model for model in MODELS if model.name != GAINED]
    writer.put("models.json", json_bytes(_entries(writer.seed, first[:3])))
    writer.commit("Open the registry")
    writer.put("models.json", json_bytes(_entries(writer.seed, first)))
    writer.put("LICENSE", b"MIT License\n")
    writer.commit("Add more models")


def _entries(seed: int, models: list[Model]) -> list[Mapping[str, Any]]:
    entries = [_entry(seed, model) for model in models]
    return [*entries[:4], _NAMELESS, *entries[4:]]


def _entry(seed: int, model: Model) -> Mapping[str, Any]:
    gpu = {} if model.gpu is None else {"gpu": model.gpu}
    return {
        "id": id_of(seed, model),
        "name": model.name,
        "task_extended": model.task,
        "github": model.link or f"https://github.com/{model.github}",
        "github_branch": "main",
        "backend": list(model.backend),
        **gpu,
    }


def id_of(seed: int, model: Model) -> str:
    """The registry's id of a model."""
    bits = dice(seed, "modelhub", model.name).getrandbits(128)
    return model.colab or str(uuid.UUID(int=bits, version=4))


def _writer_of(model: Model) -> Callable[[Writer], None]:
    def write(writer: Writer) -> None:
        engine = model.backend[-1]
        writer.put("contrib_src/model/config.json", json_bytes(_config(writer.seed, model)))
        writer.put("contrib_src/license/model", b"Copyright the estuary. Free for all.\n")
        writer.put("contrib_src/license/sample_data", b"Public domain.\n")
        writer.put("contrib_src/run.py", b'raise RuntimeError("read, never run")\n')
        writer.put(f"dockerfiles/{engine}-modelhub:1.0.0", b"FROM scratch\n")
        writer.put(f"dockerfiles/{engine}:1.0.0", b"FROM scratch\nUSER nobody\n")
        writer.put("init/init.json", json_bytes(_init(model)))
        writer.commit("Add the model")
        if model.plain:
            writer.put("contrib_src/model/model.onnx", weights.onnx(writer.rng, model.plain))
            writer.commit("Add weights")

    return write


def _init(model: Model) -> Mapping[str, Any]:
    if model.colab:
        return {"docker_id": "YOUR DOCKER IMAGE", "external_contrib_files": list(_TEMPLATE)}
    files = [
        {"src_url": url, "dest_file_path": f"/contrib_src/model/{url.rpartition('/')[2]}"}
        for url in model.files
    ]
    docker = f"waterside/{model.backend[-1]}-modelhub:1.0.0"
    return {"docker_id": docker, "external_contrib_files": files}


def _config(seed: int, model: Model) -> Mapping[str, Any]:
    return {
        "id": id_of(seed, model),
        "meta": _meta(model),
        "publication": _publication(model),
        "model": {
            "description": f"{model.name} looks at water and says what it sees.",
            model.provenance: "https://github.com/norrland-lab/wader-models",
            "architecture": "Convolutional Neural Network (CNN)",
            "learning_type": "Supervised learning",
            "format": ".onnx",
            "io": _ports(),
        },
        "modelhub": {"top": 3} if model.gpu else {},
    }


def _meta(model: Model) -> Mapping[str, Any]:
    notebook = {
        "framework": "colab",
        "colab_link": f"https://github.com/{model.github}/blob/main/notebook.ipynb",
        "github_link": "https://github.com/quillmark/tern",
    }
    return {
        "name": model.name,
        "application_area": "Coastal Imaging",
        "task": "Segmentation",
        "task_extended": model.task,
        "data_type": "Image/Photo",
        **(notebook if model.colab else {"data_source": "https://estuary.example/photos"}),
    }


def _publication(model: Model) -> Mapping[str, Any]:
    number = 10000 + len(model.name) * 7
    return {
        "title": f"{model.name}: {model.task}",
        "source": "arXiv",
        "year": 2019,
        "authors": "Aivi Tamm, Bohdan Kravets",
        "email": "aivi.tamm@example.org",
        "abstract": "We look at water.",
        "url": f"https://arxiv.org/abs/1904.{number}",
        "google_scholar": "https://scholar.google.com/scholar?cites=1",
        "bibtex": f"@article{{water, title = {{{model.task}}}, year = {{2019}}}}",
    }


def _ports() -> Mapping[str, Any]:
    limits = [{"min": 1, "max": 4}, {"min": 32}, {"min": 32}]
    label = {"name": "label", "type": "label_list", "description": "What is seen, best first."}
    image = ["image/png", "image/jpeg"]
    return {"input": {"format": image, "dim_limits": limits}, "output": [label]}
