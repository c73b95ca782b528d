"""Clients that share a quota, in virtual time, against a portal with a rolling window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING, Any

import attrs

from aiohubassoc import Quota, SharedQuotaError
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.limiter import LimiterOptions
from aiohubassoc.shared_quota.session import StoreSession
from tests.conftest import pass_time
from tests.fakes.shared_store import LoopWorker, MemoryStore

if TYPE_CHECKING:
    from aiohubassoc.shared_quota.limiter import SharedLimiter


@attrs.define
class Portal:
    """
    Accepts this many calls in any window.

    Attributes:
        quota: How many.
        rng: Of its latency.
        headers: Of its responses.
        times: When it accepted calls.
        throttled: When it did not.
    """

    quota: Quota
    rng: Random
    headers: Mapping[str, str] = attrs.Factory(dict)
    times: list[float] = attrs.Factory(list)
    throttled: list[float] = attrs.Factory(list)
    latest: deque[float] = attrs.Factory(deque)

    async def call(self) -> bool:
        """Take a call and return whether it was accepted."""
        await pass_time(self.rng.lognormvariate(-3.2, 0.3))
        now = asyncio.get_running_loop().time()
        while self.latest and self.latest[0] <= now - self.quota.window:
            self.latest.popleft()
        accepted = len(self.latest) < self.quota.limit
        (self.times if accepted else self.throttled).append(now)
        if accepted:
            self.latest.append(now)
        await pass_time(self.rng.lognormvariate(-3.2, 0.3))
        return accepted

    def most_in_window(self) -> int:
        """Return the most calls, refused ones too, in any window."""
        times, most, first = sorted([*self.times, *self.throttled]), 0, 0
        for place, moment in enumerate(times):
            while times[first] <= moment - self.quota.window:
                first += 1
            most = max(most, place - first + 1)
        return most


def make_session(
    store: MemoryStore,
    quota: Quota | None,
    *,
    worker: LoopWorker | None = None,
    key: str = "default",
    **options: Any,
) -> StoreSession:
    """Return a client's way to *store*."""
    return StoreSession(
        store,
        key,
        lambda error: SharedQuotaError(f"the store: {error}"),
        LimiterOptions(quota, **options),
        clock=SystemClock(),
        worker=worker or LoopWorker(),
    )


async def send(limiter: SharedLimiter, portal: Portal, calls: int, *, at_once: int = 64) -> float:
    """Make this many calls that are accepted, and return when the last one ended."""
    loop = asyncio.get_running_loop()
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            if not limiter.try_acquire():
                await limiter.acquire()
            generation, accepted, sent_at = limiter.generation, False, loop.time()
            if not limiter.is_usable(generation):
                await limiter.renew()
            try:
                accepted = await portal.call()
            except BaseException:
                limiter.record_no_response(sent_at)
                raise
            if not accepted:
                limiter.record_throttle(sent_at, None)
                left += 1
            limiter.record_response(sent_at, loop.time(), accepted=accepted, headers=portal.headers)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(at_once, calls)):
            tasks.create_task(work())
    return loop.time()
