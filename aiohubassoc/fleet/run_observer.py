"""Collects how a run of a fleet goes, and passes its events on to the worker's own observer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohubassoc.journal.collector import StatisticsObserver

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.models import Outcome, Verification
    from aiohubassoc.observer import (
        Observer,
        ResponseEvent,
        RetryEvent,
        RunFinishedEvent,
        RunStartedEvent,
        ThrottleEvent,
    )


class RunObserver(StatisticsObserver):
    """
    A `StatisticsObserver` beside another observer.

    Args:
        other: Gets each event after it was collected; it may leave methods out.
    """

    def __init__(self, other: Observer) -> None:
        super().__init__()
        self._other = other

    def run_started(self, event: RunStartedEvent) -> None:
        """Collect and pass on, as each method does."""
        super().run_started(event)
        self._find("run_started")(event)

    def run_finished(self, event: RunFinishedEvent) -> None:
        """See `run_started`."""
        super().run_finished(event)
        self._find("run_finished")(event)

    def response(self, event: ResponseEvent) -> None:
        """See `run_started`."""
        super().response(event)
        self._find("response")(event)

    def retry(self, event: RetryEvent) -> None:
        """See `run_started`."""
        super().retry(event)
        self._find("retry")(event)

    def throttled(self, event: ThrottleEvent) -> None:
        """See `run_started`."""
        super().throttled(event)
        self._find("throttled")(event)

    def outcome(self, outcome: Outcome | Verification) -> None:
        """Pass it on; the recorder counts what it writes."""
        self._find("outcome")(outcome)

    def _find(self, name: str) -> Callable[[Any], object]:
        method: Callable[[Any], object] = getattr(self._other, name, _ignore)
        return method


def _ignore(_: object) -> None:
    """Do nothing: the observer has no such method."""
