"""Virtual time for budgets: workers against a server with a fixed window, no sleeping."""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ptmtorrent.policy.pacing import Budget
from ptmtorrent.policy.ratelimit import Advice

Serve = Callable[[float], tuple[bool, Advice | None, float | None]]


@dataclass
class FixedWindow:
    """A server that counts requests in fixed windows and says so."""

    quota: int
    window_s: float = 300.0
    counted: dict[int, int] = field(default_factory=dict)

    def __call__(self, now: float) -> tuple[bool, Advice | None, float | None]:
        number = int(now // self.window_s)
        used = self.counted[number] = self.counted.get(number, 0) + 1
        reset_s = float(int((number + 1) * self.window_s - now))
        left = max(self.quota - used, 0)
        advice = Advice("api", self.quota, left, reset_s, self.window_s)
        return used <= self.quota, advice, None if used <= self.quota else advice.wait_s


@dataclass
class Bucket:
    """A server that bears a rate and a burst, and says nothing (nginx limit_req)."""

    rate: Callable[[float], float]
    burst: float = 20.0
    level: float = 0.0
    at: float = 0.0

    def __call__(self, now: float) -> tuple[bool, Advice | None, float | None]:
        self.level = max(self.level - (now - self.at) * self.rate(now), 0.0)
        self.at = now
        if self.level + 1 > self.burst:
            return False, None, None
        self.level += 1
        return True, None, None


@dataclass
class Log:
    """What happened: times of sending, and of those refused."""

    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


def run(budget: Budget, serve: Serve, *, workers: int, seconds: float) -> Log:
    """Workers that always have something to ask, until ``seconds`` have passed."""
    log, order = Log(), itertools.count()
    events: list[tuple[float, int, Callable[[float], None]]] = []
    waiting = [workers]
    alarm = [math.inf]

    def at(when: float, what: Callable[[float], None]) -> None:
        heapq.heappush(events, (when, next(order), what))

    def try_send(now: float) -> None:
        wait = 0.0
        while waiting[0] and (wait := budget.wait(now)) <= 0:
            waiting[0] -= 1
            budget.sent(now)
            log.sent.append(now)
            latency = 0.05 + 0.4 * ((len(log.sent) * 7919) % 97) / 97
            at(now + latency / 2, lambda when, rest=latency / 2: served(when, rest))
        if waiting[0] and wait > 0 and now + wait < alarm[0]:
            alarm[0] = now + wait
            at(alarm[0], ring)

    def ring(now: float) -> None:
        if now == alarm[0]:
            alarm[0] = math.inf
            try_send(now)

    def served(now: float, rest: float) -> None:
        answer = serve(now)
        at(now + rest, lambda when: answered(when, *answer))

    def answered(now: float, ok: bool, advice: Advice | None, wait_s: float | None) -> None:
        if advice is not None:
            budget.advised(now, advice)
        if ok:
            budget.succeeded(now)
        else:
            log.refused.append(now)
            budget.refused(now, wait_s)
        waiting[0] += 1
        try_send(now)

    try_send(0.0)
    while events and events[0][0] < seconds:
        when, _, what = heapq.heappop(events)
        what(when)
    return log
