"""What limiters have in common: what the sender uses of them, and the queue of waiting callers."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from aiohubassoc.errors import AioHubAssocError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc.options import Quota

NO_HEADERS: Mapping[str, str] = {}
# Seconds. A timer may fire a little early; without this a wait of 0 s would spin.
_TICK: Final = 1e-4
# A dictionary does not free the memory of removed entries. It is copied when this share is left.
_SPARSE: Final = 1 / 4


class Limiter(Protocol):
    """
    Grants permits for calls, so that their number stays within the quota.

    Every `acquire` that returns, and every `try_acquire` that returns True, is followed by exactly
    one `record_response`, `record_no_response` or `release_unused`. A throttle is reported by
    `record_throttle` before its `record_response`. Times are those of the event loop, in seconds.
    """

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        ...

    def try_acquire(self) -> bool:
        """Acquire a permit if one is surely free; return whether it did. False: one may be free."""
        ...

    async def acquire(self) -> None:
        """
        Acquire a permit. A cancelled caller uses none.

        Raises:
            DailyReserveError: no call may be sent any more today.
        """
        ...

    def release_unused(self) -> None:
        """Record that the call was not sent."""
        ...

    def record_response(
        self,
        sent_at: float,
        responded_at: float,
        *,
        exact: bool = True,
        accepted: bool = True,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """
        Record that the call ended with a response.

        Args:
            sent_at: When it was sent.
            responded_at: When its response was there.
            exact: Whether its request was handed to a connection at *sent_at*. False: at some time
                between the two, because it had to wait for a connection.
            accepted: Whether no limit refused it.
            headers: Of the response, ignoring case: HubSpot reports its limits in them.
        """
        ...

    def record_no_response(self, sent_at: float) -> None:
        """
        Record that the call ended now without a response: cancelled, timed out or lost.

        Args:
            sent_at: When it was sent.
        """
        ...

    def record_throttle(
        self,
        sent_at: float,
        retry_after: float | None,
        *,
        by_quota: bool = True,
        by_second: bool = False,
    ) -> float:
        """
        Pause all calls, because HubSpot throttled one.

        Args:
            sent_at: When the call that was throttled was sent.
            retry_after: Seconds that HubSpot asks for; None where it did not say.
            by_quota: Whether the reason was the quota.
            by_second: Whether it was a limit of calls a second that the account has besides.

        Returns:
            Seconds until calls may be sent again.
        """
        ...


@runtime_checkable
class ExpiringLimiter(Protocol):
    """A `Limiter` whose permits expire when they are not used."""

    generation: int  # the generation of the permits that are acquired now

    def is_usable(self, generation: int) -> bool:
        """Return whether a permit of *generation* may be used now."""
        ...

    async def renew(self) -> None:
        """Exchange a permit for a usable one, or keep it and raise as `Limiter.acquire` does."""
        ...


class WaitQueue:
    """
    The callers of one event loop that wait for a permit.

    Args:
        clock: For the timer of the first one.
        try_take: Takes a permit and returns 0, or returns the seconds until one may be free; inf:
            not before another call ends. If it raises AioHubAssocError, the first caller gets that.
        give_back: Releases a permit that was granted to a caller just before it was cancelled.
    """

    def __init__(
        self, clock: Clock, try_take: Callable[[float], float], give_back: Callable[[], None]
    ) -> None:
        self._clock = clock
        self.now = clock.now  # gives the time
        self._try_take = try_take
        self._give_back = give_back
        # Ordered, and a cancelled caller can be removed from the middle.
        # The callers that wait, in order.
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
