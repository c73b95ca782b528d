"""When too many pairs have failed for a run to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc._run.refusal_streak import RefusalStreak
from aiohubassoc.errors import RunStoppedError
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.models import Outcome

_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


class FailureLimits:
    """Says when a run is to stop for the pairs that failed, or were refused alike; None: never."""

    def __init__(self, stop_after_failures: int | None, stop_after_alike: int | None) -> None:
        self._most = stop_after_failures
        self._count = 0
        self._streak = RefusalStreak(stop_after_alike)
        self._first_index = 0  # the lowest place of a pair in the streak

    def note_link(self, index: int) -> None:
        """Note that HubSpot linked the pair at this place, or that and others before it."""
        # Calls in flight end in any order: one for a pair before the streak is not between.
        if index > self._first_index:
            self._streak.length = 0

    def check(self, outcome: Outcome, *, is_refusal: bool) -> AioHubAssocError | None:
        """
        Count an outcome, and return why the run is to stop; None: it goes on.

        *is_refusal*: HubSpot refused that pair, and linked none by the same response.
        """
        status = outcome.status
        if status is _LINKED or status is Status.PARTIAL:
            self.note_link(outcome.index)
        elif status is not Status.FAILED:
            return None
        if status is not _LINKED and self._most is not None:
            self._count += 1
            if self._count >= self._most:
                return RunStoppedError(f"{self._count} pairs failed")
        if is_refusal and status is Status.FAILED and outcome.error is not None:
            error = self._streak.refused(outcome.pair, outcome.error)
            is_new = self._streak.length == 1
            self._first_index = outcome.index if is_new else min(self._first_index, outcome.index)
            return error
        return None
