"""What is left of the calls of a day, as HubSpot reports it. Time is an argument, in seconds."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

# A report is out of date after this long: HubSpot's count restarts each midnight, in the account's
# own time zone.
_STALE_AFTER: Final = 3600.0
# Responses: more than can overtake one call, with a thousand in flight.
_REMEMBERED: Final = 4096


class DailyBudget:
    """
    When the calls left of the day are down to the reserve.

    *reserve*: calls a day as an int; or a share of the daily limit from 0 to 1 as a float, which
    applies once HubSpot reported that limit.
    """

    def __init__(self, reserve: float) -> None:
        self._reserve = reserve
        self._limit: int | None = None
        self._left: int | None = None
        self._reported_at = -math.inf
        # When responses came, and which of them did not say what is left.
        self._responded: deque[float] = deque(maxlen=_REMEMBERED)
        self._silent: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def left(self) -> int | None:
        """How many calls of the day are left at most; None: HubSpot did not say."""
        return self._left

    @property
    def reserve_calls(self) -> int | None:
        """How many calls are reserved; None: a share of a limit that is not known."""
        if isinstance(self._reserve, int):
            return self._reserve
        return None if self._limit is None else math.ceil(self._reserve * self._limit)

    def record_response(
        self, now: float, limit: int | None, left: int | None, *, sent_at: float, in_flight: int
    ) -> None:
        """
        Learn from the response to a call that HubSpot accepted.

        *limit*: calls a day; *left*: what was left of them when HubSpot counted the call; None
        where the response did not have it. *in_flight*: other calls without a response.
        """
        if limit is not None:
            self._limit = limit
        if left is None:
            self._silent.append(now)
            if self._left is not None:
                self._left -= 1
        else:
            # Responses overtake one another: any of those meanwhile may be of a later call.
            left -= _since(self._silent, sent_at)
            overtaking = _since(self._responded, sent_at) + in_flight
            if self._left is None or left < self._left or left > self._left + overtaking:
                self._left = left  # more than can be is a new day
            self._reported_at = now
        self._responded.append(now)

    def may_go(self, now: float, *, in_flight: int) -> bool:
        """
        Return whether one more call leaves the reserve alone; one an hour may find out.

        Calls in flight may be counted already or not. They are taken as not counted, so False is
        final only when there are none.
        """
        reserve = self.reserve_calls
        if self._left is None or reserve is None or self._left - in_flight > reserve:
            return True
        if now - self._reported_at >= _STALE_AFTER:
            self._reported_at = now
            return True
        return False


def _since(moments: deque[float], begin: float) -> int:
    """Return how many of *moments*, which are in order, are not before *begin*."""
    count = 0
    for moment in reversed(moments):
        if moment < begin:
            break
        count += 1
    return count
