"""Many packages against git with git-lfs, against bare clones at once, and huggingface_hub."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.clients import Catalogue
from benchmarks.measure import Command, Taken, median_s, run
from benchmarks.report import Goal, Section
from benchmarks.servers import Server
from benchmarks.setup import Setup
from benchmarks.world import Shape

ONE_BY_ONE = "git clone with git-lfs, one by one"
AT_ONCE = "bare clones, 8 at once, then each object once"
LIBRARY = "huggingface_hub.snapshot_download"
OURS = "ptmtorrent snapshot --depth full"
_GOALS = {0: {ONE_BY_ONE: 3.5, LIBRARY: 2.2}, 50: {ONE_BY_ONE: 8.0, LIBRARY: 8.0}}


@dataclass(frozen=True, slots=True)
class Left:
    """What a side received and what it left on disk, in bytes; None where nobody counted."""

    wire: int | None
    packs: int | None
    disk: int


def packages(setup: Setup) -> Section:
    """The main row: time, bytes on the wire and bytes on disk."""
    shape = Shape(packages=setup.size(300, 20), blob_bytes=setup.size(8 * 1024**2, 256 * 1024))
    section = Section(
        name="packages",
        title="Many packages",
        text=f"{shape.packages} packages, each 12 small files, {shape.commits} commits and one LFS"
        f" object of {shape.blob_bytes / 1024**2:g} MiB; {shape.shared:.0%} of the objects are"
        " shared. Ours brings history, objects and tables; the library brings no history.",
    )
    world = setup.folder if setup.endpoint else setup.world("packages", shape)
    for rtt_ms in (0,) if setup.endpoint else (0, 50):
        with setup.hub(world, rtt_ms) as server:
            _measure(setup, server, section, rtt_ms)
    return section


def _measure(setup: Setup, server: Server, section: Section, rtt_ms: int) -> None:
    catalogue = Catalogue.of(server.endpoint)
    clients = setup.clients
    left: dict[str, Left] = {}

    def side(name: str, command: Command, place: Path) -> Callable[[], Taken]:
        return partial(_one, server, command, partial(_note, left, name, place))

    ours = side(OURS, clients.ours(server.endpoint, "snapshot", "--depth", "full"), clients.root)
    others = {
        ONE_BY_ONE: side(ONE_BY_ONE, clients.one_by_one(catalogue), clients.work),
        LIBRARY: side(LIBRARY, clients.hub_library(catalogue), clients.work),
        AT_ONCE: side(AT_ONCE, clients.at_once(catalogue), clients.work),
    }
    runs: dict[str, list[Taken]] = {OURS: [], **{name: [] for name in others}}
    for name, other in others.items():
        runs[OURS].append(ours())
        runs[name].append(other())
    added = f", {rtt_ms} ms" if server.journal else ""
    for name, taken in runs.items():
        section.add(f"{name}{added}", taken)
    section.goals += _faster(runs, rtt_ms, added)
    if rtt_ms == 0:
        section.goals += _bytes(catalogue, left)
        section.notes.append(_told(catalogue, left))


def _one(server: Server, command: Command, note: Callable[[list[dict[str, Any]]], None]) -> Taken:
    before = len(server.seen())
    taken = run(command, server.pids)
    note(server.seen()[before:])
    return taken


def _note(left: dict[str, Left], name: str, place: Path, seen: list[dict[str, Any]]) -> None:
    packs = sum(one["bytes_sent"] for one in seen if one["path"].endswith("/git-upload-pack"))
    wire = sum(one["bytes_sent"] for one in seen)
    left[name] = Left(wire if seen else None, packs if seen else None, on_disk(place))


def on_disk(place: Path) -> int:
    """Bytes of the blocks below a folder, each file counted once however often it is linked."""
    found = {}
    for path in place.rglob("*"):
        status = path.lstat()
        found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def _faster(runs: dict[str, list[Taken]], rtt_ms: int, added: str) -> list[Goal]:
    ours = median_s(runs[OURS])
    return [
        Goal(f"times faster than {name}{added}", median_s(runs[name]) / ours, wanted)
        for name, wanted in _GOALS[rtt_ms].items()
    ]


def _bytes(catalogue: Catalogue, left: dict[str, Left]) -> list[Goal]:
    goals = []
    wire, packs = left[OURS].wire, left[AT_ONCE].packs
    if wire is not None and packs is not None:
        over = wire / (_distinct(catalogue) + packs) - 1
        goals.append(Goal("bytes on the wire above the distinct ones", 100 * over, 3, True, " %"))
    share = left[OURS].disk / left[ONE_BY_ONE].disk
    goals.append(Goal("share of what git-lfs leaves on disk", share, 0.35, most=True))
    return goals


def _told(catalogue: Catalogue, left: dict[str, Left]) -> str:
    rows = [f"- {name}: {_mib(one.wire)} on the wire, {_mib(one.disk)} on disk"
            for name, one in left.items()]  # fmt: skip
    large = _mib(_distinct(catalogue))
    packs = _mib(left[AT_ONCE].packs)
    head = f"Distinct objects are {large}; git's answers to plain bare clones {packs}."
    head += " Bytes on the wire are those of the bodies that the server sent."
    return "\n".join([head, "", *rows])


def _distinct(catalogue: Catalogue) -> int:
    return sum(one.size for one in catalogue.distinct)


def _mib(size: int | None) -> str:
    return "not counted" if size is None else f"{size / 1024**2:,.1f} MiB"


def names_of(seen: Sequence[dict[str, Any]]) -> list[str]:
    """Paths of requests, without their queries."""
    return [one["path"].partition("?")[0] for one in seen]
