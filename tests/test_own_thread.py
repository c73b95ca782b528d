"""No test may schedule anything in its event loop from another thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(lambda loop, future: loop.call_soon(print), id="call_soon"),
        pytest.param(lambda loop, future: loop.call_later(0.0, print), id="call_later"),
        pytest.param(lambda loop, future: future.set_result(None), id="a future's result"),
        pytest.param(lambda loop, future: future.cancel(), id="a cancelled future"),
    ],
)
async def test_a_callback_from_another_thread_is_refused(
    schedule: Callable[[_Loop, asyncio.Future[None]], object],
) -> None:
    """Without this the loop may sleep on, and what waits with it."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    future.add_done_callback(print)

    def from_there() -> None:
        with pytest.raises(RuntimeError, match="the event loop belongs to another thread"):
            schedule(loop, future)

    await asyncio.to_thread(from_there)
