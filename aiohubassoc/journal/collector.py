"""Collects how a run goes, for its run folder: an `Observer`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.errors import PreviousFailureError, plural
from aiohubassoc.journal.statistics import SlowResponse, Statistics
from aiohubassoc.models import Status
from aiohubassoc.observer import CallKind, Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.models import Outcome
    from aiohubassoc.observer import (
        ResponseEvent,
        RetryEvent,
        RunFinishedEvent,
        RunStartedEvent,
        ThrottleEvent,
    )
    from aiohubassoc.options import Quota

_ABOUT_MANY: Final = {
    CallKind.BATCH: ("a batch of ", "pair"),
    CallKind.LOOKUP: ("the links of ", "record"),
}
_NO_RESPONSE: Final = "no response"
_BATCH: Final = "batch"


class StatisticsObserver(Observer):
    """Collects from events what a report shows: in bounded memory, for one run at a time."""

    # What other runs of the client report is not counted. Outcomes carry no run: those of this one
    # are what its folder is given to write.

    def __init__(self) -> None:
        # Returns the quota that is kept now; None: that of the run's start is shown.
        self.find_quota: Callable[[], Quota] | None = None
        self.is_used = False  # whether the run has reported to it
        self._run: str | None = None
        self._calls_per_second = 0.0
        self._statistics = Statistics()
        self._clock: Clock  # set by `begin`
        self._began_at = 0.0
        self._active_before = 0.0
        self._offset = 0.0
        self._paused_until = 0.0
        self.duplicates = 0  # how many pairs of the run repeat an earlier one

    def begin(self, kept: str | None, clock: Clock, run: str | None) -> None:
        """Add the run that begins now to what the folder *kept* of earlier runs; None: nothing."""
        self._run, self.is_used = run, False
        found = None if kept is None else Statistics.from_json(kept)
        self._statistics = found or Statistics()
        self._clock = clock
        self._began_at = clock.now()
        self.duplicates = 0
        self._active_before = self._statistics.active_seconds
        self._offset = self._paused_until = self._statistics.begin_run(_to_ms(clock))

    def to_json(self) -> str | None:
        """Return what is to be kept; None: no run has reported to it."""
        if not self.is_used:
            return None
        now, statistics = self._now(), self._statistics
        statistics.end = now
        statistics.active_seconds = self._active_before + now - self._offset
        if self.duplicates:
            statistics.duplicates = self.duplicates
        # A pause that the end of the run cuts short was no longer than that.
        rest = max(0.0, self._paused_until - now)
        return attrs.evolve(statistics, paused_seconds=statistics.paused_seconds - rest).to_json()

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Count pairs of the run whose outcomes were just written."""
        if not self.is_used:
            return
        now, timeline = self._now(), self._statistics.timeline
        by_status = Counter(outcome.status for outcome in outcomes)
        before = sum(isinstance(one.error, PreviousFailureError) for one in outcomes)
        not_linked = by_status[Status.FAILED] + by_status[Status.PARTIAL] - before
        for name, count in (("linked", by_status[Status.LINKED]), ("not_linked", not_linked)):
            if count:
                timeline.add(name, now, count)

    def run_started(self, event: RunStartedEvent) -> None:
        if not self._is_ours(event.run):
            return
        self.is_used = True
        self._statistics.is_batch = event.mode == _BATCH
        self._note(event.quota)

    def run_finished(self, event: RunFinishedEvent) -> None:
        if self._is_ours(event.run):
            self._run = None

    def response(self, event: ResponseEvent) -> None:
        if not self._is_ours(event.run):
            return
        at = max(self._offset, self._now() - event.seconds)  # when it was sent
        if self.find_quota is not None:
            self._note(self.find_quota())
        statistics = self._statistics
        statistics.timeline.note_quota(at, self._calls_per_second)
        if event.status is None:
            return
        is_main = event.kind is (CallKind.BATCH if statistics.is_batch else CallKind.PUT)
        statistics.add_response(at, event.status, event.seconds, is_main=is_main)
        if statistics.is_slow(event.seconds):
            pair = event.pair
            what, noun = _ABOUT_MANY.get(event.kind, ("", "pair"))
            about = what + plural(event.pairs, noun) if pair is None else str(pair)
            statistics.add_slow(
                SlowResponse(
                    event.seconds, _to_ms(self._clock), event.status, about, event.correlation_id
                )
            )

    def retry(self, event: RetryEvent) -> None:
        if self._is_ours(event.run):
            self._statistics.retries.add(event.reason)

    def throttled(self, event: ThrottleEvent) -> None:
        """Count a pause of all calls; where two overlap, their time counts once."""
        if not self._is_ours(event.run):
            return
        now = self._now()
        self._statistics.throttles.add(event.policy or f"HTTP {event.status or _NO_RESPONSE}")
        begin, end = max(now, self._paused_until), now + event.pause
        if end > begin:
            self._statistics.timeline.add_pause(begin, end - begin)
            self._statistics.paused_seconds += end - begin
            self._paused_until = end

    def _is_ours(self, run: str | None) -> bool:
        return run is not None and run == self._run

    def _note(self, quota: Quota) -> None:
        self._statistics.window = quota.window
        self._calls_per_second = quota.limit / quota.window

    def _now(self) -> float:
        return self._offset + self._clock.now() - self._began_at


def _to_ms(clock: Clock) -> int:
    return int(clock.utc_now().timestamp() * 1000)
