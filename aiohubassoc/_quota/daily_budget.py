"""How many of the day's calls are left, by HubSpot's reports. Time is an argument, in seconds."""

from __future__ import annotations

import math
from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

# A report is out of date after this long: HubSpot's count restarts each midnight, in the account's
# own time zone.
_STALE_AFTER: Final = 3600.0
# How many responses are remembered: more than come while one call of a thousand is in flight.
_REMEMBERED: Final = 4096


def find_midnight(at: datetime, utc_offset: timedelta) -> datetime:
    """Return when the day of an aware *at* ends for an account of that offset; it is in UTC."""
    here = at.astimezone(timezone(utc_offset))
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return midnight.astimezone(UTC)


class DailyBudget:
    """
    Decides whether another call would use the reserve of the day's calls.

    *reserve*: calls a day as an int, or a share of the daily limit as a float from 0 to 1. A share
    applies once HubSpot has reported that limit.
    """

    def __init__(self, reserve: float) -> None:
        self._reserve = reserve
        self._limit: int | None = None
        self._left: int | None = None
        # By how much that may be too few: calls that were counted in the report may have been taken
        # from it once more, by their responses without a report.
        self._doubt = 0
        self._reported_at = math.inf
        # The times of responses, and of those that did not report what is left.
        self._responded: deque[float] = deque(maxlen=_REMEMBERED)
        self._silent: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def left(self) -> int | None:
        """How many of the day's calls are left at most; None: HubSpot did not report it."""
        return None if self._left is None else max(0, self._left)

    @property
    def reserve_calls(self) -> int | None:
        """How many calls are reserved; None: it is a share, and the daily limit is not known."""
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
            # Responses come in any order: each one since then may belong to a later call.
            silent = _since(self._silent, sent_at)
            left -= silent
            overtaking = _since(self._responded, sent_at) + in_flight
            if (
                self._left is None
                or left < self._left
                or left > self._left + self._doubt + overtaking  # impossible: a new day has begun
            ):
                self._left = left
                self._doubt = silent + in_flight
            self._reported_at = now
        self._responded.append(now)

    def may_go(self, now: float, *, in_flight: int) -> bool:
        """
        Return whether one more call does not use the reserve. Once an hour one call may find out.

        Calls in flight may be counted already or not. They are taken as not counted, so False is
        final only if none is in flight.
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
