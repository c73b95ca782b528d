"""
When batch calls may go. Time is an argument, in seconds.

HubSpot declares them exempt from the ten-second limit of single calls and names no other, so the
pace begins low, rises slowly while nothing is refused, and falls when something is. What HubSpot's
headers say of ten seconds is about single calls.
"""

from __future__ import annotations

import math
from typing import Final

from aiohubassoc._quota.cooldown import Cooldown
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket
from aiohubassoc.options import Quota

FIRST_QUOTA: Final = Quota(10)
_FIRST_IN_FLIGHT: Final = 2
# Each holds up to 2,000 pairs in memory until its outcomes are taken.
MOST_IN_FLIGHT: Final = 4
# A level that was refused is tried again after so many windows, then twice as many, and so on: the
# refusals are to stay far below HubSpot's 5 % of errors.
_FIRST_PATIENCE: Final = 8
_MOST_PATIENCE: Final = 128


class BatchPacer:
    """
    When batch calls may go.

    Args:
        given: The quota that is never exceeded. None: begin with 10 in 10 s and rise.

    Attributes:
        max_in_flight: How many calls may be on the wire at once.
        limit: How many may go in a window now.
    """

    def __init__(self, given: Quota | None = None) -> None:
        quota = given or FIRST_QUOTA
        self.max_in_flight = _FIRST_IN_FLIGHT
        self.limit = quota.limit
        self._most = math.inf if given is None else given.limit
        self._window = quota.window
        self._bucket = TokenBucket(quota)
        self._round_trips = RoundTrips()
        self._gate = Cooldown()
        # What held a call up since the last rise.
        self._lacked_tokens = self._lacked_wire = False
        self._rises_at = math.inf  # from the first call on
        self._refused_limit = math.inf
        self._refused_in_flight = math.inf
        # What went well: as many in a window, and as many at once.
        self._proven_limit = self._proven_in_flight = 0
        self._most_in_flight = 0  # since the last rise
        self._patience = _FIRST_PATIENCE
        self._clean_windows = 0
        self._cut_at = -math.inf

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        return Quota(self.limit, self._window)

    @property
    def in_flight(self) -> int:
        """How many calls were let go and are not settled."""
        return self._bucket.in_flight

    def wait(self, now: float) -> float:
        """Return the seconds until a call may go: 0 means now, inf not before there is news."""
        self._rise(now)
        if self._bucket.in_flight >= min(self.max_in_flight, self._gate.max_in_flight):
            self._lacked_wire = True
            return math.inf
        wait = self._bucket.wait(now, self.limit)
        if wait > 0:
            self._lacked_tokens = True
            if self.limit < self._most:
                wait = min(wait, self._rises_at - now)
        return max(wait, self._gate.wait(now))

    def take(self, now: float) -> None:
        """Let a call go."""
        if self._rises_at == math.inf:
            self._rises_at = now + self._window
        self._bucket.take()
        self._most_in_flight = max(self._most_in_flight, self._bucket.in_flight)

    def release_unused(self) -> None:
        """Say that a call was not sent."""
        self._bucket.release_unused()

    def record_response(
        self, sent_at: float, answered_at: float, *, fresh: bool, taken: bool
    ) -> None:
        """Let the token of a call come back one window after it was counted."""
        counted_at = self._round_trips.counted_at(sent_at, answered_at, fresh=fresh)
        self._bucket.record_response(counted_at, taken=taken)
        if taken:
            self._gate.accepted(sent_at)

    def record_throttle(
        self, now: float, sent_at: float, *, retry_after: float | None, by_quota: bool
    ) -> float:
        """
        Hold everybody back after a refusal of a call that is not settled yet, and go slower.

        The arguments and what is returned are those of `Pacer.record_throttle`.
        """
        if by_quota and sent_at > self._cut_at:  # those on the wire together are one refusal
            own = self._bucket.taken_until((sent_at + now) / 2)
            if self._refused_limit < math.inf or self._refused_in_flight < math.inf:
                self._patience = min(self._patience * 2, _MOST_PATIENCE)
            if self._are_too_many_at_once(own):
                self._refused_in_flight = self._bucket.in_flight
                self._proven_in_flight = self._bucket.in_flight - 1
            else:
                if own > 0:
                    self._refused_limit = min(self.limit, own + 1)
                self._proven_limit = min(self._proven_limit, own)
                self.limit = max(1, self.limit // 2)
            self.max_in_flight = max(1, self.max_in_flight // 2)
            self._cut_at = now
            self._rises_at = now + self._window
            self._clean_windows = self._most_in_flight = 0
        return self._gate.record_throttle(
            now, sent_at, retry_after=retry_after, window=self._window
        )

    def _are_too_many_at_once(self, own: int) -> bool:
        """Return whether it is not the window that refuses, in which *own* calls were taken."""
        at_once = self._bucket.in_flight
        is_usual = own <= self._proven_limit and at_once > self._proven_in_flight
        return at_once > 1 and (is_usual or own < self.limit // 2)

    def _rise(self, now: float) -> None:
        """Allow one more for each window without a refusal in which that was wanted."""
        if now < self._rises_at:
            return
        self._rises_at = now + self._window
        self._clean_windows += 1
        self._proven_limit = max(self._proven_limit, self._bucket.taken_until(now))
        self._proven_in_flight = max(self._proven_in_flight, self._most_in_flight)
        is_patient = self._clean_windows >= self._patience
        if self._lacked_tokens and self.limit < self._most:
            if self.limit + 1 < self._refused_limit:
                self.limit += 1
            elif is_patient:
                self.limit += 1
                self._refused_limit = self.limit + 1
                self._clean_windows = 0
        if self._lacked_wire and self.max_in_flight < MOST_IN_FLIGHT:
            if self.max_in_flight + 1 < self._refused_in_flight:
                self.max_in_flight += 1
            elif is_patient:
                self.max_in_flight += 1
                self._refused_in_flight = self.max_in_flight + 1
                self._clean_windows = 0
        self._lacked_tokens = self._lacked_wire = False
        self._most_in_flight = self._bucket.in_flight
