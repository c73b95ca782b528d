"""Fixed windows and leaky buckets: other ways in which a server may keep a limit."""

from __future__ import annotations

import math


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
        """Return the instant at which the next window begins, whatever the *limit*."""
        del limit
        return (self._origin or 0.0) + (self._number + 1) * self.length


class LeakyBucket:
    """
    Events that leak out evenly, *limit* of them in *length* seconds: the cell rate algorithm, GCRA.

    Args:
        length: Seconds, above 0.
        limit: As many events at once as it holds.
    """

    def __init__(self, length: float, limit: int) -> None:
        self.length = length
        self._interval = length / limit
        self._empty_at = -math.inf
        self._now = -math.inf

    def __len__(self) -> int:
        # Of a partly leaked event there is no room yet; the slack is for sums of intervals.
        return max(0, math.ceil((self._empty_at - self._now) / self._interval - 1e-9))

    def advance(self, now: float) -> None:
        """Let leak out what does until *now*."""
        self._now = now
        self._empty_at = max(self._empty_at, now)

    def add(self, now: float) -> None:
        """Count an event at *now*."""
        self.advance(now)
        self._empty_at += self._interval

    def below_at(self, limit: int) -> float:
        """Return the instant from which fewer than *limit* events are left."""
        return self._empty_at - (limit - 1) * self._interval
