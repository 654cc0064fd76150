"""What the repository of an origin tells: facts that no earlier visit told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptmtorrent.errors import CorruptError
from ptmtorrent.extract.files import files
from ptmtorrent.extract.history import commit_count, commits, unreachable
from ptmtorrent.extract.repository import Leash
from ptmtorrent.extract.workbench import OriginView, workbench
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.pipeline.kept import read_holding, read_visit
from ptmtorrent.shards.schema import Schema, load_schema
from ptmtorrent.shards.spool import Spool
from ptmtorrent.store.base import BlobStore

Row = Mapping[str, Any]
Held = tuple[Visit, Holding]

FACTS = ("commits", "files")


@dataclass(frozen=True, slots=True)
class Told:
    """What an origin tells: rows first seen, commits reachable, if that is known, and lost.

    Rows are read once; as many as there may be, they take little memory.
    """

    count: int | None = None
    lost: Sequence[str] = ()
    commits: Iterable[Row] = ()
    files: Iterable[Row] = ()


@dataclass(frozen=True, slots=True)
class Teller:
    """Reads origins at rest, in any thread.

    Attributes:
        folder: where rows wait that are too many for memory.
        privacy_key: makes the pseudonyms.
        leash: ends what git processes are at work.
    """

    store: BlobStore
    folder: Path
    privacy_key: bytes
    leash: Leash
    _schemas: Mapping[str, Schema] = field(
        default_factory=lambda: {table: load_schema(table) for table in FACTS}
    )

    def tell(self, held: Held, earlier: Sequence[tuple[str, str]] = ()) -> Told:
        """The facts of what is held that no earlier visit told; those are given by their names.

        All or none: the rows of one origin are complete before the first is given out, so an
        origin that cannot be read costs itself and is told whole by a later snapshot. Raises
        SkipError or FailError then.
        """
        before = [self._told_before(*names, held[1]) for names in earlier]
        with workbench(self.store, *held, before, self.leash) as view:
            return self._told(view)

    def _told_before(self, visit: str, holding: str, newest: Holding) -> Held:
        """A visit told before. If its holding is lost, all it reaches must be in the newest."""
        try:
            return read_visit(self.store, visit), read_holding(self.store, holding)
        except CorruptError:
            return read_visit(self.store, visit), newest

    def _told(self, view: OriginView) -> Told:
        told = {table: Spool(self.folder, schema) for table, schema in self._schemas.items()}
        try:
            told["commits"].fill(commits(view, self.privacy_key))
            told["files"].fill(files(view, self.store))
            lost = [row["oid"] for row in unreachable(view)]
            return Told(commit_count(view), lost, told["commits"], told["files"])
        except BaseException:
            for rows in told.values():
                rows.close()
            raise
