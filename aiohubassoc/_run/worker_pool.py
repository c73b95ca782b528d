"""The tasks of a run and the calls that they make: begun one by one, ended all together."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohubassoc._http.request_state import Call

    OnEnd = Callable[[asyncio.Task[None]], None]


class WorkerPool:
    """
    Tasks. *on_end* is called for each that ended, in whatever way.

    Attributes:
        calls: The call that a task makes now.
    """

    def __init__(self, on_end: OnEnd) -> None:
        self.calls: dict[asyncio.Task[Any], Call[Any]] = {}
        self._on_end = on_end
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_begin: deque[tuple[Coroutine[None, None, None], OnEnd | None]] = deque()
        self._is_beginning = False

    def has_more_than(self, task: object) -> bool:
        """Return whether any task but *task* goes on."""
        return bool(self._tasks - {task})

    def begin(self, work: Coroutine[None, None, None], on_end: OnEnd | None = None) -> None:
        """Begin a task; its own *on_end* is called too, even if it never has a first turn."""
        # An eager task factory runs the work in here, and that may begin further tasks: one after
        # the other, or a thousand of them would overrun the stack.
        self._to_begin.append((work, on_end))
        if self._is_beginning:
            return
        self._is_beginning = True
        try:
            while self._to_begin:
                work, on_end = self._to_begin.popleft()
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._end)
                if on_end is not None:
                    task.add_done_callback(on_end)
        finally:
            self._is_beginning = False

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._on_end(task)

    def cancel_waiting(self) -> None:
        """Cancel the calls that are not in flight, but not the running task."""
        current = asyncio.current_task()
        for task, call in self.calls.items():
            if not call.in_flight and task is not current:
                task.cancel()

    def cancel_idle(self) -> None:
        """Cancel the tasks that make no call."""
        for task in self._tasks - self.calls.keys():
            task.cancel()

    def cancel_all(self, *, but: object = None) -> None:
        """Cancel every task but that one."""
        for task in self._tasks:
            if task is not but:
                task.cancel()

    async def wait(self, seconds: float) -> None:
        """Return when every task has ended, or the time is over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def end(self) -> None:
        """Cancel every task and wait until it is gone, however often this one is cancelled."""
        cancelled: asyncio.CancelledError | None = None
        while self._tasks:
            self.cancel_all()
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
