"""
Decides when the next batch call may be sent. Time is an argument, in seconds.

HubSpot declares batch calls exempt from the ten-second limit of single calls and publishes no other
limit. So the limit here starts low, rises slowly while no call is throttled, and falls when one is.
The ten-second limit in HubSpot's headers is that of single calls.
"""

from __future__ import annotations

import math
from typing import Final

from aiohubassoc._quota.pacer import Pacer
from aiohubassoc.options import Quota

FIRST_QUOTA: Final = Quota(10)
_FIRST_IN_FLIGHT: Final = 2
# Each batch in flight keeps up to 2,000 pairs in memory.
MOST_IN_FLIGHT: Final = 4
# A limit that was throttled is tried again after this many windows, then after twice as many, and
# so on: 429s stay far below 5 % of responses (HubSpot, API usage guidelines).
_FIRST_PATIENCE: Final = 8
_MOST_PATIENCE: Final = 128


class BatchPacer(Pacer):
    """
    Decides when batch calls may be sent.

    Args:
        given: Upper limit. None: start at 10 in 10 s and rise.
    """

    max_in_flight: int  # how many calls may be in flight

    def __init__(self, given: Quota | None = None) -> None:
        super().__init__(given or FIRST_QUOTA)
        self._given = given
        self.max_in_flight = _FIRST_IN_FLIGHT
        self.limit = self._buckets[0].quota.limit  # how many may be sent in a window now
        self._most = math.inf if given is None else given.limit
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
        return Quota(self.limit, self._buckets[0].quota.window)

    def is_calm(self, now: float) -> bool:  # noqa: ARG002 -- as for single calls
        """Return False: the limit changes."""
        return False

    def count_by(self, moment: float) -> int:  # noqa: ARG002 -- as above
        """Return 0: it is not known."""
        return 0

    def apply_options(self) -> None:
        if self._given is None:
            return
        self.limit = min(self.limit, self._given.limit)
        others = self._buckets[0]
        if others.quota.window != self._given.window:
            self._buckets = (others.copy_for(self._given),)
            self._buckets[0].memory = max(others.memory, self._given.window)

    def wait(self, now: float) -> float:
        self._rise(now)
        if self.in_flight >= min(self.max_in_flight, self._cooldown.max_in_flight):
            self._lacked_flight = True
            return math.inf
        wait = self._buckets[0].wait(now, self.limit)
        if wait > 0:
            self._lacked_permits = True
            if self.limit < self._most:
                wait = min(wait, self._rises_at - now)
        return max(wait, self._cooldown.wait(now))

    def take(self, now: float) -> None:
        if self._rises_at == math.inf:
            self._rises_at = now + self.quota.window
        self._buckets[0].take()
        self._most_in_flight = max(self._most_in_flight, self.in_flight)

    def _record(self, counted_at: float, sent_at: float, now: float, *, accepted: bool) -> None:
        self._buckets[0].record(counted_at, now, accepted=accepted)
        if accepted:
            self._cooldown.record_accepted(sent_at)

    def record_throttle(
        self,
        now: float,
        sent_at: float,
        *,
        retry_after: float | None,
        by_quota: bool,
        by_second: bool = False,
    ) -> float:
        """Pause all calls as for single calls, and lower the limit."""
        window = self.quota.window
        # Calls in flight at a throttle may be throttled too.
        if (by_quota or by_second) and sent_at > self._cut_at:
            own = self._buckets[0].accepted_until((sent_at + now) / 2)
            if self._throttled_limit < math.inf or self._throttled_in_flight < math.inf:
                self._patience = min(self._patience * 2, _MOST_PATIENCE)
            if self._are_too_many_in_flight(own):
                self._throttled_in_flight = self.in_flight
                self._proven_in_flight = self.in_flight - 1
            else:
                if own > 0:
                    self._throttled_limit = min(self.limit, own + 1)
                self._proven_limit = min(self._proven_limit, own)
                self.limit = max(1, self.limit // 2)
            self.max_in_flight = max(1, self.max_in_flight // 2)
            self._cut_at = now
            self._rises_at = now + window
            self._clean_windows = self._most_in_flight = 0
        return self._cooldown.record_throttle(now, sent_at, retry_after=retry_after, window=window)

    def adopt(self, quota: Quota) -> None:
        """No-op: a *quota* that HubSpot names is that of single calls."""

    def _are_too_many_in_flight(self, own: int) -> bool:
        """Return whether calls in flight were too many, as only *own* were accepted in a window."""
        in_flight = self.in_flight
        is_usual = own <= self._proven_limit and in_flight > self._proven_in_flight
        return in_flight > 1 and (is_usual or own < self.limit // 2)

    def _rise(self, now: float) -> None:
        """Allow one more call after each window without a throttle in which calls had to wait."""
        if now < self._rises_at:
            return
        self._rises_at = now + self.quota.window
        self._clean_windows += 1
        self._proven_limit = max(self._proven_limit, self._buckets[0].accepted_until(now))
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
        self._most_in_flight = self.in_flight
