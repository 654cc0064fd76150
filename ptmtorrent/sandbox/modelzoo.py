"""ModelZoo.co in a box: a catalogue of links to other people's repositories, as JSON.

``/api/models/0/`` shows all of it at once, ``/api/models/SLUG/`` one model; anything else is the
page that shows them to people. Format: as its crawlers recorded it in 2023.
"""

from collections.abc import Mapping
from typing import Any

from ptmtorrent.sandbox.exchange import Ask, Reply, json_reply
from ptmtorrent.sandbox.live import Live
from ptmtorrent.sandbox.world import CatalogueEntry

RENAMED = ("eddy-pytorch", "eddy-pytorch-2")
"""Old and new slug of the model that is renamed in the world's first move."""

_PAGE = (
    b'<!doctype html><title>ModelZoo</title><div id="root"></div><script src="/m.js"></script>\n'
)

_CATEGORIES = {
    name: {"id": number, "slug": name, "title": name.replace("-", " ").title(), "short_title": tag}
    for number, (name, tag) in enumerate(
        (
            ("computer-vision", "CV"),
            ("natural-language-processing", "NLP"),
            ("audio-speech", "Audio"),
            ("generative-models", "Generative"),
        ),
        1,
    )
}


def _model(slug: str, framework: str, link: str | None, *categories: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "title": slug.replace("-", " ").title(),
        "description": f"{slug.partition('-')[0].title()} tells shorebirds apart",
        "stars": len(slug) * 37,
        "link": link,
        "framework": framework,
        "categories": [_CATEGORIES[name] for name in categories],
    }


_GITHUB = "https://github.com"
_MODELS = (
    _model("heron-caffe", "caffe", None, "computer-vision") | {"stars": None, "description": None},
    _model("tern", "pytorch", f"{_GITHUB}/quillmark/tern", "computer-vision", "generative-models"),
    _model("eddy-pytorch", "pytorch", f"{_GITHUB}/tidal-lab/eddy/tree/main/swell", "audio-speech"),
    _model("tide-net", "mxnet", "http://github.com/waterside-ai/tide-net", "computer-vision"),
    _model("reeds", "keras", "https://marsh.example/models/reeds", "computer-vision"),
    _model("dunlin", "pytorch", f"{_GITHUB}/wader-hub/vision.git", "computer-vision"),
    _model("mooring", "tensorflow", f"{_GITHUB}/gone-lab/mooring", "natural-language-processing"),
    _model("wader-models", "jax", f"{_GITHUB}/norrland-lab/wader-models/") | {"stars": 0},
)
_PAPERS: Mapping[str, dict[str, str]] = {
    "tern": {"Birds at low tide": "https://arxiv.org/abs/2104.90014"},
    "tide-net": {
        "Reading tide tables": "https://arxiv.org/pdf/1904.10056.pdf",
        "Water": "https://doi.org/10.99999/water.1",
    },
}
_UNTOLD = "dunlin"
"""The slug whose own address answers 404."""


def catalogue() -> tuple[CatalogueEntry, ...]:
    """The models of a fresh world."""
    return tuple(CatalogueEntry(record=model, detail=_detail(model)) for model in _MODELS)


def move(entries: tuple[CatalogueEntry, ...]) -> tuple[CatalogueEntry, ...]:
    """The models after the world's first move: one has another slug and the same link."""
    old, new = RENAMED
    return tuple(
        CatalogueEntry(record=one.record | {"slug": new}, detail=one.detail)
        if one.record["slug"] == old
        else one
        for one in entries
    )


class ModelZoo:
    """modelzoo.co: the catalogue, and a page for everything else."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, ask: Ask) -> Reply:
        """Answer a request."""
        entries = self._live.world.catalogue
        match ask.parts:
            case ["api", "models", "0"]:
                return json_reply({"models": [one.record for one in entries]})
            case ["api", "models", slug]:
                details = {one.record["slug"]: one.detail for one in entries}
                return _told(details.get(slug))
        return Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=_PAGE)


def _told(detail: dict[str, Any] | None) -> Reply:
    return json_reply({"detail": "Not found."}, 404) if detail is None else json_reply(detail)


def _detail(model: Mapping[str, Any]) -> dict[str, Any] | None:
    if model["slug"] == _UNTOLD:
        return None
    shown = {name: value for name, value in model.items() if name != "slug"}
    text = f"# {model['title']}\n\nCode: https://github.com/norrland-lab/wader-models\n"
    return shown | {"long_desc": text, "papers": _PAPERS.get(model["slug"])}
