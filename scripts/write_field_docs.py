"""Write the section of docs/FORMATS.md on what is kept raw; ``make docs`` runs it.

Every field of a hub's record is either in a column (``docs/SCHEMA.md``) or listed there.
"""

import re
from pathlib import Path

from ptmtorrent.hubs import modelzoo, pytorchhub
from ptmtorrent.hubs.reading.shape import Field, Shape
from ptmtorrent.hubs.shapes import huggingface, modelhub, onnxmodelzoo

TARGET = Path(__file__).resolve().parent.parent / "docs" / "FORMATS.md"
HEADING = "## Fields of hubs kept raw"
INTRODUCTION = """
Every record is kept as received (`packages.raw_sha256`, `raw_index`), and so is every file of a
repository. These fields have no column yet. The fields of the tables in a list carry the list's
name; "any keys" says that the keys of a table are free, so that none is listed.
"""
KINDS: tuple[tuple[str, str, Shape], ...] = (
    ("huggingface", "a record of `/api/models`", huggingface.SHAPE),
    ("modelhub", "an entry of `models.json`", modelhub.SHAPE),
    ("modelhub", "`contrib_src/model/config.json`", modelhub.CONFIG_SHAPE),
    ("modelhub", "`init/init.json`", modelhub.INIT_SHAPE),
    ("modelzoo", "a record of `/api/models/0/`", modelzoo.SHAPE),
    ("modelzoo", "the answer about one model", modelzoo.DETAIL_SHAPE),
    ("pytorchhub", "the front matter of a card", pytorchhub.SHAPE),
    ("onnxmodelzoo", "an entry of `ONNX_HUB_MANIFEST.json`", onnxmodelzoo.SHAPE),
    ("onnxmodelzoo", "a `turnkey_stats.yaml`", onnxmodelzoo.TURNKEY_SHAPE),
)
"""Hub, kind of record, its fields."""

_WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", list: "list"}
_WORDS |= {dict: "table", object: "anything"}


def main() -> None:
    """Replace the section by what the shapes say now."""
    text = TARGET.read_text(encoding="utf-8")
    old = re.search(rf"{HEADING}\n.*?(?=\n## |\Z)", text, re.DOTALL)
    start, end = old.span() if old else (len(text), len(text))
    TARGET.write_text(text[:start] + section() + text[end:], encoding="utf-8")


def section() -> str:
    """The section, as its heading and a table for each kind of record."""
    hubs = dict.fromkeys(hub for hub, _, _ in KINDS)
    return f"{HEADING}\n{INTRODUCTION}" + "".join(map(_of_hub, hubs))


def _of_hub(hub: str) -> str:
    kinds = [(kind, shape) for name, kind, shape in KINDS if name == hub]
    return f"\n### {hub}\n" + "".join(_of_kind(kind, shape) for kind, shape in kinds)


def _of_kind(kind: str, shape: Shape) -> str:
    raw = sorted((one for one in shape if one.column is None), key=lambda one: one.name)
    title = f"\n{kind[0].upper()}{kind[1:]}"
    if not raw:
        return f"{title}: nothing; every field has a column.\n"
    rows = "".join(f"| `{one.name}` | {_type(one)} |\n" for one in raw)
    return f"{title}:\n\n| Field | Type |\n|---|---|\n{rows}"


def _type(one: Field) -> str:
    types = one.types if isinstance(one.types, tuple) else (one.types,)
    words = " or ".join(_WORDS[kind] for kind in types)
    return f"{words}, any keys" if one.open else words


if __name__ == "__main__":
    main()
