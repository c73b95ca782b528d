"""Many clients keep one quota: none above it, no slower than it allows, and fair."""

from __future__ import annotations

import asyncio
from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiohubassoc import Quota
from aiohubassoc.shared_quota.common_state import LEASE
from tests.conftest import pass_time
from tests.fakes.shared_store import LoopWorker, MemoryStore
from tests.shared_quota.crowd import Portal, make_session, send

if TYPE_CHECKING:
    from aiohubassoc.shared_quota.session import StoreSession

TEN_SECONDS = Quota(190, 10.0)
ONE_SECOND = Quota(190, 1.0)


@attrs.define
class Crowd:
    """What came of clients that sent at the same time."""

    portal: Portal
    store: MemoryStore
    took: list[float]
    calls: int
    quota: Quota

    @property
    def share(self) -> float:
        """The least possible time as a share of the time that it took."""
        least = (self.calls - 1) // self.quota.limit * self.quota.window
        return least / max(self.took)


async def run_crowd(
    clients: int,
    quota: Quota,
    calls: int,
    *,
    portal: Portal | None = None,
    store: MemoryStore | None = None,
    delay: float = 0.0005,
    **options: Any,
) -> Crowd:
    """Let clients make this many calls together, over a store that is *delay* away."""
    portal = portal or Portal(quota, Random(1))
    store = store or MemoryStore()
    busy = [0.0]
    sessions = [
        make_session(store, quota, worker=LoopWorker(delay, delay, busy), **options)
        for _ in range(clients)
    ]
    for session in sessions:
        await session.open()
    begun = asyncio.get_running_loop().time()
    part = calls // clients
    async with asyncio.TaskGroup() as tasks:
        sending = [tasks.create_task(send(one.limiter, portal, part)) for one in sessions]
    for session in sessions:
        await session.close()
    took = [task.result() - begun for task in sending]
    return Crowd(portal, store, took, part * clients, quota)


@pytest.mark.parametrize(
    ("clients", "quota", "calls", "least", "delay"),
    [
        (1, TEN_SECONDS, 400, 0.97, 0.0005),
        (4, TEN_SECONDS, 784, 0.97, 0.0005),
        (4, TEN_SECONDS, 784, 0.96, 0.002),  # as PostgreSQL on another machine
        (16, TEN_SECONDS, 784, 0.97, 0.0005),
        (4, ONE_SECOND, 1720, 0.93, 0.0005),
        (4, ONE_SECOND, 1720, 0.90, 0.002),
    ],
)
async def test_clients_share_all_of_a_quota_and_no_more(
    clients: int, quota: Quota, calls: int, least: float, delay: float
) -> None:
    """No call is throttled, the whole takes hardly longer than it must, and all end together."""
    crowd = await run_crowd(clients, quota, calls, delay=delay)
    assert crowd.portal.most_in_window() <= quota.limit
    assert not crowd.portal.throttled
    assert len(crowd.portal.times) == crowd.calls
    assert crowd.share >= least
    assert max(crowd.took) <= 1.05 * min(crowd.took)


async def test_a_share_is_that_of_all_together() -> None:
    """Four clients with half of the quota each use half of it, not twice of it."""
    portal = Portal(Quota(20, 1.0), Random(1))
    await run_crowd(4, Quota(40, 1.0), 120, portal=portal, share=0.5)
    assert not portal.throttled
    assert portal.most_in_window() == 20


async def test_a_lower_limit_is_learned_by_all() -> None:
    """Where 190 is set and 100 is true, few calls are throttled, whoever meets it."""
    portal = Portal(Quota(100), Random(1))
    crowd = await run_crowd(4, TEN_SECONDS, 800, portal=portal)
    assert len(portal.times) == 800
    assert len(portal.throttled) <= 0.05 * 800
    assert max(crowd.took) <= 1.3 * 80.0


