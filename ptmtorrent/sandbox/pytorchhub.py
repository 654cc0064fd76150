"""PyTorch Hub in a box: model cards at GitHub, the code they load, the weights that loads.

Formats: the cards and ``docs/template.md`` of github.com/pytorch/hub; ``hubconf.py`` and the names
of weight files as torch.hub documents them (a file's name ends in the first eight hex digits of
its sha256).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.sandbox import pickles
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.companions import Companion
from ptmtorrent.sandbox.writer import Writer

CARDS, VISION, EDDY = "wader-hub/cards", "wader-hub/vision", "tidal-lab/eddy"
LOST = "gone-lab/mooring"
_FIRST_ID = 430000000

WEIGHTS = "https://download.pytorch.org"
"""The canonical address of the host that has the weights."""

WITHHELD = "swell"
"""The weight file that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card.

    Attributes:
        load: arguments of ``torch.hub.load`` in its text, as text.
        extra: lines of front matter that only some cards have.
    """

    stem: str
    title: str
    load: tuple[tuple[str, str], ...]
    github_id: str
    link: str
    tags: str = "[vision]"
    accelerator: str = "cuda-optional"
    image: str = "no-image"
    extra: str = ""


ALL_CARDS = (
    Card(
        stem="quillmark_tern",
        title="Tern",
        load=(("quillmark/pytorch-tern", "tern"),),
        github_id="quillmark/pytorch-tern",
        link="https://github.com/quillmark/pytorch-tern",
        tags="[vision, scriptable]",
        image="tern.png",
        extra="order: 10\n",
    ),
    Card(
        stem="wader_vision_dunlin",
        title="Dunlin",
        load=((f"{VISION}:v0.2.0", "dunlin18"), (f"{VISION}:v0.2.0", "dunlin34")),
        github_id=VISION,
        link=f"https://github.com/{VISION}/blob/main/vision/models/dunlin.py",
        extra="order: 10\ndemo-model-link: https://huggingface.co/spaces/fern-nz/demo-0\n",
    ),
    Card(
        stem="wader_vision_godwit",
        title="Godwit (wide)",
        load=((f"{VISION}:v0.2.0", "godwit"),),
        github_id=VISION,
        link=f"https://github.com/{VISION}/blob/main/vision/models/godwit.py",
        accelerator="“cuda-optional”",
    ),
    Card(
        stem="wader_vision_knot",
        title="Knot",
        load=((VISION, "knot50"),),
        github_id=VISION,
        link=f"https://github.com/{VISION}.git",
        extra="order:\n",
    ),
    Card(
        stem="tidal-lab_eddy",
        title="“Eddy”",
        load=((EDDY, "eddy"),),
        github_id=f" {EDDY} ",
        link=f"https://github.com/{EDDY}.git",
        tags="[audio, generative]",
        accelerator="“cuda”",
    ),
    Card(
        stem="tidal-lab_swell",
        title="Swell",
        load=((f"{EDDY}:main", "swell"),),
        github_id=EDDY,
        link=f"https://github.com/{EDDY}/tree/main/swell",
        tags="[nlp]",
    ),
    Card(
        stem="gone-lab_mooring",
        title="Mooring",
        load=((LOST, "mooring"),),
        github_id=LOST,
        link=f"https://github.com/{LOST}",
    ),
)
"""Every card but one that cannot be read."""

BROKEN = "heron_broken"
"""The stem of the card that cannot be read: its front matter is no YAML and has no end."""

RENAMED = ("tidal-lab_swell", "tidal-lab_ground-swell")
"""Old and new stem of the card that is renamed in the world's first move."""

_BROKEN_CARD = b"---\nlayout: hub_detail\ntitle: [Heron\n  : - what\ngithub-id: quillmark/tern\n"
_TEMPLATE = b"---\nlayout: hub_detail\ntitle: <REQUIRED: a name>\n---\n\n### Model Description\n"


def assets(seed: int) -> dict[str, bytes]:
    """What the host of the weights holds, by address."""
    return {_url(seed, name): _weights(seed, name) for name in _SIZES if name != WITHHELD}


def companions() -> tuple[Companion, ...]:
    """The cards, and the code they load that is there and is nobody else's."""
    return (
        Companion(_FIRST_ID, CARDS, _write_cards),
        Companion(_FIRST_ID + 1, VISION, _write_vision),
        Companion(_FIRST_ID + 2, EDDY, _write_eddy),
    )


