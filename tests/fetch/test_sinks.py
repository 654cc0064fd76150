"""A sink writes behind what arrives, in order, one piece after the other, and swallows nothing."""

import asyncio
import threading

import pytest

from ptmtorrent.errors import CorruptError, FatalError
from ptmtorrent.fetch import sinks
from ptmtorrent.fetch.sinks import BEHIND, BlobSink, LargeSink, sink_for
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.store.local import LocalStore

LARGE, SMALL = bytes(range(256)) * 400, b"few"


class Slow:
    """A writer whose writes wait to be let through."""

    def __init__(self) -> None:
        self.offset = 0
        self.taken: list[bytes] = []
        self.under_way = self.tries = 0
        self.most = 0
        self.let = threading.Event()
        self.closed = False
        self.refuse = False

    def write(self, chunk: bytes) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        assert self.let.wait(10)
        self.under_way -= 1
        self.tries += 1
        if self.refuse:
            raise FatalError("disk full")
        self.taken.append(chunk)

    def restart(self) -> None:
        self.taken.clear()

    def close(self) -> None:
        assert self.under_way == 0
        self.closed = True


async def test_pieces_arrive_while_one_is_written_and_no_more_than_a_few_wait() -> None:
    writer = Slow()
    sink = LargeSink(writer)
    pieces = [bytes([n]) for n in range(2 * BEHIND)]
    for piece in pieces[:BEHIND]:
        await sink.write(piece)
    another = asyncio.create_task(sink.write(pieces[BEHIND]))
    await asyncio.sleep(0)
    assert sink.offset == BEHIND
    assert not another.done()
    writer.let.set()
    await another
    for piece in pieces[BEHIND + 1 :]:
        await sink.write(piece)
    await sink.close()
    assert (writer.taken, writer.most, sink.offset) == (pieces, 1, 2 * BEHIND)


@pytest.mark.parametrize("last", ["write", "restart", "close"])
async def test_what_goes_wrong_behind_is_raised_by_whatever_comes_next(last: str) -> None:
    writer = Slow()
    writer.refuse = True
    writer.let.set()
    sink = LargeSink(writer)
    await sink.write(b"a")
    with pytest.raises(FatalError):
        for _ in range(BEHIND + 1 if last == "write" else 0):
            await sink.write(b"b")
        await getattr(sink, last.replace("write", "restart"))()
    assert writer.tries == 1
    if last != "close":
        await sink.close()
    assert writer.closed


async def test_pieces_behind_one_that_could_not_be_written_are_dropped() -> None:
    writer = Slow()
    writer.refuse = True
    sink = LargeSink(writer)
    for piece in (b"a", b"b", b"c")[:BEHIND]:
        await sink.write(piece)
    writer.let.set()
    with pytest.raises(FatalError):
        await sink.restart()
    assert writer.tries == 1
    await sink.close()


async def test_who_is_cancelled_closes_nothing_under_a_write() -> None:
    writer = Slow()
    sink = LargeSink(writer)
    await sink.write(b"a")
    closing = asyncio.create_task(sink.close())
    await asyncio.sleep(0)
    closing.cancel()
    asyncio.get_running_loop().call_later(0.01, writer.let.set)
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert writer.closed


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_right_bytes_are_kept_and_wrong_ones_forgotten(data: bytes, tmp_path) -> None:
    with LocalStore.at(tmp_path, write=True) as store:
        sink = await sink_for(store, sha256_of(data), len(data))
        await sink.write(data[:-1] + b"\0")
        with pytest.raises(CorruptError):
            await sink.commit()
        assert sink.offset == 0
        await sink.write(data[:2])
        await sink.write(data[2:])
        await sink.commit()
        await sink.close()
        assert store.read(sha256_of(data)) == data
        assert sink.received == 2 * len(data)


async def test_more_than_announced_is_refused_before_it_is_held(tmp_path) -> None:
    with LocalStore.at(tmp_path, write=True) as store:
        sink = await sink_for(store, sha256_of(SMALL), len(SMALL))
        with pytest.raises(CorruptError):
            await sink.write(SMALL + b"x")
        assert sink.offset == 0


async def test_a_small_object_costs_one_hop_into_a_thread(tmp_path, monkeypatch) -> None:
    hops: list[object] = []
    real = sinks.in_thread

    async def counted(function, *words):
        hops.append(function)
        return await real(function, *words)

    monkeypatch.setattr(sinks, "in_thread", counted)
    with LocalStore.at(tmp_path, write=True) as store:
        sink = await sink_for(store, sha256_of(SMALL), len(SMALL))
        await sink.write(SMALL)
        await sink.commit()
        await sink.close()
        assert store.has(sha256_of(SMALL))
    assert len(hops) == 1
    assert not isinstance(sink, BlobSink)
