"""The kinds of journal line, and what each carries. docs/FORMATS.md describes them for readers."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a journal line stands for."""

    BEGIN = "begin"
    """A snapshot begins: snapshot, as_of."""
    PAGE = "page"
    """A listing page was kept: snapshot, hub, sha256, cursor, next, take, globs."""
    RECORD = "record"
    """A hub's answer about one package was kept: snapshot, hub, sha256."""
    LISTING = "listing"
    """A hub's listing ended: snapshot, hub, outcome, reason, scope."""
    VISIT = "visit"
    """An origin was visited: snapshot, hub, origin, visit, holding, fingerprint, depth, shelf."""
    REPACK = "repack"
    """A visit is kept by another holding from now on: visit, holding, replaces (holding)."""
    MOVED = "moved"
    """An origin is elsewhere now, or spelled otherwise: snapshot, hub, origin, to."""
    ASSET = "asset"
    """An asset was received: snapshot, hub, url, sha256, size."""
    ANSWER = "answer"
    """An item's final word: snapshot, hub, stage, key, reason."""
    SNAPSHOT = "snapshot"
    """A snapshot is finished: snapshot, manifest (sha256 of its file), content_sha256."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be journalled."""

    kind: Kind
    payload: dict[str, Any] = field(default_factory=dict)
