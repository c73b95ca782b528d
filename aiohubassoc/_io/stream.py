"""Many pairs: workers that pull, outcomes as they come, memory that does not grow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from aiohubassoc._core.verdict import Accepted, Fatal
from aiohubassoc._io.call import Call, interrupted_outcome, outcome_of, unwritten_outcome
from aiohubassoc._io.holding import Held
from aiohubassoc._io.outbox import READ_AHEAD, Outbox
from aiohubassoc.errors import AioHubAssocError, JournalError, RunStoppedError
from aiohubassoc.models import Outcome, Report, Status
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from aiohubassoc._io import call as _call
    from aiohubassoc._io.clock import Clock, Timer
    from aiohubassoc._io.recorder import Recorder
    from aiohubassoc._io.source import Source

_FIRST_ERROR: Final = 400
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


class OutcomeStream:
    """
    The outcomes of a run: a context manager that is an async iterator.

    Each pair that is read has exactly one outcome. When the run stops by itself, the rest of the
    input is read and told as ``unprocessed``. Leaving the block early stops new requests, lets
    those on the wire finish for *drain* seconds, and ends the rest as ``unprocessed``; what was
    not taken by then can still be taken.

    With a recorder an outcome is written before it is told. What could not be written is told as
    ``unprocessed``, whatever came of it, and the run stops.

    Attributes:
        report: What became of the pairs so far, taken or not.
    """

    def __init__(
        self,
        source: Source,
        settle: Callable[[Call], Awaitable[_call.Final]],
        *,
        workers: int,
        ordered: bool,
        stop_after_failures: int | None,
        give_up_after: float | None,
        drain: float,
        keep_failures: int,
        clock: Clock,
        recorder: Recorder | None = None,
    ) -> None:
        self.report = Report(keep_failures=keep_failures)
        self.stopping = False
        self._source = source
        self._settle = settle
        self._worker_count = min(workers, READ_AHEAD)
        self._stop_after_failures = stop_after_failures
        self._give_up_after = give_up_after
        self._drain = drain
        self._clock = clock
        self._recorder = recorder
        self._outbox = Outbox(self.report, ordered=ordered)
        self._held: Held | None = None
        # Where an outcome goes, and who knows pairs that need no call: bound once, not per pair.
        self._hand_on: Callable[[Outcome], None] = self._outbox.tell
        self._ask: Callable[[int, Pair], Outcome | None] | None = None
        if recorder is not None:
            self._held = Held(recorder, clock, told=self._outbox.tell_all, lost=self._lost)
            self._hand_on = self._held.add
        self._failures = 0  # those of earlier runs left out
        self._is_read = self._has_failed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._trouble_since: float | None = None
        self._failure: BaseException | None = None
        self._cut_off: Timer | None = None
        self._entered = self._left = False

    @property
    def in_flight(self) -> int:
        """How many requests of this run are on the wire."""
        return sum(call.on_wire for call in self._calls.values())

    # --- the caller's side -----------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a run can be entered once")
        self._entered = True
        if self._recorder is not None:
            await self._recorder.open()
            self._ask = self._recorder.begin
        for _ in range(self._worker_count):
            self._begin(self._work())
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if not self._entered:
            raise RuntimeError("use it as 'async with client.link_each(...) as outcomes'")
        outbox = self._outbox
        while not outbox.ready:
            if not self._tasks and self._is_at_its_end():
                raise StopAsyncIteration
            if not outbox.ready:
                await outbox.wait_for_news()
        return outbox.take()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        if self._tasks:
            self.stop(RunStoppedError("the run was left before its end"))
            for task in self._tasks - self._calls.keys():  # reading input or waiting for room
                task.cancel()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._drain)
        finally:
            if self._cut_off is not None:
                self._cut_off.cancel()
            try:
                await self._end_workers()
            finally:
                await self._close_recorder()
                await self._source.close()
        if exc_type is None and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # --- the workers' side -----------------------------------------------------------------

    def heard(self, status: int) -> None:
        """HubSpot answered: the report counts it."""
        report = self.report
        report.answers += 1
        if status >= _FIRST_ERROR:
            report.add_error(status)

    def alive(self) -> None:
        """HubSpot settled a pair: the service is up."""
        self._trouble_since = None

    def trouble(self, error: AioHubAssocError) -> None:
        """Stop the run when there has been nothing but trouble for too long."""
        now = self._clock.now()
        if self._trouble_since is None:
            self._trouble_since = now
        elif self._give_up_after is not None and now - self._trouble_since >= self._give_up_after:
            seconds = f"{self._give_up_after:g}"
            self.stop(RunStoppedError(f"no pair was settled for {seconds} s; the last: {error}"))

    def stop(self, cause: AioHubAssocError, *, drain: float | None = None) -> None:
        """
        Send nothing more: what is on the wire ends, everything else is unprocessed.

        Args:
            cause: What the report and the unprocessed pairs say.
            drain: Seconds that requests on the wire may take to end. None: as long as their
                timeouts allow.
        """
        if drain is not None and self._cut_off is None:
            self._cut_off = self._clock.call_at(self._clock.now() + drain, self._cancel_workers)
        if self.stopping:
            return
        self.stopping = True
        self.report.stopped = cause
        own = asyncio.current_task()
        for task, call in self._calls.items():
            if not call.on_wire and task is not own:
                task.cancel()
        self._outbox.wake_readers()

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        while not self.stopping:
            if self._outbox.in_hand >= READ_AHEAD:
                await self._outbox.wait_for_room()
            elif (read := await self._read()) is None:
                return
            else:
                await self._settle_one(task, *read)

    async def _read_rest(self) -> None:
        """Tell what the input still holds, once the run has stopped."""
        while not self._left:
            if self._outbox.in_hand >= READ_AHEAD:
                await self._outbox.wait_for_room()
            elif (read := await self._read()) is None:
                return
            elif (pair := self._pair(*read)) is not None:
                self._put(self._unprocessed(read[0], pair))

    async def _read(self) -> tuple[int, object] | None:
        self._outbox.in_hand += 1  # its place is taken before it is read: reading may wait
        read = None
        try:
            read = self._source.next_at_once() or await self._source.next()
        finally:
            if read is None:
                self._outbox.in_hand -= 1
        if read is None:
            self._is_read = True
        return read

    def _pair(self, index: int, item: object) -> Pair | None:
        """Return the pair that *item* is, or tell its outcome if it needs no call."""
        try:
            pair = item if type(item) is Pair else self._source.pair(index, item)
        except BaseException:
            self._outbox.in_hand -= 1
            raise
        if isinstance(pair, tuple):
            bad, error = pair
            if self.stopping:  # nothing is judged any more, nor kept: it is no pair to go on with
                self._outbox.tell(self._unprocessed(index, bad))
                return None
            self._put(Outcome(index, bad, Status.FAILED, error=error))
            return None
        if self._ask is None:
            return pair
        try:
            known = self._ask(index, pair)
        except JournalError as error:
            self.stop(error)
            return pair
        if known is None:
            return pair
        if known.status is Status.SKIPPED:
            self._outbox.tell(known)
        else:
            self._hand_on(known)
        return None

    async def _settle_one(self, task: asyncio.Task[None], index: int, item: object) -> None:
        pair = self._pair(index, item)
        if pair is None:
            return
        if self.stopping:  # it was being read when the run stopped
            self._put(self._unprocessed(index, pair))
            return
        call = self._calls[task] = Call(pair, self)
        try:
            settled = await self._settle(call)
        except BaseException as error:
            del self._calls[task]
            if not isinstance(error, asyncio.CancelledError):
                self._fail(error)
            self._put(interrupted_outcome(index, call, self.report.stopped))
            raise
        del self._calls[task]
        if isinstance(settled, Accepted):  # nearly always
            self._trouble_since = None
            self._hand_on(Outcome(index, pair, _LINKED, call.attempts, settled.reply))
            return
        if isinstance(settled, Fatal):
            self.stop(settled.error)
        self._put(outcome_of(index, call, settled))

    def _put(self, outcome: Outcome) -> None:
        """Tell an outcome, once it is written if it is to be."""
        if outcome.status is not _LINKED and self._stop_after_failures is not None:
            self._failures += outcome.status in {Status.FAILED, Status.PARTIAL}
            if self._failures >= self._stop_after_failures:
                self.stop(RunStoppedError(f"{self._failures} pairs failed"))
        self._hand_on(outcome)

    def _lost(self, outcomes: list[Outcome], error: Exception) -> None:
        """Tell outcomes that could not be written: nothing may be claimed of them."""
        self._ask = None
        if isinstance(error, AioHubAssocError):
            self.stop(error)
        else:
            self._fail(error)
        for outcome in outcomes:
            self._outbox.tell(unwritten_outcome(outcome, self.report.stopped))

    def _unprocessed(self, index: int, pair: Pair) -> Outcome:
        return Outcome(index, pair, Status.UNPROCESSED, error=self.report.stopped)

    def _fail(self, error: BaseException) -> None:
        """End the run for a fault of the caller's own code; it is raised once all is told."""
        self._failure = self._failure or error
        self._has_failed = True
        if isinstance(error, AioHubAssocError):
            self.stop(error)
        else:
            self.stop(RunStoppedError(f"{type(error).__name__}: {error}"))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._worker_ended)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self.stop(RunStoppedError("the run was cancelled"))
        elif (error := task.exception()) is not None:
            self._fail(error)
        self._outbox.wake_taker()

    # --- the end ---------------------------------------------------------------------------

    def _is_at_its_end(self) -> bool:
        """Return whether no further outcome comes; raise what went wrong, once all is told."""
        if self._held is not None and not self._held.is_empty:
            self._held.flush()  # no others come to make its group a full one
            return False
        if self._outbox.close_gaps():
            return False
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._left = True  # the input's rest belongs to nobody
            raise failure
        if self._left or self._is_read or not self.stopping:
            return True
        self._begin(self._read_rest())
        return False

    def _cancel_workers(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _end_workers(self) -> None:
        """Cancel what is left and wait until it is gone, however often we are cancelled."""
        cancelled: asyncio.CancelledError | None = None
        while self._tasks:
            self._cancel_workers()
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _close_recorder(self) -> None:
        if self._held is None or self._recorder is None:
            return
        try:
            await self._held.close()
        finally:
            complete = self._is_read and not (self._has_failed or self._held.is_broken)
            await self._recorder.close(self.report, complete=complete)
