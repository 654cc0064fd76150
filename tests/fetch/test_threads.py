"""Work in a thread is never left alone."""

import asyncio
import threading

import pytest

from ptmtorrent.fetch.threads import in_thread


async def test_the_result_and_the_error_come_through():
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


@pytest.mark.parametrize("broken", [False, True])
async def test_who_is_cancelled_waits_for_the_end_of_the_work(broken):
    begun, may_end, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        may_end.wait()
        ended.append("work")
        if broken:
            raise OSError("nobody asks any more")

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    asyncio.get_running_loop().call_soon(may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["work"]
