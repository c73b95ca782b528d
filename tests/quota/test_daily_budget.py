"""What is left of the day's calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from aiohubassoc._quota.daily_budget import DailyBudget, find_midnight


def _report(
    budget: DailyBudget, now: float, left: int | None, in_flight: int = 0, sent_at: float = 0.0
) -> None:
    budget.record_response(now, 1000, left, sent_at=sent_at, in_flight=in_flight)


def test_without_reports_no_call_is_stopped() -> None:
    """Where HubSpot does not say what is left, nobody is stopped."""
    budget = DailyBudget(100)
    budget.record_response(0.0, None, None, sent_at=0.0, in_flight=0)
    assert budget.may_go(0.0, in_flight=500)
    assert budget.left is None


def test_a_reserve_in_calls() -> None:
    """Those in flight are as good as gone."""
    budget = DailyBudget(100)
    _report(budget, 0.0, 103)
    assert [True, True, False] == [budget.may_go(1.0, in_flight=n) for n in (0, 2, 3)]


def test_a_reserve_as_a_share() -> None:
    """Of the day's limit, once it is named; rounded up."""
    budget = DailyBudget(0.25)
    budget.record_response(0.0, None, 10, sent_at=0.0, in_flight=0)
    assert budget.may_go(0.0, in_flight=0)
    budget.record_response(1.0, 1001, 252, sent_at=0.5, in_flight=0)
    assert 251 == budget.reserve_calls
    assert [True, False] == [budget.may_go(1.0, in_flight=n) for n in (0, 1)]


def test_responses_without_a_report_count_too() -> None:
    """Headers come on some responses only."""
    budget = DailyBudget(0)
    _report(budget, 0.0, 3)
    for second in (1.0, 2.0, 3.0):
        _report(budget, second, None, sent_at=second - 0.1)
    assert (0, False) == (budget.left, budget.may_go(4.0, in_flight=0))


def test_responses_overtake_one_another() -> None:
    """A response from a moment ago does not give calls back; a new day does."""
    budget = DailyBudget(0)
    _report(budget, 0.0, 50)
    _report(budget, 0.1, 53, in_flight=5)
    assert 50 == budget.left
    _report(budget, 0.2, 900, in_flight=5, sent_at=0.15)
    assert 900 == budget.left


def test_after_an_hour_one_call_finds_out() -> None:
    """Nobody tells when the day is over: one call an hour asks."""
    budget = DailyBudget(10)
    _report(budget, 0.0, 10)
    moments = (1.0, 3599.0, 3600.0, 3601.0, 7200.0)
    assert [False, False, True, False, True] == [budget.may_go(at, in_flight=0) for at in moments]


@given(st.integers(0, 50), st.integers(1, 60), st.data())
def test_the_reserve_is_never_touched(reserve: int, first: int, data: st.DataObject) -> None:
    """Whichever answers tell what is left, in whatever order they come."""
    budget = DailyBudget(reserve)
    left = first
    budget.record_response(-1.0, 1000, left, sent_at=-2.0, in_flight=0)
    in_flight: list[tuple[float, int]] = []
    for step in range(100):
        now = float(step)
        chance: int = data.draw(st.integers(0, 1000))
        if in_flight and chance % 2:
            sent_at, reported = in_flight.pop(chance // 4 % len(in_flight))
            is_reported = bool(chance & 2)
            _report(budget, now, reported if is_reported else None, len(in_flight), sent_at)
        elif budget.may_go(now, in_flight=len(in_flight)):
            left -= 1
            in_flight.append((now, left))
    assert left >= min(reserve, first)


@given(st.integers(0, 20), st.integers(21, 40))
def test_all_but_the_reserve_can_be_used(reserve: int, first: int) -> None:
    """With answers in turn nothing is left over."""
    budget = DailyBudget(reserve)
    left = first
    budget.record_response(-1.0, 1000, left, sent_at=-2.0, in_flight=0)
    now = 0.0
    while budget.may_go(now, in_flight=0):
        left -= 1
        now += 1.0
        _report(budget, now, left, 0, now - 0.5)
    assert reserve == left


def test_only_more_than_overtaking_explains_is_a_new_day() -> None:
    """A response that left before five others may report five more than they did, not six."""
    for reported, expected in ((55, 50), (56, 56)):
        budget = DailyBudget(0)
        _report(budget, 0.0, 50)
        _report(budget, 1.0, reported, in_flight=5, sent_at=0.5)
        assert expected == budget.left


def test_responses_since_a_call_was_sent_may_be_of_later_calls() -> None:
    """Each one since then, also of the same moment, may be counted after it: each takes one."""
    budget = DailyBudget(0)
    for second in (1.0, 2.0, 3.0):
        _report(budget, second, None, sent_at=second)
    _report(budget, 4.0, 50, sent_at=2.0)
    assert 50 - 2 == budget.left
    # One response since each was sent, and 48 may be two too few: 51 may be an old report.
    for sent_at, reported, expected in ((3.5, 49, 48), (4.5, 51, 48), (4.5, 53, 53)):
        _report(budget, 5.0, reported, sent_at=sent_at)
        assert expected == budget.left


def test_calls_that_were_reported_are_not_taken_off_twice_and_then_called_a_new_day() -> None:
    """Three calls before the report respond without one, then two later calls, the last first."""
    budget = DailyBudget(0)
    _report(budget, 5.0, 10, in_flight=3, sent_at=4.0)
    for second in (6.0, 7.0, 8.0):
        _report(budget, second, None, sent_at=1.0)
    _report(budget, 11.0, 8, in_flight=1, sent_at=10.0)
    _report(budget, 12.0, 9, sent_at=9.0)
    assert 7 == budget.left  # of 8, and not 9


def test_no_less_than_nothing_is_left() -> None:
    """Others used up the day while five calls were in flight whose responses report nothing."""
    budget = DailyBudget(0)
    _report(budget, 1.0, 2, in_flight=5, sent_at=0.5)
    for second in range(2, 7):
        _report(budget, float(second), None, sent_at=0.5)
    assert 0 == budget.left
    assert not budget.may_go(7.0, in_flight=0)


def test_responses_are_not_remembered_without_end() -> None:
    """4,096 are, and no more: memory does not grow with a run."""
    budget = DailyBudget(0)
    for _ in range(5000):
        _report(budget, 1.0, None, sent_at=1.0)
    _report(budget, 1.0, 10_000, sent_at=1.0)
    assert 10_000 - 4096 == budget.left


@pytest.mark.parametrize(
    ("offset_hours", "expected"),
    [(0, datetime(2026, 3, 2, tzinfo=UTC)), (-5, datetime(2026, 3, 1, 5, tzinfo=UTC))],
)
def test_a_day_ends_at_the_midnight_of_the_account(offset_hours: int, expected: datetime) -> None:
    """At three in the morning of UTC it is still the day before in New York."""
    at = datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert expected == find_midnight(at, timedelta(hours=offset_hours))