async def test_what_one_learned_from_headers_the_others_know() -> None:
    """The limit that HubSpot names to one client holds for one that comes later."""
    store = MemoryStore()
    headers = {
        "X-HubSpot-RateLimit-Max": "50",
        "X-HubSpot-RateLimit-Interval-Milliseconds": "1000",
    }
    portal = Portal(Quota(50, 1.0), Random(1), headers=headers)
    first, second = make_session(store, None), make_session(store, None)
    await first.open()
    await send(first.limiter, portal, 10)
    await first.close()
    await second.open()
    await send(second.limiter, portal, 1)
    assert second.limiter.quota == Quota(50, 1.0)
    await second.close()


async def test_a_client_that_came_later_does_not_put_the_first_off() -> None:
    """It is as fast as the first from then on, and the first continues."""
    store, portal = MemoryStore(), Portal(ONE_SECOND, Random(1))
    first, second = make_session(store, ONE_SECOND), make_session(store, ONE_SECOND)
    for session in (first, second):
        await session.open()
    async with asyncio.TaskGroup() as tasks:
        alone = tasks.create_task(send(first.limiter, portal, 1400))
        await pass_time(3.0)
        begun = asyncio.get_running_loop().time()
        later = tasks.create_task(send(second.limiter, portal, 350))
    assert later.result() - begun <= 350 / 95 * 1.3
    assert alone.result() - begun <= (1400 + 350 - 570) / 190 * 1.3
    assert not portal.throttled
    for session in (first, second):
        await session.close()


async def stop_one(sessions: list[StoreSession], worker: LoopWorker, seconds: float) -> None:
    """Keep a client from its store for some seconds."""
    worker.is_stuck = True
    await pass_time(seconds)
    worker.is_stuck = False


@pytest.mark.parametrize("after", [0.01, 0.2, 1.4, 2.7])
async def test_permits_of_a_client_that_is_gone_come_back(after: float) -> None:
    """Those of a killed one count as used, and are back after the lease and a window."""
    quota = Quota(20, 2.0)
    store, portal = MemoryStore(), Portal(quota, Random(3))
    gone, left = make_session(store, quota), make_session(store, quota)
    for session in (gone, left):
        await session.open()
    killed = asyncio.create_task(send(gone.limiter, portal, 1000))
    going = asyncio.create_task(send(left.limiter, portal, 200))
    await pass_time(after)
    worker = gone._worker
    assert isinstance(worker, LoopWorker)
    worker.is_stuck = True  # nothing of it comes to the store any more
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    begun = asyncio.get_running_loop().time()
    await going
    assert not portal.throttled
    assert portal.most_in_window() <= quota.limit
    after_it = sorted(moment for moment in portal.times if moment > begun + LEASE + quota.window)
    # All of the quota is in use again.
    assert len([one for one in after_it if one < after_it[0] + quota.window]) >= 0.9 * quota.limit
    gone.limiter._fail(Exception())  # type: ignore[arg-type]  # its process is gone
    await left.close()


@pytest.mark.parametrize("is_batch", [False, True], ids=["single", "batch"])
async def test_a_client_with_a_shorter_window_forgets_no_calls_of_the_others(
    *, is_batch: bool
) -> None:
    """It joins later; nothing but the clients' options says how long a window is."""
    store, long, short = MemoryStore(), Quota(40, 10.0), Quota(4, 1.0)
    portal, beside = (Portal(Quota(10**6, 10.0), Random(seed)) for seed in (1, 2))
    first, second = (make_session(store, one, batch_quota=one) for one in (long, short))
    limiter, other = (one.batch_limiter if is_batch else one.limiter for one in (first, second))
    await first.open()
    sending = asyncio.create_task(send(limiter, portal, 100))
    await pass_time(5.0)
    await second.open()
    await send(other, beside, 40, at_once=1)
    await sending
    assert portal.most_in_window() <= 40
    await first.close()
    await second.close()
