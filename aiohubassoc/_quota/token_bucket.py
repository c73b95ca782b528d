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

# Permits that came back are forgotten this many at a time: each time costs a copy of the rest.
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

        *limit*: how many permits there are; None: the quota's limit.
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

        *counted_at* may be later than *now* for a call without a response. *accepted*: HubSpot is
        known to have accepted it.
        """
        self.in_flight -= 1
        insort(self._counted, counted_at)
        if not accepted:
            insort(self._rejected, counted_at)
        self._advance(now)  # `wait` may not be called for long, while the quota is far away
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
        """Return how many calls HubSpot accepted in the *window* seconds that ended at *moment*."""
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


# How fast the running mean and deviation follow, as TCP's round-trip estimate does (RFC 6298).
_GAIN: Final = 1 / 16
# A call this many deviations slower than the mean says little about when it was counted.
_SLOW_DEVIATIONS: Final = 2.0
# How far beyond the midpoint, in deviations. tests/quota/test_pacer.py has the cases.
_MARGIN_DEVIATIONS: Final = 0.4
# The longest round trip to be expected: this many deviations above the mean (RFC 6298, 2.3), and a
# second more while nothing is known (RFC 6298, 2.1), which goes as fast as the mean is learned.
_LONGEST_DEVIATIONS: Final = 4.0
_UNKNOWN_SECONDS: Final = 1.0


class RoundTrips:
    """When HubSpot counted a call; with *strict* at its response: safe with any network."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._mean: float | None = None
        self._deviation = 0.0
        self._unknown = _UNKNOWN_SECONDS
        self._lean = 0.0

    def counted_at(self, sent_at: float, responded_at: float, *, exact: bool) -> float:
        """
        Return the moment at which a call with a response counts, and learn from it.

        The midpoint of the round trip and a margin for jitter; the response itself for a call that
        was much slower than most, or whose request was sent some time after *sent_at*: not *exact*.
        """
        if not exact:
            return responded_at
        took = responded_at - sent_at
        mean, deviation = self._mean, self._deviation
        self._unknown -= _GAIN * self._unknown
        if mean is None:
            self._mean, self._deviation = took, took / 2
            return responded_at
        off = took - mean
        self._mean = mean + _GAIN * off
        self._deviation = deviation + _GAIN * (abs(off) - deviation)
        if self._strict:
            return responded_at
        after_middle = _MARGIN_DEVIATIONS * deviation
        if off > _SLOW_DEVIATIONS * deviation:
            # Whether the way there or back was slow: the way back took about as long as most do.
            counted_at = responded_at - max(0.0, mean / 2 - deviation)
        else:
            counted_at = min(sent_at + took / 2 + after_middle, responded_at)
        return counted_at + self._lean * (responded_at - counted_at) if self._lean else counted_at

    @property
    def longest(self) -> float:
        """Seconds that nearly every round trip stays below."""
        mean = self._mean or 0.0
        return mean + _LONGEST_DEVIATIONS * self._deviation + self._unknown

    def lean(self, share: float) -> None:
        """Count calls nearer to their response by *share* of the way, from 0 to 1."""
        self._lean = share
