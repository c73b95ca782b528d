"""What the caller gets of a run: the public streams, and the buffer of their results."""

from __future__ import annotations

import asyncio
import math
import warnings
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, Self, TypeVar

from aiohubassoc.errors import AioHubAssocError, ClientClosedError, OptionsError
from aiohubassoc.models import Outcome, Report, RunReport, Verification, VerificationReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc._run.run import Run

# The input is read at most this many pairs beyond the last result taken.
READ_AHEAD: Final = 1000
OTHER_LOOP: Final = (
    "the client was opened in another event loop: one client serves one loop. Open a client in "
    "each ('async with AssociationClient(...)')"
)

_NO_READER: Final = -math.inf  # no task waits for room

_OTHER_THREAD: Final = (
    "stop() belongs to the event loop of the client: from another thread call "
    "loop.call_soon_threadsafe(outcomes.stop, cause)"
)


class Indexed(Protocol):
    """A result of a run, with the pair's index in the input."""

    index: int


ResultT = TypeVar("ResultT", bound=Indexed)
ReportT = TypeVar("ReportT", bound=RunReport)


class OutputBuffer(Generic[ResultT]):
    """Counts results, reports them, and keeps them until taken; with *ordered*: in their order."""

    def __init__(
        self,
        report: RunReport,
        *,
        ordered: bool,
        on_result: Callable[[ResultT], None] | None = None,
    ) -> None:
        self.in_hand = 0  # pairs that were read and whose results were not taken yet
        self.ready: deque[ResultT] = deque()  # the results that can be taken
        self._report = report
        self._on_result = on_result
        # With *ordered*: results that wait for those before them.
        self._early: dict[int, ResultT] | None = {} if ordered else None
        self._next_index = 0
        self._room_at = _NO_READER
        self._room = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def holds_up_readers(self) -> bool:
        """Whether readers wait until results are taken, and there are results to take."""
        return self._room_at > _NO_READER and bool(self.ready)

    async def wait_for_room(self, until: float) -> None:
        """Return when no more than *until* pairs are in hand, or `wake_readers` was called."""
        self._room_at = until
        self._room.clear()
        await self._room.wait()

    def wake_readers(self) -> None:
        self._room_at = _NO_READER
        self._room.set()

    def emit(self, result: ResultT) -> None:
        """Count a result, and offer it to the caller."""
        self._report.add(result)
        if self._early is None:
            self.ready.append(result)
        else:
            self._early[result.index] = result
            while (following := self._early.pop(self._next_index, None)) is not None:
                self.ready.append(following)
                self._next_index += 1
        self._news.set()
        if self._on_result is not None:
            self._on_result(result)

    def emit_all(self, results: Sequence[ResultT]) -> None:
        if self._early is not None or self._on_result is not None:
            for result in results:
                self.emit(result)
            return
        self._report.add_all(results)
        self.ready.extend(results)
        self.wake_takers()

    def wake_takers(self) -> None:
        self._news.set()

    async def wait_for_result(self) -> None:
        """Return when a result was emitted, or `wake_takers` was called."""
        self._news.clear()
        await self._news.wait()

    def take(self) -> ResultT:
        self.in_hand -= 1
        if self.in_hand <= self._room_at:
            self.wake_readers()
        return self.ready.popleft()

    def close_gaps(self) -> None:
        """Offer the results that wait for others, because no others come any more."""
        if self._early:  # for an item without a result: it was not a pair
            self.ready.extend(self._early.pop(index) for index in sorted(self._early))


class _ResultStream(Generic[ResultT, ReportT]):
    """The results of a run; *verb*: the method that made it, for messages."""

    __slots__ = ("__weakref__", "_is_entered", "_loop", "_report", "_run", "_verb")

    def __init__(
        self, run: Run[ResultT], report: ReportT, loop: asyncio.AbstractEventLoop, verb: str
    ) -> None:
        self._run = run
        self._report = report
        self._loop = loop
        self._verb = verb
        self._is_entered = False

    @property
    def report(self) -> ReportT:
        """What became of the pairs so far, taken or not."""
        return self._report

    @property
    def run_id(self) -> str:
        """What log lines and events know the run by: 16 hexadecimal digits."""
        return self._run.run_id

    @property
    def in_flight(self) -> int:
        """How many requests of this run are in flight."""
        return self._run.in_flight

    def stop(self, cause: AioHubAssocError, *, drain_timeout: float | None = None) -> None:
        """
        Send nothing more. Calls in flight end; every other pair that was read is left open.

        It changes nothing once every pair of the input has its result.

        Args:
            cause: What the report and these pairs say.
            drain_timeout: Seconds that calls in flight may take to end. Then they are cut off, and
                nothing more is read; a step of the input that is under way is not waited for.
                None: as long as their timeouts allow, and the rest of the input is read and
                reported.

        Raises:
            OptionsError: *cause* is none of this package's errors, such as
                ``RunStoppedError("shutting down")``, or *drain_timeout* is no such number.
            ClientClosedError: it was not called in the client's event loop; nothing is stopped.
        """
        given: object = cause
        if not isinstance(given, AioHubAssocError):
            raise OptionsError(
                "cause must be an error of aiohubassoc, such as RunStoppedError('shutting down'), "
                f"not {given!r}"
            )
        if drain_timeout is not None and not drain_timeout >= 0:  # nan too
            raise OptionsError(f"drain_timeout must be 0 or more, or None, not {drain_timeout!r}")
        if self._run.has_ended:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._loop:
            raise ClientClosedError(_OTHER_THREAD)
        self._run.stop(cause, drain_timeout=drain_timeout)

    async def __aenter__(self) -> Self:
        if self._is_entered:
            raise RuntimeError("a run can be entered once: make a new one")
        self._is_entered = True
        if asyncio.get_running_loop() is not self._loop:
            raise ClientClosedError(OTHER_LOOP)
        await self._run.start()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ResultT:
        buffer = self._run.buffer
        if buffer.ready:
            return buffer.take()
        if not self._is_entered:
            raise RuntimeError(f"use it as 'async with client.{self._verb}(...) as outcomes'")
        if asyncio.get_running_loop() is not self._loop:  # there nothing would wake the caller
            raise ClientClosedError(OTHER_LOOP)
        return await self._run.next()

    async def __aexit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        await self._run.close()
        if exc_type is None:
            self._run.raise_failure()

    def __del__(self) -> None:
        if not getattr(self, "_is_entered", True):  # absent if __init__ failed
            warnings.warn(
                f"a {self._verb}(...) was never entered, so nothing was read or sent: use it as "
                f"'async with client.{self._verb}(...) as outcomes'",
                ResourceWarning,
                stacklevel=1,
                source=self,
            )


class OutcomeStream(_ResultStream[Outcome, Report]):
    """
    The outcomes of a run: a context manager that is an async iterator.

    Each pair that is read has exactly one outcome. When the run stops by itself, the rest of the
    input is read and reported as ``unprocessed``. Leaving the block early stops new requests, lets
    those in flight finish for *drain_timeout* seconds, and reports the other pairs that were read
    as ``unprocessed``; what was not taken by then can still be taken. The rest is not read, and
    ``report.input_complete`` stays False.

    With a run folder an outcome is written before it is reported. What could not be written is
    reported as ``unprocessed``, and the run stops.
    """

    __slots__ = ()


class VerificationStream(_ResultStream[Verification, VerificationReport]):
    """
    Which pairs are linked: a context manager that is an async iterator.

    Each pair that is read is reported once. When it stops by itself, the rest of the input is read
    and reported as ``unknown``. Leaving the block early ends it in good order.
    """

    __slots__ = ()
