"""A hostile repository as a value: how it is made, how its visit must end, what is told of it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from liar import Liar
from loopback import serve
from origins import URL, USUAL, Bench, Origin, Setting, bench, record, write_world
from raw import Raw
from watch import Canary, Contacts, Outside

from ptmtorrent.errors import FailError, ItemError, SkipError
from ptmtorrent.extract.repository import Leash
from ptmtorrent.model.work import Depth, Moved, ObjectSource, ObjectTask, OriginTask, Visited
from ptmtorrent.pipeline.rows import lost_row, not_held_rows, ref_rows
from ptmtorrent.pipeline.telling import Teller
from ptmtorrent.shards.schema import load_schema
from ptmtorrent.shards.writer import ShardWriter

MAIN = "refs/heads/main"
KEY = b"k" * 32


@dataclass
class Scene:
    """What a case is made with: objects and refs to fill, and where the canary sits."""

    origin: Origin
    canary: str
    raw: Raw = field(default_factory=Raw)
    refs: dict[str, str] = field(default_factory=dict)

    def head(self, tree: str, **more: Any) -> str:
        """A commit of this tree at the tip of main."""
        parents = [self.refs[MAIN]] if MAIN in self.refs else []
        self.refs[MAIN] = self.raw.commit(tree, *parents, **more)
        return self.refs[MAIN]

    def plain(self, **more: Any) -> str:
        """A commit of one harmless file."""
        return self.head(self.raw.files({b"config.json": b"{}"}), **more)

    def publish(self) -> None:
        """Let git's own server have it, whatever git thinks of it."""
        path = self.origin.path
        self.origin.git("index-pack", "--stdin", given=self.raw.pack())
        lines = [f"{oid} {name}\n" for name, oid in sorted(self.refs.items())]
        text = "".join(lines).encode("utf-8", "surrogateescape")
        (path / "packed-refs").write_bytes(text)


Make = Callable[[Scene], Liar | None]


@dataclass(frozen=True)
class Case:
    """One hostile repository.

    Attributes:
        ends: how its visit ends: ``done``, or the outcome with its reason.
        told: what becomes of its facts: ``told``, or the reason they are missing for.
        deadline_s: how long git may take over a fetch.
    """

    name: str
    make: Make
    ends: str = "done"
    told: str = "told"
    setting: Setting = USUAL
    deadline_s: float = 25.0


@dataclass
class End:
    """What came of a case."""

    ends: str
    told: str = ""
    message: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    strangers: list[object] = field(default_factory=list)


def played(case: Case, place: Path, outside: Outside, canary: Canary) -> End:
    """Visit the case and tell of it, in this process, which is good for nothing else after."""
    contacts = Contacts()
    contacts.listen()
    outside.enter()
    end, ports = asyncio.run(_play(case, place, canary))
    known = {("127.0.0.1", port) for port in ports}
    names = [name for name in contacts.names if name != "127.0.0.1"]
    end.strangers = [*names, *(one for one in contacts.addresses if one not in known)]
    return end


async def _play(case: Case, place: Path, canary: Canary) -> tuple[End, list[int]]:
    world = place / "world"
    world.mkdir()
    write_world(world, record())
    scene = Scene(Origin(world), canary.base)
    liar = case.make(scene)
    async with AsyncExitStack() as stack:
        setting = case.setting
        if liar is None:
            scene.publish()
        else:
            server = await stack.enter_async_context(serve(liar.answer))
            setting = Setting(**{**_values(setting), "endpoint": server.base})
        here = await stack.enter_async_context(bench(world, place / "root", setting))
        end = await _visited(case, here, place)
        end.leftovers = here.leftovers()
        bases = [*here.box.endpoints.values(), setting.endpoint or ""]
    return end, [int(base.rpartition(":")[2]) for base in bases if base]


def _values(setting: Setting) -> dict[str, Any]:
    return {name: getattr(setting, name) for name in Setting.__dataclass_fields__}


async def _visited(case: Case, here: Bench, place: Path) -> End:
    git = replace(here.mirror.git, deadline_s=case.deadline_s)
    mirror = replace(here.mirror, git=git)
    try:
        found = await mirror.visit(OriginTask(URL, Depth.FULL))
    except ItemError as error:
        return End(outcome(error), message=str(error))
    if isinstance(found, Moved):
        return End(f"moved {found.to}")
    end = End("done")
    end.objects = [await _fetched(here, found, blob) for blob in found.holding.wanted if blob.lfs]
    await asyncio.to_thread(_tell, here, found, place, end)
    return end


async def _fetched(here: Bench, found: Visited, blob: Any) -> str:
    source = ObjectSource(found.visit.url, str(found.visit.head), blob.path, blob.size)
    try:
        await here.objects.fetch(ObjectTask(blob.sha256, blob.size, (source,)))
    except ItemError as error:
        return outcome(error)
    return "done"


def _tell(here: Bench, found: Visited, place: Path, end: End) -> None:
    """As the build does it: all facts of an origin, then shards of them."""
    visit = found.visit
    (place / "dataset").mkdir()
    try:
        told = Teller(here.store, place / "dataset", KEY, Leash()).tell((visit, found.holding))
    except ItemError as error:
        end.told, end.message = outcome(error), str(error)
        return
    tables = {
        "commits": told.commits,
        "files": told.files,
        "unreachable": [lost_row(visit.url, oid) for oid in told.lost],
        "refs": ref_rows(visit),
        "not_held": not_held_rows(visit),
    }
    for name, rows in tables.items():
        with ShardWriter(place / "dataset", load_schema(name), "2026-11-21") as writer:
            writer.write(rows)
        end.rows[name] = sum(shard.rows for shard in writer.shards)
    end.told = "told"


def outcome(error: ItemError) -> str:
    """An error as the ledger knows it."""
    family = {SkipError: "skipped", FailError: "failed"}
    word = next(word for kind, word in family.items() if isinstance(error, kind))
    return f"{word} {error.reason}"  # type: ignore[attr-defined]


def places(tmp_path: Path) -> Path:
    """Where a case has its world and its root."""
    place = tmp_path / "place"
    (place / "root").mkdir(parents=True)
    return place
