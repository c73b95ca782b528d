"""Makes callers wait for the quota, first come first served; only the first holds a timer."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Self, TypeVar

import attrs

from aiohubassoc._http.clock import SystemClock, bind_now
from aiohubassoc._http.limiter_interface import NO_HEADERS
from aiohubassoc._protocol import headers as _headers
from aiohubassoc._quota.batch_pacer import BatchPacer
from aiohubassoc._quota.daily_budget import DailyBudget
from aiohubassoc._quota.pacer import Pacer
from aiohubassoc.errors import AioHubAssocError, DailyReserveError, OptionsError
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohubassoc._http.clock import Clock, Timer

# Seconds. A timer may fire a little early; without this a wait of 0 s would spin.
_TICK: Final = 1e-4
# A dictionary does not free the memory of removed entries. It is copied when this share is left.
_SPARSE: Final = 1 / 4
# While the quota is far from used up, this many calls are recorded at a time: recording each alone
# costs three times as much.
_TOGETHER: Final = 64
_running_loop = asyncio.get_running_loop  # asked for every call: the shorter way to it


class QuotaLimiter:
    """
    A `Limiter` that lets no more calls into any window than the quota allows.

    If other programs use the same quota, or HubSpot's limit is lower than *quota*, it learns from
    throttles how many calls are available, and tries more from time to time.

    Clients of one token share one quota by sharing one limiter. It serves one event loop at a time.
    It may move to another loop once no call is waiting or in flight, or once the first loop is
    closed. Otherwise `acquire` and `try_acquire` raise OptionsError.

    Args:
        quota: Upper limit; a limit that HubSpot reports can only lower it. None: start at 100 calls
            in 10 s and adopt the limit HubSpot reports.
        share: The part of that quota to use, above 0 and up to 1.
        reserve_daily: How many of the account's daily calls to leave to other programs, where
            HubSpot reports how many are left: a number of calls (int), or a share of the daily
            limit (float from 0 to 1). None: none.
        strict: Whether a call counts from its response, so that no window exceeds the quota even if
            the network delays calls. It costs half a round trip for each window.
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
        given: object = quota
        if given is not None and not isinstance(given, Quota):
            raise OptionsError(f"quota must be a Quota, such as Quota(190), not {given!r}")
        self._pacer = Pacer(quota, share=_checked_share(share), strict=strict)
        self._daily = (
            None if reserve_daily is None else DailyBudget(_checked_reserve(reserve_daily))
        )
        self._clock = clock or SystemClock()
        self._now = self._clock.now
        self._queue = WaitQueue(self._clock, self._try_take, self.release_unused)
        self._loop: asyncio.AbstractEventLoop | None = None
        # Calls with a response that are not recorded yet.
        self._ended: list[tuple[float, float, bool]] = []
        self._last_headers = NO_HEADERS
        # The quota headers of the last response, as texts and parsed.
        self._quota_texts: tuple[str | None, str | None] = (None, None)
        self._named: Quota | None = None
        self._sharing: tuple[QuotaLimiter, ...] = (self,)  # those with the same daily reserve

    @classmethod
    def for_batches(
        cls,
        quota: Quota | None = None,
        *,
        reserve_daily: float | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """
        Return a limiter for batch calls: slow at first, faster while no call is throttled.

        HubSpot declares batch calls exempt from the ten-second limit (HubSpot, API usage
        guidelines). So the ten-second limit that its responses report is not adopted. The daily
        limit counts batch calls too.

        Args:
            quota: Upper limit. None: start at 10 in 10 s and rise by one for each window that was
                too short. Two calls are in flight at first, at most four.
            reserve_daily: As for the class.
            clock: As for the class.

        Raises:
            OptionsError: an argument that cannot work.
        """
        limiter = cls(quota, reserve_daily=reserve_daily, clock=clock)
        limiter._pacer = BatchPacer(quota)
        return limiter

    def share_daily(self, other: QuotaLimiter) -> None:
        """Keep one daily reserve with *other*: HubSpot's daily limit counts the calls of both."""
        self._daily, self._sharing = other._daily, (*other._sharing, self)
        other._sharing = self._sharing

    @property
    def quota(self) -> Quota:
        """The quota that is kept now. If two are kept, the slower one."""
        return self._pacer.quota

    @property
    def in_flight(self) -> int:
        """How many calls have a permit and have not ended."""
        self._record_ended()
        return self._pacer.in_flight

    @property
    def max_in_flight(self) -> int | None:
        """How many batch calls may be in flight now; None: single calls, which the quota bounds."""
        return self._pacer.max_in_flight

    def try_acquire(self) -> bool:
        """Acquire a permit if one is surely free and no caller waits; return whether it did."""
        if _running_loop() is not self._loop:
            self._enter(_running_loop())
        return not self._queue.waiters and self._daily is None and self._pacer.try_take()

    async def acquire(self) -> None:
        """
        Acquire a permit, first come first served. A cancelled caller uses none.

        Raises:
            DailyReserveError: only the reserved calls of the day are left.
            OptionsError: another event loop uses this limiter.
        """
        if _running_loop() is not self._loop:
            self._enter(_running_loop())
        await self._queue.acquire()

    def release_unused(self) -> None:
        """Return the permit of a call that was not sent."""
        self._pacer.release_unused()
        self._wake()

    def record_response(
        self,
        sent_at: float,
        responded_at: float,
        *,
        exact: bool = True,
        accepted: bool = True,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Free the permit one window after HubSpot counted the call."""
        pacer = self._pacer
        if accepted and pacer.has_ample_room and self._daily is None and not self._queue.waiters:
            self._ended.append((sent_at, responded_at, exact))
            self._last_headers = headers or self._last_headers
            if len(self._ended) >= _TOGETHER:
                self._record_ended()
            return
        self._record_ended()
        try:
            if headers:
                self._learn(sent_at, responded_at, headers, accepted=accepted)
        finally:
            pacer.record_response(sent_at, responded_at, exact=exact, accepted=accepted)
            self._wake()

    def record_no_response(self, sent_at: float) -> None:
        """Free the permit one window and one usual round trip from now."""
        self._record_ended()
        self._pacer.record_no_response(sent_at, self._now())
        self._wake()

    def record_throttle(
        self,
        sent_at: float,
        retry_after: float | None,
        *,
        by_quota: bool = True,
        by_second: bool = False,
    ) -> float:
        """Pause all calls; return the seconds until they may be sent."""
        self._record_ended()
        return self._pacer.record_throttle(
            self._now(), sent_at, retry_after=retry_after, by_quota=by_quota, by_second=by_second
        )

    def _count_in_flight(self) -> int:
        """Return how many calls are in flight that the daily limit counts."""
        return sum(one._pacer.in_flight for one in self._sharing)  # noqa: SLF001 -- its own class

    def _wake(self) -> None:
        for one in self._sharing:
            one._queue.wake()  # noqa: SLF001 -- its own class

    def _record_ended(self) -> None:
        """Record the calls that were not recorded yet. Until then their permits count as used."""
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        for sent_at, responded_at, exact in ended:
            self._pacer.record_response(sent_at, responded_at, exact=exact, accepted=True)
        # The last response has the newest limits.
        self._learn(sent_at, responded_at, self._last_headers, accepted=True)

    def _learn(
        self, sent_at: float, now: float, headers: Mapping[str, str], *, accepted: bool
    ) -> None:
        pacer = self._pacer
        texts = headers.get(_headers.QUOTA_LIMIT), headers.get(_headers.QUOTA_WINDOW)
        if texts != self._quota_texts:  # nearly every response names the same quota
            self._quota_texts, self._named = texts, _headers.parse_quota(headers)
            if self._named is not None:
                pacer.adopt(self._named)
        if self._named is not None and now < pacer.adopts_remaining_until:
            left = _headers.parse_remaining(headers)
            if left is not None:
                pacer.adopt_remaining(now, self._named.limit, left)
        if self._daily is not None and accepted:
            limit, left = _headers.parse_daily(headers)
            others = self._count_in_flight() - 1  # the call itself is not recorded yet
            self._daily.record_response(now, limit, left, sent_at=sent_at, in_flight=others)

    def _try_take(self, now: float) -> float:
        self._record_ended()
        pacer, daily = self._pacer, self._daily
        if daily is not None:
            in_flight = self._count_in_flight()
            if not daily.may_go(now, in_flight=in_flight):
                if in_flight:  # their responses report how many are left
                    return math.inf
                raise DailyReserveError(daily.left or 0, daily.reserve_calls or 0)
        wait = pacer.wait(now)
        if wait > 0:
            return wait
        pacer.take(now)
        return 0.0

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve *loop* from now on, or raise OptionsError: another one uses the limiter."""
        former = self._loop
        if former is not None:
            self._leave(former)
        self._loop = loop
        self._now = self._queue.now = bind_now(self._clock)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        in_flight = self.in_flight
        if loop.is_closed():
            # Their tasks are gone: HubSpot may count them at any moment until now.
            self._queue.forget()
            now = self._clock.now()
            for _ in range(in_flight):
                self._pacer.record_no_response(now, now)
        elif loop.is_running() or in_flight or self._queue.waiters:
            raise OptionsError(
                "another event loop is using this limiter: use one limiter for each event loop, "
                "or close the other loop first"
            )


class WaitQueue:
    """The callers of one event loop that wait for a permit."""

    # *try_take* takes a permit and returns 0, or returns the seconds until one may be free; inf:
    # not before another call ends. If it raises AioHubAssocError, the first caller gets that.
    # *give_back* releases a permit that was granted to a caller just before it was cancelled.

    def __init__(
        self, clock: Clock, try_take: Callable[[float], float], give_back: Callable[[], None]
    ) -> None:
        self._clock = clock
        self.now = clock.now  # gives the time
        self._try_take = try_take
        self._give_back = give_back
        # The callers that wait, in order; a cancelled one can be removed from the middle.
        self.waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._longest = 0
        self._timer: Timer | None = None

    async def acquire(self) -> None:
        """Acquire a permit, first come first served. A cancelled caller uses none."""
        if not self.waiters and self._try_take(self.now()) <= 0:
            return
        waiter = asyncio.get_running_loop().create_future()
        self.waiters[waiter] = None
        self._longest = max(self._longest, len(self.waiters))
        self.wake()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self.waiters:
                self._remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._give_back()
            raise

    def wake(self) -> None:
        """Grant permits to callers in order, and set the timer for the first that has to wait."""
        if not self.waiters:
            return
        now = self.now()
        while self.waiters:
            waiter = next(iter(self.waiters))
            if not waiter.done():  # else it was cancelled, and its task did not run yet
                try:
                    wait = self._try_take(now)
                except AioHubAssocError as error:
                    waiter.set_exception(error)
                else:
                    if wait > 0:
                        self._wake_at(now + max(wait, _TICK))
                        return
                    waiter.set_result(None)
            self._remove(waiter)

    def forget(self) -> None:
        """Remove all callers: their event loop is closed."""
        self.waiters.clear()
        self._timer = None

    def _remove(self, waiter: asyncio.Future[None]) -> None:
        del self.waiters[waiter]
        if len(self.waiters) < _SPARSE * self._longest:
            self.waiters = OrderedDict(self.waiters)
            self._longest = len(self.waiters)
        if not self.waiters:
            self._wake_at(math.inf)

    def _wake_at(self, when: float) -> None:
        """Set the one timer; inf: set none, because the end of another call wakes the callers."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if when == math.inf else self._clock.call_at(when, self.wake)


LimiterT = TypeVar("LimiterT", bound=QuotaLimiter)


@attrs.frozen
class LimiterOptions:
    """How the limiters of a client keep its quotas; see `QuotaLimiter`."""

    quota: Quota | None = None
    share: float = 1.0
    reserve_daily: float | None = None
    strict: bool = False
    batch_quota: Quota | None = None

    def make_limiter(self, cls: type[LimiterT], clock: Clock) -> LimiterT:
        return cls(
            self.quota,
            share=self.share,
            reserve_daily=self.reserve_daily,
            strict=self.strict,
            clock=clock,
        )

    def make_batch_limiter(self, cls: type[LimiterT], clock: Clock) -> LimiterT:
        return cls.for_batches(self.batch_quota, reserve_daily=self.reserve_daily, clock=clock)


def _checked_share(share: float) -> float:
    value: object = share
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise OptionsError(f"share must be a number above 0 and up to 1, not {share!r}")
    return share


def _checked_reserve(reserve: float) -> float:
    value: object = reserve
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_count and not (isinstance(value, float) and 0 <= value <= 1):
        raise OptionsError(
            "reserve_daily must be calls (an int, 0 or more) or a share (a float from 0 to 1), "
            f"not {reserve!r}"
        )
    return reserve
