"""What a run reports of itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohubassoc._run.stream import OutputBuffer, ResultT
from aiohubassoc.observer import RunStartedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.events import Events
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.models import RunReport
    from aiohubassoc.options import Quota


class RunEvents:
    """
    Reports the begin, the stop and the end of one run.

    Args:
        events: Where to.
        clock: Time.
        mode: As in `RunStartedEvent`.
        skip_linked: The same.
        pairs: The input.
        quota: Gives the quota of the main calls.

    Attributes:
        run_id: What the run is known by.
    """

    def __init__(
        self,
        events: Events,
        clock: Clock,
        *,
        mode: str,
        skip_linked: bool = False,
        pairs: object,
        quota: Callable[[], Quota],
    ) -> None:
        self.run_id = os.urandom(8).hex()
        self._events = events
        self._clock = clock
        self._mode = mode
        self._skip_linked = skip_linked
        self._total = _count(pairs)
        self._quota = quota
        self._started_at: float | None = None

    def started(self) -> None:
        """Report that the run was entered."""
        self._started_at = self._clock.now()
        portal, total = self._events.portal, self._total
        quota, skip_linked = self._quota(), self._skip_linked
        event = RunStartedEvent(self.run_id, portal, self._mode, skip_linked, total, quota)
        self._events.run_started(event)

    def stopped(self, cause: AioHubAssocError) -> None:
        """Report that nothing more is sent."""
        self._events.run_stopped(self.run_id, cause)

    def finished(self, report: RunReport) -> None:
        """Report that the run ended, if it was started: once."""
        started_at, self._started_at = self._started_at, None
        if started_at is not None:
            self._events.run_finished(self.run_id, report, started_at)

    def make_buffer(self, report: RunReport, *, ordered: bool) -> OutputBuffer[ResultT]:
        """Return a buffer that reports each result, if the observer takes them."""
        if self._events.on_outcome is None:
            return OutputBuffer(report, ordered=ordered)
        return _ReportingBuffer(report, self._events.on_outcome, ordered=ordered)


class _ReportingBuffer(OutputBuffer[ResultT]):
    """Reports each result once it can be taken, or as soon as those before it can."""

    def __init__(
        self, report: RunReport, on_outcome: Callable[[ResultT], None], *, ordered: bool
    ) -> None:
        super().__init__(report, ordered=ordered)
        self._on_outcome = on_outcome

    def emit(self, result: ResultT) -> None:
        """Count a result, offer it and report it."""
        super().emit(result)
        self._on_outcome(result)

    def emit_all(self, results: Sequence[ResultT]) -> None:
        """Count results, offer them and report each."""
        for result in results:
            self.emit(result)


def _count(pairs: object) -> int | None:
    """Return how many items the input has; None where it does not know."""
    if not hasattr(pairs, "__len__"):
        return None
    try:
        return len(pairs)
    except Exception:  # noqa: BLE001 -- code of the caller: it is not needed
        return None
