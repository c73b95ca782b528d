"""
The token bucket that is safe for a rolling window.

Time is an argument here, in seconds of a clock that never goes back; no clock is read.

A bucket of N permits that refills evenly lets up to 2N calls into the first window. Here each
permit is free again one window after HubSpot counted its call. HubSpot counts a call at some moment
between sending and response; `RoundTrips` estimates it.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# Old calls are forgotten this many at a time, because each time the others are copied.
_FORGOTTEN_AT_ONCE: Final = 512


class TokenBucket:
    """Permits for calls: as many as the quota's limit. Each is free one window after its call."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota  # the limit and the window
        self.in_flight = 0  # permits of calls that have not ended
        self._window = quota.window
        # How many seconds calls are remembered after their permits were free again.
        self.memory = quota.window
        # The times at which calls were counted, sorted. The permits of those before `_first` are
        # free again. A call without a response may be counted a little later than now.
        self._counted: list[float] = []
        self._first = 0
        self._rejected: list[float] = []  # those that HubSpot is not known to have accepted, sorted
        self._throttled: list[float] = []  # of these, those that it throttled

    def wait(self, now: float, limit: int | None = None, window: float | None = None) -> float:
        """
        Return the seconds until a permit is free; 0: now; inf: calls in flight hold all of them.

        *limit*: how many permits there are; None: the quota's limit. *window*: the seconds after
        which they are free again; None: the quota's. It may be longer by `memory` at most.
        """
        counted = self._counted
        if window is None:
            self._advance(now)
            first, window = self._first, self._window
        else:
            length = window
            first = bisect_right(counted, now, key=lambda moment: moment + length)
        size = len(counted)
        excess = self.in_flight + size - first + 1 - (self.quota.limit if limit is None else limit)
        if excess <= 0:
            return 0.0
        if excess > size - first:
            return math.inf
        # After the limit was lowered, more than one has to be free again.
        return counted[first + excess - 1] + window - now

    @property
    def room(self) -> int:
        """How many permits were free at the last `wait`, less those taken since."""
        return self.quota.limit - self.in_flight - len(self._counted) + self._first

    def count_by(self, moment: float) -> int:
        """Return how many permits are free at a future *moment*, if none is taken before."""
        back = bisect_right(self._counted, moment - self._window, self._first)
        return self.quota.limit - self.in_flight - len(self._counted) + back

    def take(self) -> None:
        """Take a permit for a call that is about to be sent."""
        self.in_flight += 1

    def release_unused(self) -> None:
        """Free the permit of a call that was not sent, at once."""
        self.in_flight -= 1

    def record(self, counted_at: float, now: float, *, accepted: bool = True) -> None:
        """
        Record that a call ended. Its permit is free one window after *counted_at*.

        *counted_at* may be later than *now* for a call without a response. *accepted*: HubSpot is
        known to have accepted the call.
        """
        self.in_flight -= 1
        insort(self._counted, counted_at)
        if not accepted:
            insort(self._rejected, counted_at)
        self._advance(now)  # `wait` is not called while many permits are free
        # Kept longer than for the permits: `accepted_until` may ask for a past moment.
        before = now - self._window - self.memory
        if len(self._counted) > _FORGOTTEN_AT_ONCE and self._counted[_FORGOTTEN_AT_ONCE] <= before:
            self._forget(before)

    def note_throttled(self, counted_at: float) -> None:
        """Note that HubSpot throttled a call that was recorded as not accepted."""
        insort(self._throttled, counted_at)

    @property
    def remembered(self) -> int:
        """How many calls are remembered: at least those of the last window."""
        return len(self._counted)

    @property
    def remembered_accepted(self) -> int:
        """How many of the remembered calls HubSpot accepted."""
        return len(self._counted) - len(self._rejected)

    def accepted_until(self, moment: float, window: float | None = None) -> int:
        """Return how many calls HubSpot accepted in the *window* seconds that ended at *moment*."""
        begin = moment - (self._window if window is None else window)
        count = bisect_right(self._counted, moment) - bisect_right(self._counted, begin)
        if self._rejected:
            count -= bisect_right(self._rejected, moment) - bisect_right(self._rejected, begin)
        return count

    def throttled_since(self, begin: float) -> int:
        """Return how many calls HubSpot throttled after a moment."""
        return len(self._throttled) - bisect_right(self._throttled, begin)

    def seconds_of(self, count: int, moment: float) -> float:
        """Return in how many seconds until *moment* HubSpot accepted *count* calls; inf: fewer."""
        rejected = Counter(self._rejected)
        for counted_at in reversed(self._counted[: bisect_right(self._counted, moment)]):
            if rejected[counted_at]:
                rejected[counted_at] -= 1
                continue
            count -= 1
            if count <= 0:
                return moment - counted_at
        return math.inf

    def copy_for(self, quota: Quota) -> TokenBucket:
        """Return a bucket for *quota* with the same calls."""
        bucket = TokenBucket(quota)
        bucket.in_flight = self.in_flight
        bucket._counted = list(self._counted)
        bucket._rejected = list(self._rejected)
        bucket._throttled = list(self._throttled)
        return bucket

    def _advance(self, now: float) -> None:
        """Count the permits as free that are free again at *now*."""
        counted, first, window = self._counted, self._first, self._window
        size = len(counted)
        while first < size and counted[first] + window <= now:
            first += 1
        self._first = first

    def _forget(self, before: float) -> None:
        gone = bisect_right(self._counted, before)
        del self._counted[:gone]
        self._first -= gone
        for some in (self._rejected, self._throttled):
            del some[: bisect_right(some, before)]


# How fast the running mean and deviation follow, as TCP's round-trip estimate does (RFC 6298).
_GAIN: Final = 1 / 16
# If a call is slower than the mean by this many deviations, it is unclear when it was counted.
_SLOW_DEVIATIONS: Final = 2.0
# The margin beyond the midpoint, in deviations. tests/quota/test_pacer.py has the cases.
_MARGIN_DEVIATIONS: Final = 0.4
# The longest round trip to expect: this many deviations above the mean (RFC 6298, 2.3), and at
# first one second more (RFC 6298, 2.1). That second shrinks with each round trip.
_LONGEST_DEVIATIONS: Final = 4.0
_UNKNOWN_SECONDS: Final = 1.0


class RoundTrips:
    """
    Estimates when HubSpot counted a call.

    With *strict* it is the time of the response, which is never too early.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._mean: float | None = None
        self._deviation = 0.0
        self._unknown = _UNKNOWN_SECONDS
        self._lean = 0.0

    def counted_at(self, sent_at: float, responded_at: float, *, exact: bool) -> float:
        """
        Return when a call with a response was counted, and learn from its round trip.

        It is the middle of the round trip plus a margin for jitter. For a call much slower than
        most it is half a mean round trip before the response. If the request was sent at an unknown
        time after *sent_at* (not *exact*), it is the time of the response.
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
            # It is not known which way was slow. The way back took at least about its usual time.
            counted_at = responded_at - max(0.0, mean / 2 - deviation)
        else:
            counted_at = min(sent_at + took / 2 + after_middle, responded_at)
        return counted_at + self._lean * (responded_at - counted_at) if self._lean else counted_at

    @property
    def longest(self) -> float:
        """The seconds that nearly no round trip exceeds."""
        mean = self._mean or 0.0
        return mean + _LONGEST_DEVIATIONS * self._deviation + self._unknown

    def count_later(self, share: float) -> None:
        """Count calls later: by this *share*, 0 to 1, of the time that is left to the response."""
        self._lean = share
