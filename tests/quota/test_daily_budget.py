"""What is left of the day's calls."""

from __future__ import annotations

from hypothesis import given, strategies as st

from aiohubassoc._quota.daily_budget import DailyBudget


def _told(
    budget: DailyBudget, now: float, left: int | None, in_flight: int = 0, sent_at: float = 0.0
) -> None:
    budget.record_response(now, 1000, left, sent_at=sent_at, in_flight=in_flight)


def test_untold_nothing_is_spent() -> None:
    """Where HubSpot does not say what is left, nobody is stopped."""
    budget = DailyBudget(100)
    budget.record_response(0.0, None, None, sent_at=0.0, in_flight=0)
    assert budget.may_go(0.0, in_flight=500)
    assert budget.left is None


def test_a_reserve_in_calls() -> None:
    """Those in flight are as good as gone."""
    budget = DailyBudget(100)
    _told(budget, 0.0, 103)
    assert [True, True, False] == [budget.may_go(1.0, in_flight=n) for n in (0, 2, 3)]


def test_a_reserve_as_a_share() -> None:
    """Of the day's limit, once it is named; rounded up."""
    budget = DailyBudget(0.25)
    budget.record_response(0.0, None, 10, sent_at=0.0, in_flight=0)
    assert budget.may_go(0.0, in_flight=0)
    budget.record_response(1.0, 1001, 252, sent_at=0.5, in_flight=0)
    assert 251 == budget.reserve_calls
    assert [True, False] == [budget.may_go(1.0, in_flight=n) for n in (0, 1)]


def test_answers_that_say_nothing_count_too() -> None:
    """Headers come on some responses only."""
    budget = DailyBudget(0)
    _told(budget, 0.0, 3)
    for second in (1.0, 2.0, 3.0):
        _told(budget, second, None, sent_at=second - 0.1)
    assert (0, False) == (budget.left, budget.may_go(4.0, in_flight=0))


def test_answers_overtake_one_another() -> None:
    """A response from a moment ago does not give calls back; a new day does."""
    budget = DailyBudget(0)
    _told(budget, 0.0, 50)
    _told(budget, 0.1, 53, in_flight=5)
    assert 50 == budget.left
    _told(budget, 0.2, 900, in_flight=5, sent_at=0.15)
    assert 900 == budget.left


def test_after_an_hour_one_call_finds_out() -> None:
    """Nobody tells when the day is over: one call an hour asks."""
    budget = DailyBudget(10)
    _told(budget, 0.0, 10)
    moments = (1.0, 3599.0, 3600.0, 3601.0, 7200.0)
    assert [False, False, True, False, True] == [budget.may_go(at, in_flight=0) for at in moments]


@given(st.integers(0, 50), st.integers(1, 60), st.data())
def test_the_reserve_is_never_touched(reserve: int, first: int, data: st.DataObject) -> None:
    """Whichever answers tell what is left, in whatever order they come."""
    budget = DailyBudget(reserve)
    left = first
    budget.record_response(-1.0, 1000, left, sent_at=-2.0, in_flight=0)
    on_wire: list[tuple[float, int]] = []
    for step in range(100):
        now = float(step)
        chance: int = data.draw(st.integers(0, 1000))
        if on_wire and chance % 2:
            sent_at, reported = on_wire.pop(chance // 4 % len(on_wire))
            is_told = bool(chance & 2)
            _told(budget, now, reported if is_told else None, len(on_wire), sent_at)
        elif budget.may_go(now, in_flight=len(on_wire)):
            left -= 1
            on_wire.append((now, left))
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
        _told(budget, now, left, 0, now - 0.5)
    assert reserve == left
