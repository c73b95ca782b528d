"""Outcomes that wait until they are written, in groups: a write each would cost too much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._io.recorder import Recorder
    from aiohubassoc.models import Outcome

# A group is written once its first outcome waited so long: with the writing itself, no outcome is
# held for more than 0.2 s.
HOLD_SECONDS: Final = 0.1
# Or once it has so many: to hand a group to the writing thread and back costs as much as to write
# some hundred pairs. Twice as many, and a few on the wire, are what may be in hand.
GROUP: Final = 400


class Held:
    """
    Hands outcomes on once they are written.

    Args:
        recorder: Writes them.
        clock: Time.
        told: Called with the outcomes of each group, in their order, once it is written.
        lost: Called instead with outcomes that could not be written, and why. Nothing is written
            from then on.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock,
        *,
        told: Callable[[list[Outcome]], None],
        lost: Callable[[list[Outcome], Exception], None],
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._told = told
        self._lost = lost
        self._pending: list[Outcome] = []
        self._timer: Timer | None = None
        self._writing: asyncio.Task[None] | None = None
        self._broken: Exception | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every outcome was handed on."""
        return not self._pending and self._writing is None

    @property
    def is_broken(self) -> bool:
        """Whether outcomes were lost."""
        return self._broken is not None

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        if self._broken is not None:
            self._lost([outcome], self._broken)
            return
        self._pending.append(outcome)
        if self._writing is None and (self._timer is None or len(self._pending) >= GROUP):
            self._wait_or_flush()

    def flush(self) -> None:
        """Begin to write what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is None and self._pending:
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Return when all is handed on. Cancelled, it waits all the same: a write cannot be."""
        cancelled: asyncio.CancelledError | None = None
        while not self.is_empty:
            self.flush()
            assert self._writing is not None  # noqa: S101 -- what is pending is being written now
            try:
                await asyncio.wait([self._writing])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _write(self) -> None:
        group, self._pending = self._pending[:GROUP], self._pending[GROUP:]
        try:
            await self._recorder.write(group)
        except Exception as error:  # noqa: BLE001 -- the run must know, whatever it is
            self._broken = error
            group += self._pending
            self._pending = []
        self._writing = None
        if self._broken is not None:
            self._lost(group, self._broken)
            return
        if self._pending:
            self._wait_or_flush()
        self._told(group)

    def _wait_or_flush(self) -> None:
        if len(self._pending) >= GROUP:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.call_at(self._clock.now() + HOLD_SECONDS, self.flush)
