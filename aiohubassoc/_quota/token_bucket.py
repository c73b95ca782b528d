"""
The token bucket that is safe for a rolling window.

Time is an argument here, in seconds on any clock that only moves on; it is never read.

A bucket of N tokens that refills evenly lets up to 2N calls into the first window. This one gives
each token back one window after HubSpot counted the call that spent it. That moment lies between
sending and answer; `RoundTrips` estimates it.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# How fast the running mean and deviation follow, as TCP's round-trip estimate does (RFC 6298).
_GAIN: Final = 1 / 16
# A call this many deviations slower than the mean says little about when it was counted.
_SLOW_DEVIATIONS: Final = 2.0
# How far beyond the midpoint, in deviations. tests/quota/test_pacer.py has what it must stand.
_MARGIN_DEVIATIONS: Final = 0.4
# Tokens that came back are forgotten so many at a time: each time costs a copy of the rest.
_FORGOTTEN_AT_ONCE: Final = 512


class TokenBucket:
    """
    Tokens for calls: as many as the quota's limit, each back one window after its call.

    Attributes:
        quota: The limit and the window.
        in_flight: Tokens that are spent on calls without an answer yet.
    """

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.in_flight = 0
        self._window = quota.window
        # The moments at which spent tokens were counted, sorted; those before `_first` are back.
        self._counted: list[float] = []
        self._first = 0
        self._refused: list[float] = []  # which of them HubSpot did not take, likewise

    def wait(self, now: float, limit: int | None = None) -> float:
        """
        Return the seconds until a token is there: 0 means go, inf that all are in flight.

        Args:
            now: The time.
            limit: How many tokens there are; None: as many as the quota says.
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
        """How many tokens there were at the last `wait`, less those spent since."""
        return self.quota.limit - self.in_flight - len(self._counted) + self._first

    def take(self) -> None:
        """Spend a token on a call that is about to be sent."""
        self.in_flight += 1

    def release_unused(self) -> None:
        """Return the token of a call that was never sent."""
        self.in_flight -= 1

    def record_response(self, counted_at: float, *, taken: bool = True) -> None:
        """Let the token of a call come back one window after *counted_at*; *taken*: by HubSpot."""
        self.in_flight -= 1
        insort(self._counted, counted_at)
        if not taken:
            insort(self._refused, counted_at)
        self._advance(counted_at)  # nobody may ask for long, while the quota is far away
        if self._first > _FORGOTTEN_AT_ONCE and self._first * 2 > len(self._counted):
            self._forget()

    @property
    def remembered(self) -> int:
        """How many calls are remembered: at least those of the last window."""
        return len(self._counted)

    @property
    def remembered_taken(self) -> int:
        """How many of them HubSpot took."""
        return len(self._counted) - len(self._refused)

    def taken_until(self, moment: float) -> int:
        """Return how many calls HubSpot took in the window that ended at *moment*."""
        begin = moment - self._window
        count = bisect_right(self._counted, moment) - bisect_right(self._counted, begin)
        if self._refused:
            count -= bisect_right(self._refused, moment) - bisect_right(self._refused, begin)
        return count

    def copy_for(self, quota: Quota) -> TokenBucket:
        """Return a bucket of another quota that knows of the same calls."""
        bucket = TokenBucket(quota)
        bucket.in_flight = self.in_flight
        bucket._counted = list(self._counted)
        bucket._refused = list(self._refused)
        return bucket

    def _advance(self, now: float) -> None:
        """Pass over the tokens that are back."""
        counted, first, window = self._counted, self._first, self._window
        size = len(counted)
        while first < size and counted[first] + window <= now:
            first += 1
        self._first = first

    def _forget(self) -> None:
        # One window more than the tokens need, for `taken_until` a moment that lies a little back.
        before = self._counted[self._first - 1] - self._window
        gone = bisect_right(self._counted, before)
        del self._counted[:gone]
        self._first -= gone
        del self._refused[: bisect_right(self._refused, before)]


class RoundTrips:
    """
    When HubSpot counted a call, judged by how long calls take.

    Args:
        strict: Whether every call counts at its answer: safe whatever the network does.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._mean: float | None = None
        self._deviation = 0.0
        self._lean = 0.0

    def counted_at(self, sent_at: float, answered_at: float, *, fresh: bool) -> float:
        """
        Return the moment at which the call counts, and learn from it.

        The midpoint of the round trip and a margin for jitter; the answer itself for a call that
        was much slower than most, or *fresh*: it had to open a connection, which lies before.
        """
        if fresh or self._strict:
            return answered_at
        took = answered_at - sent_at
        mean, deviation = self._mean, self._deviation
        if mean is None:
            self._mean, self._deviation = took, took / 2
            return answered_at
        off = took - mean
        self._mean = mean + _GAIN * off
        self._deviation = deviation + _GAIN * (abs(off) - deviation)
        after_middle = _MARGIN_DEVIATIONS * deviation
        if off > _SLOW_DEVIATIONS * deviation:
            # Whichever way was slow: the way back took about as long as most do.
            counted_at = answered_at - max(0.0, mean / 2 - deviation)
        else:
            counted_at = min(sent_at + took / 2 + after_middle, answered_at)
        return counted_at + self._lean * (answered_at - counted_at) if self._lean else counted_at

    def lean(self, share: float) -> None:
        """Count calls nearer to their answer by *share* of the way, from 0 to 1."""
        self._lean = share
