"""Segments: what counts after a kill, and what damage does."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import IntegrityError
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.records import Index, Span, encode_index

BLOBS = [b"first", b"", b"the third and last"]


def _killed_store(root: Path) -> Path:
    """A store whose writer flushed and vanished; returns its only segment."""
    store = LocalStore.at(root, write=True)
    for data in BLOBS:
        store.put(data)
    store.flush()
    store.close()
    (segment,) = (root / "store/v1/segments").iterdir()
    return segment


def test_a_tail_torn_at_any_byte_costs_only_the_last_record(tmp_path: Path) -> None:
    segment = _killed_store(tmp_path)
    whole = segment.read_bytes()
    last = 36 + len(BLOBS[-1])
    for cut in range(1, last + 1):
        segment.write_bytes(whole[:-cut])
        with_rubbish = whole[:-cut] + b"\0" * cut
        for torn in (whole[:-cut], with_rubbish):
            segment.write_bytes(torn)
            store = LocalStore.at(tmp_path, write=False)
            assert sorted(store.names()) == sorted(map(sha256_of, BLOBS[:-1]))
            assert store.read(sha256_of(BLOBS[0])) == BLOBS[0]
            store.close()


@pytest.mark.parametrize("kept", range(9))
def test_a_segment_torn_in_its_header_is_empty(tmp_path: Path, kept: int) -> None:
    segment = _killed_store(tmp_path)
    segment.write_bytes(segment.read_bytes()[:kept])
    with LocalStore.at(tmp_path, write=True) as store:
        assert list(store.names()) == []
        store.put(b"new")
    assert segment.stat().st_size == kept


def test_a_reader_writes_nothing_and_a_writer_makes_the_index(tmp_path: Path) -> None:
    segment = _killed_store(tmp_path)
    before = _tree(tmp_path)
    LocalStore.at(tmp_path, write=False).close()
    assert _tree(tmp_path) == before
    LocalStore.at(tmp_path, write=True).close()
    assert segment.with_suffix(".idx").exists()


def test_records_behind_an_index_are_found(tmp_path: Path) -> None:
    """An index made while another process still wrote covers only the beginning."""
    writer = LocalStore.at(tmp_path, write=True)
    writer.put(b"early")
    writer.flush()
    LocalStore.at(tmp_path, write=True).close()
    writer.put(b"late")
    writer.flush()
    for write in (False, True, False):
        store = LocalStore.at(tmp_path, write=write)
        assert store.read(sha256_of(b"early")) == b"early"
        assert store.read(sha256_of(b"late")) == b"late"
        store.close()
    writer.close()


def test_an_index_is_made_only_of_durable_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer was killed, so what it wrote last may be only in memory."""
    segment = _killed_store(tmp_path)
    synced: list[Path] = []
    monkeypatch.setattr("ptmtorrent.disk.sync_again", lambda path, _: synced.append(path))
    LocalStore.at(tmp_path, write=True).close()
    assert synced == [segment]


def test_any_flipped_bit_in_an_index_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "000001.idx"
    spans = {os.urandom(32): Span(n, n + 1) for n in range(3)}
    good = encode_index(spans, 99)
    path.write_bytes(good)
    index = Index.open(path)
    assert index is not None
    assert (index.spans(), index.covered) == (spans, 99)
    index.close()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << (at % 8)
        path.write_bytes(bad)
        assert Index.open(path) is None
        path.write_bytes(good[:at])
        assert Index.open(path) is None


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1), max_size=50))
def test_an_index_finds_what_is_in_it_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, offsets: dict[bytes, int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.idx"
    spans = {digest: Span(offset, 7) for digest, offset in offsets.items()}
    path.write_bytes(encode_index(spans, 0))
    index = Index.open(path)
    assert index is not None
    assert list(index) == sorted(spans)
    assert {digest: index.find(digest) for digest in spans} == spans
    missing = bytes(31) + b"\1"
    assert index.find(missing) == spans.get(missing)
    index.close()


@pytest.mark.parametrize("sealed", [True, False])
def test_a_flipped_bit_is_found_by_read(tmp_path: Path, sealed: bool) -> None:
    segment = _killed_store(tmp_path)
    store = LocalStore.at(tmp_path, write=sealed)
    good = segment.read_bytes()
    start = good.index(BLOBS[0]) - 36
    for at in range(start, start + 36 + len(BLOBS[0])):
        bad = bytearray(good)
        bad[at] ^= 1
        segment.write_bytes(bad)
        with pytest.raises(IntegrityError):
            store.read(sha256_of(BLOBS[0]))
    store.close()


def test_a_flipped_bit_in_a_file_is_found_by_read(tmp_path: Path) -> None:
    data = os.urandom(70_000)
    with LocalStore.at(tmp_path, write=True) as store:
        name = store.put(data)
        store.flush()
        path = tmp_path / "store/v1/blobs/sha256" / name[:2] / name[2:4] / name
        path.chmod(0o600)
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(IntegrityError, match=name):
            store.read(name)


def test_segments_are_sealed_when_full_and_all_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptmtorrent.store.segments.SEAL_RECORDS", 10)
    blobs = [b"blob %d" % n for n in range(95)]
    store = LocalStore.at(tmp_path, write=True)
    for data in blobs:
        store.put(data)
    store.flush()
    assert len(list((tmp_path / "store/v1/segments").glob("*.seg"))) == 10
    assert len(list((tmp_path / "store/v1/segments").glob("*.idx"))) == 9
    assert [store.read(sha256_of(data)) for data in blobs] == blobs
    store.close()
    again = LocalStore.at(tmp_path, write=False)
    assert sorted(again.names()) == sorted(map(sha256_of, blobs))
    assert [again.read(sha256_of(data)) for data in blobs] == blobs
    again.close()


def test_a_digest_is_never_a_path(tmp_path: Path) -> None:
    store = LocalStore.at(tmp_path, write=True)
    for bad in ("../../etc/passwd", "A" * 64, "", "0" * 63 + "\n"):
        for ask in (store.has, store.size, store.open, store.read):
            with pytest.raises(ValueError, match="not a sha256"):
                ask(bad)
        with pytest.raises(ValueError, match="not a sha256"):
            store.writer(bad, 1)
    store.close()


def test_nothing_can_be_written_through_a_reader(tmp_path: Path) -> None:
    store = LocalStore.at(tmp_path, write=False)
    with pytest.raises(ValueError, match="reading only"):
        store.put(b"data")
    with pytest.raises(ValueError, match="reading only"):
        store.writer(sha256_of(b"data"), 4)
    assert _tree(tmp_path) == {}


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in root.rglob("*")
    }
