"""A plan counts the input, and the run that follows makes the planned calls."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import AssociationClient, Journal, OptionsError, Pair, Quota
from aiohubassoc.planning import BATCH_ROUND_TRIP, Planner
from aiohubassoc.testing import FakeClock
from tests.conftest import settle
from tests.fakes.transport import error, pair
from tests.journal.conftest import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohubassoc.planning import Plan

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REFUSED = error(400, category="VALIDATION_ERROR")


def _client(**options: Any) -> AssociationClient:
    return AssociationClient("token", **{"quota": Quota(190), "clock": FakeClock(NOW), **options})


async def _plan(pairs: Any, client: AssociationClient | None = None, **options: Any) -> Plan:
    return await (client or _client()).plan(pairs, **options)


def _counts(plan: Plan) -> tuple[int, ...]:
    return (plan.pairs, plan.duplicates, plan.invalid, plan.linked_before, plan.failed_before)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_every_item_is_counted_once() -> None:
    """Pairs, repeated ones, and items that cannot be sent; the client need not be entered."""
    ids: list[Any] = [(1, 2), (3, 4), (1, 2), (None, 5), (6, "7 8"), (3, 4)]
    plan = await _plan(ids, from_type="contacts", to_type="companies")
    assert (2, 2, 2, 0, 0) == _counts(plan)
    assert (2, 1) == (plan.calls, plan.batch_calls)


async def test_batches_have_pairs_of_the_same_types() -> None:
    """2,000 pairs at most, of the same object types."""
    pairs = [*map(pair, range(2001)), *(Pair("deals", n, "contacts", n) for n in range(3))]
    plan = await _plan(pairs)
    assert (2004, 3) == (plan.calls, plan.batch_calls)


async def test_async_inputs_are_read_to_their_end() -> None:
    """The iterator is also closed."""
    closed = False

    async def rows() -> AsyncIterator[Pair]:
        nonlocal closed
        try:
            for number in range(700):
                yield pair(number)
        finally:
            closed = True

    assert 700 == (await _plan(rows())).calls
    assert closed


@pytest.mark.looptime(False)
@pytest.mark.parametrize("step", ["__enter__", "add_all", "plan"])
async def test_a_plan_that_is_cancelled_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At any point and any number of times: no temporary file and no thread is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    begun, may_end = threading.Event(), threading.Event()
    original = getattr(Planner, step)

    def slow(*arguments: Any, **options: Any) -> Any:
        begun.set()
        assert may_end.wait(30)
        return original(*arguments, **options)

    monkeypatch.setattr(Planner, step, slow)
    task = asyncio.create_task(_plan(map(pair, range(10))))
    assert await asyncio.to_thread(begun.wait, 30)
    for _ in range(3):
        task.cancel()
        await settle()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _names(tmp_path) == []


@pytest.mark.parametrize("retry_failed", [True, False])
def test_a_run_folder_is_taken_into_account(tmp_path: Path, *, retry_failed: bool) -> None:
    """The run that follows makes the planned number of calls."""
    journal = Journal(tmp_path / "run")
    daily = error(429, policyName="DAILY")
    script = {"3": [REFUSED], "4": [REFUSED], "20": [daily]}
    run(journal, map(pair, range(30)), script, workers=1)
    plan = asyncio.run(_plan(map(pair, range(40)), journal=journal, retry_failed=retry_failed))
    failed = 0 if retry_failed else 2
    assert (40, 0, 0, 18, failed) == _counts(plan)
    ran = run(journal, map(pair, range(40)), retry_failed=retry_failed)
    assert plan.calls == len(ran.sent) == 22 - failed


async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """No pairs are done, and no folder is created."""
    plan = await _plan([pair(1)], journal=Journal(tmp_path / "run"))
    assert 1 == plan.calls
    assert not (tmp_path / "run").exists()


async def test_time_and_share_of_the_day() -> None:
    """With the share of the quota that the client uses."""
    plan = await _plan(map(pair, range(1000)), daily_calls=4000)
    assert (0.25, 1, 4000) == (plan.daily_share, plan.days, plan.daily_calls)
    assert 50 < plan.seconds < 53
    assert NOW + timedelta(seconds=plan.seconds) == plan.finishes_at
    half = await _plan(map(pair, range(1000)), _client(share=0.5))
    assert "95/10s" == str(half.quota)
    assert 1.9 < half.seconds / plan.seconds < 2.1
    assert (None, None) == (half.daily_share, half.daily_calls)


async def test_more_than_a_day() -> None:
    """The last call is on the day that still has calls."""
    plan = await _plan(map(pair, range(1000)), daily_calls=400)
    assert (2.5, 3) == (plan.daily_share, plan.days)
    assert NOW + timedelta(days=2) < plan.finishes_at < NOW + timedelta(days=2, seconds=60)


async def test_batches_are_planned_separately() -> None:
    """Calls, time, days, and the share of the day, beside those of single calls."""
    plan = await _plan(map(pair, range(5000)), daily_calls=2)
    assert (5000, 2500, 2500.0) == (plan.calls, plan.days, plan.daily_share)
    assert (3, 2, 1.5) == (plan.batch_calls, plan.batch_days, plan.batch_daily_share)
    assert 2 * BATCH_ROUND_TRIP == plan.batch_seconds  # two at once, then one
    assert NOW + timedelta(days=1, seconds=BATCH_ROUND_TRIP) == plan.batch_finishes_at
    assert (await _plan([pair(1)])).batch_daily_share is None


def test_a_batch_quota_and_a_size() -> None:
    """A given batch quota is constant: it does not rise."""
    with Planner(None) as planner:
        for number in range(10):
            planner.add(pair(number), number)
        options: dict[str, Any] = {"concurrency": 64, "daily_calls": None, "now": NOW}
        slow = planner.plan(Quota(190), **options, batch_quota=Quota(1), batch_size=4)
        usual = planner.plan(Quota(190), **options, batch_size=4)
    assert (3, 3) == (slow.batch_calls, usual.batch_calls)
    assert 20 < slow.batch_seconds < 23
    assert 2 * BATCH_ROUND_TRIP == usual.batch_seconds
    assert ("1/10s", None) == (slow.as_json()["batch_quota"], usual.as_json()["batch_quota"])


async def test_a_plan_uses_the_client_s_batch_quota() -> None:
    """As it does with its quota of single calls."""
    plan = await _plan(map(pair, range(6000)), _client(batch_quota=Quota(1)))
    assert (3, Quota(1)) == (plan.batch_calls, plan.batch_quota)
    assert 20 < plan.batch_seconds < 23


async def test_as_plain_values() -> None:
    """All values can be encoded as JSON."""
    reported = (await _plan([pair(1)], daily_calls=100)).as_json()
    assert {
        "pairs": 1,
        "duplicates": 0,
        "invalid": 0,
        "linked_before": 0,
        "failed_before": 0,
        "calls": 1,
        "batch_calls": 1,
        "quota": "190/10s",
        "days": 1,
        "daily_calls": 100,
        "daily_share": 0.01,
        "finishes_at": "2026-11-25T12:00:00+00:00",
        "batch_quota": None,
        "batch_seconds": 1.0,
        "batch_days": 1,
        "batch_finishes_at": "2026-11-25T12:00:01+00:00",
        "batch_daily_share": 0.01,
        "largest_fan_out": {
            "record": "companies:1000001",
            "other_type": "contacts",
            "pairs": 1,
        },
        "association_change_events": 2,
    } == {name: value for name, value in reported.items() if name != "seconds"}
    assert 0 < reported["seconds"] < 1


async def test_what_cannot_be_planned() -> None:
    """An input of other items, and a day without calls."""
    with pytest.raises(OptionsError, match="item 1 of the input is not a Pair"):
        await _plan([pair(1), "x"])
    with pytest.raises(OptionsError, match="daily_calls must be an int of 1 or more"):
        await _plan([pair(1)], daily_calls=0)
