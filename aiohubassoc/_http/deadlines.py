"""An end for every call that takes too long, by one timer for all of them."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aiohubassoc._http.clock import bind_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc.options import Timeouts

# A timer may fire a little early.
_TICK = 1e-4


class OnWire:
    """
    A call in flight, made by the running task.

    Args:
        task: That task.
        began_at: When it began; once a connection is opened for it, when that was done.
        due_at: When it is ended, unless it is over by then.

    Attributes:
        cancelling: How often the task was being cancelled when the call began.
        fresh: Whether it had to open a connection.
        waited: Seconds that its request waited for a connection; None: not known, as it opened one.
        connecting: Whether it is about to: nothing is sent yet.
        expired: Whether it was ended.
        is_of_many: Whether it is about many pairs.
        needs_new: Whether it is to open a connection in any case.
        is_cut: Whether its response was not read to its end, or came before its request was sent.
        protocol: Its connection, once it has one.
        aside: Connections that it was offered and does not take.
    """

    # On the class: nearly no call changes them.
    fresh = False
    waited: float | None = 0.0
    connecting = False
    expired = False
    is_of_many = False
    needs_new = False
    is_cut = False
    protocol: ResponseHandler | None = None
    aside: tuple[Connection, ...] = ()

    def __init__(self, task: asyncio.Task[object], began_at: float, due_at: float) -> None:
        self.task = task
        self.began_at = began_at
        self.due_at = due_at
        self.cancelling = task.cancelling()

    @property
    def is_reuse(self) -> bool:
        """Whether its connection was used before."""
        return self.protocol is not None and not self.fresh

    def set_aside(self, connection: Connection) -> Callable[[], None]:
        """Return what keeps a connection that is not taken until another one is found."""

        def keep() -> None:
            self.aside = (*self.aside, connection)

        return keep

    def give_back(self) -> None:
        """Let others have the connections that were set aside."""
        aside, self.aside = self.aside, ()
        for connection in aside:
            del connection.close
            connection.release()

    def was_ended(self) -> bool:
        """Take back the cancellation that ended it; False if there was another one."""
        return self.expired and self.task.uncancel() <= self.cancelling


class Deadlines:
    """
    The calls in flight.

    A timeout of aiohttp's own costs two timers a call, a tenth of all that a call costs.

    Args:
        timeouts: For each of them; connecting has a bound elsewhere.
        clock: Time.

    Attributes:
        calls: The calls, each by the task that makes it. A call that is over is removed.
    """

    def __init__(self, timeouts: Timeouts, clock: Clock) -> None:
        self._answer = math.inf if timeouts.response is None else timeouts.response
        self._total = math.inf if timeouts.total is None else timeouts.total
        self._first = min(self._answer, self._total)
        self._clock = clock
        self._now = bind_now(clock)
        self._loop = asyncio.get_running_loop()
        self.calls: dict[asyncio.Task[object], OnWire] = {}
        self._timer: Timer | None = None
        self._timer_at = math.inf

    def begin(self) -> OnWire:
        """Watch the call that the running task is about to make."""
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        now = self._now()
        call = self.calls[task] = OnWire(task, now, now + self._first)
        if call.due_at < self._timer_at:
            self._set_timer(call.due_at)
        return call

    def connecting(self) -> OnWire:
        """Note that the running task's call opens a connection first, and return it."""
        call = self.running
        call.fresh = call.connecting = True
        call.waited = None
        call.due_at = call.began_at + self._total
        return call

    def connected(self) -> None:
        """Note that it has one: the time for its response begins."""
        call = self.running
        call.connecting = False
        call.began_at, ends_at = self._clock.now(), call.due_at
        call.due_at = min(ends_at, call.began_at + self._answer)
        if call.due_at < self._timer_at:
            self._set_timer(call.due_at)

    def close(self) -> None:
        """Leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    @property
    def running(self) -> OnWire:
        """The running task's call."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- see above
        return self.calls[task]

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._clock.call_at(when, self._sweep), when

    def _sweep(self) -> None:
        """End the calls that are due, and look again when the next one is."""
        self.close()
        now = self._clock.now() + _TICK
        for call in self.calls.values():
            if call.due_at <= now:
                call.expired, call.due_at = True, math.inf
                call.task.cancel()
        next_at = min((call.due_at for call in self.calls.values()), default=math.inf)
        if next_at < math.inf:
            self._set_timer(next_at)
