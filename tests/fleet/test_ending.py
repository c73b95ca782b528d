"""When a run continues whose portal has no calls left today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from aiohubassoc import (
    AioHubAssocError,
    DailyReserveError,
    GatewayError,
    MigratingError,
    SharedQuotaError,
)
from aiohubassoc.account import AccountCheck
from aiohubassoc.fleet.run_linker import make_ending
from aiohubassoc.fleet.runs import RunState
from aiohubassoc.models import Report

pytestmark = pytest.mark.looptime(False)


async def _due_at(found: AccountCheck) -> datetime:
    """Return when a run continues whose account has no calls left, and says this of itself."""

    class Account:
        """A client of that account."""

        async def check(self, *_: str) -> AccountCheck:
            """Return what it says."""
            return found

    client: Any = Account()
    report = Report()
    report.stopped = DailyReserveError(100, 100)
    ending = await make_ending(client, report, is_cancelled=False, retries=0)
    assert ending.state is RunState.SLEEPING
    assert ending.due_at is not None
    return ending.due_at


@pytest.mark.parametrize("resets_in", [timedelta(days=-1), timedelta(0), timedelta(days=3000)])
@pytest.mark.parametrize("offset", [None, timedelta(hours=-7), timedelta(hours=14)])
async def test_a_day_that_ends_at_no_time_ends_within_a_day(
    resets_in: timedelta, offset: timedelta | None
) -> None:
    """With any time that the account reports, the run neither sleeps for years nor loops."""
    now = datetime.now(UTC)
    due_at = await _due_at(AccountCheck(items=(), utc_offset=offset, resets_at=now + resets_in))
    assert now < due_at <= datetime.now(UTC) + timedelta(days=1, minutes=1)


async def test_a_run_continues_after_midnight_by_a_clock_that_is_fast() -> None:
    """Just before it, the run would sleep for another day."""
    midnight = datetime.now(UTC) + timedelta(hours=1)
    due_at = await _due_at(AccountCheck(items=(), resets_at=midnight))
    assert timedelta(seconds=30) < due_at - midnight < timedelta(minutes=5)


@pytest.mark.parametrize(("asked", "wait"), [(3600.0, 3600.0), (None, 300.0), (1e9, 90_000.0)])
async def test_a_run_sleeps_while_hubspot_moves_the_account(
    asked: float | None, wait: float
) -> None:
    """For as long as HubSpot says, and no longer than a day."""
    report, client = Report(), cast("Any", None)
    report.stopped = MigratingError(477, None, "migrating", None, retry_after=asked)
    ending = await make_ending(client, report, is_cancelled=False, retries=0)
    assert (ending.state, ending.due_at, ending.wait) == (RunState.SLEEPING, None, wait)


@pytest.mark.parametrize(
    "stopped",
    [SharedQuotaError("the server does not respond"), GatewayError(407, None, "blocked", None)],
    ids=["database", "proxy"],
)
async def test_what_is_not_hubspots_refusal_fails_no_run(stopped: AioHubAssocError) -> None:
    """A proxy that is broken for a minute would fail the runs of all portals."""
    report, client = Report(), cast("Any", None)
    report.stopped = stopped
    ending = await make_ending(client, report, is_cancelled=False, retries=0)
    assert ending.state is RunState.QUEUED
