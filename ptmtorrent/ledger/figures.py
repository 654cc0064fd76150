"""The figures of a snapshot: what takes long to count, and is counted once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ptmtorrent.ledger.rows import ItemCount


@dataclass(frozen=True, slots=True)
class Figures:
    """What the ledger counts for people.

    Attributes:
        packages: known ones, by hub.
        origins: those that packages name, by hub.
        items: of the snapshot, by hub, stage, state and reason.
        blobs: objects held, their bytes, and bytes that deduplication saved.
        pack_bytes: bytes of git packs held.
    """

    packages: Mapping[str, int]
    origins: Mapping[str, int]
    items: Sequence[ItemCount]
    blobs: tuple[int, int, int]
    pack_bytes: int

    def to_text(self) -> str:
        """As the ledger keeps them."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: bytes) -> "Figures | None":
        """Read what ``to_text`` wrote; None when it is something else, for they can be counted."""
        try:
            value = json.loads(text)
            items = [ItemCount(**item) for item in value["items"]]
            objects, held, saved = value["blobs"]
            return cls(**value | {"items": items, "blobs": (objects, held, saved)})
        except (ValueError, KeyError, TypeError):
            return None
