"""One cycle of collection: find, mark, and remove what was marked long enough ago.

Order of what is durable: the list of marks, then the removals, then the list without what went. A
process killed anywhere leaves garbage, never a gap: only what no root reaches is ever removed, and
small blobs that stay are in a new segment before the old one goes.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ptmtorrent import disk
from ptmtorrent.collect import dataset, marks, reach
from ptmtorrent.collect.buckets import COUNT, Buckets
from ptmtorrent.collect.marks import GRACE, Marks, Moment
from ptmtorrent.errors import WriterActiveError
from ptmtorrent.model.oid import is_sha256
from ptmtorrent.store.journal import Journal
from ptmtorrent.store.layout import Layout
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.records import SMALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A blob (by its sha256) or shard (by its path under the root) that no root reaches.

    Attributes:
        since: when a cycle found it first.
        is_due: whether it may go.
        is_gone: whether it went. A small blob waits until most of its segment is garbage.
    """

    name: str
    bytes: int
    since: datetime
    is_due: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What a cycle found, and how many bytes it freed on disk."""

    garbage: tuple[Garbage, ...]
    freed: int = 0


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle on a root whose writer we are.

    Attributes:
        now: by the clock of whoever runs it.
        delete: whether to remove what is due, rather than to mark and show only.
    """

    layout: Layout
    store: LocalStore
    journal: Journal
    now: datetime
    grace: timedelta = GRACE
    delete: bool = False

    def run(self) -> Collected:
        """Find and mark; remove what is due, if asked to.

        Raises:
            IntegrityError: a root cannot be read, so nobody knows what it reaches. Nothing went.
            WriterActiveError: another process wrote meanwhile. Nothing went.
        """
        head = self.journal.head
        sizes = dict(self._found())
        before = marks.load(self.layout.garbage)
        after = marks.marked(sizes, before, Moment(self.now, self._latest()))
        marks.save(self.layout.garbage, after)
        due = set(marks.due(sizes, before, self.now, self.grace))
        found = [
            Garbage(name=name, bytes=sizes[name], since=after.since[name], is_due=name in due)
            for name in sorted(sizes)
        ]
        if not self.delete or not due:
            return Collected(tuple(found))
        if Journal.open(self.layout.root, write=False).head != head:
            raise WriterActiveError(f"{self.layout.root}: another process wrote meanwhile")
        return self._remove(found, after)

    def _found(self) -> Iterator[tuple[str, int]]:
        """(name, bytes) of all garbage."""
        yield from ((name, self.store.size(name)) for name in self._blobs())
        journalled = dataset.finished(self.journal.entries())
        for path in dataset.strays(self.layout.dataset, journalled):
            name = f"{self.layout.dataset.name}/{path}"
            yield name, (self.layout.root / name).stat().st_size

    def _blobs(self) -> Iterator[str]:
        """Blobs that are held and not reached; memory does not grow with the store."""
        is_good = self.store.is_sound if self.delete else self.store.has
        replaced = reach.successions(self.journal.entries())
        replaced = reach.proven(replaced, self.store, is_good)
        folder = self.store.scratch()
        try:
            reached, held = Buckets(folder / "reached"), Buckets(folder / "held")
            reached.add(reach.reached(self.journal.entries(), self.store, replaced))
            held.add(self.store.names())
            for number in range(COUNT):
                yield from (d.hex() for d in held.bucket(number) - reached.bucket(number))
        finally:
            shutil.rmtree(folder)

    def _latest(self) -> datetime:
        """The latest time in the journal."""
        return max((entry.at for entry in self.journal.entries()), default=self.now)

    def _remove(self, found: list[Garbage], after: Marks) -> Collected:
        small = {bytes.fromhex(g.name) for g in found if g.is_due and is_small_blob(g)}
        freed = self.store.compact(small.__contains__) if small else 0
        for garbage in found:
            if garbage.is_due and not is_small_blob(garbage):
                freed += self._remove_file(garbage.name)
        told = [replace(g, is_gone=g.is_due and not self._is_here(g.name)) for g in found]
        since = {g.name: g.since for g in told if not g.is_gone}
        marks.save(self.layout.garbage, replace(after, since=since))
        return Collected(tuple(told), freed)

    def _remove_file(self, name: str) -> int:
        if is_sha256(name):
            return self.store.remove(name)
        path = self.layout.root / name
        with disk.refusals(path):
            size = path.stat().st_size
            path.unlink()
        return size

    def _is_here(self, name: str) -> bool:
        return self.store.has(name) if is_sha256(name) else (self.layout.root / name).exists()


def is_small_blob(garbage: Garbage) -> bool:
    """Whether it lies in a segment."""
    return is_sha256(garbage.name) and garbage.bytes < SMALL
