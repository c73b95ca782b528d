"""Cancels a task at the n-th step of the event loop: between any two of its callbacks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import looptime

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_run_callback = asyncio.Handle._run


class Interruption:
    """
    Cancels a task after the n-th callback that the loop runs once the task has begun.

    Whatever task suspends or resumes does so in a callback: so each suspension of each task is met.

    Args:
        at: The callback after which it is cancelled, from 1.
        again: Further callbacks after that one, each of which is followed by a cancellation too.

    Attributes:
        callbacks: How many callbacks ran until the task ended.
        was_accepted: Whether the task was there to be cancelled.
    """

    def __init__(self, at: int, again: tuple[int, ...] = ()) -> None:
        self.callbacks = 0
        self.was_accepted = False
        self._at = {at, *(at + later for later in again)}
        self._task: asyncio.Task[Any] | None = None

    async def over(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Run *work* as a task, cancel it, and return it once it has ended."""
        task = self._task = asyncio.create_task(work)
        await asyncio.wait([task])
        self._task = None
        return task

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Count the callbacks of every loop of this thread."""

        def run_callback(handle: asyncio.Handle) -> None:
            _run_callback(handle)
            task = self._task
            if task is not None and not task.done():
                self.callbacks += 1
                if self.callbacks in self._at:
                    self.was_accepted |= task.cancel()

        with patch.object(asyncio.Handle, "_run", run_callback):
            yield


def interrupt_everywhere(
    scenario: Callable[[Interruption], Coroutine[Any, Any, None]],
    *,
    again: tuple[int, ...] = (),
    every: int = 1,
) -> int:
    """
    Run *scenario* in virtual time, cancelled at the first callback, at the second, and so on.

    Args:
        scenario: Runs its work by `Interruption.over`, and checks what that left.
        again: As for `Interruption`.
        every: Leave out all callbacks but each so manyth.

    Returns:
        How often it was cancelled, until a run ended before its turn came.
    """
    for times in range(100_000):
        interruption = Interruption(1 + times * every, again)
        loop = looptime.new_event_loop()
        try:
            with interruption.listening():
                loop.run_until_complete(scenario(interruption))
        except BaseException as error:
            error.add_note(f"cancelled after callback {1 + times * every}")
            raise
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        if not interruption.was_accepted:
            return times
    raise AssertionError("the work never ends")
