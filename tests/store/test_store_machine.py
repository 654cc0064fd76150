"""The store against a dict, with a clean end or a lost process after any step."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.store.local import LocalStore

DATA = st.one_of(
    st.binary(max_size=20),
    st.builds(lambda n, size: b"%d" % n * size, st.integers(0, 9), st.integers(65_000, 66_000)),
)


class StoreMachine(RuleBasedStateMachine):
    """``sure`` was flushed and must be there; ``maybe`` was not, and may be."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.store = LocalStore.at(self.root, write=True)
        self.sure: dict[str, bytes] = {}
        self.maybe: dict[str, bytes] = {}

    @rule(data=DATA)
    def put(self, data: bytes) -> None:
        self.maybe[self.store.put(data)] = data

    @rule(data=DATA)
    def adopt(self, data: bytes) -> None:
        path = self.store.scratch() / "file"
        path.write_bytes(data)
        self.store.adopt(path, sha256_of(data))
        self.maybe[sha256_of(data)] = data

    @rule(data=DATA, cut=st.integers(0, 66_000))
    def write_some(self, data: bytes, cut: int) -> None:
        writer = self.store.writer(sha256_of(data), len(data))
        writer.write(data[writer.offset :][:cut])
        if writer.offset == len(data):
            writer.commit()
            self.maybe[sha256_of(data)] = data
        writer.close()

    @rule()
    def flush(self) -> None:
        self.store.flush()
        self.sure |= self.maybe
        self.maybe.clear()

    @rule()
    def reopen(self) -> None:
        with self.store:
            pass
        self.sure |= self.maybe
        self.maybe.clear()
        self.store = LocalStore.at(self.root, write=True)

    @rule()
    def lose_the_process(self) -> None:
        self.store.close()
        self.store = LocalStore.at(self.root, write=True)
        self.maybe = {name: data for name, data in self.maybe.items() if self.store.has(name)}

    @invariant()
    def all_is_there_and_right(self) -> None:
        known = self.sure | self.maybe
        assert sorted(self.store.names()) == sorted(known)
        for name, data in known.items():
            assert self.store.size(name) == len(data)
            assert self.store.read(name) == data

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


StoreMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestStoreMachine = StoreMachine.TestCase
