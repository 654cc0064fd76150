"""What a run came to, and the exit code it deserves. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptmtorrent.errors import SkipReason
from ptmtorrent.ledger.rows import ItemCount, Listing

EXIT_DONE, EXIT_FAILED, EXIT_TEMPORARY, EXIT_LIMIT = 0, 3, 5, 8
UNREACHED = ("unreachable", "cut")
ENDINGS = ("done", "postponed", "failed", "skipped")


def unreached(listings: Sequence[Listing], but: frozenset[str] = frozenset()) -> list[Listing]:
    """Listings that ended too early, but for those of some hubs."""
    return [one for one in listings if one.outcome in UNREACHED and one.hub not in but]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a run.

    Attributes:
        manifest: path of the manifest, or None when no snapshot was finished.
        rows: table -> rows in the snapshot.
        blobs: objects held, their bytes, and bytes that deduplication saved.
        pack_bytes: bytes of git packs held.
        network: requests, refused requests, bytes received.
        optional: hubs whose absence does not count.
    """

    snapshot: str
    manifest: str | None
    packages: Mapping[str, int]
    origins: Mapping[str, int]
    items: Sequence[ItemCount]
    listings: Sequence[Listing]
    rows: Mapping[str, int]
    blobs: tuple[int, int, int]
    pack_bytes: int
    network: tuple[int, int, int]
    limit_reached: bool
    seconds: float
    optional: frozenset[str] = frozenset()

    def of(self, hub: str, state: str) -> int:
        """Items of a hub that ended in a state."""
        return sum(count.items for count in self.counts if (count.hub, count.state) == (hub, state))

    @property
    def counts(self) -> list[ItemCount]:
        """Items by hub and state; the listing of an optional hub that was not reached is one."""
        missing = unreached(self.listings) if self.optional else []
        skipped = (
            ItemCount(one.hub, "list", "skipped", SkipReason.HUB_UNREACHABLE, 1, 0)
            for one in missing
            if one.hub in self.optional
        )
        return [*self.items, *skipped]

    @property
    def reasons(self) -> dict[str, int]:
        """Items skipped or failed, by reason code."""
        return self.reasons_of("skipped", "failed")

    def reasons_of(self, *states: str) -> dict[str, int]:
        """Items in these states, by reason code."""
        counted: Counter[str] = Counter()
        for count in self.counts:
            if count.state in states and count.reason:
                counted[count.reason] += count.items
        return dict(sorted(counted.items()))

    @property
    def unreached(self) -> list[Listing]:
        """Listings that ended too early, of hubs that count."""
        return unreached(self.listings, self.optional)

    @property
    def needed(self) -> frozenset[str]:
        """Hubs whose absence counts."""
        return frozenset(listing.hub for listing in self.listings) - self.optional

    @property
    def exit_code(self) -> int:
        """CONTRACT's code; if several apply, the first of 5, 8, 3, 0."""
        states = {count.state for count in self.items if count.items}
        if self.unreached or "postponed" in states:
            return EXIT_TEMPORARY
        if self.limit_reached:
            return EXIT_LIMIT
        return EXIT_FAILED if "failed" in states else EXIT_DONE

    def to_json(self) -> dict[str, Any]:
        """The last line of ``snapshot --json``."""
        count, held, saved = self.blobs
        requests, refused, received = self.network
        return {
            "snapshot": self.snapshot,
            "manifest": self.manifest,
            "hubs": {hub: self._hub(hub) for hub in sorted(self.packages)},
            "reasons": self.reasons,
            "blobs": {"count": count, "bytes": held, "saved_bytes": saved},
            "network": {"requests": requests, "refused": refused, "bytes": received},
            "seconds": round(self.seconds, 3),
        }

    def _hub(self, hub: str) -> dict[str, int]:
        known = {"packages": self.packages[hub], "origins": self.origins.get(hub, 0)}
        return known | {state: self.of(hub, state) for state in ENDINGS}
