"""Packs that were lost, had again from their origin.

A pack is never sent twice with the same bytes. So the origin is fetched whole, and each visit that
the lost pack kept is looked through: what its refs reach must all be in the packs that are left and
the new one. A state that its origin gave up meanwhile cannot be had again.
"""

from dataclasses import dataclass, replace

from ptmtorrent.errors import CorruptError
from ptmtorrent.fetch.mirror import Mirror
from ptmtorrent.fetch.quarantine import Base
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.model.work import Depth, Moved, OriginTask, Visited

MOST_MOVES = 5
"""Renames followed before an origin counts as lost."""


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Fetches origins whole and finds out what they can still give."""

    mirror: Mirror

    async def fetch(self, url: str, depth: Depth) -> Visited:
        """The origin as it is now, wherever it is now, without anything held.

        Raises:
            SkipError: it is gone, gated, ...
            FailError: it could not be had.
        """
        for _ in range(MOST_MOVES):
            found = await self.mirror.visit(OriginTask(url, depth))
            if not isinstance(found, Moved):
                return found
            url = found.to
        raise CorruptError("the origin moves in circles", url=url)

    async def kept_by(self, visit: Visit, before: Holding, now: Visited) -> Holding | None:
        """A holding that keeps a visit with what is left and what came; None if none can."""
        store = self.mirror.store
        left = [pack for pack in before.packs if store.has(pack)]
        packs = tuple(dict.fromkeys([*left, *now.holding.packs]))
        size = sum(store.size(pack) for pack in packs)
        after = replace(before, packs=packs, pack_bytes=size, git=now.holding.git)
        is_same = sha256_of(now.visit.to_bytes()) == before.visit
        return after if is_same or await self._has_all(visit, after) else None

    async def _has_all(self, visit: Visit, holding: Holding) -> bool:
        """Whether the packs have all that the visit reaches, but for what it says is not held.

        Of a filtered visit nobody can tell.
        """
        if visit.filter is not None:
            return False
        async with self.mirror.quarantine() as bench:
            await bench.place(Base(self.mirror.store, holding, visit))
            tips = {ref.target for ref in visit.refs} | {visit.head} - {None}
            try:
                missing = await bench.missing_from(sorted(tip for tip in tips if tip))
            except CorruptError:
                return False
        return missing <= {blob.oid for blob in visit.not_held}
