"""When a run continues whose portal has no calls left today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from aiohubassoc import DailyReserveError, SharedQuotaError
from aiohubassoc.account import AccountCheck
from aiohubassoc.fleet.run_linker import make_ending
from aiohubassoc.fleet.runs import RunState
from aiohubassoc.models import Report

pytestmark = pytest.mark.looptime(False)


@pytest.mark.parametrize("resets_in", [timedelta(days=-1), timedelta(0), timedelta(days=3000)])
@pytest.mark.parametrize("offset", [None, timedelta(hours=-7), timedelta(hours=14)])
async def test_a_day_that_ends_at_no_time_ends_within_a_day(
    resets_in: timedelta, offset: timedelta | None
) -> None:
    """With any time that the account reports, the run neither sleeps for years nor loops."""
    now = datetime.now(UTC)

    class Account:
        """A client of an account that says so."""

        async def check(self, *_: str) -> AccountCheck:
            """Return what it says."""
            return AccountCheck(items=(), utc_offset=offset, resets_at=now + resets_in)

    client: Any = Account()
    report = Report()
    report.stopped = DailyReserveError(100, 100)
    ending = await make_ending(client, report, is_cancelled=False, retries=0)
    assert ending.state is RunState.SLEEPING
    assert ending.due_at is not None
    assert now < ending.due_at <= datetime.now(UTC) + timedelta(days=1)


async def test_a_database_that_is_away_fails_no_run() -> None:
    """Also where it is missed first for the quota."""
    report, client = Report(), cast("Any", None)
    report.stopped = SharedQuotaError("the server does not respond")
    ending = await make_ending(client, report, is_cancelled=False, retries=0)
    assert ending.state is RunState.QUEUED
