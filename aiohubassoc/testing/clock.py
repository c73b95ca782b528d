"""A clock that skips waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Timer


class FakeClock:
    """
    A clock for ``AssociationClient(clock=...)`` that jumps to the end of each wait.

    Retries, pauses and the quota then take no real time. Waits end in the order of their times;
    `now` is the time that would have passed. Requests in flight take their real time.

    Args:
        utc: The date and time of day at the start, aware.
    """

    def __init__(self, utc: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._utc = utc
        self._now = 0.0
        self._timers: list[tuple[float, int, _VirtualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return the seconds that would have passed."""
        return self._now

    def utc_now(self) -> datetime:
        """Return the date and time of day."""
        return self._utc + timedelta(seconds=self._now)

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds* on this clock: the other tasks run first, then the clock jumps."""
        over = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + max(0.0, seconds), lambda: _end(over))
        try:
            await over
        finally:
            timer.cancel()

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call *callback* in one of the loop's next turns, after those that are due earlier."""
        timer = _VirtualTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        asyncio.get_running_loop().call_soon(self._advance)
        return timer

    def _advance(self) -> None:
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._now = max(self._now, when)
                timer.callback()
                return


class _VirtualTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Cancel the callback."""
        self.callback = None


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
