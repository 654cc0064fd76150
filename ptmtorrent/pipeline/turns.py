"""Whose turn it is: a lane's items by the place each must go to.

A place is a host, or a hub (``items.place`` in the ledger). Places are served side by side: the one
with the fewest items under way is next, and of several the one whose turn is longest ago. So a
place that is slow, or lets few through, cannot take a whole lane while another has work; and when
it is alone it has all of it. A place that is closed has no turn.
"""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Container, Iterable, Mapping

from ptmtorrent.ledger.rows import Item


class Turns:
    """The leased items of one lane, waiting or under way."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Item]] = {}
        self._may_have_more: set[str] = set()
        self._under_way: Counter[str] = Counter()
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def add(self, items: Collection[Item], shares: Mapping[str, int]) -> None:
        """Items were leased by these shares; where that was all there was, no more is expected."""
        counts = Counter(item.place for item in items)
        for item in items:
            self._waiting.setdefault(item.place, deque()).append(item)
        self._may_have_more = {place for place, share in shares.items() if counts[place] == share}

    def take(self, closed: Container[str]) -> Item | None:
        """The item whose turn it is; None when one should be leased first, or none is open."""
        places = self._waiting.keys() | self._may_have_more
        ready = [place for place in places if place not in closed]
        place = min(ready, key=lambda place: self._rank(place, self._under_way[place]), default="")
        if place not in self._waiting:
            return None
        item = self._waiting[place].popleft()
        if not self._waiting[place]:
            del self._waiting[place]
        self._under_way[place] += 1
        self._turn += 1
        self._last_turn[place] = self._turn
        return item

    def finished(self, item: Item) -> None:
        """An item that was taken is under way no more."""
        self._under_way[item.place] -= 1

    def shares(self, places: Iterable[str], count: int) -> dict[str, int]:
        """How many of ``count`` items to lease for each of these places; of some none."""
        shares = dict.fromkeys(places, 0)
        ranks = [self._rank(place, self._load(place)) for place in shares]
        heapq.heapify(ranks)
        for _ in range(count if ranks else 0):
            load, turn, place = ranks[0]
            shares[place] += 1
            heapq.heapreplace(ranks, (load + 1, turn, place))
        return shares

    def _rank(self, place: str, load: int) -> tuple[int, int, str]:
        return load, self._last_turn.get(place, 0), place

    def _load(self, place: str) -> int:
        return self._under_way[place] + len(self._waiting.get(place, ()))
