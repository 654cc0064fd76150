"""Bad bytes make way for good ones, garbage goes, and nothing else is touched."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ptmtorrent.errors import IntegrityError
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.store.local import LocalStore
from ptmtorrent.store.segments import OpenSegment

LARGE = b"large" * 20_000
SMALL = [b"one", b"two" * 3000, b"", b"four" * 50]


def store_with(root: Path, *blobs: bytes) -> LocalStore:
    with LocalStore.at(root, write=True) as store:
        for data in blobs:
            store.put(data)
    return LocalStore.at(root, write=True)


def segments(root: Path, suffix: str = ".seg") -> list[Path]:
    return sorted((root / "store/v1/segments").glob(f"*{suffix}"))


def aside(root: Path) -> list[Path]:
    return sorted((root / "store/v1/damaged").glob("*"))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def blob_path(root: Path, data: bytes) -> Path:
    name = sha256_of(data)
    return root / "store/v1/blobs/sha256" / name[:2] / name[2:4] / name


def test_threads_that_put_again_what_is_bad_do_not_hinder_each_other(tmp_path):
    """All of it lies in one segment, which each of them replaces."""
    for number in range(5):
        root, blobs = tmp_path / str(number), [bytes([n]) * 500 for n in range(12)]
        with store_with(root, *blobs, LARGE) as store, ThreadPoolExecutor(len(blobs)) as pool:
            [segment] = segments(root)
            for data in blobs:
                flip(segment, segment.read_bytes().index(data))
            flip(blob_path(root, LARGE), 77)
            names = list(pool.map(store.put, [*blobs, LARGE, LARGE]))
            assert [store.read(name) for name in names] == [*blobs, LARGE, LARGE]
        assert len(aside(root)) == len(blobs) + 1


def test_a_bad_file_is_moved_aside_and_its_name_is_free_again(tmp_path):
    store = store_with(tmp_path, LARGE)
    name = sha256_of(LARGE)
    assert store.is_sound(name)
    flip(blob_path(tmp_path, LARGE), 77)
    assert not store.is_sound(name)
    assert store.set_aside(name)
    assert not store.has(name)
    [kept] = aside(tmp_path)
    assert kept.name.startswith(name + ".")
    assert len(kept.read_bytes()) == len(LARGE)
    store.put(LARGE)
    store.flush()
    assert store.read(name) == LARGE
    store.close()


@pytest.mark.parametrize("data", [LARGE, SMALL[0]], ids=len)
def test_what_is_sound_is_never_set_aside(tmp_path, data):
    store = store_with(tmp_path, data)
    assert not store.set_aside(sha256_of(data))
    assert not store.set_aside(sha256_of(b"nothing of the kind"))
    assert store.read(sha256_of(data)) == data
    assert aside(tmp_path) == []
    store.close()


@pytest.mark.parametrize("number", range(4))
def test_a_bad_record_is_given_up_alone_and_can_come_again(tmp_path, number):
    bad = SMALL[number]
    store = store_with(tmp_path, *SMALL)
    [segment] = segments(tmp_path)
    at = segment.read_bytes().index(bytes.fromhex(sha256_of(bad))) + (31 if not bad else 32)
    flip(segment, at)
    assert not store.is_sound(sha256_of(bad))
    assert store.set_aside(sha256_of(bad))
    assert not store.has(sha256_of(bad))
    assert len(aside(tmp_path)) == 1
    for data in SMALL[:number] + SMALL[number + 1 :]:
        assert store.read(sha256_of(data)) == data
    store.put(bad)
    store.close()
    with LocalStore.at(tmp_path, write=True) as again:
        again.put(bad)
    with LocalStore.at(tmp_path, write=False) as again:
        assert {again.read(name) for name in again.names()} == set(SMALL)


@pytest.mark.parametrize("what", ["length", "digest", "bytes", "zeros"])
def test_records_behind_a_bad_one_are_found_without_an_index(tmp_path, what):
    store_with(tmp_path, *SMALL).close()
    [segment] = segments(tmp_path)
    segments(tmp_path, ".idx")[0].unlink()
    start = segment.read_bytes().index(bytes.fromhex(sha256_of(SMALL[1]))) - 4
    if what == "zeros":
        data = bytearray(segment.read_bytes())
        data[start : start + 500] = bytes(500)
        segment.write_bytes(data)
    else:
        flip(segment, start + {"length": 1, "digest": 9, "bytes": 100}[what])
    rest = {sha256_of(data) for data in (SMALL[0], SMALL[2], SMALL[3])}
    for write in (False, True, False):
        with LocalStore.at(tmp_path, write=write) as store:
            assert set(store.names()) == rest
            assert {sha256_of(store.read(name)) for name in rest} == rest


@pytest.mark.parametrize("harm", ["missing", "flipped", "cut"])
def test_an_index_that_is_lost_or_damaged_is_made_again(tmp_path, harm):
    store_with(tmp_path, *SMALL).close()
    [index] = segments(tmp_path, ".idx")
    good = index.read_bytes()
    if harm == "flipped":
        flip(index, 40)
    elif harm == "cut":
        index.write_bytes(good[:-7])
    else:
        index.unlink()
    with LocalStore.at(tmp_path, write=True) as store:
        assert {store.read(name) for name in store.names()} == set(SMALL)
    assert index.read_bytes() == good


def digests(*blobs: bytes) -> set[bytes]:
    return {bytes.fromhex(sha256_of(data)) for data in blobs}


def test_a_segment_goes_when_most_of_it_is_garbage_and_what_is_needed_stays(tmp_path):
    keep, drop = [b"keep %d" % n for n in range(20)], [b"d" * 100 + b"%d" % n for n in range(20)]
    store = store_with(tmp_path, *keep, *drop)
    before = segments(tmp_path)
    freed = store.compact(digests(*drop).__contains__)
    assert freed > 20 * 100
    assert before[0] not in segments(tmp_path)
    assert len(segments(tmp_path)) == len(segments(tmp_path, ".idx")) == 1
    assert {store.read(name) for name in store.names()} == set(keep)
    store.close()
    with LocalStore.at(tmp_path, write=True) as again:
        assert {again.read(name) for name in again.names()} == set(keep)


def test_a_segment_that_is_mostly_needed_stays_as_it_is(tmp_path):
    store = store_with(tmp_path, b"k" * 1000, b"g" * 900)
    before = [path.read_bytes() for path in segments(tmp_path)]
    assert store.compact(digests(b"g" * 900).__contains__) == 0
    assert [path.read_bytes() for path in segments(tmp_path)] == before
    store.close()


def test_a_segment_of_garbage_alone_goes_whole(tmp_path):
    store = store_with(tmp_path, *SMALL)
    store.compact(digests(*SMALL).__contains__)
    assert segments(tmp_path) == segments(tmp_path, ".idx") == list(store.names()) == []
    store.put(b"next")
    store.close()


def test_a_segment_with_a_needed_record_that_is_bad_is_not_touched(tmp_path):
    store = store_with(tmp_path, b"needed", b"g" * 900)
    [segment] = segments(tmp_path)
    flip(segment, segment.read_bytes().index(b"needed"))
    before = segment.read_bytes()
    assert store.compact(digests(b"g" * 900).__contains__) == 0
    assert segment.read_bytes() == before
    with pytest.raises(IntegrityError):
        store.read(sha256_of(b"needed"))
    store.close()


class Killed(BaseException):
    """The process ends here."""


def count_down(monkeypatch, steps: int) -> None:
    """Let so many changes of the disk happen, and then die."""
    left = [steps]

    def dying(real):
        def step(*args, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*args, **options)

        return step

    monkeypatch.setattr("os.fsync", dying(os.fsync))
    monkeypatch.setattr(Path, "unlink", dying(Path.unlink))
    monkeypatch.setattr(Path, "rename", dying(Path.rename))
    monkeypatch.setattr(Path, "replace", dying(Path.replace))
    monkeypatch.setattr(OpenSegment, "write_out", dying(OpenSegment.write_out))


def test_a_compaction_killed_at_any_step_loses_nothing_that_is_needed(tmp_path, monkeypatch):
    keep, drop = [b"keep %d" % n for n in range(5)], [b"d" * 100 + b"%d" % n for n in range(9)]
    for steps in range(100):
        root = tmp_path / str(steps)
        store = store_with(root, *keep, *drop)
        with monkeypatch.context() as patch:
            count_down(patch, steps)
            try:
                store.compact(digests(*drop).__contains__)
                is_done = True
            except Killed:
                is_done = False
        store.close()
        for write in (False, True):
            with LocalStore.at(root, write=write) as again:
                assert set(keep) <= {again.read(name) for name in again.names()}
        if is_done:
            assert steps > 6
            return
    raise AssertionError("it never ended")


@pytest.mark.parametrize("data", [LARGE, SMALL[1]], ids=len)
def test_setting_aside_killed_at_any_step_keeps_the_bad_bytes_and_all_good_ones(
    tmp_path, monkeypatch, data
):
    for steps in range(100):
        root = tmp_path / str(steps)
        store = store_with(root, data, b"good")
        path = blob_path(root, data) if data == LARGE else segments(root)[0]
        flip(path, path.read_bytes().index(data) + 5)
        with monkeypatch.context() as patch:
            count_down(patch, steps)
            try:
                is_done = store.set_aside(sha256_of(data))
            except Killed:
                is_done = False
        store.close()
        with LocalStore.at(root, write=True) as again:
            assert again.read(sha256_of(b"good")) == b"good"
            kept = [p.stat().st_size for p in aside(root) if not p.name.startswith(".")]
            assert again.has(sha256_of(data)) or kept == [len(data)]
        if is_done:
            assert steps > 2
            return
    raise AssertionError("it never ended")
