"""Writes outcomes in groups before they are reported: a write for each would cost too much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohubassoc.errors import RunStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc.models import Outcome, Report
    from aiohubassoc.pair import Pair


class Recorder(Protocol):
    """Records the outcomes of a run. Opened before the first pair, closed after the last."""

    async def open(self) -> None:
        """Open it for a run, or raise JournalError."""

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """Return the outcome of a pair that needs no call, or raise JournalError; None: send it."""
        # One that is not ``skipped`` is written before it is reported, like any other.

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write all outcomes, or raise JournalError and write none."""

    async def close(self, report: Report, *, complete: bool) -> None:
        """Close it; *complete*: the input was read to its end, and every outcome is written."""


# A group is written once its first outcome waited this many seconds. Together with the write no
# outcome waits for more than 0.2 s.
LINGER_SECONDS: Final = 0.1
# Or once it has this many outcomes: to pass a group to the writing thread and back costs as much as
# to write some hundred pairs. At most two groups wait, and the outcomes of calls in flight.
GROUP: Final = 400


async def wait_until_none(begin: Callable[[], Collection[asyncio.Future[Any]]]) -> None:
    """Wait for the tasks that *begin* returns until there are none; then raise a cancellation."""
    cancelled: asyncio.CancelledError | None = None
    while tasks := begin():
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class GroupCommit:
    """Passes outcomes to *on_written* once they are written; after a failure to *on_lost*."""

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock,
        *,
        on_written: Callable[[list[Outcome]], None],
        on_lost: Callable[[list[Outcome], BaseException], None],
    ) -> None:
        self.recorder = recorder
        self._clock = clock
        self._on_written = on_written
        self._on_lost = on_lost
        self._pending: list[Outcome] = []
        self._timer: Timer | None = None
        self._group: list[Outcome] = []  # what is being written
        self._writing: asyncio.Task[None] | None = None
        self.failure: BaseException | None = None  # why outcomes were lost; None: none was

    @property
    def is_empty(self) -> bool:
        return not (self._pending or self._group)

    def add(self, outcome: Outcome) -> None:
        if self.failure is not None:
            self._on_lost([outcome], self.failure)
            return
        self._pending.append(outcome)
        if not self._group:
            self._wait_or_flush()

    def add_all(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.add(outcome)

    def flush(self) -> None:
        """Begin to write the waiting outcomes, unless a group is being written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._group and self._pending:
            self._group, self._pending = self._pending[:GROUP], self._pending[GROUP:]
            self._writing = asyncio.create_task(self.recorder.write(self._group))
            # Only this callback handles the end of the write. It runs in a later turn of the loop,
            # even if the write failed or was cancelled before its first turn.
            self._writing.add_done_callback(self._end_write)

    async def close(self, report: Report, *, is_failed: bool) -> None:
        """Pass on all outcomes and close the recorder, even if cancelled meanwhile."""

        def write_next() -> Collection[asyncio.Future[Any]]:
            self.flush()
            return [] if self.is_empty or self._writing is None else [self._writing]

        try:
            await wait_until_none(write_next)
        finally:
            complete = report.input_complete and not is_failed and self.failure is None
            await self.recorder.close(report, complete=complete)

    def _end_write(self, task: asyncio.Task[None]) -> None:
        group, self._group = self._group, []
        if task.cancelled():
            self.failure = RunStoppedError("the write to the run folder was cancelled")
        else:
            self.failure = task.exception()
        if self.failure is not None:
            lost, self._pending = group + self._pending, []
            self._on_lost(lost, self.failure)
            return
        if self._pending:
            self._wait_or_flush()
        self._on_written(group)

    def _wait_or_flush(self) -> None:
        if len(self._pending) >= GROUP:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.call_at(self._clock.now() + LINGER_SECONDS, self.flush)
