"""
For tests of code that uses aiohubassoc.

A simulated portal, HubSpot without a network, its replies, and a clock that skips waits. For pytest
there are fixtures: ``hubspot_portal`` and ``mocked_hubspot``.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiohubassoc.testing.mocked import (
    MockedHubSpot,
    Reply,
    batch,
    linked,
    mocked,
    rate_limited,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from aiohubassoc._http.clock import Timer
    from aiohubassoc.simulator import PortalSettings, ServedPortal

__all__ = [
    "FakeClock",
    "MockedHubSpot",
    "Reply",
    "batch",
    "linked",
    "mocked",
    "rate_limited",
    "refused",
    "simulated_portal",
]


def simulated_portal(
    settings: PortalSettings | None = None,
) -> AbstractAsyncContextManager[ServedPortal]:
    """
    Serve a simulated HubSpot portal on a port of this machine while the context lasts.

    It has a ``base_url`` for the client and accepts the token ``"simulated-token"``; its
    ``portal.ledger`` has the requests that it got and the links that it made. In a pytest fixture,
    put an ``async with`` around a ``yield``.

    Args:
        settings: How the portal behaves; of `aiohubassoc.simulator`. None: HubSpot's quota of
            190 calls in 10 s, every record exists, no faults.
    """
    from aiohubassoc.simulator import serve  # noqa: PLC0415 -- an HTTP server, only when asked for

    return serve(settings)


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
