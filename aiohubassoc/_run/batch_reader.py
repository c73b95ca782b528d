"""Reads pairs into batches, and sends each when it is full or has waited long enough."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Generic

from aiohubassoc._batching.batch import Batcher, GroupT
from aiohubassoc._run.source import MOST_READ

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.source import Entry


class BatchReader(Generic[GroupT]):
    """
    Makes the batches of a run.

    With a slow input, a batch that is not full is sent after *linger* seconds. It waits longer
    while no pairs are read because the caller takes no results.
    """

    def __init__(
        self, make: Callable[[tuple[str, str], float], GroupT], *, linger: float, clock: Clock
    ) -> None:
        self._linger = linger
        self._clock = clock
        self._batcher: Batcher[GroupT] = Batcher(make, linger)
        self._timer: Timer | None = None

    async def read(
        self,
        run: Run[Any],
        read: Callable[[int], Awaitable[list[Entry]]],
        send: Callable[[GroupT], None],
        is_more_coming: Callable[[], bool] = bool,
    ) -> None:
        """
        Read pairs until the end or until the run stops, and *send* each batch that is full or due.

        While *is_more_coming* returns True, more pairs are sure to come, so a due batch waits.
        """
        self._run, self._is_more_coming = run, is_more_coming
        self._send: Callable[[GroupT], None] = send
        try:
            while pairs := await read(MOST_READ):
                for group in self._batcher.add(pairs, self._clock.now()):
                    send(group)
                if self._timer is None:
                    self._set_timer(self._batcher.due_at)
            if not run.stopping:
                for group in self._batcher.take(self._clock.now()):
                    send(group)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _set_timer(self, at: float) -> None:
        if at < math.inf:
            self._timer = self._clock.call_at(at, self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        if self._run.stopping:
            return
        now = self._clock.now()
        if self._is_more_coming() or self._run.buffer.holds_up_readers:
            self._set_timer(now + self._linger)
            return
        for group in self._batcher.take(now, by=now):
            self._send(group)
        self._set_timer(self._batcher.due_at)
