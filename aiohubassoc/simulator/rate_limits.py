"""
HubSpot's rate limits.

Time is an argument, in seconds, and never goes back.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from aiohubassoc.simulator.rate_windows import FixedWindow, LeakyBucket
from aiohubassoc.simulator.rolling_window import RollingWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.simulator.network import Neighbour
    from aiohubassoc.simulator.settings import PortalSettings, QuotaKind

# The policies' names: HubSpot, API usage guidelines, and recorded 429s.
DAILY = "DAILY"
SECONDLY = "SECONDLY"
TEN_SECONDLY_ROLLING = "TEN_SECONDLY_ROLLING"
# Of our own, for the books: HubSpot publishes no such limit, and so no name of one.
BATCH_IN_FLIGHT = "BATCH_IN_FLIGHT"

_DAY = 86_400.0


class RateLimits:
    """
    What has been used of the limits, by us and by the neighbours.

    Args:
        settings: Name the limits and the neighbours.
    """

    def __init__(self, settings: PortalSettings) -> None:
        self._limit = settings.quota_limit
        self._window = make_window(settings.quota_limit, settings.quota_window, settings.quota_kind)
        self._secondly_limit = settings.secondly_limit
        self._second = RollingWindow(1.0)
        self._batch_limit = settings.batch_limit
        self._batches = RollingWindow(settings.batch_window)
        self._batch_max_in_flight = settings.batch_max_in_flight
        self._daily_limit = settings.daily_limit
        self._day_used = 0
        self._day = 0
        self._refused_count = settings.count_refused
        self._max = settings.reported_max
        if self._max is None and self._limit is not None:
            self._max = str(self._limit)
        self._neighbours = settings.neighbours
        self._to_come: Iterator[float] | None = None
        self._next_neighbour = math.inf
        self._origin = 0.0

    def take(self, now: float, *, is_single: bool, at_work: int = 0) -> str | None:
        """
        Count a request, or return the policy that refuses it.

        Args:
            now: The instant of counting.
            is_single: Whether the rolling windows of single calls count it; a batch call counts
                for the day (HubSpot, API usage guidelines) and for the limits of batch calls.
            at_work: How many batch calls are worked on already.
        """
        if self._to_come is None:
            self._origin = now
            self._to_come = heapq.merge(*(_instants(each, now) for each in self._neighbours))
            self._next_neighbour = next(self._to_come, math.inf)
        while self._next_neighbour <= now:
            self._take(self._next_neighbour, is_single=True)
            self._next_neighbour = next(self._to_come, math.inf)
        return self._take(now, is_single=is_single, at_work=at_work)

    def retry_after(self, policy: str, now: float, *, is_single: bool = True) -> int:
        """Return the whole seconds, at least 1, until *policy* has room for such a request."""
        if policy == DAILY:
            room_at = self._origin + (self._day + 1) * _DAY
        elif policy == SECONDLY:
            room_at = self._second.below_at(self._secondly_limit or 0)
        elif policy == BATCH_IN_FLIGHT:
            room_at = now
        elif not is_single:
            room_at = self._batches.below_at(self._batch_limit or 0)
        else:
            room_at = self._window.below_at(self._limit or 0)
        return max(1, math.ceil(room_at - now))

    def headers(self, *, daily: bool = True, rolling: bool = True) -> dict[str, str]:
        """
        Return the rate-limit headers of the request that was counted last.

        Args:
            daily: Whether to tell the limit per day, if there is one.
            rolling: Whether to tell the limits of the rolling windows, if there are any.
        """
        told: dict[str, str] = {}
        if rolling and self._max is not None:
            told["X-HubSpot-RateLimit-Max"] = self._max
            told["X-HubSpot-RateLimit-Interval-Milliseconds"] = f"{self._window.length * 1000:.0f}"
        if rolling and self._limit is not None:
            told["X-HubSpot-RateLimit-Remaining"] = _left(self._limit, len(self._window))
        if rolling and self._secondly_limit is not None:
            told["X-HubSpot-RateLimit-Secondly"] = str(self._secondly_limit)
            told["X-HubSpot-RateLimit-Secondly-Remaining"] = _left(
                self._secondly_limit, len(self._second)
            )
        if daily and self._daily_limit is not None:
            told["X-HubSpot-RateLimit-Daily"] = str(self._daily_limit)
            told["X-HubSpot-RateLimit-Daily-Remaining"] = _left(self._daily_limit, self._day_used)
        return told

    def _take(self, now: float, *, is_single: bool, at_work: int = 0) -> str | None:
        for meter in (self._window, self._second, self._batches):
            meter.advance(now)
        day = int((now - self._origin) // _DAY)
        if day > self._day:
            self._day, self._day_used = day, 0
        policy = self._refusing() if is_single else self._refusing_batch(at_work)
        if self._day_is_over():
            policy = DAILY
        if policy is None or self._refused_count:
            self._day_used += 1
            for meter in (self._window, self._second) if is_single else (self._batches,):
                meter.add(now)
        return policy

    def _day_is_over(self) -> bool:
        return self._daily_limit is not None and self._day_used >= self._daily_limit

    def _refusing(self) -> str | None:
        if self._secondly_limit is not None and len(self._second) >= self._secondly_limit:
            return SECONDLY
        if self._limit is not None and len(self._window) >= self._limit:
            return TEN_SECONDLY_ROLLING
        return None

    def _refusing_batch(self, at_work: int) -> str | None:
        if self._batch_max_in_flight is not None and at_work >= self._batch_max_in_flight:
            return BATCH_IN_FLIGHT
        if self._batch_limit is not None and len(self._batches) >= self._batch_limit:
            return TEN_SECONDLY_ROLLING
        return None


def make_window(
    limit: int | None, window: float, kind: QuotaKind
) -> RollingWindow | FixedWindow | LeakyBucket:
    """Return what counts the requests of a limit, in the way that *kind* names."""
    if kind == "fixed":
        return FixedWindow(window)
    if kind == "gcra" and limit is not None:
        return LeakyBucket(window, limit)
    return RollingWindow(window)


def _instants(neighbour: Neighbour, origin: float) -> Iterator[float]:
    """Yield when *neighbour* sends its requests."""
    for index in range(math.floor(neighbour.length * neighbour.per_second)):
        first = index - index % neighbour.burst
        yield origin + neighbour.start + first / neighbour.per_second


def _left(limit: int, used: int) -> str:
    return str(max(0, limit - used))