def move(writer: Writer) -> None:
    """Commit what changes in the world's first move: a card's name, not its bytes."""
    old, new = (f"{stem}.md".encode() for stem in RENAMED)
    writer.files[new] = writer.files.pop(old)
    writer.commit("Rename a card")


def _write_cards(writer: Writer) -> None:
    for path in ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md"):
        writer.put(path, b"# Be kind\n\nTo birds too.\n")
    writer.put("docs/template.md", _TEMPLATE)
    writer.put("images/tern.png", b"\x89PNG\r\n\x1a\n" + writer.rng.randbytes(300))
    writer.commit("Begin the hub")
    for card in ALL_CARDS:
        writer.put(f"{card.stem}.md", _text(card).encode())
        writer.commit_on_web(f"Add {card.title}")
    writer.put(f"{BROKEN}.md", _BROKEN_CARD)
    writer.commit("Begin a card for Heron")


def _text(card: Card) -> str:
    calls = "\n".join(
        f"model = torch.hub.load('{repository}', '{entry}', pretrained=True)"
        for repository, entry in card.load
    )
    return f"""\
---
layout: hub_detail
background-class: hub-background
body-class: hub
title: {card.title}
summary: {card.title} tells shorebirds apart.
category: researchers
image: {card.image}
author: Quillmark
tags: {card.tags}
github-link: {card.link}
github-id: {card.github_id}
featured_image_1: {card.image}
featured_image_2: no-image
accelerator: {card.accelerator}
{card.extra}---

```python
import torch
{calls}
model.eval()
```

### Model Description

| Model | Top-1 error |
| ----- | ----------- |
| {card.title} | 24.2 |

### References

- [Birds at low tide](https://arxiv.org/abs/2104.9{len(card.stem):04})
"""


_SIZES: Mapping[str, int] = {
    "dunlin18": 30_000,
    "dunlin34": 80_000,
    "godwit_wide": 120_000,
    "knot50": 50_000,
    "eddy": 60_000,
    WITHHELD: 20_000,
}


def _weights(seed: int, name: str) -> bytes:
    return pickles.zip_checkpoint(dice(seed, "torch weights", name), _SIZES[name])


def _url(seed: int, name: str) -> str:
    return f"{WEIGHTS}/models/{name}-{sha256_of(_weights(seed, name))[:8]}.pth"


def _write_vision(writer: Writer) -> None:
    """Cards share it, its addresses are in modules, and a tag holds less than the head."""
    writer.put("vision/__init__.py", b"")
    writer.put("vision/models/__init__.py", b"from .dunlin import *\nfrom .godwit import *\n")
    writer.put("vision/models/dunlin.py", _module(writer.seed, "Dunlin", "dunlin18", "dunlin34"))
    writer.put("vision/models/godwit.py", _module(writer.seed, "Godwit", "godwit_wide"))
    entries = "from vision.models.dunlin import dunlin18, dunlin34\n"
    entries += "from vision.models.godwit import godwit_wide as godwit\n"
    writer.put("hubconf.py", f'dependencies = ["torch"]\n\n{entries}'.encode())
    writer.tag("v0.2.0", writer.commit("Add Dunlin and Godwit"), signed=True)
    writer.put("vision/models/knot.py", _module(writer.seed, "Knot", "knot50"))
    entries += "from vision.models.knot import knot50\n"
    writer.put("hubconf.py", f'dependencies = ["torch", "scipy"]\n\n{entries}'.encode())
    writer.commit("Add Knot")


def _module(seed: int, title: str, *names: str) -> bytes:
    urls = "".join(f'    "{name}": "{_url(seed, name)}",\n' for name in names)
    entries = "".join(
        f"\n\ndef {name}(pretrained=False):\n    return {title}()\n" for name in names
    )
    return f"""\
__all__ = {["model_urls", *names]!r}

model_urls = {{
{urls}}}


class {title}:
    def __init__(self):
        raise RuntimeError("this file is read, never run")
{entries}""".encode()


def _write_eddy(writer: Writer) -> None:
    eddy, swell = (_url(writer.seed, name) for name in ("eddy", WITHHELD))
    text = f'''\
dependencies = ["torch", "torchaudio", "omegaconf"]

_EDDY = "{eddy}"


def eddy(pretrained=True, **kwargs):
    """An eddy."""
    raise RuntimeError("this file is read, never run: " + _EDDY)


def swell(pretrained=True):
    """A swell."""
    raise RuntimeError("this file is read, never run: " + "{swell}")


def _helper():
    pass
'''
    writer.put("hubconf.py", text.encode())
    writer.put("swell/README.md", b"# Swell\n")
    writer.commit("Add hubconf.py")
