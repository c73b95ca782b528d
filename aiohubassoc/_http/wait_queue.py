"""Callers that wait for a permit, first come first served; only the first holds a timer."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import AioHubAssocError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock, Timer

# A timer may fire a little early; without this a wait of 0 s would spin.
_TICK: Final = 1e-4
# A dictionary keeps the memory of what was removed; below this share of its longest it is copied.
_SPARSE: Final = 1 / 4


class WaitQueue:
    """
    The callers of one event loop that wait for a permit.

    Args:
        clock: Time.
        try_take: Takes a permit and returns 0, or returns the seconds until there may be one: inf,
            not before there is news. What it raises as AioHubAssocError the first caller gets.
        give_back: Returns a permit that was granted to a caller in the tick of its cancellation.

    Attributes:
        waiters: The callers that wait, in order.
    """

    def __init__(
        self, clock: Clock, try_take: Callable[[float], float], give_back: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._try_take = try_take
        self._give_back = give_back
        # In order; and a caller that is cancelled can leave from the middle.
        self.waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._longest = 0
        self._timer: Timer | None = None

    async def acquire(self) -> None:
        """
        Return when one call may be sent, in the order of asking. Cancelled, it costs nothing.

        Raises:
            DailyReserveError: no call may be sent any more today.
        """
        if not self.waiters and self._try_take(self._clock.now()) <= 0:
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
        """Grant permits to callers in turn, and set the timer for the first that has to wait."""
        if not self.waiters:
            return
        now = self._clock.now()
        while self.waiters:
            waiter = next(iter(self.waiters))
            if not waiter.done():  # else it is cancelled, and not awake yet
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
        """Leave those who wait alone: their event loop is closed."""
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
        """Set the one timer; inf: none, as a call that ends wakes them."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if when == math.inf else self._clock.call_at(when, self.wake)
