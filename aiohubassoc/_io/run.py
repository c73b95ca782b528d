"""A run while it goes on: pairs read, settled and told; memory that does not grow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc._core.verdict import Accepted, Fatal, Told
from aiohubassoc._io.call import (
    Call,
    SubjectT,
    interrupted_outcome,
    outcome_of,
    unwritten_outcome,
)
from aiohubassoc._io.holding import Held
from aiohubassoc._io.intake import Intake
from aiohubassoc._io.outbox import READ_AHEAD, Outbox
from aiohubassoc.errors import AioHubAssocError, RunStoppedError
from aiohubassoc.models import Outcome, Report, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._io import call as _call
    from aiohubassoc._io.crew import Crew
    from aiohubassoc._io.recorder import Recorder
    from aiohubassoc._io.source import Source
    from aiohubassoc.pair import Pair

_FIRST_ERROR: Final = 400
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


class Running:
    """
    A run, to those who work for it.

    Args:
        source: The pairs.
        settle: Makes a call for one pair until it is settled.
        workers: How many pairs are settled at once where there is no crew.
        ordered: Whether outcomes come in the input's order.
        stop_after_failures: As of `AssociationClient.link_each`, and so for the others.
        give_up_after: Likewise.
        drain: Likewise.
        keep_failures: Likewise.
        clock: Time.
        recorder: Keeps the outcomes; None: nothing is kept.
        crew: Settles the pairs; None: each goes by itself.

    Attributes:
        report: What became of the pairs so far, taken or not.
        stopping: Whether nothing more is sent.
        read_ahead: How many pairs beyond the last outcome taken may be read.
    """

    def __init__(
        self,
        source: Source,
        settle: Callable[[Call[Pair]], Awaitable[_call.Final]],
        *,
        workers: int,
        ordered: bool,
        stop_after_failures: int | None,
        give_up_after: float | None,
        drain: float,
        keep_failures: int,
        clock: Clock,
        recorder: Recorder | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.report = Report(keep_failures=keep_failures)
        self.stopping = False
        self._source = source
        self._settle = settle
        self._new_crew = crew
        self._crew: Crew | None = None  # once it is at work
        self.read_ahead = READ_AHEAD if crew is None else crew.read_ahead
        self._worker_count = min(workers, READ_AHEAD)
        self._stop_after_failures = stop_after_failures
        self._give_up_after = give_up_after
        self._drain = drain
        self._clock = clock
        self._recorder = recorder
        self._outbox = Outbox(self.report, ordered=ordered)
        self._intake = Intake(self, source, self._outbox)
        self._held: Held | None = None
        # Where an outcome goes: bound once, not per pair.
        self._hand_on: Callable[[Outcome], None] = self._outbox.tell
        if recorder is not None:
            self._held = Held(recorder, clock, told=self._outbox.tell_all, lost=self._lost)
            self._hand_on = self._held.add
        self._failures = 0  # those of earlier runs left out
        self._has_failed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: dict[asyncio.Task[None], Call[Any]] = {}
        self._trouble_since: float | None = None
        self._failure: BaseException | None = None
        self._cut_off: Timer | None = None
        self._entered = self._left = False

    @property
    def in_flight(self) -> int:
        """How many requests of this run are on the wire."""
        return sum(call.on_wire for call in self._calls.values())

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
        self._abandon()
        self._outbox.wake_readers()

    # --- what a crew works with ----------------------------------------------------------------

    @property
    def is_held_up(self) -> bool:
        """Whether nothing more is read until outcomes are taken, and some can be."""
        return self._outbox.is_full and bool(self._outbox.ready)

    async def next_pairs(self) -> list[tuple[int, Pair]]:
        """Return the next pairs that need a call, with their places; none: there are no more."""
        return await self._intake.next_pairs()

    async def call(
        self, settle: Callable[[Call[SubjectT]], Awaitable[_call.Final]], call: Call[SubjectT]
    ) -> _call.Final:
        """Make a call for a task of the run: on the wire it ends, elsewhere a stop cancels it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        self._calls[task] = call
        try:
            settled = await settle(call)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                self._fail(error)
            raise
        finally:
            del self._calls[task]
        if isinstance(settled, Fatal):
            self.stop(settled.error)
        return settled

    def put_linked(self, outcomes: Sequence[Outcome]) -> None:
        """Tell outcomes, all of them linked."""
        if self._held is None:
            self._outbox.tell_all(outcomes)
            return
        for outcome in outcomes:
            self._held.add(outcome)

    def _abandon(self) -> None:
        """Tell the pairs that a crew holds and will not send any more."""
        if self._crew is not None:
            for index, pair in self._crew.abandoned():
                self.put(self.unprocessed(index, pair))

    # --- without a crew ------------------------------------------------------------------------

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        while not self.stopping:
            if self._outbox.in_hand >= READ_AHEAD:
                await self._outbox.wait_for_room()
            elif (read := await self._intake.read()) is None:
                return
            else:
                await self._settle_one(task, *read)

    async def _settle_one(self, task: asyncio.Task[None], index: int, item: object) -> None:
        pair = self._intake.pair(index, item)
        if pair is None:
            return
        if self.stopping:  # it was being read when the run stopped
            self.put(self.unprocessed(index, pair))
            return
        call = self._calls[task] = Call(pair, self)
        try:
            settled = await self._settle(call)
        except BaseException as error:
            del self._calls[task]
            if not isinstance(error, asyncio.CancelledError):
                self._fail(error)
            self.put(interrupted_outcome(index, pair, call, self.report.stopped))
            raise
        del self._calls[task]
        if isinstance(settled, Accepted):  # nearly always
            self._trouble_since = None
            self._hand_on(Outcome(index, pair, _LINKED, call.attempts, settled.reply))
            return
        assert not isinstance(settled, Told)  # noqa: S101 -- that is of many
        if isinstance(settled, Fatal):
            self.stop(settled.error)
        self.put(outcome_of(index, pair, call, settled))

    def put(self, outcome: Outcome) -> None:
        """Tell an outcome, once it is written if it is to be."""
        if outcome.status is not _LINKED and self._stop_after_failures is not None:
            self._failures += outcome.status in {Status.FAILED, Status.PARTIAL}
            if self._failures >= self._stop_after_failures:
                self.stop(RunStoppedError(f"{self._failures} pairs failed"))
        self._hand_on(outcome)

    def put_again(self, outcome: Outcome) -> None:
        """Tell an outcome of an earlier run, which stops nothing."""
        self._hand_on(outcome)

    def _lost(self, outcomes: list[Outcome], error: Exception) -> None:
        """Tell outcomes that could not be written: nothing may be claimed of them."""
        self._intake.ask = None
        if isinstance(error, AioHubAssocError):
            self.stop(error)
        else:
            self._fail(error)
        for outcome in outcomes:
            self._outbox.tell(unwritten_outcome(outcome, self.report.stopped))

    def unprocessed(self, index: int, pair: Pair) -> Outcome:
        """Return the outcome of a pair that was not sent."""
        return Outcome(index, pair, Status.UNPROCESSED, error=self.report.stopped)

    def _fail(self, error: BaseException) -> None:
        """End the run for a fault of the caller's own code; it is raised once all is told."""
        self._failure = self._failure or error
        self._has_failed = True
        if isinstance(error, AioHubAssocError):
            self.stop(error)
        else:
            self.stop(RunStoppedError(f"{type(error).__name__}: {error}"))

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Begin a task of the run."""
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

    def _cancel_workers(self) -> None:
        for task in self._tasks:
            task.cancel()
