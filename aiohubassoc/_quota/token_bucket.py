"""
The token bucket that is safe for a rolling window.

Time is an argument here, in seconds on any clock that only moves on; it is never read.

A bucket of N permits that refills evenly lets up to 2N calls into the first window. This one gives
each permit back one window after HubSpot counted the call that used it. That moment lies between
sending and response; `RoundTrips` estimates it.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# Permits that came back are forgotten so many at a time: each time costs a copy of the rest.
_FORGOTTEN_AT_ONCE: Final = 512


class TokenBucket:
    """
    Permits for calls: as many as the quota's limit, each back one window after its call.

    Attributes:
        quota: The limit and the window.
        in_flight: Permits of calls that have not ended.
        memory: For how many seconds calls are remembered after their permits came back.
    """

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.in_flight = 0
        self._window = quota.window
        self.memory = quota.window
        # The moments at which calls were counted, sorted; the permits of those before `_first` are
        # back. A call without a response may be counted a little later than now.
        self._counted: list[float] = []
        self._first = 0
        self._rejected: list[float] = []  # which of them HubSpot did not accept, sorted too

    def wait(self, now: float, limit: int | None = None) -> float:
        """
        Return the seconds until a permit is there: 0 means go, inf that all are in flight.

        Args:
            now: The time.
            limit: How many permits there are; None: as many as the quota says.
        """
        self._advance(now)
        counted, first, window = self._counted, self._first, self._window
        size = len(counted)
        excess = self.in_flight + size - first + 1 - (self.quota.limit if limit is None else limit)
        if excess <= 0:
            return 0.0
        if excess > size - first:
            return math.inf
        # More than one must come back when the limit was lowered.
        return counted[first + excess - 1] + window - now

    @property
    def room(self) -> int:
        """How many permits there were at the last `wait`, less those taken since."""
        return self.quota.limit - self.in_flight - len(self._counted) + self._first

    def count_by(self, moment: float) -> int:
        """Return how many permits are there at a *moment* to come, if none is taken before."""
        back = bisect_right(self._counted, moment - self._window, self._first)
        return self.quota.limit - self.in_flight - len(self._counted) + back

    def take(self) -> None:
        """Take a permit for a call that is about to be sent."""
        self.in_flight += 1

    def release_unused(self) -> None:
        """Return the permit of a call that was never sent."""
        self.in_flight -= 1

    def record(self, counted_at: float, now: float, *, accepted: bool = True) -> None:
        """
        Let the permit of a call that ended come back one window after the call was counted.

        Args:
            counted_at: When HubSpot counted it, later than *now* for a call without a response.
            now: The time.
            accepted: Whether HubSpot is known to have accepted it.
        """
        self.in_flight -= 1
        insort(self._counted, counted_at)
        if not accepted:
            insort(self._rejected, counted_at)
        self._advance(now)  # nobody may ask for long, while the quota is far away
        if self._first > _FORGOTTEN_AT_ONCE and self._first * 2 > len(self._counted):
            self._forget()

    @property
    def remembered(self) -> int:
        """How many calls are remembered: at least those of the last window."""
        return len(self._counted)

    @property
    def remembered_accepted(self) -> int:
        """How many of them HubSpot accepted."""
        return len(self._counted) - len(self._rejected)

    def accepted_until(self, moment: float, window: float | None = None) -> int:
        """
        Return how many calls HubSpot accepted in the seconds that ended at *moment*.

        Args:
            moment: Now, or a moment that lies a little back.
            window: The seconds, no more than are remembered; None: the quota's window.
        """
        begin = moment - (self._window if window is None else window)
        count = bisect_right(self._counted, moment) - bisect_right(self._counted, begin)
        if self._rejected:
            count -= bisect_right(self._rejected, moment) - bisect_right(self._rejected, begin)
        return count

    def copy_for(self, quota: Quota, *, remember: float = 0.0) -> TokenBucket:
        """Return a bucket of another *quota* that knows of the same calls, and for how long."""
        bucket = TokenBucket(quota)
        bucket.in_flight = self.in_flight
        bucket.memory = max(quota.window, remember)
        bucket._counted = list(self._counted)
        bucket._rejected = list(self._rejected)
        return bucket

    def _advance(self, now: float) -> None:
        """Pass over the permits that are back."""
        counted, first, window = self._counted, self._first, self._window
        size = len(counted)
        while first < size and counted[first] + window <= now:
            first += 1
        self._first = first

    def _forget(self) -> None:
        # Longer than the permits need, for `accepted_until` a moment that lies a little back.
        before = self._counted[self._first - 1] - self.memory
        gone = bisect_right(self._counted, before)
        del self._counted[:gone]
        self._first -= gone
        del self._rejected[: bisect_right(self._rejected, before)]
