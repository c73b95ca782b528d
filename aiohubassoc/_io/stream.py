"""Many pairs: outcomes as they come, and an end in good order however it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from aiohubassoc._io.run import Running
from aiohubassoc.errors import RunStoppedError

if TYPE_CHECKING:
    from types import TracebackType

    from aiohubassoc.models import Outcome


class OutcomeStream(Running):
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

    # --- the caller's side -----------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a run can be entered once")
        self._entered = True
        if self._recorder is not None:
            await self._recorder.open()
            self._intake.ask = self._recorder.begin
        if self._new_crew is not None:
            self._crew = self._new_crew
            self._crew.start(self)
        else:
            for _ in range(self._worker_count):
                self.begin(self._work())
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
                self._abandon()
                await self._close_recorder()
                await self._source.close()
        if exc_type is None and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

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
        if self._left or self._intake.is_read or not self.stopping:
            return True
        self.begin(self._intake.tell_rest(lambda: self._left))
        return False

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
            complete = self._intake.is_read and not (self._has_failed or self._held.is_broken)
            await self._recorder.close(self.report, complete=complete)
