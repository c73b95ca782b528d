"""
The token bucket that is safe for a rolling window, and what else holds calls back.

Time is an argument here, in seconds on any clock that only moves on; it is never read.

A bucket of N tokens that refills evenly lets up to 2N calls into the first window. This one gives
each token back one window after HubSpot counted the call that spent it. That moment lies between
sending and answer; `RoundTrips` estimates it.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# How fast the running mean and deviation follow, as TCP's round-trip estimate does (RFC 6298).
_GAIN = 1 / 16
# A call this many deviations slower than the mean says little about when it was counted.
_SLOW_DEVIATIONS = 2.0
# How far beyond the midpoint, in deviations. In 1,000 simulated runs of 1,800 calls at 190 per
# second, each way 40 ms log-normal with sigma 0.3: none over the quota; without it two were.
_MARGIN_DEVIATIONS = 0.5


class TokenBucket:
    """Tokens for calls: as many as the quota's limit, each back one window after its call."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._in_flight = 0
        self._counted: list[float] = []  # a heap of the moments at which spent tokens were counted

    def wait(self, now: float) -> float:
        """Return the seconds until a token is there: 0 means go, inf that all are in flight."""
        window = self.quota.window
        counted = self._counted
        while counted and counted[0] + window <= now:
            heapq.heappop(counted)
        excess = self._in_flight + len(counted) + 1 - self.quota.limit
        if excess <= 0:
            return 0.0
        if excess > len(counted):
            return math.inf
        # More than one must come back when the limit was lowered.
        due = counted[0] if excess == 1 else heapq.nsmallest(excess, counted)[-1]
        return due + window - now

    def take(self) -> None:
        """Spend a token on a call that is about to be sent."""
        self._in_flight += 1

    def give_back(self) -> None:
        """Return the token of a call that was never sent."""
        self._in_flight -= 1

    def settle(self, counted_at: float) -> None:
        """Let the token of a call come back one window after *counted_at*."""
        self._in_flight -= 1
        heapq.heappush(self._counted, counted_at)

    def copy_for(self, quota: Quota) -> TokenBucket:
        """Return a bucket of another quota that knows of the same calls."""
        bucket = TokenBucket(quota)
        bucket._in_flight = self._in_flight
        bucket._counted = list(self._counted)
        return bucket


class RoundTrips:
    """When HubSpot counted a call, judged by how long calls take."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def counted_at(self, sent_at: float, answered_at: float, *, fresh: bool) -> float:
        """
        Return the moment at which the call counts, and learn from it.

        The midpoint of the round trip and a margin for jitter; the answer itself for a call that
        was much slower than most, or *fresh*: it had to open a connection, which lies before.
        """
        took = answered_at - sent_at
        if fresh:
            return answered_at
        if self._mean is None:
            self._mean, self._deviation = took, took / 2
            return answered_at
        slow = took > self._mean + _SLOW_DEVIATIONS * self._deviation
        middle = sent_at + took / 2 + _MARGIN_DEVIATIONS * self._deviation
        off = took - self._mean
        self._mean += _GAIN * off
        self._deviation += _GAIN * (abs(off) - self._deviation)
        return answered_at if slow else min(middle, answered_at)


class Gate:
    """Closed for everybody after a refusal, until a moment that only ever moves later."""

    def __init__(self) -> None:
        self._opens_at = -math.inf
        self._closed_at = -math.inf
        self._refusals_in_a_row = 0

    def wait(self, now: float) -> float:
        """Return the seconds until it opens; 0 when it is open."""
        return max(0.0, self._opens_at - now)

    def refused(
        self, now: float, sent_at: float, *, retry_after: float | None, window: float
    ) -> float:
        """
        Close after a refusal and return the seconds until it opens.

        It stays closed for *retry_after* seconds where HubSpot named them, and at least for a
        hundredth of *window*, twice as long with each refusal of a call that was sent after the
        one before, up to the whole window.
        """
        # Calls that were on the wire together are refused together: that is one refusal.
        if sent_at > self._closed_at:
            self._refusals_in_a_row += 1
            self._closed_at = now
        doublings = min(self._refusals_in_a_row - 1, 7)  # 2 ** 7 hundredths are over a window
        pause = max(retry_after or 0.0, min(window, window / 100 * 2.0**doublings))
        self._opens_at = max(self._opens_at, now + pause)
        return self.wait(now)

    def accepted(self, sent_at: float) -> None:
        """Begin again with short pauses, if the call was sent after the last refusal."""
        if sent_at > self._closed_at:
            self._refusals_in_a_row = 0
