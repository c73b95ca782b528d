"""One timer for all calls, whichever is due first."""

from __future__ import annotations

import asyncio

from aiohubassoc import Timeouts
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.own_session import Deadlines
from tests.conftest import pass_time, settle


async def _call(deadlines: Deadlines, begins: float, connecting: float) -> tuple[bool, float]:
    """Be in flight until ended; return whether it was the deadline's doing, and when."""
    loop = asyncio.get_running_loop()
    await pass_time(begins)
    call = deadlines.begin()
    try:
        if connecting:
            deadlines.connecting()
            await pass_time(connecting)
            deadlines.connected()
        await pass_time(1000.0)
    except asyncio.CancelledError:
        return call.was_ended(), round(loop.time(), 1)
    finally:
        del deadlines.attempts[call.task]
    raise AssertionError("it was never ended")


async def test_whichever_is_due_first() -> None:
    """A call that connects is due late; one that begins meanwhile is not."""
    deadlines = Deadlines(Timeouts(response=5.0, total=50.0), SystemClock())
    begun = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_call(deadlines, begins, connecting))
            for begins, connecting in ((0.0, 30.0), (10.0, 0.0), (12.0, 0.0), (0.0, 60.0))
        ]
    ended = [(by_us, at - begun) for by_us, at in (task.result() for task in tasks)]
    assert [(True, 35.0), (True, 15.0), (True, 17.0), (True, 50.0)] == ended
    deadlines.close()


def test_the_attempts_of_a_closed_loop_are_left_alone() -> None:
    """A client may be closed in another loop: to cancel tasks of the first one would raise."""
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> Deadlines:
        deadlines = Deadlines(Timeouts(), SystemClock())

        async def attempt() -> None:
            deadlines.begin()
            await pass_time(1.0)

        tasks.append(asyncio.create_task(attempt()))
        await settle()
        return deadlines

    loop = asyncio.new_event_loop()
    deadlines = loop.run_until_complete(begin())
    loop.close()
    assert 1 == len(deadlines.attempts)
    deadlines.close()
    tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # as meant
