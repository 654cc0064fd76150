"""Days of work in virtual time: nothing is lost, nothing waits without need, nothing grows."""

import asyncio
from pathlib import Path

import pytest
from soak_run import Plan, Soak
from virtual_time import StuckError, VirtualLoop


def test_time_jumps_to_the_next_timer_and_keeps_their_order():
    loop, order = VirtualLoop(), []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((seconds, asyncio.get_running_loop().time()))

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for seconds in (86_400.0, 0.5, 3600.0):
                group.create_task(sleeper(seconds))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(all_of_them())
    assert [seconds for seconds, _ in order] == [0.5, 3600.0, 86_400.0]
    assert [at for _, at in order] == pytest.approx([0.5, 3600.0, 86_400.0])


def test_what_will_never_happen_is_told_and_not_waited_for():
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(StuckError):
        runner.run(asyncio.Event().wait())


def soaked(plan: Plan, path: Path) -> Soak:
    soak = Soak(plan, path / "root")
    assert soak.run() == []
    assert soak.seen.kills > 0
    assert {"done", "skipped", "failed"} <= {state for state, _ in soak.outcomes()}
    return soak


def test_a_day_of_faults_and_kills_ends_with_every_item_accounted_for(tmp_path):
    soak = soaked(Plan(days=1, items=800, seed=1, life_s=120.0), tmp_path)
    assert soak.watched.created.total() > 700


@pytest.mark.slow
def test_two_days_of_20_000_items_end_with_every_item_accounted_for(tmp_path):
    soak = soaked(Plan(days=2, items=20_000, seed=2, life_s=900.0), tmp_path)
    assert soak.watched.created.total() > 18_000
