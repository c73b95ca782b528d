"""For tests of code that uses aiohubassoc: a portal to run against and a clock that leaps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from aiohubassoc._http.clock import Timer
    from aiohubassoc.simulator import PortalSettings, Running


def simulated_portal(
    settings: PortalSettings | None = None,
) -> AbstractAsyncContextManager[Running]:
    """
    Serve a simulated HubSpot portal on a port of this machine while the context lasts.

    It has a ``base_url`` for the client, takes the token ``"simulated-token"``, and its
    ``portal.books`` say what it has seen and which links it has made. As a pytest fixture it is an
    ``async with`` around a ``yield``.

    Args:
        settings: What the portal is like; of `aiohubassoc.simulator`. None: HubSpot's quota of
            190 calls in 10 s, every record exists, nothing goes wrong.
    """
    from aiohubassoc.simulator import serve  # noqa: PLC0415 -- an HTTP server, only when asked for

    return serve(settings)


class FakeClock:
    """
    A clock for ``AssociationClient(clock=...)`` whose time leaps to whatever is waited for.

    Retries, pauses and the quota then take no real time at all. Waits end in the order of their
    instants; `now` says how much time would have passed. What is on the wire takes its real time.

    Args:
        utc: The date and time of day at the beginning, aware.
    """

    def __init__(self, utc: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._utc = utc
        self._now = 0.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return the seconds that would have passed."""
        return self._now

    def utc_now(self) -> datetime:
        """Return the date and time of day."""
        return self._utc + timedelta(seconds=self._now)

    async def sleep(self, seconds: float) -> None:
        """Return after the other tasks had their turn; that much later."""
        over = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + max(0.0, seconds), lambda: _end(over))
        try:
            await over
        finally:
            timer.cancel()

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call *callback* in the loop's next turns, after those that are due earlier."""
        timer = _Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        asyncio.get_running_loop().call_soon(self._leap)
        return timer

    def _leap(self) -> None:
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._now = max(self._now, when)
                timer.callback()
                return


class _Timer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Make it never come."""
        self.callback = None


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
