"""
Decides when the next batch call may be sent. Time is an argument, in seconds.

HubSpot declares batch calls exempt from the ten-second limit of single calls and publishes no other
limit. So the limit here starts low, rises slowly while no call is throttled, and falls when one is.
The ten-second limit in HubSpot's headers is that of single calls.
"""

from __future__ import annotations

import math
from typing import Final

from aiohubassoc._quota.pacer import Cooldown
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket
from aiohubassoc.options import Quota

FIRST_QUOTA: Final = Quota(10)
_FIRST_IN_FLIGHT: Final = 2
# Each batch in flight keeps up to 2,000 pairs in memory.
MOST_IN_FLIGHT: Final = 4
# A limit that was throttled is tried again after this many windows, then after twice as many, and
# so on: 429s stay far below 5 % of responses (HubSpot, API usage guidelines).
_FIRST_PATIENCE: Final = 8
_MOST_PATIENCE: Final = 128


class BatchPacer:
    """
    Decides when batch calls may be sent. It has the methods of `Pacer`.

    Args:
        given: Upper limit. None: start at 10 in 10 s and rise.

    Attributes:
        max_in_flight: How many calls may be in flight.
        limit: How many may be sent in a window now.
    """

    adopts_remaining_until = -math.inf
    has_ample_room = False
    room = 0

    def __init__(self, given: Quota | None = None) -> None:
        quota = given or FIRST_QUOTA
        self._given = given
        self.max_in_flight = _FIRST_IN_FLIGHT
        self.limit = quota.limit
        self._most = math.inf if given is None else given.limit
        self._window = quota.window
        self._bucket = TokenBucket(quota)
        self._round_trips = RoundTrips()
        self._cooldown = Cooldown()
        # Why calls had to wait since the last rise.
        self._lacked_permits = self._lacked_flight = False
        self._rises_at = math.inf  # from the first call on
        self._throttled_limit = math.inf
        self._throttled_in_flight = math.inf
        # What was reached without a throttle: calls in a window, and calls in flight.
        self._proven_limit = self._proven_in_flight = 0
        # Since the last rise: the most calls in flight, and how many windows had no throttle.
        self._most_in_flight = self._clean_windows = 0
        self._patience = _FIRST_PATIENCE
        self._cut_at = -math.inf

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        return Quota(self.limit, self._window)

    @property
    def in_flight(self) -> int:
        """How many calls have a permit and have not ended."""
        return self._bucket.in_flight

    def is_calm(self, _now: float) -> bool:
        """As `Pacer.is_calm`: never, because the limit changes."""
        return False

    def count_by(self, _moment: float) -> int:
        """As `Pacer.count_by`: 0, because it is not known."""
        return 0

    def set_aside(self, count: int) -> None:
        """As `Pacer.set_aside`."""
        self._bucket.in_flight += count

    def apply_options(self) -> None:
        """As `Pacer.apply_options`."""
        if self._given is None:
            return
        self.limit = min(self.limit, self._given.limit)
        if self._window != self._given.window:
            self._window = self._given.window
            self._bucket = self._bucket.copy_for(self._given)

    def wait(self, now: float) -> float:
        """Return the seconds until a call may be sent; inf: not before another call ends."""
        self._rise(now)
        if self._bucket.in_flight >= min(self.max_in_flight, self._cooldown.max_in_flight):
            self._lacked_flight = True
            return math.inf
        wait = self._bucket.wait(now, self.limit)
        if wait > 0:
            self._lacked_permits = True
            if self.limit < self._most:
                wait = min(wait, self._rises_at - now)
        return max(wait, self._cooldown.wait(now))

    def try_take(self) -> bool:
        """As `Pacer.try_take`: never, because the limit changes."""
        return False

    def take(self, now: float) -> None:
        """Take a permit for a call that is sent now."""
        if self._rises_at == math.inf:
            self._rises_at = now + self._window
        self._bucket.take()
        self._most_in_flight = max(self._most_in_flight, self._bucket.in_flight)

    def release_unused(self) -> None:
        """Free the permit of a call that was not sent, at once."""
        self._bucket.release_unused()

    def record_response(
        self, sent_at: float, responded_at: float, *, exact: bool, accepted: bool
    ) -> None:
        """As `Pacer.record_response`."""
        counted_at = self._round_trips.counted_at(sent_at, responded_at, exact=exact)
        self._bucket.record(counted_at, responded_at, accepted=accepted)
        if accepted:
            self._cooldown.record_accepted(sent_at)

    def record_no_response(self, _sent_at: float, now: float) -> None:
        """As `Pacer.record_no_response`."""
        self._bucket.record(now + self._round_trips.longest, now, accepted=False)

    def record_throttle(
        self,
        now: float,
        sent_at: float,
        *,
        retry_after: float | None,
        by_quota: bool,
        by_second: bool = False,
    ) -> float:
        """As `Pacer.record_throttle`: pause all calls, and lower the limit."""
        # Calls in flight at a throttle may be throttled too.
        if (by_quota or by_second) and sent_at > self._cut_at:
            own = self._bucket.accepted_until((sent_at + now) / 2)
            if self._throttled_limit < math.inf or self._throttled_in_flight < math.inf:
                self._patience = min(self._patience * 2, _MOST_PATIENCE)
            if self._are_too_many_in_flight(own):
                self._throttled_in_flight = self._bucket.in_flight
                self._proven_in_flight = self._bucket.in_flight - 1
            else:
                if own > 0:
                    self._throttled_limit = min(self.limit, own + 1)
                self._proven_limit = min(self._proven_limit, own)
                self.limit = max(1, self.limit // 2)
            self.max_in_flight = max(1, self.max_in_flight // 2)
            self._cut_at = now
            self._rises_at = now + self._window
            self._clean_windows = self._most_in_flight = 0
        return self._cooldown.record_throttle(
            now, sent_at, retry_after=retry_after, window=self._window
        )

    def adopt(self, quota: Quota) -> None:
        """No-op: a *quota* that HubSpot names is that of single calls."""

    def adopt_remaining(self, now: float, limit: int, remaining: int) -> None:
        """No-op, as `adopt`."""

    def _are_too_many_in_flight(self, own: int) -> bool:
        """Return whether calls in flight were too many, as only *own* were accepted in a window."""
        in_flight = self._bucket.in_flight
        is_usual = own <= self._proven_limit and in_flight > self._proven_in_flight
        return in_flight > 1 and (is_usual or own < self.limit // 2)

    def _rise(self, now: float) -> None:
        """Allow one more call after each window without a throttle in which calls had to wait."""
        if now < self._rises_at:
            return
        self._rises_at = now + self._window
        self._clean_windows += 1
        self._proven_limit = max(self._proven_limit, self._bucket.accepted_until(now))
        self._proven_in_flight = max(self._proven_in_flight, self._most_in_flight)
        is_patient = self._clean_windows >= self._patience
        if self._lacked_permits and self.limit < self._most:
            if self.limit + 1 < self._throttled_limit:
                self.limit += 1
            elif is_patient:
                self.limit += 1
                self._throttled_limit = self.limit + 1
                self._clean_windows = 0
        if self._lacked_flight and self.max_in_flight < MOST_IN_FLIGHT:
            if self.max_in_flight + 1 < self._throttled_in_flight:
                self.max_in_flight += 1
            elif is_patient:
                self.max_in_flight += 1
                self._throttled_in_flight = self.max_in_flight + 1
                self._clean_windows = 0
        self._lacked_permits = self._lacked_flight = False
        self._most_in_flight = self._bucket.in_flight
