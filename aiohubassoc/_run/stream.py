"""The public face of a run: results as they come, and an end in good order."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from aiohubassoc._run.output_buffer import ResultT
from aiohubassoc.errors import ClientClosedError
from aiohubassoc.models import Outcome, Report, RunReport, Verification, VerificationReport

if TYPE_CHECKING:
    from types import TracebackType

    from aiohubassoc._run.run import Run
    from aiohubassoc.errors import AioHubAssocError

ReportT = TypeVar("ReportT", bound=RunReport)


class _ResultStream(Generic[ResultT, ReportT]):
    """
    The results of a run: a context manager that is an async iterator.

    Args:
        run: The run.
        report: Its report.
        loop: The event loop that its client was opened in.
        verb: What made it, for messages.
    """

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
    def in_flight(self) -> int:
        """How many requests of this run are in flight."""
        return self._run.in_flight

    def stop(self, cause: AioHubAssocError, *, drain_timeout: float | None = None) -> None:
        """
        Send nothing more. Calls in flight end; every other pair that was read is left open.

        Args:
            cause: What the report and these pairs say.
            drain_timeout: Seconds that calls in flight may take to end. Then they are cut off, and
                nothing more is read; a step of the input that is under way is not waited for.
                None: as long as their timeouts allow, and the rest of the input is read and
                reported.
        """
        self._run.stop(cause, drain_timeout=drain_timeout)

    async def __aenter__(self) -> Self:
        if self._is_entered:
            raise RuntimeError("a run can be entered once")
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
        return await self._run.next()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._run.close()
        if exc_type is None and (failure := self._run.take_failure()) is not None:
            raise failure

    def __del__(self) -> None:
        if not getattr(self, "_is_entered", True):  # absent if __init__ failed
            warnings.warn(
                f"a {self._verb}(...) was never entered, so nothing was read or sent: use it as "
                f"'async with client.{self._verb}(...) as outcomes'",
                ResourceWarning,
                stacklevel=1,
                source=self,
            )


OTHER_LOOP = (
    "the client was opened in another event loop: one client serves one loop. Open a client in "
    "each ('async with AssociationClient(...)')"
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

    Attributes:
        report: What became of the pairs so far, taken or not.
        in_flight: How many requests of this run are in flight.
    """

    __slots__ = ()


class VerificationStream(_ResultStream[Verification, VerificationReport]):
    """
    What HubSpot says about pairs: a context manager that is an async iterator.

    Each pair that is read is reported once. When it stops by itself, the rest of the input is read
    and reported as ``unknown``. Leaving the block early ends it in good order.

    Attributes:
        report: What was found so far, taken or not.
        in_flight: How many requests are in flight.
    """

    __slots__ = ()
