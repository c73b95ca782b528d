"""Events counted in a window that moves with time."""

from __future__ import annotations

from collections import deque


class RollingWindow:
    """
    The events of the last *length* seconds: those in (now - length, now].

    Instants must never go back. `peak` is exact: the most events that any such window has held.

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
        """Return the instant from which fewer than *limit* of today's events are left."""
        excess = len(self._instants) - limit
        return self._instants[excess] + self.length if excess >= 0 else -float("inf")
