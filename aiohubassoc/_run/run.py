"""A run: it owns every pair that was read until that pair has its outcome."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from aiohubassoc._http.call_outcome import NO_HISTORY, NO_OBSERVER, History, make_unwritten
from aiohubassoc._protocol.codec import finish
from aiohubassoc._protocol.verdicts import Fatal
from aiohubassoc._run.group_commit import GroupCommit, wait_until_none
from aiohubassoc._run.input_errors import text_of
from aiohubassoc._run.source import Prefetch
from aiohubassoc._run.stream import OutputBuffer, ResultT
from aiohubassoc.errors import AioHubAssocError, RunStoppedError
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable

    from aiohubassoc._http.call_outcome import FinalVerdict
    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._http.events import Events
    from aiohubassoc._http.sender import Call, Send, SubjectT
    from aiohubassoc._protocol.codec import Steps
    from aiohubassoc._run.failure_limits import FailureLimits
    from aiohubassoc._run.group_commit import Recorder
    from aiohubassoc._run.source import Entry, Source
    from aiohubassoc._run.strategy import Strategy
    from aiohubassoc.models import Outcome, RunReport
    from aiohubassoc.observer import RunStartedEvent
    from aiohubassoc.pair import Pair

_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call
_AT_ONCE: Final = 100  # results of one response that are taken while other tasks wait
_T = TypeVar("_T")


class Run(Generic[ResultT]):
    """Reads pairs, lets a strategy work on them, and returns one result for each."""

    # A pair is in `open` from the moment it is read to the moment it has a result. At the end the
    # run reports what is still in `open`, no matter what was cancelled or failed.

    def __init__(
        self,
        source: Source,
        strategy: Strategy[ResultT],
        report: RunReport,
        *,
        clock: Clock,
        events: Events,
        started: RunStartedEvent,
        ordered: bool = False,
        stall_timeout: float | None = 300.0,
        drain_timeout: float = 5.0,
        limits: FailureLimits | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.report = report
        self.on_response = report.add_response
        self.on_doubt: Callable[[int], None] = NO_OBSERVER.on_doubt  # a strategy may replace it
        # The pairs that were read and have no result yet, by their index in the input.
        self.open: dict[int, Pair] = {}
        # By the index of an open pair: its repeats with theirs, which share its call.
        self.repeats: dict[int, list[Entry]] = {}
        self.histories: dict[int, History] = {}  # the results of earlier calls for open pairs
        self.stopping = False  # whether no more calls are made
        self.is_cut_off = False  # whether no more pairs are read either
        self.read_ahead = strategy.read_ahead  # pairs beyond the last result taken
        self.run_id = started.run
        self._events = events
        self._started = started
        self._started_at: float | None = None
        self.buffer = OutputBuffer[ResultT](report, ordered=ordered, on_result=events.on_outcome)
        self.prefetch = Prefetch(self, source)
        self._source = source
        self._strategy = strategy
        self._clock = clock
        self._stall_timeout = stall_timeout
        self._drain_timeout = drain_timeout
        self._limits = limits
        self._commit: GroupCommit | None = None
        self._emit: Callable[[ResultT], None] = self.buffer.emit
        self._emit_all: Callable[[list[ResultT]], None] = self.buffer.emit_all
        if recorder is not None:  # then the results are outcomes: no others are recorded
            written: Any = self.buffer.emit_all
            commit: Any = GroupCommit(
                recorder, clock, on_written=written, on_lost=self._report_lost
            )
            self._commit, self._emit, self._emit_all = commit, commit.add, commit.add_all
        self._tasks: dict[asyncio.Task[None], Call[Any] | None] = {}  # and the call of each
        self._stalled_since: float | None = None
        self._failure: BaseException | None = None
        self._has_failed = False
        self._cut_off_at = math.inf
        self._cut_off_timer: Timer | None = None

    # --- for the stream --------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return sum(call.in_flight for call in self._tasks.values() if call is not None)

    @property
    def has_ended(self) -> bool:
        """Whether the input was read to its end, and no pair is without a result."""
        return self._source.is_complete and not (self._tasks or self.open)

    async def start(self) -> None:
        """Open the recorder and begin to read."""
        if self._commit is not None:
            await self._commit.recorder.open()
            self.prefetch.find_known = self._commit.recorder.begin
        self._started_at = self._clock.now()
        self._events.run_started(self._started)
        self._strategy.start(self)

    async def next(self) -> ResultT:
        """Return the next result. At the end, raise what code of the caller raised."""
        buffer = self.buffer
        while not buffer.ready:
            if self._is_idle() and self._is_at_end():
                raise StopAsyncIteration
            if not buffer.ready:
                await buffer.wait_for_result()
        return buffer.take()

    def stop(self, cause: AioHubAssocError, *, drain_timeout: float | None = None) -> None:
        """Make no more calls: see `OutcomeStream.stop`."""
        if drain_timeout is not None:
            self._set_cut_off(self._clock.now() + drain_timeout)
        if self.stopping:
            return
        self.stopping = True
        self.report.stopped = cause
        self._events.run_stopped(self.run_id, cause)
        current = asyncio.current_task()
        for task, call in self._tasks.items():
            if call is not None and not call.in_flight and task is not current:
                task.cancel()
        self.buffer.wake_readers()

    async def close(self) -> None:
        """End all tasks and report every pair, however often this is cancelled meanwhile."""
        try:
            await self._close()
        finally:
            started_at, self._started_at = self._started_at, None
            if started_at is not None:
                self._events.run_finished(self.run_id, self.report, started_at)
            await self._source.close()

    async def _close(self) -> None:
        self.is_cut_off = True
        left_early = RunStoppedError("the run was left early: the rest of the input was not read")
        try:
            if self._tasks:
                self.stop(left_early)
                self._cancel(task for task, call in self._tasks.items() if call is None)
                await asyncio.wait(self._tasks, timeout=self._drain_timeout)
        finally:
            if self._cut_off_timer is not None:
                self._cut_off_timer.cancel()
            try:
                await wait_until_none(lambda: self._cancel(self._tasks))
            finally:
                self.report_open()
                self.report.input_complete = self._source.is_complete
                if self._commit is not None:
                    report: Any = self.report
                    await self._commit.close(report, is_failed=self._has_failed)

    def raise_failure(self) -> None:
        """Raise what the run failed with, once."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # --- for strategies --------------------------------------------------------------------------

    def begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin a task and return it. The run ends when all its tasks have ended."""
        # Not create_task: an eager task factory would run the work here at once. It may begin a
        # thousand further tasks, each inside the one before.
        task = asyncio.Task(work, loop=asyncio.get_running_loop())
        self._tasks[task] = None
        task.add_done_callback(self._end_task)
        return task

    async def call(
        self, send: Send[SubjectT], call: Call[SubjectT], indexes: Iterable[int]
    ) -> FinalVerdict:
        """Make a call for pairs. A stop cancels it, unless its request is in flight."""
        task: Any = asyncio.current_task()
        self._tasks[task] = call
        try:
            verdict = await send(call)
        except BaseException:
            self._tasks[task] = None
            self.remember(indexes, call.to_cut_off_history())
            raise
        self._tasks[task] = None
        if isinstance(verdict, Fatal):
            self.stop(verdict.error)
        return verdict

    def remember(self, indexes: Iterable[int], history: History) -> None:
        """Keep the history of a call for the pairs that it left without a result."""
        for index in indexes:
            for one in (index, *(repeat for repeat, _ in self.repeats.get(index, ()))):
                if one in self.open:
                    self.histories[one] = history

    def put(self, result: ResultT, *, is_refusal: bool = False) -> None:
        """Take the result of a pair, unless it has one already."""
        # *is_refusal*: HubSpot refused that pair, and its response linked no other pair.
        index = result.index
        if self.open.pop(index, None) is None:
            return
        if self.histories:
            self.histories.pop(index, None)
        if self._stalled_since is not None and not self.open:
            self._stalled_since = None  # there is nothing to complete until more is read
        limits = self._limits
        outcome: Any = result  # only outcomes have limits
        if limits is not None and (limits.streak.length or outcome.status is not _LINKED):
            error = limits.check(outcome, is_refusal=is_refusal)
            if error is not None:
                self.stop(error)
        self._emit(result)

    def put_linked(self, results: list[ResultT]) -> None:
        """Take results of one response, all of them linked, of pairs without repeats."""
        pop = self.open.pop
        taken = [result for result in results if pop(result.index, None) is not None]
        if taken and self._limits is not None and self._limits.streak.length:
            self._limits.note_link(max(result.index for result in taken))
        self._emit_all(taken)

    async def give_way(self) -> None:
        await self._clock.sleep(0)

    async def put_each(self, results: Iterable[ResultT], *, is_refusal: bool = False) -> None:
        """Take results and those of their repeats; *is_refusal* as for `put`."""

        def steps() -> Steps[None]:
            for result in results:
                self.put(result, is_refusal=is_refusal)
                yield
                for index, pair in self.repeats.pop(result.index, ()):
                    self.put(attrs.evolve(result, index=index, pair=pair))  # type: ignore[misc]
                    yield

        await self.in_steps(steps(), _AT_ONCE)

    async def in_steps(self, steps: Steps[_T], at_once: int = 1) -> _T:
        """Return the result of work, all of it done also if this is cancelled between its steps."""
        try:
            while True:
                for _ in range(at_once):
                    next(steps)
                await self.give_way()
        except StopIteration as end:
            result: _T = end.value
            return result
        except asyncio.CancelledError:
            finish(steps)
            raise

    def put_known(self, outcome: Outcome, *, is_written: bool) -> None:
        """Take an outcome of the recorder: no call was made for it, and it counts as no failure."""
        result: Any = outcome
        del self.open[result.index]
        (self.buffer.emit if is_written else self._emit)(result)

    def reject(self, index: int, pair: Pair, error: AioHubAssocError) -> None:
        """Report a pair with values that cannot be sent."""
        make = self._strategy.make_unsent
        if self.stopping:  # it is not recorded: it is no pair
            self.buffer.emit(make(index, pair, self.report.stopped, NO_HISTORY))
        else:
            self.open[index] = pair
            self.put(make(index, pair, error, None))

    def allows_doubts(self, count: int) -> bool:
        """Return whether this many more refusals, all alike, would not stop the run."""
        return self._limits is None or self._limits.allows(count)

    def fail(self, error: BaseException) -> None:
        """Stop because code of the caller failed. Its error is raised once all is reported."""
        text = f"{type(error).__name__}: {text_of(error)}"
        cause = error if isinstance(error, AioHubAssocError) else RunStoppedError(text)
        # Unchanged, they would end the caller's loop, or look like a cancellation of its task.
        if isinstance(error, StopAsyncIteration | asyncio.CancelledError):
            cause.__cause__, error = error, cause
        self._failure = self._failure or error
        self._has_failed = True
        self.stop(cause)

    # --- what calls report (a `CallObserver`) ----------------------------------------------------

    def on_progress(self) -> None:
        self._stalled_since = None

    def on_retry(self, error: AioHubAssocError) -> None:
        """Stop when no pair has completed for too long."""
        now, timeout = self._clock.now(), self._stall_timeout
        if self._stalled_since is None:
            self._stalled_since = now
        elif timeout is not None and now - self._stalled_since >= timeout:
            self.stop(RunStoppedError(f"no pair completed for {timeout:g} s. Last error: {error}"))

    # --- the end ---------------------------------------------------------------------------------

    def report_open(self) -> None:
        """Report the pairs that are still open. No task works on them any more."""
        left, histories, cause = self.open, self.histories, self.report.stopped
        self.open, self.histories, self.repeats = {}, {}, {}
        for index, pair in left.items():
            history = histories.get(index, NO_HISTORY)
            self._emit(self._strategy.make_unsent(index, pair, cause, history))

    def _is_idle(self) -> bool:
        """Return whether no task works on pairs; after a cut-off, reading does not count."""
        left_alone = {self._source.stepping} if self.is_cut_off else set()
        return self._tasks.keys() <= left_alone

    def _is_at_end(self) -> bool:
        """Return whether no further result comes; raise what the run failed with at the end."""
        if self.open:
            if not self.stopping:
                self.stop(RunStoppedError("the run ended without an outcome for some pairs"))
            self.report_open()
        if self._commit is not None and not self._commit.is_empty:
            self._commit.flush()  # no further outcomes come that would fill the group
            return False
        self.buffer.close_gaps()
        if self.buffer.ready:
            return False
        self.report.input_complete = self._source.is_complete
        self.is_cut_off |= self._failure is not None  # the rest of the input is the caller's
        self.raise_failure()
        if self.is_cut_off or self._source.is_over or not self.stopping:
            return True
        _ = self.begin(self.prefetch.reject_rest())
        return False

    def _report_lost(self, outcomes: list[Outcome], error: BaseException) -> None:
        """Report outcomes that could not be written as unprocessed."""
        if self.prefetch.find_known is not None:  # the first time
            self.prefetch.find_known = None
            if isinstance(error, AioHubAssocError):
                self.stop(error)
            else:
                self.fail(error)
        for outcome in outcomes:
            unwritten: Any = make_unwritten(outcome, self.report.stopped)
            self.buffer.emit(unwritten)

    def _end_task(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if task.cancelled():
            self.stop(RunStoppedError("the run was cancelled"))
        elif (error := task.exception()) is not None:
            self.fail(error)
        self.buffer.wake_takers()

    def _set_cut_off(self, at: float) -> None:
        if self._cut_off_at <= at:
            return
        if self._cut_off_timer is not None:
            self._cut_off_timer.cancel()
        self._cut_off_at = at
        self._cut_off_timer = self._clock.call_at(at, self._cut_off)

    def _cut_off(self) -> None:
        """Cancel all tasks, except one that waits for the next item of the caller's iterator."""
        self.is_cut_off = True
        self._cancel(task for task in self._tasks if task is not self._source.stepping)
        self.buffer.wake_readers()
        self.buffer.wake_takers()

    def _cancel(self, tasks: Iterable[asyncio.Task[None]]) -> Collection[asyncio.Task[None]]:
        """Cancel tasks, and return all of the run that have not ended."""
        for task in tasks:
            task.cancel()
        return self._tasks
