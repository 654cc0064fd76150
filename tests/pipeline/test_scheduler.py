"""The scheduler: every item ends, in a typed outcome, whatever its handler does."""

import asyncio
import random

import pytest
from place import CLOCK, HUB, Place, record

from ptmtorrent.app.signals import run_stoppably
from ptmtorrent.errors import (
    CorruptError,
    FatalError,
    NetworkError,
    RefusedError,
    SkipError,
    SkipReason,
)
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.work import Stage
from ptmtorrent.pipeline.fetching import ByteBudget, as_listed
from ptmtorrent.pipeline.kept import pack_page
from ptmtorrent.pipeline.lines import Kind, Line
from ptmtorrent.pipeline.scheduler import Found, Lane, Scheduler


class Ticking:
    """A wall clock that jumps ahead whenever it is read, so that no test waits."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        self.now += 100.0
        return self.now


async def run(place: Place, number: int, handler, *, stages=(Stage.VISIT,)) -> list:
    events: list = []
    async with place.recorder() as recorder:
        scheduler = Scheduler(
            number=number,
            recorder=recorder,
            clock=Clock(CLOCK.data, Ticking()),
            rng=random.Random(1),
            watch=events.append,
            tool="test",
            refused=lambda item, error: [],
        )
        async with asyncio.timeout(20):
            await scheduler.run([Lane(stage, handler, 3) for stage in stages])
    return events


def with_packages(place: Place, count: int) -> int:
    import json

    number = place.begin()
    sha256 = place.store.put(
        pack_page(json.dumps([record(n) for n in range(1, count + 1)]).encode())
    )
    place.store.flush()
    payload = {"snapshot": "2026-11-21", "hub": HUB, "sha256": sha256, "cursor": "/", "next": None}
    entry = place.journal.append(Kind.PAGE, CLOCK.data(), **payload)
    place.journal.sync()
    with place.ledger.transaction():
        place.intake.take([entry])
        place.ledger.work.plan_visits(number, HUB, depth=1, top=None, globs=())
    return number


def ends(place: Place, number: int) -> dict[tuple[str, str | None], int]:
    return {(c.state, c.reason): c.items for c in place.ledger.reads.item_counts(number)}


async def test_every_item_is_carried_out_once(place):
    number = with_packages(place, 25)
    seen: list[str] = []

    async def handler(item):
        seen.append(item.key)
        await asyncio.sleep(0)
        return Found(bytes=10)

    events = await run(place, number, handler)
    assert len(seen) == len(set(seen)) == 25
    assert ends(place, number) == {("done", None): 25}
    assert place.ledger.reads.received_bytes(number) == 250
    assert len(events) == 25


@pytest.mark.parametrize(
    ("error", "attempts", "end"),
    [
        (SkipError("no", SkipReason.GATED), 1, ("skipped", "gated")),
        (CorruptError("lies"), 1, ("failed", "corrupt")),
        (NetworkError("cut"), 4, ("failed", "network")),
        (RefusedError("later", wait_s=1.0), 20, ("failed", "refused")),
        (KeyError("ours"), 1, ("failed", "bug")),
    ],
)
async def test_each_error_ends_in_its_outcome_after_its_number_of_attempts(
    place, error, attempts, end
):
    number = with_packages(place, 2)
    tried: list[str] = []

    async def handler(item):
        tried.append(item.key)
        if item.key.endswith("m1"):
            raise error
        return Found()

    await run(place, number, handler)
    assert len([key for key in tried if key.endswith("m1")]) == attempts
    assert ends(place, number) == {("done", None): 1, end: 1}
    written = [a["outcome"] for a in place.ledger.reads.attempts(number)]
    assert len(written) == attempts + 1


async def test_what_passes_on_the_second_try_is_done(place):
    number = with_packages(place, 1)
    tries: list[int] = []

    async def handler(item):
        tries.append(item.attempts)
        if len(tries) == 1:
            raise NetworkError("cut")
        return Found()

    await run(place, number, handler)
    assert tries == [1, 2]
    assert ends(place, number) == {("done", None): 1}


async def test_a_later_lane_waits_for_what_an_earlier_one_brings(place):
    number = with_packages(place, 3)
    order: list[str] = []

    def brought(ledger):
        ledger.roots.moved(
            number, HUB, "https://huggingface.co/org/m1", "https://huggingface.co/x/y"
        )

    async def handler(item):
        order.append(item.stage)
        if item.stage == Stage.VISIT:
            await asyncio.sleep(0)
            return Found(
                changes=[
                    lambda ledger: ledger.roots._run(
                        "plan_visit", snapshot=number, hub=HUB, key="x"
                    )
                ]
            )
        return Found()

    await run(place, number, handler, stages=(Stage.VISIT, Stage.OBJECT))
    assert order == [Stage.VISIT] * 4


async def test_cancelling_keeps_what_was_finished_and_frees_the_rest(place):
    number = with_packages(place, 9)
    running = asyncio.Event()

    async def handler(item):
        if len([1 for e in place.ledger.reads.attempts(number)]) >= 3:
            running.set()
            await asyncio.Event().wait()
        return Found()

    task = asyncio.create_task(run(place, number, handler))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    states = ends(place, number)
    assert states[("done", None)] >= 3
    assert sum(states.values()) == 9

    async def finish(item):
        return Found()

    await run(place, number, finish)
    assert ends(place, number) == {("done", None): 9}


def test_a_byte_budget_turns_away_what_does_not_fit_and_takes_what_does():
    budget = ByteBudget(100)
    budget.reserve(60)
    with pytest.raises(SkipError) as caught:
        budget.reserve(60)
    assert caught.value.reason is SkipReason.OVER_LIMIT
    assert budget.was_reached
    budget.reserve(40)
    ByteBudget(None).reserve(10**18)


async def test_lines_and_changes_of_one_result_are_one_transaction(place):
    number = with_packages(place, 1)

    def broken(ledger):
        raise RuntimeError("in the middle")

    async with place.recorder() as recorder:
        line = Line(Kind.BEGIN, {"snapshot": "2026-11-22", "as_of": "2026-11-22"})
        with pytest.raises(RuntimeError, match="middle"):
            await recorder.record([line], [broken])
    assert [s.id for s in place.ledger.reads.snapshots()] == ["2026-11-21"]
    assert ends(place, number) == {("todo", None): 1}


@pytest.mark.parametrize(
    ("said", "listed", "meant"),
    [
        (SkipReason.GONE, "gated", SkipReason.GATED),
        (SkipReason.PRIVATE, "disabled", SkipReason.DISABLED),
        (SkipReason.GONE, "listed", SkipReason.GONE),
        (SkipReason.GONE, None, SkipReason.GONE),
        (SkipReason.EMPTY, "gated", SkipReason.EMPTY),
    ],
)
def test_not_there_means_what_the_listing_says_of_the_package(said, listed, meant):
    assert as_listed(SkipError("x", said, status=401), listed).reason is meant


async def test_a_machine_that_refuses_stops_the_run_and_is_no_fault_of_an_item(place):
    number = with_packages(place, 5)

    async def handler(item):
        raise FatalError("no space left")

    with pytest.raises(BaseExceptionGroup) as caught:
        await run(place, number, handler)
    assert caught.value.subgroup(FatalError) is not None
    assert not [end for end in ends(place, number) if end[0] in ("failed", "done")]


def test_what_was_reserved_and_did_not_come_is_free_again():
    budget = ByteBudget(100)
    budget.reserve(80)
    budget.give_back(80)
    budget.reserve(80)
    assert not budget.was_reached


def test_the_gravest_of_several_errors_decides_how_a_run_ends():
    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(ValueError("ours")))
            group.create_task(fails(FatalError("disk full")))

    async def fails(error):
        raise error

    with pytest.raises(FatalError, match="disk full"):
        run_stoppably(work())
