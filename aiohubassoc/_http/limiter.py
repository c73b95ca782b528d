"""Makes callers wait for the quota, first come first served."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from aiohubassoc._core import headers as _headers
from aiohubassoc._http.clock import Clock, SystemClock
from aiohubassoc._http.wait_queue import WaitQueue
from aiohubassoc._quota.daily_budget import DailyBudget
from aiohubassoc._quota.pacer import Pacer
from aiohubassoc.errors import DailyReserveError, OptionsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc.options import Quota

_NOTHING: Mapping[str, str] = {}
# While the quota is far away so many calls are settled together: one by one costs three times that.
_TOGETHER = 64


class Limiter(Protocol):
    """
    What lets calls go, so that their number stays within the quota.

    Every `acquire` that returns is followed by one `record_response` or `release_unused`; a
    refusal is told with `record_throttle` before its `record_response`. Instants are those of the
    event loop's clock, in seconds.
    """

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        ...

    def try_acquire(self) -> bool:
        """Acquire if no waiting is needed, and return whether it was so; False may be a guess."""
        ...

    async def acquire(self) -> None:
        """
        Return when one call may be sent. Cancelled, it costs nothing.

        Raises:
            DailyReserveError: no call may be sent any more today.
        """
        ...

    def release_unused(self) -> None:
        """Say that the call was not sent."""
        ...

    def record_response(
        self,
        sent_at: float,
        answered_at: float,
        *,
        fresh: bool = False,
        taken: bool = True,
        headers: Mapping[str, str] = _NOTHING,
    ) -> None:
        """
        Say that the call is over.

        Args:
            sent_at: When it was sent.
            answered_at: When it was answered or given up.
            fresh: Whether it had to open a connection first.
            taken: Whether HubSpot took it: not refused by a limit, nor left without an answer.
            headers: Of the answer, ignoring case: what HubSpot says of its limits.
        """
        ...

    def record_throttle(
        self, sent_at: float, retry_after: float | None, *, by_quota: bool = True
    ) -> float:
        """
        Hold everybody back, as HubSpot took no call.

        Args:
            sent_at: When the refused call was sent.
            retry_after: Seconds that HubSpot asks for; None where it did not say.
            by_quota: Whether the reason was the quota.

        Returns:
            Seconds until calls may go again.
        """
        ...


class WindowLimiter:
    """
    A `Limiter` that never lets more calls into any window than the quota holds.

    Where others use the same quota, or it is lower than given, it finds out how much is there, and
    tries for more from time to time.

    Several clients of the same token keep one quota by sharing one limiter, in one event loop.

    Args:
        quota: Calls in a window. It is never exceeded; what HubSpot names in its answers can only
            lower it. None: begin with 100 in 10 s and take what HubSpot names.
        share: The part of the quota, given or named, that is ours: above 0 and up to 1.
        reserve_daily: What is left for others of the calls of a day, where HubSpot says how many
            are left: a number of calls (int), or a share of the day's limit (float from 0 to 1).
            None: nothing.
        strict: Whether a call counts at its answer: never a call too many whatever the network
            does, for half a round trip more a window.
        clock: For tests. None: the running event loop's.

    Raises:
        OptionsError: an argument that cannot work.
    """

    def __init__(
        self,
        quota: Quota | None = None,
        *,
        share: float = 1.0,
        reserve_daily: float | None = None,
        strict: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._pace = Pacer(quota, share=_checked_share(share), strict=strict)
        self._daily = None if reserve_daily is None else DailyBudget(checked_reserve(reserve_daily))
        self._clock = clock or SystemClock()
        self._unsettled: list[tuple[float, float, bool]] = []
        self._last_headers = _NOTHING
        # What the last answer said of the quota, as it stood there and as it was understood.
        self._quota_texts: tuple[str | None, str | None] = (None, None)
        self._told: Quota | None = None
        self._line = WaitQueue(self._clock, self._wait, self._pace)

    @property
    def quota(self) -> Quota:
        """The quota that is kept now; of two, the slower."""
        return self._pace.quota

    def try_acquire(self) -> bool:
        """Acquire if there is room beyond doubt and nobody waits."""
        return self._line.is_empty and self._daily is None and self._pace.try_take()

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
        if taken and self._pace.has_ample_room and self._daily is None and self._line.is_empty:
            self._unsettled.append((sent_at, answered_at, fresh))
            self._last_headers = headers or self._last_headers
            if len(self._unsettled) >= _TOGETHER:
                self._catch_up()
            return
        self._catch_up()
        if headers:
            self._listen(sent_at, answered_at, headers, taken=taken)
        self._pace.record_response(sent_at, answered_at, fresh=fresh, taken=taken)
        self._line.move()

    def record_throttle(
        self, sent_at: float, retry_after: float | None, *, by_quota: bool = True
    ) -> float:
        """Close for everybody, those in line included; return the seconds until it opens."""
        self._catch_up()
        now = self._clock.now()
        return self._pace.record_throttle(now, sent_at, retry_after=retry_after, by_quota=by_quota)

    def _catch_up(self) -> None:
        """Settle the calls whose settling could wait: until then their tokens count as spent."""
        if self._unsettled:
            unsettled, self._unsettled = self._unsettled, []
            for sent_at, answered_at, fresh in unsettled:
                self._pace.record_response(sent_at, answered_at, fresh=fresh, taken=True)
            # Of answers that came together the last one knows best.
            self._listen(sent_at, answered_at, self._last_headers, taken=True)

    def _listen(
        self, sent_at: float, now: float, headers: Mapping[str, str], *, taken: bool
    ) -> None:
        """Take note of what HubSpot says of its limits."""
        pace = self._pace
        texts = _headers.quota_texts(headers)
        if texts != self._quota_texts:
            self._quota_texts, self._told = texts, _headers.quota_told(*texts)
            if self._told is not None:
                pace.told(self._told)
        if self._told is not None and now < pace.adopts_remaining_until:
            left = _headers.remaining_told(headers)
            if left is not None:
                pace.told_remaining(now, self._told.limit, left)
        if self._daily is not None and taken:
            limit, left = _headers.daily_told(headers)
            others = pace.in_flight - 1  # its own token is not settled yet
            self._daily.told(now, limit, left, sent_at=sent_at, in_flight=others)

    def _wait(self, now: float) -> float:
        """
        Return the seconds until a call may go: 0 means now, inf not before there is news.

        Raises:
            DailyReserveError: nothing may be sent today.
        """
        self._catch_up()
        daily = self._daily
        if daily is not None:
            in_flight = self._pace.in_flight
            if not daily.may_go(now, in_flight=in_flight):
                if in_flight:  # their answers tell
                    return math.inf
                raise DailyReserveError(daily.left or 0, daily.reserve_calls or 0)
        return self._pace.wait(now)


def _checked_share(share: float) -> float:
    value: object = share
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise OptionsError(f"share must be a number above 0 and up to 1, not {share!r}")
    return share


def checked_reserve(reserve: float) -> float:
    """
    Return what is reserved of a day's calls.

    Raises:
        OptionsError: it is neither calls nor a share.
    """
    value: object = reserve
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_count and not (isinstance(value, float) and 0 <= value <= 1):
        raise OptionsError(
            "reserve_daily must be calls (an int, 0 or more) or a share (a float from 0 to 1), "
            f"not {reserve!r}"
        )
    return reserve
