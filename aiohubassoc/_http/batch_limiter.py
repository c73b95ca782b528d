"""Makes batch calls wait: they have a limit of their own, which nobody names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiohubassoc._core import headers as _headers
from aiohubassoc._http.clock import Clock, SystemClock
from aiohubassoc._http.limiter import checked_reserve
from aiohubassoc._http.wait_queue import WaitQueue
from aiohubassoc._quota.batch_pacer import BatchPacer
from aiohubassoc._quota.daily_budget import DailyBudget
from aiohubassoc.errors import DailyReserveError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc.options import Quota

_NOTHING: Mapping[str, str] = {}


class BatchLimiter:
    """
    A `Limiter` for batch calls: it begins low, rises while HubSpot refuses none, and falls else.

    HubSpot declares batch calls exempt from the ten-second limit (HubSpot, API usage guidelines),
    so what its answers say of that limit is not believed here; the day's calls count all the same.

    Several clients of the same token keep one pace by sharing one limiter, in one event loop.

    Args:
        quota: Calls in a window, never exceeded. None: begin with 10 in 10 s, and rise by one for
            each window that was too short. Two go at once at first, at most four.
        reserve_daily: As for `WindowLimiter`.
        clock: For tests. None: the running event loop's.

    Raises:
        OptionsError: an argument that cannot work.
    """

    def __init__(
        self,
        quota: Quota | None = None,
        *,
        reserve_daily: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._pace = BatchPacer(quota)
        self._daily = None if reserve_daily is None else DailyBudget(checked_reserve(reserve_daily))
        self._clock = clock or SystemClock()
        self._line = WaitQueue(self._clock, self._wait, self._pace)

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        return self._pace.quota

    @property
    def max_in_flight(self) -> int:
        """How many calls may be on the wire at once now."""
        return self._pace.max_in_flight

    def try_acquire(self) -> bool:
        """Acquire if no waiting is needed: never known for certain here."""
        return False

    async def acquire(self) -> None:
        """
        Return when one call may be sent, in the order of asking.

        Raises:
            DailyReserveError: the calls of the day have come down to what is reserved.
        """
        await self._line.acquire()

    def release_unused(self) -> None:
        """Return the token of a call that was not sent."""
        self._line.release_unused()

    def record_response(
        self,
        sent_at: float,
        answered_at: float,
        *,
        fresh: bool = False,
        taken: bool = True,
        headers: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Let the token come back one window after the call was counted."""
        if self._daily is not None and taken and headers:
            limit, left = _headers.daily_told(headers)
            others = self._pace.in_flight - 1  # its own token is not settled yet
            self._daily.told(answered_at, limit, left, sent_at=sent_at, in_flight=others)
        self._pace.record_response(sent_at, answered_at, fresh=fresh, taken=taken)
        self._line.move()

    def record_throttle(
        self, sent_at: float, retry_after: float | None, *, by_quota: bool = True
    ) -> float:
        """Close for everybody, those in line included; return the seconds until it opens."""
        now = self._clock.now()
        return self._pace.record_throttle(now, sent_at, retry_after=retry_after, by_quota=by_quota)

    def _wait(self, now: float) -> float:
        daily = self._daily
        if daily is not None and not daily.may_go(now, in_flight=self._pace.in_flight):
            if self._pace.in_flight:  # their answers tell
                return math.inf
            raise DailyReserveError(daily.left or 0, daily.reserve_calls or 0)
        return self._pace.wait(now)
