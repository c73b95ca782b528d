"""Many clients keep one quota: none above it, no slower than it allows, fair."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from aiohubassoc import Quota
from tests.fakes.shared_store import LoopWorker, MemoryStore
from tests.shared_quota.crowd import Portal, make_session, send


@pytest.mark.parametrize("clients", [1, 4, 16])
@pytest.mark.parametrize(
    ("quota", "calls", "least"), [(Quota(190, 10.0), 784, 0.97), (Quota(190, 1.0), 1720, 0.93)]
)
@pytest.mark.parametrize(("delay", "service"), [(0.0005, 0.0005), (0.002, 0.002)])
async def test_many_clients(
    clients: int, quota: Quota, calls: int, least: float, delay: float, service: float
) -> None:
    """No call is throttled, and the whole takes hardly longer than it must."""
    store, portal = MemoryStore(), Portal(quota, Random(1))
    busy = [0.0]
    sessions = [
        make_session(store, quota, worker=LoopWorker(delay, service, busy)) for _ in range(clients)
    ]
    for session in sessions:
        await session.open()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    part = calls // clients
    ended = await asyncio.gather(*(send(one.limiter, portal, part) for one in sessions))
    for session in sessions:
        await session.close()
    took = [at - begun for at in ended]
    share = (part * clients - 1) // quota.limit * quota.window / max(took)
    print(clients, quota, delay, share, max(took) / min(took), store.visits / calls, len(portal.throttled))
    assert portal.most_in_window() <= quota.limit
    assert not portal.throttled
