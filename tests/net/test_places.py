"""Places at one host: nobody is forgotten, and none is lost."""

import asyncio

from ptmtorrent.net.places import Places


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def free(places: Places) -> int:
    """How many may come in now, before one has to wait."""
    comers = [asyncio.create_task(places.take()) for _ in range(places.limit + 1)]
    await settle()
    inside = sum(comer.done() for comer in comers)
    for comer in comers:
        comer.cancel()
    await asyncio.gather(*comers, return_exceptions=True)
    for _ in range(inside):
        places.give_back()
    return inside


async def test_who_waits_is_let_in_in_order_and_before_who_comes_later() -> None:
    places, order = Places(1), list[str]()

    async def enter(name: str) -> None:
        await places.take()
        order.append(name)

    await places.take()
    tasks = [asyncio.create_task(enter(name)) for name in ("first", "second")]
    await settle()
    for name in ("third", "fourth"):
        places.give_back()
        tasks.append(asyncio.create_task(enter(name)))
        await settle()
    places.give_back()
    await settle()
    places.give_back()
    await asyncio.gather(*tasks)
    assert order == ["first", "second", "third", "fourth"]


async def test_a_place_given_to_one_who_is_cancelled_goes_to_the_next() -> None:
    places = Places(1)
    await places.take()
    waiting = asyncio.create_task(places.take())
    await settle()
    places.give_back()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await free(places) == 1


async def test_one_who_is_cancelled_while_waiting_takes_nothing() -> None:
    places = Places(1)
    await places.take()
    waiting = asyncio.create_task(places.take())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await free(places) == 0
    places.give_back()
    assert await free(places) == 1


async def test_when_more_fit_those_who_wait_are_let_in_at_once() -> None:
    places = Places(32)
    for _ in range(places.limit):
        await places.take()
    waiting = asyncio.create_task(places.take())
    await settle()
    assert not waiting.done()
    for _ in range(4):
        places.answered(1.0)
    await settle()
    assert waiting.done()


async def test_after_trouble_fewer_fit() -> None:
    places = Places(32)
    before = places.limit
    places.troubled(0.0)
    assert places.limit < before
