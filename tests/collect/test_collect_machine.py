"""Collection against a model: any order of puts, lines, repacks, cycles, deaths and clocks."""

import tempfile
from datetime import timedelta
from pathlib import Path

from collection import DAY, NOON, Place
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.store.records import SMALL

GRACE = 14 * DAY
DATA = st.builds(
    lambda number, size: b"%03d" % number * size,
    st.integers(0, 12),
    st.sampled_from([5, 400, 22_000]),
)


class CollectMachine(RuleBasedStateMachine):
    """``rooted`` is what the journal reaches; ``loose`` came and was never journalled."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.place = Place(Path(self.folder.name) / "root")
        self.day = 0.0
        self.rooted: dict[str, bytes] = {}
        self.loose: dict[str, bytes] = {}
        self.kept: dict[str, tuple[str, set[str]]] = {}  # visit -> holding, packs
        self.packs: dict[str, bytes] = {}
        self.marked_at: dict[str, float] = {}

    @initialize()
    def begin(self) -> None:
        self.place.page(b"the first page")
        self.rooted[sha256_of(b"the first page")] = b"the first page"

    @property
    def reached(self) -> dict[str, bytes]:
        packs = {pack for _, packs in self.kept.values() for pack in packs}
        return self.rooted | {name: self.packs[name] for name in packs}

    @property
    def garbage(self) -> set[str]:
        return (self.loose.keys() | self.packs.keys()) - self.reached.keys()

    @rule(data=DATA)
    def put(self, data: bytes) -> None:
        self.loose[self.place.store.put(data)] = data

    @rule(data=DATA)
    def page(self, data: bytes) -> None:
        self.rooted[self.place.page(data)] = data

    @rule(number=st.integers(0, 3), data=st.lists(DATA, min_size=1, max_size=3))
    def visit_once(self, number: int, data: list[bytes]) -> None:
        packs = {self.place.store.put(pack): pack for pack in data}
        url = f"https://a/{number}/{len(self.kept)}"
        visit, holding = self.place.visit(url, *packs)
        self.remember(visit, holding, packs)

    @rule(data=DATA, which=st.integers(0, 9))
    def repack(self, data: bytes, which: int) -> None:
        if self.kept:
            visit = sorted(self.kept)[which % len(self.kept)]
            pack = self.place.store.put(data)
            before = self.kept[visit][0]
            holding = self.place.repack(visit, before, pack)
            if holding != before:
                self.remember(visit, holding, {pack: data})

    def remember(self, visit: str, holding: str, packs: dict[str, bytes]) -> None:
        for name in (visit, holding):
            self.rooted[name] = self.place.store.read(name)
        self.packs |= packs
        self.kept[visit] = (holding, set(packs))

    @rule(days=st.sampled_from([-30.0, -1.0, 0.0, 1.0, 13.0, 15.0]))
    def let_time_pass(self, days: float) -> None:
        self.day += days

    @rule(delete=st.booleans())
    def cycle(self, delete: bool) -> None:
        self.place.store.flush()
        before = {name for name in self.garbage if self.place.store.has(name)}
        collected = self.place.cycle(self.day, delete=delete, grace=GRACE)
        assert {garbage.name for garbage in collected.garbage} == before
        for garbage in collected.garbage:
            if garbage.is_gone:
                age = timedelta(days=self.day - self.marked_at[garbage.name])
                assert delete and age >= GRACE
                self.loose.pop(garbage.name, None)
                self.packs.pop(garbage.name, None)
        names = before - {garbage.name for garbage in collected.garbage if garbage.is_gone}
        self.marked_at = {name: self.marked_at.get(name, self.day) for name in names}

    @rule()
    def two_cycles_and_the_grace(self) -> None:
        """What is garbage for so long is gone; of small blobs, most."""
        latest = max([self.day, *self.marked_at.values(), *([self.day_seen()])])
        self.day = latest
        self.cycle(True)
        self.day = latest + 15
        self.cycle(True)
        left = {name for name in self.garbage if self.place.store.has(name)}
        assert all(self.place.store.size(name) < SMALL for name in left)

    def day_seen(self) -> float:
        from ptmtorrent.collect.marks import load

        seen = load(self.place.root.layout.garbage).seen
        return max((seen - NOON) / DAY, 0.0)

    @rule()
    def end_well(self) -> None:
        self.place.end()
        self.place.open()

    @rule()
    def lose_the_process(self) -> None:
        self.place.close()
        self.place.open()
        self.loose = {n: d for n, d in self.loose.items() if self.place.store.has(n)}

    @invariant()
    def all_that_is_reached_is_there_and_right(self) -> None:
        for name, data in self.reached.items():
            assert self.place.store.read(name) == data

    def teardown(self) -> None:
        self.place.close()
        self.folder.cleanup()


CollectMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestCollectMachine = CollectMachine.TestCase
