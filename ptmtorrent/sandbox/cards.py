"""The texts of a package: its model card with front matter, its configuration, its attributes."""

import json
from collections.abc import Mapping
from typing import Any

from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.recipes import Recipe, Role, Trait, base_of

GITATTRIBUTES = b"".join(
    b"%s filter=lfs diff=lfs merge=lfs -text\n" % pattern
    for pattern in (b"*.bin", b"*.gguf", b"*.onnx", b"*.pt", b"*.safetensors", b"saved/**/*")
)

LFSCONFIG = b"""\
[lfs]
\turl = http://127.0.0.1:9/stolen/info/lfs
\tpushurl = http://127.0.0.1:9/stolen/info/lfs
\tfetchexclude = *
"""
"""Points away from the hub and hides every object: a client must not obey it."""

HOSTILE_TAGS = (
    "[bold]loud[/bold]",
    "\x1b[31mred\x07",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "=HYPERLINK(1)",
    "\u202efed\u2069 🦤",
)
HOSTILE_TASK = "[red]text-generation[/red]"

_BROKEN_FRONT_MATTER = "license: mit\ntags: [unclosed\n  : - what\n"


def card_of(seed: int, recipe: Recipe) -> dict[str, Any]:
    """The front matter of a package's card."""
    family, base = recipe.family, base_of(seed, recipe)
    languages = list(family.languages)
    card: dict[str, Any] = {
        "license": family.license,
        "language": languages[0] if len(languages) == 1 else languages,
        "pipeline_tag": family.task.pipeline,
        "tags": [family.word.lower(), "shorebirds"],
    }
    if family.license == "other":
        card |= {"license_name": "marsh-license", "license_link": "LICENSE"}
    if base:
        card |= {"base_model": base.name, "datasets": [f"norrland-lab/{family.word.lower()}-song"]}
    if recipe.role is not Role.QUANTIZED:
        card["library_name"] = "transformers"
    if recipe.role is Role.FINETUNE:
        card["model-index"] = [_results(seed, recipe)]
    if recipe.trait is Trait.HOSTILE_TEXT:
        card |= {"tags": list(HOSTILE_TAGS), "pipeline_tag": HOSTILE_TASK}
    return card


def readme(recipe: Recipe, card: Mapping[str, Any]) -> bytes:
    """README.md: front matter, sections, links; for a broken card the YAML does not parse."""
    family = recipe.family
    front = front_matter(card)
    if recipe.trait is Trait.BROKEN_CARD:
        front = _BROKEN_FRONT_MATTER
    warning = "\x1b]0;title\x07 [blink]look[/blink]" if recipe.trait is Trait.HOSTILE_TEXT else ""
    return f"""\
---
{front}---

# {recipe.name.partition("/")[2]}

{family.series} tells shorebirds apart by what they write. {warning}

## Intended use

For {family.task.pipeline}; not for hunting.

## Training

See arXiv:{arxiv_of(recipe)} and the code at
https://github.com/quillmark/tern (training) and
[models](https://github.com/norrland-lab/wader-models).

## Evaluation

| set | score |
|---|---|
| marsh | 0.8{family.number % 10} |

## Limitations

Gulls.
""".encode()


def front_matter(card: Mapping[str, Any]) -> str:
    """YAML of a card: plain words bare, lists in block style, all else as JSON, a part of YAML."""
    lines = []
    for key, value in card.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {_scalar(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_scalar(value)}")
    return "".join(line + "\n" for line in lines)


def config_of(recipe: Recipe) -> dict[str, Any]:
    """config.json of a package."""
    family = recipe.family
    return {
        "architectures": [family.word + family.task.head],
        "hidden_size": 64,
        "model_type": family.word.lower(),
        "num_hidden_layers": 2,
        "torch_dtype": "float32",
    }


def json_bytes(value: object) -> bytes:
    """A JSON file as people commit it."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def arxiv_of(recipe: Recipe) -> str:
    """The paper its card names."""
    return f"2{recipe.family.number % 10}04.9{recipe.family.number:04}"


def _results(seed: int, recipe: Recipe) -> dict[str, Any]:
    score = round(dice(seed, "score", recipe.number).uniform(0.5, 0.99), 4)
    task = {"type": recipe.family.task.pipeline}
    dataset = {"name": "Marsh", "type": "norrland-lab/marsh", "split": "test"}
    metric = {"name": "Accuracy", "type": "accuracy", "value": score, "verified": False}
    result = {"task": task, "dataset": dataset, "metrics": [metric]}
    return {"name": recipe.name.partition("/")[2], "results": [result]}


def _scalar(value: object) -> str:
    plain = isinstance(value, str) and value.replace("-", "").replace("/", "").isalnum()
    if plain and value not in {"no", "yes", "on", "off"}:
        return str(value)
    return json.dumps(value, ensure_ascii=False)
