"""What an origin tells: whole or not at all, and in little memory."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Maker, hold

from ptmtorrent.errors import CorruptError
from ptmtorrent.extract.repository import Leash
from ptmtorrent.pipeline.telling import Teller
from ptmtorrent.store.local import LocalStore

KEY = b"k" * 32
MIB = 2**20


def long_messages(maker: Maker, count: int) -> None:
    """Commits with a message of 900 kB each, which pack to next to nothing."""
    text = b"word " * 180_000
    stream = b"".join(
        b"commit refs/heads/main\ncommitter C <c@example.org> %d +0000\ndata %d\n%b\n"
        % (1_700_000_000 + n, len(text), text)
        for n in range(count)
    )
    maker.git("fast-import", "--quiet", stdin=stream)


def test_history_larger_than_memory_should_be_is_told_from_disk(
    maker: Maker, store: LocalStore, tmp_path: Path
) -> None:
    long_messages(maker, 16)
    visit = maker.visit()
    held = visit, hold(store, visit, [maker.pack()])
    tracemalloc.start()
    try:
        told = Teller(store, tmp_path, KEY, Leash()).tell(held)
        found = sum(len(row["message"]) for row in told.commits)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (told.count, found) == (16, 16 * 900_000)
    assert peak < 15 * MIB


def test_an_origin_that_cannot_be_read_to_its_end_tells_nothing(
    maker: Maker, store: LocalStore, tmp_path: Path
) -> None:
    maker.write("a", b"1")
    maker.commit()
    visit = replace(maker.visit(), head="1" * 40)
    with pytest.raises(CorruptError):
        Teller(store, tmp_path, KEY, Leash()).tell((visit, hold(store, visit, [maker.pack()])))
