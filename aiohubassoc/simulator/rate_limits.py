"""The portal's limits, and the windows in which they count."""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.simulator.settings import Neighbour, PortalSettings, QuotaKind


class RollingWindow:
    """The events of the last *length* seconds: those in (now - length, now]."""

    # `peak` is exact: the most events that any such window has held.

    def __init__(self, length: float) -> None:
        self.length = length
        self.peak = 0
        self._instants: deque[float] = deque()

    def __len__(self) -> int:
        return len(self._instants)

    def advance(self, now: float) -> None:
        instants = self._instants
        # A sum, as callers compute it too: otherwise rounding could keep an event for longer.
        while instants and instants[0] + self.length <= now:
            instants.popleft()

    def add(self, now: float) -> None:
        self.advance(now)
        self._instants.append(now)
        self.peak = max(self.peak, len(self._instants))

    def below_at(self, limit: int) -> float:
        """Return the instant from which fewer than *limit* of these events are left."""
        excess = len(self._instants) - limit
        return self._instants[excess] + self.length if excess >= 0 else -math.inf


class FixedWindow:
    """The events since the window began: windows of *length* seconds, from the first event on."""

    def __init__(self, length: float) -> None:
        self.length = length
        self._origin: float | None = None
        self._number = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def advance(self, now: float) -> None:
        if self._origin is None:
            self._origin = now
        number = int((now - self._origin) // self.length)
        if number > self._number:
            self._number, self._count = number, 0

    def add(self, now: float) -> None:
        self.advance(now)
        self._count += 1

    def below_at(self, limit: int) -> float:
        """Return the instant at which the next window begins, for any *limit*."""
        del limit
        return (self._origin or 0.0) + (self._number + 1) * self.length


class LeakyBucket:
    """Events that leak out evenly, *limit* of them in *length* seconds (GCRA)."""

    def __init__(self, length: float, limit: int) -> None:
        self.length = length
        self._interval = length / limit
        self._empty_at = 0.0
        self._now = 0.0

    def __len__(self) -> int:
        # A partly leaked event still counts; 1e-9 allows for rounding in sums of intervals.
        return max(0, math.ceil((self._empty_at - self._now) / self._interval - 1e-9))

    def advance(self, now: float) -> None:
        self._now = now
        self._empty_at = max(self._empty_at, now)

    def add(self, now: float) -> None:
        self.advance(now)
        self._empty_at += self._interval

    def below_at(self, limit: int) -> float:
        """Return the instant from which fewer than *limit* events are left."""
        return self._empty_at - (limit - 1) * self._interval


RateWindow: TypeAlias = RollingWindow | FixedWindow | LeakyBucket


def make_window(limit: int | None, length: float, kind: QuotaKind) -> RateWindow:
    """Return the counter that *kind* names, for *limit* requests in *length* seconds."""
    if kind == "fixed":
        return FixedWindow(length)
    if kind == "gcra" and limit is not None:
        return LeakyBucket(length, limit)
    return RollingWindow(length)


# The names of the policies: HubSpot, API usage guidelines, and recorded 429s.
DAILY = "DAILY"
SECONDLY = "SECONDLY"
TEN_SECONDLY_ROLLING = "TEN_SECONDLY_ROLLING"
# A name for the ledger only: HubSpot publishes no such limit.
BATCH_IN_FLIGHT = "BATCH_IN_FLIGHT"

_DAY = 86_400.0


class RateLimits:
    """How many requests of the client and its neighbours count for each limit."""

    def __init__(self, settings: PortalSettings) -> None:
        self._settings = settings
        self._window = make_window(settings.quota_limit, settings.quota_window, settings.quota_kind)
        self._second = RollingWindow(1.0)
        self._batches = RollingWindow(settings.batch_window)
        # Each policy with its limit and its window; the first that is full refuses a request.
        self._single_limits: list[tuple[str, int | None, RateWindow]] = [
            (SECONDLY, settings.secondly_limit, self._second),
            (TEN_SECONDLY_ROLLING, settings.quota_limit, self._window),
        ]
        self._batch_limits: list[tuple[str, int | None, RateWindow]] = [
            (TEN_SECONDLY_ROLLING, settings.batch_limit, self._batches)
        ]
        self.day_used = settings.daily_used  # requests of the day that were counted
        self._day = 0
        self._neighbour_calls: Iterator[float] | None = None
        self._next_neighbour = math.inf
        self._origin = 0.0

    @property
    def day_end(self) -> float:
        return self._origin + (self._day + 1) * _DAY

    def take(self, now: float, *, is_batch: bool, in_flight: int = 0) -> str | None:
        """Count a request at *now*, or return the policy that refuses it."""
        # A batch call counts for the day (HubSpot, API usage guidelines) and for the limits of
        # batch calls; any other call for the day and for the rolling windows.
        if self._neighbour_calls is None:
            self._origin = now
            self._neighbour_calls = heapq.merge(
                *(_instants(each, now) for each in self._settings.neighbours)
            )
            self._next_neighbour = next(self._neighbour_calls, math.inf)
        while self._next_neighbour <= now:
            self._take(self._next_neighbour, is_batch=False)
            self._next_neighbour = next(self._neighbour_calls, math.inf)
        return self._take(now, is_batch=is_batch, in_flight=in_flight)

    def retry_after(self, policy: str, now: float, *, is_batch: bool = False) -> int:
        """Return the whole seconds, at least 1, until *policy* has room for such a request."""
        room_at = self.day_end if policy == DAILY else now
        for name, limit, window in self._batch_limits if is_batch else self._single_limits:
            if name == policy and limit is not None:
                room_at = window.below_at(limit)
        return max(1, math.ceil(room_at - now))

    def headers(self, *, daily: bool = True, rolling: bool = True) -> dict[str, str]:
        """Return the rate-limit headers of the request that was counted last."""
        settings, headers = self._settings, {}
        reported = settings.quota_limit if settings.reported_max is None else settings.reported_max
        if rolling and reported is not None:
            headers["Max"] = str(reported)
            headers["Interval-Milliseconds"] = f"{self._window.length * 1000:.0f}"
        if rolling and settings.quota_limit is not None:
            headers["Remaining"] = _left(settings.quota_limit, len(self._window))
        if rolling and settings.secondly_limit is not None:
            headers["Secondly"] = str(settings.secondly_limit)
            headers["Secondly-Remaining"] = _left(settings.secondly_limit, len(self._second))
        if daily and settings.daily_limit is not None:
            headers["Daily"] = str(settings.daily_limit)
            headers["Daily-Remaining"] = _left(settings.daily_limit, self.day_used)
        return {f"X-HubSpot-RateLimit-{name}": value for name, value in headers.items()}

    def _take(self, now: float, *, is_batch: bool, in_flight: int = 0) -> str | None:
        for window in (self._window, self._second, self._batches):
            window.advance(now)
        day = int((now - self._origin) // _DAY)
        if day > self._day:
            self._day, self.day_used = day, 0
        policy = self._full_policy(is_batch=is_batch, in_flight=in_flight)
        if policy is None or self._settings.count_refused:
            self.day_used += 1
            for window in (self._batches,) if is_batch else (self._window, self._second):
                window.add(now)
        return policy

    def _full_policy(self, *, is_batch: bool, in_flight: int) -> str | None:
        daily, most_batches = self._settings.daily_limit, self._settings.batch_max_in_flight
        if daily is not None and self.day_used >= daily:
            return DAILY
        if is_batch and most_batches is not None and in_flight >= most_batches:
            return BATCH_IN_FLIGHT
        for policy, limit, window in self._batch_limits if is_batch else self._single_limits:
            if limit is not None and len(window) >= limit:
                return policy
        return None


def _instants(neighbour: Neighbour, origin: float) -> Iterator[float]:
    for index in range(math.floor(neighbour.length * neighbour.per_second)):
        first = index - index % neighbour.burst
        yield origin + neighbour.start + first / neighbour.per_second


def _left(limit: int, used: int) -> str:
    return str(max(0, limit - used))
