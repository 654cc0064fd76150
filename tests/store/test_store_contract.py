"""Both stores keep the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_store import MemoryStore
from store_contract import StoreContract

from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.local import LocalStore


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[BlobStore]:
        with LocalStore.at(tmp_path / "root", write=True) as store:
            yield store


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        return MemoryStore(tmp_path)
