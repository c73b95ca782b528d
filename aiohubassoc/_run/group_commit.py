"""Outcomes that wait until they are written, in groups: a write for each would cost too much."""

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
    """Opened before the first pair, closed after the last; used by one run at a time."""

    async def open(self) -> None:
        """Be ready for the run, or raise JournalError."""

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """
        Return the outcome of a pair that needs no call; None: send it.

        One that is not ``skipped`` is written like any other, before it is reported. A folder that
        can no longer be read raises JournalError.
        """

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Return when all outcomes are written, or raise JournalError: none is."""

    async def close(self, report: Report, *, complete: bool) -> None:
        """End the run; *complete*: the input was read to its end and every outcome written."""


# A group is written once its first outcome waited this long: with the writing itself, no outcome
# is held for more than 0.2 s.
LINGER_SECONDS: Final = 0.1
# Or once it has this many: to hand a group to the writing thread and back costs as much as to
# write some hundred pairs. Twice as many, and a few in flight, are what may be in hand.
GROUP: Final = 400


async def wait_until_none(begin: Callable[[], Collection[asyncio.Future[Any]]]) -> None:
    """
    Wait for tasks until there are none, however often the waiting task is cancelled meanwhile.

    *begin* returns those to wait for next. A cancellation is raised at the end.
    """
    cancelled: asyncio.CancelledError | None = None
    while tasks := begin():
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class GroupCommit:
    """
    Hands outcomes to *on_written* once they are written, in their order.

    What could not be written goes to *on_lost*, with the reason; nothing is written from then on.

    Attributes:
        recorder: Writes them.
        failure: Why outcomes were lost; None: none was.
    """

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
        self.failure: BaseException | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every outcome was handed on."""
        return not (self._pending or self._group)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        if self.failure is not None:
            self._on_lost([outcome], self.failure)
            return
        self._pending.append(outcome)
        if not self._group and (self._timer is None or len(self._pending) >= GROUP):
            self._wait_or_flush()

    def add_all(self, outcomes: list[Outcome]) -> None:
        """Take outcomes."""
        for outcome in outcomes:
            self.add(outcome)

    def flush(self) -> None:
        """Begin to write what there is."""
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
        """
        Return when all is handed on and the recorder is closed. A cancellation waits for writes.

        *is_failed*: the run failed with an error of the caller's own code.
        """

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
