"""Every HTTP fault of the corpus ends as it must, on an empty store and on a partial one."""

import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from answers import STORED, Row
from loopback import VirtualTime
from rawhttp import DATA, PARTED, SHA, SIZE, Script, Served, Talk, head, honest, served, whole
from rows import PARTS

from ptmtorrent.errors import FailError, ItemError, SkipError
from ptmtorrent.fetch.objects import ObjectFetcher
from ptmtorrent.hubs.huggingface import BASE, HuggingFaceForge
from ptmtorrent.model.work import ObjectSource, ObjectTask
from ptmtorrent.net.access import Access
from ptmtorrent.net.answer import Limits
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.store.local import LocalStore

QUICK = Limits(connect_s=0.5, first_byte_s=0.5, min_rate=20_000, rate_window_s=0.2, total_s=0.5)
LONGEST_S = 0.5
AT_ONCE = 6
GROWTH = 64 * 2**20
TASK = ObjectTask(SHA, SIZE, (ObjectSource(f"{BASE}/meadow/bird", "1" * 40, "a", SIZE),))


@dataclass(frozen=True)
class Run:
    """What became of one object."""

    outcome: str
    seconds: float = 0.0
    requests: int = 0

    @property
    def was_in_time(self) -> bool:
        """What was given up was given up within three times what each request was allowed."""
        return self.outcome == STORED or self.seconds <= 3 * LONGEST_S * max(self.requests, 1)


def words(error: ItemError) -> str:
    if isinstance(error, SkipError):
        return f"skipped {error.reason}"
    assert isinstance(error, FailError)
    return f"failed {error.reason}"


@asynccontextmanager
async def fetcher(root: Path, server: Served) -> AsyncIterator[ObjectFetcher]:
    access = Access.of(["hub.example"], {BASE: server.base}, allow_private=True)
    manners = Manners(QUICK, RetryPolicy(attempts=2), "test")
    forge = HuggingFaceForge(has_token=True)
    with LocalStore.at(root, write=True) as store:
        async with Transport(access, Gates(VirtualTime().clock()), manners) as transport:
            yield ObjectFetcher(transport, store, lambda _: forge)


async def run(root: Path, script: Script, batch: Script | None = None) -> Run:
    """Fetch the object once, and look at all that is left."""
    async with served(script, batch) as server, fetcher(root, server) as objects:
        began, outcome = time.monotonic(), STORED
        try:
            await objects.fetch(TASK)
        except ItemError as error:
            outcome = words(error)
        found = Run(outcome, time.monotonic() - began, objects.transport.counts.requests)
        assert open_files(root / "store/v1/partial") == []
        held = {name: objects.store.read(name) for name in objects.store.names()}
        assert held == ({SHA: DATA} if outcome == STORED else {})
    left = {path.name for path in (root / "store/v1/partial").iterdir()}
    assert left <= (set() if outcome == STORED else {SHA})
    return found


def open_files(folder: Path) -> list[str]:
    """What this process has open in a folder."""
    found: list[str] = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder of descriptors itself was open
            found += [str(path.readlink())] if folder in path.readlink().parents else []
    return found


def park(root: Path, data: bytes) -> None:
    """Leave bytes as an earlier process does."""
    with LocalStore.at(root, write=True) as store:
        writer = store.writer(SHA, SIZE)
        writer.write(data)
        writer.close()


def only_once(script: Script) -> Script:
    async def first(talk: Talk) -> None:
        await (script if talk.number == 1 else honest)(talk)

    return first


async def side_by_side(
    root: Path, rows: Iterable[Row], one: Callable[[Path, Row], Awaitable[Run]]
) -> dict[str, Run]:
    """What becomes of each row, a few at a time."""
    turns, found = asyncio.Semaphore(AT_ONCE), dict[str, Run]()

    async def in_turn(number: int, row: Row) -> None:
        (place := root / str(number)).mkdir()
        async with turns:
            found[row.name] = await one(place, row)

    await asyncio.gather(*(in_turn(number, row) for number, row in enumerate(rows)))
    return found


@contextmanager
def flat_memory() -> Iterator[None]:
    """Within this the process never holds 64 MiB more than before (proc(5), clear_refs)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    yield
    assert resident("VmHWM") - before < GROWTH


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Places for hundreds of stores; a power cut is not what these tests are about."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return tmp_path


def test_the_corpus_is_large() -> None:
    rows = [row.name for part in PARTS.values() for row in part]
    assert len(rows) >= 70
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("how", ["fresh", "resumed"])
async def test_every_fault_ends_as_it_must(part: str, how: str, root: Path) -> None:
    async def one(place: Path, row: Row) -> Run:
        if how == "resumed":
            park(place, DATA[:PARTED])
        return await run(place, row.script)

    with flat_memory():
        found = await side_by_side(root, PARTS[part], one)
    assert {n: r.outcome for n, r in found.items()} == {
        r.name: getattr(r, how) for r in PARTS[part]
    }
    assert [(name, run) for name, run in found.items() if not run.was_in_time] == []


@pytest.mark.parametrize("part", PARTS)
async def test_what_passes_is_survived(part: str, root: Path) -> None:
    """The first answer is bad and the others are not."""

    async def one(place: Path, row: Row) -> Run:
        return await run(place, only_once(row.script))

    rows = [row for row in PARTS[part] if row.after_once]
    found = await side_by_side(root, rows, one)
    assert {n: r.outcome for n, r in found.items()} == {r.name: r.after_once for r in rows}


@pytest.mark.parametrize(
    ("left", "requests"),
    [(DATA, 0), (DATA + b"more", 1), (bytes(SIZE), 1), (bytes(PARTED), 2), (b"", 1)],
    ids=["whole", "too long", "whole and wrong", "begun and wrong", "empty"],
)
async def test_what_an_earlier_process_left_is_never_believed(
    left: bytes, requests: int, root: Path
) -> None:
    """A whole partial costs no request (curl 1040), a wrong one a download from the beginning."""
    park(root, b"")
    (root / "store/v1/partial" / SHA).write_bytes(left)
    found = await run(root, honest)
    assert (found.outcome, found.requests) == (STORED, requests)


async def test_a_link_of_the_lfs_server_that_has_expired_is_asked_for_once_more(root: Path) -> None:
    async def batch(talk: Talk) -> None:
        asked.append(talk)
        link = {"href": f"{talk.base}/object/{len(asked)}"}
        entry = {"oid": SHA, "size": SIZE, "actions": {"download": link}}
        await talk.send(whole(json.dumps({"objects": [entry]}).encode()))

    async def script(talk: Talk) -> None:
        if talk.target.endswith("/object/2"):
            return await honest(talk)
        status = "403 Expired" if "/object/" in talk.target else "404 No"
        await talk.send(head(status, content_length=0))

    asked: list[Talk] = []
    assert (await run(root, script, batch)).outcome == STORED
    assert len(asked) == 2


async def test_no_answer_is_taken_for_that_to_another_question(root: Path) -> None:
    """A server that sends two answers on one connection is not heard twice."""

    async def script(talk: Talk) -> None:
        await talk.send(whole(b'"asked"') + whole(b'"planted"'))
        await talk.hang()

    async with served(script) as server, fetcher(root, server) as objects:
        for _ in range(3):
            assert (await objects.transport.get(f"{BASE}/api/models")).body == b'"asked"'
