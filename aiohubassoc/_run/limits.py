"""When too many pairs have failed for a run to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.errors import RunStoppedError
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.models import Outcome


class FailureLimits:
    """
    Says when a run is to stop for the pairs that failed.

    Args:
        stop_after_failures: How many pairs may fail, partially or wholly. None: any number.
    """

    def __init__(self, stop_after_failures: int | None) -> None:
        self._most = stop_after_failures
        self._count = 0

    def check(self, outcome: Outcome) -> AioHubAssocError | None:
        """Count an outcome, and return why the run is to stop; None: it goes on."""
        if self._most is None or outcome.status not in {Status.FAILED, Status.PARTIAL}:
            return None
        self._count += 1
        if self._count < self._most:
            return None
        return RunStoppedError(f"{self._count} pairs failed")
