"""A quota on a server, a network with jitter, and paces that keep up with it, in virtual time."""

from __future__ import annotations

import heapq
import math
from functools import partial
from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING

import attrs

from aiohubassoc import Quota
from aiohubassoc._core.pace import Pace
from aiohubassoc.simulator.rate_windows import make_window
from aiohubassoc.simulator.settings import QuotaKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 190
WINDOW = 10.0


@attrs.frozen
class Neighbour:
    """Somebody whose calls are counted whatever is left: *burst* of them at a time."""

    per_second: float
    burst: int = 1
    start: float = 0.01
    end: float = math.inf

    def calls(self) -> Iterator[float]:
        """Yield when each call is counted."""
        now = self.start
        while now < self.end:
            yield from [now] * self.burst
            now += self.burst / self.per_second


@attrs.frozen
class World:
    """
    What the calls meet.

    Attributes:
        limit: What the server lets through in a window.
        kind: How it counts, as a portal's `quota_kind`.
        round_trip: The mean, in seconds.
        sigma: Of the natural logarithm of either way's time.
        stray_share: The share of calls that take up to 2 s more on their way there.
        headers_share: The share of answers that tell the limit and what is left of it.
        neighbours: Others.
        refuses: The share of calls that are refused for no reason.
    """

    limit: int = LIMIT
    window: float = WINDOW
    kind: QuotaKind = "rolling"
    round_trip: float = 0.1
    sigma: float = 0.3
    stray_share: float = 0.0
    headers_share: float = 0.0
    neighbours: tuple[Neighbour, ...] = ()
    refuses: float = 0.0
    seed: int = 1


@attrs.define
class Seen:
    """What the server saw of us, and of the neighbours: when it counted which calls."""

    taken: list[float] = attrs.Factory(list)
    refused: list[float] = attrs.Factory(list)
    others: list[float] = attrs.Factory(list)
    ended_at: float = 0.0

    @property
    def refused_share(self) -> float:
        """The share of answers that were 429."""
        return len(self.refused) / (len(self.taken) + len(self.refused))

    def use(self, limit: int = LIMIT, window: float = WINDOW) -> float:
        """Return the steady speed, from the second window to the last but one, by the limit's."""
        bursts = [self.taken[i : i + limit] for i in range(0, len(self.taken), limit)]
        means = [sum(burst) / limit for burst in bursts if len(burst) == limit]
        return window * (len(means) - 3) / (means[-2] - means[1])

    def count(self, begin: float, end: float) -> int:
        """Return how many of our calls were counted between two moments."""
        return sum(begin <= moment < end for moment in self.taken)


class Traffic:
    """Pairs sent through *paces* until each is linked, at most 64 on the wire from each."""

    def __init__(self, world: World, paces: list[Pace], pairs: int, concurrency: int = 64) -> None:
        self._world = world
        self._chance = Random(world.seed)
        self._meter = make_window(world.limit, world.window, world.kind)
        self._paces = paces
        self._left = [pairs // len(paces)] * len(paces)
        self._on_wire = [0] * len(paces)
        self._wakes_at = [math.inf] * len(paces)  # one timer each: those before are stale
        self._concurrency = concurrency
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = 0
        self._others = heapq.merge(*(each.calls() for each in world.neighbours))
        self._next_other = next(self._others, math.inf)
        self.seen = Seen()

    def run(self) -> Seen:
        """Send everything and return what the server saw."""
        pairs = sum(self._left)
        for who in range(len(self._paces)):
            self._send(who, 0.0)
        while len(self.seen.taken) < pairs or any(self._on_wire):
            now, _, event = heapq.heappop(self._events)
            event(now)
            self.seen.ended_at = now
        self.seen.taken.sort()
        return self.seen

    def _at(self, when: float, event: Callable[[float], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, event))

    def _way(self) -> float:
        sigma = self._world.sigma
        median = self._world.round_trip / 2 / math.exp(sigma * sigma / 2)
        return median * math.exp(self._chance.gauss(0.0, sigma))

    def _send(self, who: int, now: float) -> None:
        pace = self._paces[who]
        while self._left[who] and self._on_wire[who] < self._concurrency:
            if (wait := pace.wait(now)) > 0:
                self._wakes_at[who] = now + max(wait, 1e-4)
                if wait < math.inf:
                    self._at(self._wakes_at[who], partial(self._wake, who))
                return
            pace.take(now)
            self._left[who] -= 1
            self._on_wire[who] += 1
            there = self._way()
            if self._chance.random() < self._world.stray_share:
                there += self._chance.uniform(0.0, 2.0)
            self._at(now + there, partial(self._count, who, now))

    def _wake(self, who: int, now: float) -> None:
        if now == self._wakes_at[who]:
            self._send(who, now)

    def _count(self, who: int, sent_at: float, now: float) -> None:
        while self._next_other <= now:
            self._meter.advance(self._next_other)
            self._meter.add(self._next_other)
            self.seen.others.append(self._next_other)
            self._next_other = next(self._others, math.inf)
        self._meter.advance(now)
        used = len(self._meter)
        is_taken = used < self._world.limit and self._chance.random() >= self._world.refuses
        if is_taken:
            self._meter.add(now)
        (self.seen.taken if is_taken else self.seen.refused).append(now)
        left = max(0, self._world.limit - used - is_taken)
        told = self._chance.random() < self._world.headers_share
        answer = partial(self._answer, who, sent_at, is_taken, left if told else None)
        self._at(now + self._way(), answer)

    def _answer(
        self, who: int, sent_at: float, is_taken: bool, left: int | None, now: float
    ) -> None:
        pace = self._paces[who]
        self._on_wire[who] -= 1
        if left is not None:
            pace.told(Quota(self._world.limit, self._world.window))
            if now < pace.wants_remaining_until:
                pace.told_remaining(now, self._world.limit, left)
        if not is_taken:
            self._left[who] += 1
            pace.refused(now, sent_at, retry_after=None, by_quota=True)
        pace.settle(sent_at, now, fresh=False, taken=is_taken)
        self._send(who, now)


def link(
    world: World,
    pairs: int = 5700,
    *,
    quota: Quota | None = Quota(LIMIT),  # noqa: B008 -- frozen
    strict: bool = False,
    share: float = 1.0,
    clients: int = 1,
) -> Seen:
    """Send so many pairs and return what the server saw."""
    paces = [Pace(quota, strict=strict, share=share) for _ in range(clients)]
    return Traffic(world, paces, pairs).run()
