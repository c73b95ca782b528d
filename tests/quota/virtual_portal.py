"""A quota on a server, a network with jitter, and paces that keep up with it, in virtual time."""

from __future__ import annotations

import heapq
import itertools
import math
from bisect import bisect_left
from functools import partial
from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING

import attrs

from aiohubassoc import Quota
from aiohubassoc._quota.pacer import Pacer
from aiohubassoc.simulator.rate_limits import make_window
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
        headers_share: The share of responses that tell the limit and what is left of it.
        neighbours: Others.
        refuses: The share of calls that are refused for no reason.
        pauses: The share of calls that are answered with a pause of a second, not by the quota.
        refuses_nth: Besides, each call with a number that this divides; 0: none.
        names: The quotas that responses name, in turn; None: what the server keeps.
        connects: Seconds that the first call on each connection takes before it is sent.
        tells_sending: Whether the pacer learns when such a call was sent, not only when it began.
        cancelled: The share of calls that are given up *cancelled_after* seconds.
        second_limit: Calls in any second besides, refused as ``SECONDLY``; None: no such limit.
        second_kind: How it counts.
        retry_after: Whether a 429 tells the whole seconds until there is room.
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
    pauses: float = 0.0
    refuses_nth: int = 0
    names: tuple[Quota, ...] | None = None
    connects: float = 0.0
    tells_sending: bool = True
    cancelled: float = 0.0
    cancelled_after: float = 0.005
    second_limit: int | None = None
    second_kind: QuotaKind = "rolling"
    retry_after: bool = False
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
        """The share of responses that were 429."""
        return len(self.refused) / (len(self.taken) + len(self.refused))

    def use(self, limit: int = LIMIT, window: float = WINDOW) -> float:
        """Return the steady speed, from the second window to the last but one, by the limit's."""
        bursts = [self.taken[i : i + limit] for i in range(0, len(self.taken), limit)]
        means = [sum(burst) / limit for burst in bursts if len(burst) == limit]
        return window * (len(means) - 3) / (means[-2] - means[1])

    def count(self, begin: float, end: float) -> int:
        """Return how many of our calls were counted between two moments."""
        return sum(begin <= moment < end for moment in self.taken)


@attrs.define
class Sent:
    """A call: whose it is, when it got its turn, and when its request was sent."""

    who: int
    began_at: float
    sent_at: float
    is_over: bool = False


@attrs.frozen
class Refusal:
    """A 429."""

    retry_after: float | None
    by_second: bool = False
    by_quota: bool = True


class Traffic:
    """Pairs sent through *paces* until each is linked, at most 64 in flight from each."""

    def __init__(self, world: World, paces: list[Pacer], pairs: int, concurrency: int = 64) -> None:
        self._world = world
        self._chance = Random(world.seed)
        self._meter = make_window(world.limit, world.window, world.kind)
        self._second_limit = world.second_limit or 10**9
        self._second = make_window(self._second_limit, 1.0, world.second_kind)
        self._paces = paces
        self._left = [pairs // len(paces)] * len(paces)
        self._on_wire = [0] * len(paces)
        self._wakes_at = [math.inf] * len(paces)  # one timer each: those before are stale
        self._idle = [0] * len(paces)  # connections; one that was given up is closed
        self._names = itertools.cycle(world.names or (Quota(world.limit, world.window),))
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
            if not self._events:
                break  # what was given up is not sent again
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
            sent_at = now
            if self._idle[who]:
                self._idle[who] -= 1
            else:
                sent_at += self._world.connects
            there = self._way()
            if self._chance.random() < self._world.stray_share:
                there += self._chance.uniform(0.0, 2.0)
            call = Sent(who, now, sent_at)
            self._at(sent_at + there, partial(self._count, call))
            if self._chance.random() < self._world.cancelled:
                self._at(sent_at + self._world.cancelled_after, partial(self._cancel, call))

    def _wake(self, who: int, now: float) -> None:
        if now == self._wakes_at[who]:
            self._send(who, now)

    def _cancel(self, call: Sent, now: float) -> None:
        if call.is_over:
            return
        call.is_over = True
        self._on_wire[call.who] -= 1
        self._paces[call.who].record_no_response(call.began_at, now)
        self._send(call.who, now)

    def _count(self, call: Sent, now: float) -> None:
        while self._next_other <= now:
            self._meter.advance(self._next_other)
            self._meter.add(self._next_other)
            self.seen.others.append(self._next_other)
            self._next_other = next(self._others, math.inf)
        self._meter.advance(now)
        self._second.advance(now)
        if self._world.pauses and self._chance.random() < self._world.pauses:
            self.seen.refused.append(now)
            pause = Refusal(1.0, by_quota=False)
            self._at(now + self._way(), partial(self._answer, call, pause, None))
            return
        used = len(self._meter)
        by_second = len(self._second) >= self._second_limit
        is_taken = (
            used < self._world.limit
            and not by_second
            and self._chance.random() >= self._world.refuses
            and not self._is_nth()
        )
        if is_taken:
            self._meter.add(now)
            self._second.add(now)
        wait: float | None = None
        if self._world.retry_after and not is_taken:
            full, limit = (
                (self._second, self._second_limit)
                if by_second
                else (self._meter, self._world.limit)
            )
            wait = float(math.ceil(max(1.0, full.below_at(limit) - now)))
        (self.seen.taken if is_taken else self.seen.refused).append(now)
        left = max(0, self._world.limit - used - is_taken)
        reported = self._chance.random() < self._world.headers_share
        refused_by = None if is_taken else Refusal(wait, by_second=by_second)
        answer = partial(self._answer, call, refused_by, left if reported else None)
        self._at(now + self._way(), answer)

    def _is_nth(self) -> bool:
        nth, number = self._world.refuses_nth, len(self.seen.taken) + len(self.seen.refused) + 1
        return nth > 0 and number % nth == 0

    def _answer(self, call: Sent, refusal: Refusal | None, left: int | None, now: float) -> None:
        if call.is_over:
            return
        call.is_over = True
        pace = self._paces[call.who]
        self._on_wire[call.who] -= 1
        self._idle[call.who] += 1
        if left is not None:
            named = next(self._names)
            pace.adopt(named)
            if now < pace.adopts_remaining_until:
                pace.adopt_remaining(now, named.limit, min(left, named.limit))
        exact = self._world.tells_sending or call.sent_at == call.began_at
        sent_at = call.sent_at if exact else call.began_at
        if refusal is not None:
            self._left[call.who] += 1
            pace.record_throttle(
                now,
                sent_at,
                retry_after=refusal.retry_after,
                by_quota=refusal.by_quota and not refusal.by_second,
                by_second=refusal.by_second,
            )
        pace.record_response(sent_at, now, exact=exact, accepted=refusal is None)
        self._send(call.who, now)


def link(
    world: World,
    pairs: int = 5700,
    *,
    quota: Quota | None = Quota(LIMIT),  # noqa: B008 -- frozen
    strict: bool = False,
    share: float = 1.0,
    clients: int = 1,
) -> Seen:
    """Send this many pairs and return what the server saw."""
    paces = [Pacer(quota, strict=strict, share=share) for _ in range(clients)]
    return Traffic(world, paces, pairs).run()


def most_in_a_window(moments: list[float], window: float) -> int:
    """Return the most of *moments*, which are in order, that lie in one window."""
    # As the server reckons: a call is out at the moment that comes of adding the window to it.
    ends = [moment + window for moment in moments]
    return max(i + 1 - bisect_left(ends, moments[i] + 1e-12) for i in range(len(moments)))
