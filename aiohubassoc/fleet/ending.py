"""How a worker gives a run back: done, failed, to be continued at once or later."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.errors import (
    AioHubAssocError,
    DailyLimitError,
    DailyReserveError,
    FleetError,
    JournalStorageError,
    RunStoppedError,
)
from aiohubassoc.fleet.runs import RunState

if TYPE_CHECKING:
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.models import Report

_FIRST_WAIT: Final = 2.0  # seconds before a run that broke continues; doubles each time
_LONGEST_WAIT: Final = 300.0
_MOST_DOUBLINGS: Final = 10
_LONGEST_DAY: Final = timedelta(hours=25)  # when clocks are set back


@attrs.frozen
class RunEnding:
    """
    How a run is given back.

    Attributes:
        state: The state that it is in from now on.
        reason: Why it stands still.
        due_at: When it continues. None: after *wait* seconds, if it is not at its end.
        wait: See *due_at*.
        retries: How often it was begun again in a row without a completed pair.
    """

    state: RunState
    reason: str | None = None
    due_at: datetime | None = None
    wait: float = 0.0
    retries: int = 0


async def make_ending(
    client: AssociationClient, report: Report, *, is_cancelled: bool, retries: int
) -> RunEnding:
    """
    Return how a run is given back that ended with *report*.

    Args:
        client: Of its portal, which is asked when the account's day ends.
        report: Of the run.
        is_cancelled: Whether a user cancelled it.
        retries: How often it was begun again in a row without a completed pair before.
    """
    stopped = report.stopped
    if is_cancelled:
        return RunEnding(RunState.CANCELLED, "it was cancelled")
    if stopped is None and report.input_complete and not report.unprocessed:
        return RunEnding(RunState.DONE)
    reason = str(stopped) if stopped is not None else "its pairs were not all read"
    cause = getattr(stopped, "error", None) or stopped
    if isinstance(cause, DailyLimitError | DailyReserveError):
        return RunEnding(RunState.SLEEPING, reason, due_at=await _end_of_day(client))
    if _is_temporary(cause):
        is_stuck = report.total == report.unprocessed
        retries = retries + 1 if is_stuck else 0
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(retries, _MOST_DOUBLINGS))
        return RunEnding(RunState.QUEUED, reason, wait=wait if is_stuck else 0.0, retries=retries)
    return RunEnding(RunState.FAILED, reason)


def _is_temporary(cause: BaseException | None) -> bool:
    """Return whether the run may continue by itself, later."""
    return isinstance(cause, RunStoppedError | JournalStorageError | FleetError) or cause is None


async def _end_of_day(client: AssociationClient) -> datetime:
    """Return when the account's day ends; where HubSpot does not say, in an hour."""
    with contextlib.suppress(AioHubAssocError):
        check = await client.check("contacts", "companies")
        now = datetime.now(UTC)
        # Not what would let the run sleep for years, or go on at once, again and again.
        if check.resets_at is not None and now < check.resets_at < now + _LONGEST_DAY:
            return check.resets_at
        if check.utc_offset is not None:
            here = now + check.utc_offset
            midnight = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return midnight - check.utc_offset
    return datetime.now(UTC) + timedelta(hours=1)
