"""A client that is cancelled between any two callbacks of the loop costs the others nothing."""

from __future__ import annotations

import asyncio
from random import Random  # noqa: TID251 -- seeded
from typing import Any

import pytest

from aiohubassoc import Quota
from tests.conftest import pass_time
from tests.fakes.interruption import Interruption, interrupt_everywhere
from tests.fakes.shared_store import LoopWorker, MemoryStore
from tests.shared_quota.crowd import Portal, make_session, send

QUOTA = Quota(6, 2.0)
CALLS = 30
FEWEST = 300  # cancellations, if it were at each callback


async def _send_alone(store: MemoryStore) -> float:
    """Return how long a client takes for some windows of calls."""
    session = make_session(store, QUOTA, worker=LoopWorker(delay=0.003))
    await session.open()
    began = asyncio.get_running_loop().time()
    try:
        return await send(session.limiter, Portal(QUOTA, Random(3)), CALLS) - began
    finally:
        await session.close()


@pytest.mark.looptime(False)
@pytest.mark.parametrize(("again", "every"), [((), 9), ((1, 2, 5), 31)], ids=["once", "again"])
def test_a_client_beside_another(again: tuple[int, ...], every: int) -> None:
    """While it opens, waits, sends or closes: no permit is lost, none is given twice."""

    async def scenario(interruption: Interruption) -> None:
        store, portal = MemoryStore(), Portal(QUOTA, Random(1))

        async def work() -> None:
            session = make_session(store, QUOTA, worker=LoopWorker(delay=0.003))
            try:
                await session.open()
                await send(session.limiter, portal, 8, at_once=4)
            finally:
                await session.close()

        other = make_session(store, QUOTA, worker=LoopWorker(delay=0.003))
        await other.open()
        beside = asyncio.create_task(send(other.limiter, portal, 8, at_once=4))
        task = await interruption.over(work())
        assert task.cancelled() == interruption.was_accepted
        await beside
        assert 0 == other.limiter.in_flight
        await other.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert portal.most_in_window() <= QUOTA.limit
        await pass_time(120.0)  # what a client that vanished may hold runs out
        assert await _send_alone(store) <= 1.1 * await _send_alone(MemoryStore())
        loop: Any = asyncio.get_running_loop()
        await pass_time(60.0)
        assert [] == [timer for timer in loop._scheduled if not timer.cancelled()]

    assert interrupt_everywhere(scenario, again=again, every=every) > FEWEST // every
