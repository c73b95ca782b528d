"""The clock of a client: time, sleep and timers. No other module uses the system's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_running_loop = asyncio.get_running_loop  # a global: it is looked up for every call


class Timer(Protocol):
    """A callback that is scheduled."""

    def cancel(self) -> None:
        """Cancel the callback."""
        ...


class Clock(Protocol):
    """Time for one event loop."""

    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*; 0 or less: in the event loop's next iteration."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call *callback* once `now` has reached *when*."""
        ...

    def utc_now(self) -> datetime:
        """Return the date and time of day, aware."""
        ...


class SystemClock:
    """The running event loop's time."""

    def now(self) -> float:
        return _running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_at(when, callback)

    def utc_now(self) -> datetime:
        return datetime.now(UTC)


def bind_now(clock: Clock) -> Callable[[], float]:
    """Return a function like `clock.now` that is faster, for the running event loop only."""
    return _running_loop().time if type(clock) is SystemClock else clock.now
