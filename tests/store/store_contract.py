"""What every BlobStore promises. A store joins by a subclass with a ``store`` fixture."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ptmtorrent.errors import CorruptError, NotFoundError
from ptmtorrent.model.oid import EMPTY_SHA256, sha256_of
from ptmtorrent.store.base import BlobStore

SMALL = b"small"
LARGE = bytes(range(256)) * 1024
EDGES = [b"", SMALL, b"x" * 65535, b"x" * 65536, LARGE]


class StoreContract:
    """The suite."""

    @pytest.mark.parametrize("data", EDGES, ids=len)
    def test_what_is_put_is_read(self, store: BlobStore, data: bytes) -> None:
        name = store.put(data)
        assert name == sha256_of(data)
        for _ in ("before flush", "after flush"):
            assert store.has(name)
            assert store.size(name) == len(data)
            assert store.read(name) == data
            with store.open(name) as file:
                assert file.read() == data
            assert list(store.names()) == [name]
            store.flush()

    @pytest.mark.parametrize("data", EDGES, ids=len)
    def test_known_content_is_kept_once(self, store: BlobStore, data: bytes) -> None:
        store.put(data)
        store.flush()
        store.put(data)
        store.put(data)
        store.flush()
        assert list(store.names()) == [sha256_of(data)]

    def test_what_is_not_here_is_not_found(self, store: BlobStore) -> None:
        assert not store.has(EMPTY_SHA256)
        for ask in (store.size, store.open, store.read):
            with pytest.raises(NotFoundError):
                ask(EMPTY_SHA256)

    def test_a_missing_blob_cannot_be_placed(self, store: BlobStore, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            store.place(EMPTY_SHA256, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("data", EDGES, ids=len)
    def test_adopt_takes_the_file_over(self, store: BlobStore, data: bytes) -> None:
        for _ in ("new", "known"):
            path = store.scratch() / "file"
            path.write_bytes(data)
            store.adopt(path, sha256_of(data))
            assert not path.exists()
            assert store.read(sha256_of(data)) == data
            store.flush()

    @pytest.mark.parametrize("data", EDGES, ids=len)
    def test_place_gives_the_bytes_a_second_name(
        self, store: BlobStore, tmp_path: Path, data: bytes
    ) -> None:
        name = store.put(data)
        store.place(name, tmp_path / "before")
        store.flush()
        store.place(name, tmp_path / "after")
        assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes() == data
        with pytest.raises(FileExistsError):
            store.place(name, tmp_path / "after")

    @pytest.mark.parametrize("data", EDGES, ids=len)
    def test_a_writer_shows_nothing_before_commit(self, store: BlobStore, data: bytes) -> None:
        name = sha256_of(data)
        writer = store.writer(name, len(data))
        writer.write(data[:100])
        writer.write(data[100:])
        assert writer.offset == len(data)
        assert not store.has(name)
        writer.commit()
        writer.close()
        assert store.read(name) == data

    def test_a_closed_writer_is_resumed(self, store: BlobStore) -> None:
        name = sha256_of(LARGE)
        first = store.writer(name, len(LARGE))
        first.write(LARGE[:70_000])
        first.close()
        second = store.writer(name, len(LARGE))
        assert second.offset == 70_000
        second.write(LARGE[70_000:])
        second.commit()
        assert store.read(name) == LARGE

    @pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
    def test_wrong_bytes_are_refused_and_forgotten(self, store: BlobStore, data: bytes) -> None:
        writer = store.writer(sha256_of(data), len(data))
        writer.write(b"?" + data[1:])
        with pytest.raises(CorruptError):
            writer.commit()
        assert writer.offset == 0
        writer.close()
        assert not store.has(sha256_of(data))
        again = store.writer(sha256_of(data), len(data))
        assert again.offset == 0
        again.write(data)
        again.commit()
        assert store.read(sha256_of(data)) == data

    @pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
    def test_too_few_bytes_are_refused(self, store: BlobStore, data: bytes) -> None:
        writer = store.writer(sha256_of(data), len(data))
        writer.write(data[:-1])
        with pytest.raises(CorruptError):
            writer.commit()
        writer.close()
        assert not store.has(sha256_of(data))

    @pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
    def test_too_many_bytes_are_refused_at_once(self, store: BlobStore, data: bytes) -> None:
        writer = store.writer(sha256_of(data), len(data))
        writer.write(data)
        with pytest.raises(CorruptError):
            writer.write(b"+")
        assert writer.offset == 0
        writer.close()

    def test_restart_begins_at_byte_0(self, store: BlobStore) -> None:
        writer = store.writer(sha256_of(LARGE), len(LARGE))
        writer.write(b"wrong" * 20_000)
        writer.restart()
        assert writer.offset == 0
        writer.write(LARGE)
        writer.commit()
        assert store.read(sha256_of(LARGE)) == LARGE

    def test_two_writers_of_one_blob_do_not_meet(self, store: BlobStore) -> None:
        name = sha256_of(LARGE)
        one, two = store.writer(name, len(LARGE)), store.writer(name, len(LARGE))
        one.write(LARGE[:80_000])
        two.write(LARGE)
        two.commit()
        one.write(LARGE[80_000:])
        one.commit()
        store.flush()
        assert store.read(name) == LARGE
        assert list(store.names()) == [name]

    def test_scratch_directories_are_new_and_empty(self, store: BlobStore) -> None:
        one, two = store.scratch(), store.scratch()
        assert one != two
        assert list(one.iterdir()) == list(two.iterdir()) == []

    def test_threads_may_share_it(self, store: BlobStore) -> None:
        blobs = [b"%d" % i * (1 if i % 10 else 40_000) for i in range(400)]

        def keep(data: bytes) -> None:
            name = store.put(data)
            assert store.read(name) == data
            if len(data) % 7 == 0:
                store.flush()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(keep, blobs + blobs))
        store.flush()
        assert sorted(store.names()) == sorted(map(sha256_of, blobs))
