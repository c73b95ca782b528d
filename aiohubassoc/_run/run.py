"""A run: it owns every pair that was read until that pair has its outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

import attrs

from aiohubassoc._http.request_state import NO_HISTORY, Call, History, SubjectT, make_unwritten
from aiohubassoc._protocol.verdicts import Fatal
from aiohubassoc._run.group_commit import GroupCommit
from aiohubassoc._run.output_buffer import ResultT
from aiohubassoc._run.prefetch import Prefetch
from aiohubassoc._run.worker_pool import WorkerPool
from aiohubassoc.errors import AioHubAssocError, RunStoppedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohubassoc._http import request_state as _call
    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._run.limits import FailureLimits
    from aiohubassoc._run.output_buffer import OutputBuffer
    from aiohubassoc._run.recorder import Recorder
    from aiohubassoc._run.run_events import RunEvents
    from aiohubassoc._run.source import Source
    from aiohubassoc.models import Outcome, RunReport
    from aiohubassoc.pair import Pair

_FIRST_ERROR: Final = 400


class Strategy(Protocol[ResultT]):
    """
    How the pairs of a run get their results: it borrows pairs and gives back results.

    It need not remember any pair. What it gives no result for, the run reports itself.
    """

    read_ahead: int
    """How many pairs beyond the last result taken it needs to be read."""

    def start(self, run: Run[ResultT]) -> None:
        """Begin the tasks."""
        ...

    def wake(self) -> None:
        """Let tasks that wait for one another look again, and leave no timer: the run stops."""
        ...

    def make_rejected(self, index: int, pair: Pair, error: AioHubAssocError) -> ResultT:
        """Return the result of a pair that cannot be sent."""
        ...

    def make_open(
        self, index: int, pair: Pair, history: History, cause: AioHubAssocError | None
    ) -> ResultT:
        """Return the result of a pair that the run leaves open, for this cause."""
        ...


@attrs.frozen
class RunOptions:
    """
    How a run goes.

    Attributes:
        ordered: Whether results come in the input's order.
        stall_timeout: Seconds without a completed pair after which it stops; None: never.
        drain_timeout: Seconds that calls in flight may take to end when it is left early.
    """

    ordered: bool = False
    stall_timeout: float | None = 300.0
    drain_timeout: float = 5.0


class Run(Generic[ResultT]):
    """
    Reads pairs, lets a strategy work on them, and hands out one result for each.

    A pair is in `open` from the moment it is read to the moment it has a result. No matter what is
    cancelled or fails meanwhile, at the end the run reports what is still in there.

    Attributes:
        open: The pairs that were read and have no result yet, by their place in the input.
        stopping: Whether nothing more is sent.
        is_cut_off: Whether nothing more is read either.
        read_ahead: How many pairs beyond the last result taken may be read.
        run_id: What its events are known by.
        begin: `WorkerPool.begin`.
    """

    def __init__(
        self,
        source: Source,
        strategy: Strategy[ResultT],
        report: RunReport,
        options: RunOptions,
        *,
        clock: Clock,
        events: RunEvents,
        limits: FailureLimits | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.report = report
        self.open: dict[int, Pair] = {}
        self.stopping = self.is_cut_off = False
        self.read_ahead = strategy.read_ahead
        self.run_id = events.run_id
        self._events = events
        self.buffer: OutputBuffer[ResultT] = events.make_buffer(report, ordered=options.ordered)
        self.prefetch = Prefetch(self, source)
        self._histories: dict[int, History] = {}  # of open pairs that were in calls before
        self._source = source
        self._strategy = strategy
        self._options = options
        self._clock = clock
        self._limits = limits
        self._recorder = recorder
        self._commit: GroupCommit | None = None
        # Where a result goes: bound once, not per pair.
        self._emit: Callable[[ResultT], None] = self.buffer.emit
        self._emit_all: Callable[[list[ResultT]], None] = self.buffer.emit_all
        if recorder is not None:
            self._record_with(recorder)
        self._workers = WorkerPool(self._task_ended)
        self.begin = self._workers.begin
        self._trouble_since: float | None = None
        self._failure: BaseException | None = None
        self._has_failed = False
        self._cut_off_at: float | None = None
        self._cut_off_timer: Timer | None = None

    def _record_with(self, recorder: Recorder) -> None:
        commit: Any = GroupCommit(  # of outcomes: no other results are recorded
            recorder,
            self._clock,
            on_written=self.buffer.emit_all,  # type: ignore[arg-type]  # see above
            on_lost=self._report_lost,
        )
        self._commit, self._emit, self._emit_all = commit, commit.add, commit.add_all

    # --- the caller's side -----------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """How many requests of this run are in flight."""
        return sum(call.in_flight for call in self._workers.calls.values())

    async def start(self) -> None:
        """Open the recorder and begin to work."""
        if self._recorder is not None:
            await self._recorder.open()
            self.prefetch.find_known = self._recorder.begin
        self._events.started()
        self._strategy.start(self)

    async def next(self) -> ResultT:
        """
        Return the next result.

        Raises:
            StopAsyncIteration: there is none.
            Exception: what the input or a callback of the caller's raised, once all is reported.
        """
        buffer = self.buffer
        while not buffer.ready:
            if self._is_idle() and self._is_at_end():
                raise StopAsyncIteration
            if not buffer.ready:
                await buffer.wait_for_news()
        return buffer.take()

    def stop(self, cause: AioHubAssocError, *, drain_timeout: float | None = None) -> None:
        """Send nothing more: see `OutcomeStream.stop`."""
        if drain_timeout is not None:
            self._cut_off_in(drain_timeout)
        if self.stopping:
            return
        self.stopping = True
        self.report.stopped = cause
        self._events.stopped(cause)
        self._workers.cancel_waiting()
        self._strategy.wake()
        self.buffer.wake_readers()

    async def close(self) -> None:
        """
        End in good order, however often it is cancelled: no task is left, every pair is reported.

        Raises:
            Exception: what the input or a callback of the caller's raised, unless `next` did.
        """
        try:
            await self._close()
        finally:
            self._events.finished(self.report)

    async def _close(self) -> None:
        self.is_cut_off = True
        if self._workers.has_more_than(None):
            self.stop(RunStoppedError("the run was left early: the rest of the input was not read"))
            self._workers.cancel_idle()  # they read input or wait for room
        try:
            await self._workers.wait(self._options.drain_timeout)
        finally:
            if self._cut_off_timer is not None:
                self._cut_off_timer.cancel()
            try:
                await self._workers.end()
            finally:
                self.report_open()
                self.report.input_complete = self._source.is_complete
                await self._close_recorder()
                await self._source.close()

    def take_failure(self) -> BaseException | None:
        """Return what the run failed with, once; None: nothing, or it was taken before."""
        failure, self._failure = self._failure, None
        return failure

    # --- what strategies work with, besides `begin` ----------------------------------------------

    async def call(
        self,
        settle: Callable[[Call[SubjectT]], Awaitable[_call.Final]],
        call: Call[SubjectT],
        indexes: Iterable[int],
    ) -> _call.Final:
        """Make a call for pairs. A stop lets it end in flight, and cancels it elsewhere."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        self._workers.calls[task] = call
        try:
            settled = await settle(call)
        except BaseException:
            del self._workers.calls[task]
            self.remember(indexes, call.to_cut_off_history())
            raise
        del self._workers.calls[task]
        if isinstance(settled, Fatal):
            self.stop(settled.error)
        return settled

    def get_history(self, index: int) -> History:
        """Return what earlier calls for a pair came to."""
        return self._histories.get(index, NO_HISTORY) if self._histories else NO_HISTORY

    def remember(self, indexes: Iterable[int], history: History) -> None:
        """Keep what a call came to, for pairs that it did not settle."""
        self._histories.update((index, history) for index in indexes if index in self.open)

    def put(self, result: ResultT, *, is_refusal: bool = False) -> None:
        """
        Take the result of a pair. A second one of the same pair is not taken.

        *is_refusal*: HubSpot refused that pair, and linked none by the same response.
        """
        if self.open.pop(result.index, None) is None:
            return
        if self._histories:
            self._histories.pop(result.index, None)
        if self._limits is not None:
            outcome: Any = result  # only these have limits
            error = self._limits.check(outcome, is_refusal=is_refusal)
            if error is not None:
                self.stop(error)
        self._emit(result)

    def put_all(self, results: list[ResultT]) -> None:
        """Take the results of one response: all of them linked."""
        pop = self.open.pop
        taken = [result for result in results if pop(result.index, None) is not None]
        if self._histories:
            for result in taken:
                self._histories.pop(result.index, None)
        if taken and self._limits is not None:
            self._limits.note_link(max(result.index for result in taken))
        self._emit_all(taken)

    def put_known(self, outcome: Outcome, *, is_written: bool) -> None:
        """Take an outcome from the recorder: it needs no call and stops nothing."""
        result: Any = outcome
        del self.open[result.index]
        (self.buffer.emit if is_written else self._emit)(result)

    def reject(self, index: int, pair: Pair, error: AioHubAssocError) -> None:
        """Report an item that has the form of a pair, and cannot be sent."""
        if self.stopping:  # nothing is judged any more, nor recorded: it is no pair
            cause = self.report.stopped
            self.buffer.emit(self._strategy.make_open(index, pair, NO_HISTORY, cause))
            return
        self.open[index] = pair
        self.put(self._strategy.make_rejected(index, pair, error))

    def fail(self, error: BaseException) -> None:
        """Stop for a fault of the caller's own code; it is raised once all is reported."""
        self._failure = self._failure or error
        self._has_failed = True
        if isinstance(error, AioHubAssocError):
            self.stop(error)
        else:
            self.stop(RunStoppedError(f"{type(error).__name__}: {error}"))

    # --- what calls report (a `CallObserver`) ----------------------------------------------------

    def on_response(self, status: int) -> None:
        """Count a response."""
        report = self.report
        report.responses += 1
        if status >= _FIRST_ERROR:
            report.add_error(status)

    def on_progress(self) -> None:
        """Note that HubSpot settled a pair."""
        self._trouble_since = None

    def on_retry(self, error: AioHubAssocError) -> None:
        """Stop when no pair has completed for too long."""
        now = self._clock.now()
        timeout = self._options.stall_timeout
        if self._trouble_since is None:
            self._trouble_since = now
        elif timeout is not None and now - self._trouble_since >= timeout:
            self.stop(RunStoppedError(f"no pair completed for {timeout:g} s. Last error: {error}"))

    # --- the end ---------------------------------------------------------------------------------

    def report_open(self) -> None:
        """Report the pairs that nobody works on any more: they are left open."""
        left, self.open = self.open, {}
        histories, self._histories = self._histories, {}
        cause = self.report.stopped
        for index, pair in left.items():
            history = histories.get(index, NO_HISTORY)
            self._emit(self._strategy.make_open(index, pair, history, cause))

    def _is_idle(self) -> bool:
        """Return whether no task works on pairs; one in the caller's iterator is left alone."""
        alone = self._source.stepping if self.is_cut_off else None
        return not self._workers.has_more_than(alone)

    def _is_at_end(self) -> bool:
        """Return whether no further result comes; raise what went wrong, once all is reported."""
        if self.open:
            if not self.stopping:
                self.stop(RunStoppedError("the run ended without an outcome for some pairs"))
            self.report_open()
            return False
        if self._commit is not None and not self._commit.is_empty:
            self._commit.flush()  # no others come to fill its group
            return False
        if self.buffer.close_gaps():
            return False
        self.report.input_complete = self._source.is_complete
        if (failure := self.take_failure()) is not None:
            self.is_cut_off = True  # the rest of the input is the caller's
            raise failure
        if self.is_cut_off or self._source.is_over or not self.stopping:
            return True
        self.begin(self.prefetch.reject_rest())
        return False

    def _report_lost(self, outcomes: list[Outcome], error: BaseException) -> None:
        """Report outcomes that could not be written: nothing may be claimed of them."""
        if self.prefetch.find_known is not None:  # the first time
            self.prefetch.find_known = None
            if isinstance(error, AioHubAssocError):
                self.stop(error)
            else:
                self.fail(error)
        for outcome in outcomes:
            unwritten: Any = make_unwritten(outcome, self.report.stopped)
            self.buffer.emit(unwritten)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self.stop(RunStoppedError("the run was cancelled"))
        elif (error := task.exception()) is not None:
            self.fail(error)
        self.buffer.wake_taker()

    def _cut_off_in(self, seconds: float) -> None:
        at = self._clock.now() + seconds
        if self._cut_off_at is not None and self._cut_off_at <= at:
            return
        if self._cut_off_timer is not None:
            self._cut_off_timer.cancel()
        self._cut_off_at = at
        self._cut_off_timer = self._clock.call_at(at, self._cut_off)

    def _cut_off(self) -> None:
        """Cancel calls, and never the caller's iterator in the middle of a step."""
        self.is_cut_off = True
        self._workers.cancel_all(but=self._source.stepping)
        self.buffer.wake_readers()
        self.buffer.wake_taker()

    async def _close_recorder(self) -> None:
        if self._commit is None or self._recorder is None:
            return
        try:
            await self._commit.close()
        finally:
            complete = self.report.input_complete and not (
                self._has_failed or self._commit.is_broken
            )
            report: Any = self.report
            await self._recorder.close(report, complete=complete)
