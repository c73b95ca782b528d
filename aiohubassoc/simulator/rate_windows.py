"""
Three ways in which a server counts requests against a limit.

Time is an argument, in seconds, and never goes back.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from aiohubassoc.simulator.settings import QuotaKind


class RollingWindow:
    """
    The events of the last *length* seconds: those in (now - length, now].

    `peak` is exact: the most events that any such window has held.

    Args:
        length: Seconds, above 0.
    """

    def __init__(self, length: float) -> None:
        self.length = length
        self.peak = 0
        self._instants: deque[float] = deque()

    def __len__(self) -> int:
        return len(self._instants)

    def advance(self, now: float) -> None:
        """Forget what lies before the window that ends at *now*."""
        instants = self._instants
        # As a sum, so that an event is out exactly at the instant a caller computes as a sum too.
        while instants and instants[0] + self.length <= now:
            instants.popleft()

    def add(self, now: float) -> None:
        """Count an event at *now*."""
        self.advance(now)
        self._instants.append(now)
        self.peak = max(self.peak, len(self._instants))

    def below_at(self, limit: int) -> float:
        """Return the instant from which fewer than *limit* of these events are left."""
        excess = len(self._instants) - limit
        return self._instants[excess] + self.length if excess >= 0 else -math.inf


class FixedWindow:
    """
    The events since the window began: from one multiple of *length* after the first to the next.

    Args:
        length: Seconds, above 0.
    """

    def __init__(self, length: float) -> None:
        self.length = length
        self._origin: float | None = None
        self._number = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def advance(self, now: float) -> None:
        """Begin the window that *now* lies in."""
        if self._origin is None:
            self._origin = now
        number = int((now - self._origin) // self.length)
        if number > self._number:
            self._number, self._count = number, 0

    def add(self, now: float) -> None:
        """Count an event at *now*."""
        self.advance(now)
        self._count += 1

    def below_at(self, limit: int) -> float:
        """Return the instant at which the next window begins, for any *limit*."""
        del limit
        return (self._origin or 0.0) + (self._number + 1) * self.length


class LeakyBucket:
    """
    Events that leak out evenly, *limit* of them in *length* seconds: the cell rate algorithm, GCRA.

    Args:
        length: Seconds, above 0.
        limit: As many events as it holds at once.
    """

    def __init__(self, length: float, limit: int) -> None:
        self.length = length
        self._interval = length / limit
        self._empty_at = 0.0
        self._now = 0.0

    def __len__(self) -> int:
        # A partly leaked event still takes its room; the slack is for sums of intervals.
        return max(0, math.ceil((self._empty_at - self._now) / self._interval - 1e-9))

    def advance(self, now: float) -> None:
        """Let events leak out until *now*."""
        self._now = now
        self._empty_at = max(self._empty_at, now)

    def add(self, now: float) -> None:
        """Count an event at *now*."""
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
