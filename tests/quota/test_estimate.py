"""What a run will take. tests/test_estimates.py has whether runs agree."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from aiohubassoc import OptionsError, Quota
from aiohubassoc._quota.batch_pacer import FIRST_QUOTA, BatchPacer
from aiohubassoc._quota.estimate import Estimate, batch_calls, estimate
from aiohubassoc._quota.pacer import Pacer

PROFESSIONAL = Quota(190, 10.0)
DAY = 86_400.0
DAILY_CALLS = 625_000

quotas = st.builds(Quota, st.integers(1, 1000), st.floats(0.01, 100.0))
counts = st.integers(0, 10**7)
wires = st.fixed_dictionaries(
    {"concurrency": st.integers(1, 1000), "round_trip": st.floats(0.0, 10.0)}
)


def _single(calls: int, quota: Quota, **options: Any) -> Estimate:
    return estimate(calls, Pacer(quota), **options)


# --- seconds -------------------------------------------------------------------------------------


def test_no_calls_take_nothing() -> None:
    """Neither time nor a day."""
    assert Estimate(0, 0.0, 0, 0.0, 0.0) == _single(0, PROFESSIONAL, daily_calls=DAILY_CALLS)
    assert Estimate(0, 0.0, 0, 0.0, None) == _single(0, PROFESSIONAL)


def test_the_first_window_has_room_for_the_limit() -> None:
    """So many go within moments, one more waits for the window to pass."""
    assert _single(190, PROFESSIONAL).seconds < 1.0
    assert 10.0 < _single(191, PROFESSIONAL).seconds < 10.5


@pytest.mark.parametrize(
    ("calls", "quota", "expected"),
    [
        (0, PROFESSIONAL, 0.0),
        (190, PROFESSIONAL, 0.0),
        (191, PROFESSIONAL, 10.0),
        (380, PROFESSIONAL, 10.0),
        (381, PROFESSIONAL, 20.0),
        (3, Quota(1, 1.0), 2.0),
    ],
)
def test_without_a_way_there_the_quota_is_all(calls: int, quota: Quota, expected: float) -> None:
    """The limit goes at once, and again after each window."""
    assert expected == _single(calls, quota, round_trip=0.0).seconds


def test_without_a_quota_to_speak_of_the_wire_is_all() -> None:
    """Then a round trip brings as many answers as there are calls in flight."""
    more = [_single(calls, Quota(10**9, 1.0), concurrency=8).seconds for calls in (1000, 1800)]
    assert math.isclose(more[1] - more[0], 100 * 0.1, rel_tol=0.01)


def test_calls_on_the_wire_are_few_at_first() -> None:
    """Sixteen until HubSpot took some, however many may be: the next wait for a response."""
    few, more = (_single(calls, PROFESSIONAL, concurrency=500).seconds for calls in (16, 36))
    assert math.isclose(more - few, 0.1, rel_tol=0.1)


@settings(max_examples=50)
@given(counts, st.integers(1, 100_000), quotas, wires, st.none() | st.integers(1, 10**6))
def test_more_calls_take_no_less(
    calls: int, more: int, quota: Quota, wire: dict[str, Any], daily_calls: int | None
) -> None:
    """Of anything."""
    one, other = (
        _single(count, quota, daily_calls=daily_calls, **wire) for count in (calls, calls + more)
    )
    assert one.calls < other.calls
    assert one.days <= other.days
    assert (one.daily_share or 0.0) <= (other.daily_share or 0.0)
    slack = 1 + 1e-9  # the same moment may be another sum
    assert one.seconds <= other.seconds * slack
    assert one.finishes_after <= other.finishes_after * slack


@example(5001, Quota(3, 1.0), {"concurrency": 1, "round_trip": 1.0})
@given(counts, quotas, wires)
def test_no_quota_is_exceeded(calls: int, quota: Quota, wire: dict[str, Any]) -> None:
    """No estimate is below the least possible, by the quota or by the network."""
    reported = _single(calls, quota, **wire).seconds
    by_quota = (math.ceil(calls / quota.limit) - 1) * quota.window
    by_wire = calls / wire["concurrency"] * wire["round_trip"]
    assert reported >= by_quota * (1 - 1e-9)
    assert reported >= by_wire * (1 - 1e-9)


def test_a_billion_calls() -> None:
    """The arithmetic does not count them one by one."""
    reported = _single(10**9, PROFESSIONAL, daily_calls=DAILY_CALLS)
    assert (10**9, 1600, 1600.0) == (reported.calls, reported.days, reported.daily_share)
    assert math.isclose(reported.seconds, 10**9 / 19, rel_tol=0.01)


# What arithmetic said of this many calls, 0.1 s each, before the pacer itself was asked.
COUNTS = (50, 190, 1000, 10_000, 100_000)
ARITHMETIC: dict[tuple[Quota, int], tuple[float, ...]] = {
    (Quota(100, 10.0), 1): (5.05, 19.11, 100.59, 1005.99, 10059.99),
    (Quota(100, 10.0), 8): (0.675, 11.235, 91.84, 997.24, 10051.24),
    (Quota(100, 10.0), 64): (0.309, 10.503, 91.012, 996.412, 10050.412),
    (Quota(100, 10.0), 500): (0.309, 10.503, 91.012, 996.412, 10050.412),
    (Quota(190, 10.0), 1): (5.05, 19.05, 100.05, 1000.05, 10000.05),
    (Quota(190, 10.0), 8): (0.675, 2.425, 50.975, 524.67, 5292.36),
    (Quota(190, 10.0), 64): (0.309, 0.668, 50.609, 523.643, 5291.906),
    (Quota(190, 10.0), 500): (0.309, 0.668, 50.609, 523.643, 5291.906),
    (Quota(250, 10.0), 1): (5.05, 19.05, 100.05, 1000.05, 10000.05),
    (Quota(250, 10.0), 8): (0.675, 2.425, 33.355, 395.515, 4017.115),
    (Quota(250, 10.0), 64): (0.309, 0.668, 30.943, 393.103, 4014.703),
    (Quota(250, 10.0), 500): (0.309, 0.668, 30.943, 393.103, 4014.703),
    (Quota(190, 1.0), 1): (5.05, 19.05, 100.05, 1000.05, 10000.05),
    (Quota(190, 1.0), 8): (0.675, 2.425, 12.55, 125.05, 1250.05),
    (Quota(190, 1.0), 64): (0.309, 0.668, 5.609, 55.643, 557.906),
    (Quota(190, 1.0), 500): (0.309, 0.668, 5.609, 55.643, 557.906),
    (Quota(1000, 10.0), 1): (5.05, 19.05, 100.05, 1000.05, 10000.05),
    (Quota(1000, 10.0), 8): (0.675, 2.425, 12.55, 125.05, 1250.05),
    (Quota(1000, 10.0), 64): (0.309, 0.668, 1.934, 92.474, 997.874),
    (Quota(1000, 10.0), 500): (0.309, 0.668, 1.31, 91.85, 997.25),
}


@pytest.mark.parametrize(("quota", "concurrency"), ARITHMETIC, ids=str)
def test_the_pacer_says_what_arithmetic_said(quota: Quota, concurrency: int) -> None:
    """Within 3 %."""
    for count, seconds in zip(COUNTS, ARITHMETIC[quota, concurrency], strict=True):
        reported = _single(count, quota, concurrency=concurrency).seconds
        assert math.isclose(reported, seconds, rel_tol=0.03), count


# --- exact steps ---------------------------------------------------------------------------------


def _strict(calls: int, quota: Quota, **options: Any) -> float:
    return estimate(calls, Pacer(quota, strict=True), **options).seconds


class _Counted(Pacer):
    """Counts the calls that were simulated."""

    count = 0

    def take(self, now: float) -> None:
        self.count += 1
        super().take(now)


@pytest.mark.parametrize(
    ("calls", "limit", "simulated"),
    [
        (4999, 190, 4999),
        (5001, 190, 5000),  # the others are extrapolated
        (10**6, 190, 5000),
        (10**6, 4000, 8000),  # two windows
        (10**6, 10_000, 20_000),
        (10**6, 10_001, 20_000),
        (10**6, 10**6, 20_000),
    ],
)
def test_how_many_calls_are_simulated(calls: int, limit: int, simulated: int) -> None:
    """An estimate takes a moment, however many calls and however large the quota."""
    pacer = _Counted(Quota(limit))
    estimate(calls, pacer, round_trip=0.0)
    assert simulated == pacer.count


def test_round_trips_are_spread_as_a_normal_distribution() -> None:
    """Each of the middles of its 16 equal parts comes once, the longer of a pair first."""
    # One call in flight and no quota to speak of: each call takes its round trip.
    ends = [_single(n, Quota(1000), concurrency=1, round_trip=1.0, jitter=0.5) for n in range(17)]
    took = [(b.seconds - a.seconds - 1.0) / 0.5 for a, b in pairwise(ends)]
    middles = [NormalDist().inv_cdf((part + 0.5) / 16) for part in range(16)]
    assert pytest.approx(middles, abs=0.006) == sorted(took)
    assert [True, False] * 8 == [one > 0 for one in took]
    assert pytest.approx([-one for one in took[::2]]) == took[1::2]


def test_as_many_are_in_flight_as_a_client_has() -> None:
    """Sixty-four, if nothing else is said."""
    seconds = [_single(5000, Quota(10**6), **options).seconds for options in ({}, FEW, MORE)]
    assert seconds[1] == seconds[0] > seconds[2]


FEW = {"concurrency": 64}
MORE = {"concurrency": 65}


def test_a_permit_that_is_free_before_a_response_is_used() -> None:
    """Two calls in 1 s, which take 4 s and a little: the fifth goes between two responses."""
    # Of a mean of 4 s and half of it as deviation:
    trips = [4 + 2 * n for n in (0.08, -0.08, 0.78, -0.78, 0.24)]
    third = trips[1] + 1.0  # the second call ends first
    fourth = trips[0] + 1.0
    assert third < fourth
    fifth = fourth + trips[3] + 1.0
    assert fourth + trips[3] < fifth < third + trips[2]
    expected = fifth + trips[4]
    reported = _strict(5, Quota(2, 1.0), round_trip=4.0, jitter=0.5)
    assert pytest.approx(expected) == reported


@pytest.mark.parametrize("calls", [4998, 5000, 5001, 5005, 7499, 7500, 10_001, 10**6])
def test_many_calls_go_on_as_the_second_half_of_those_simulated(calls: int) -> None:
    """Seven at once in each 10 s and a round trip of 1 s: no jitter, strictly counted."""
    expected = (calls - 1) // 7 * 11.0 + 1.0
    reported = _strict(calls, Quota(7), round_trip=1.0, jitter=0.0)
    assert pytest.approx(expected, rel=1e-12) == reported


def test_batches_go_on_as_the_second_half_of_those_simulated() -> None:
    """While the limit rises each window is faster: by whole windows of the last one."""
    pacer = BatchPacer()
    estimate(5000, pacer, round_trip=0.1, jitter=0.0)
    # The limit is that of the last window.
    period = 2500 // pacer.limit * pacer.limit
    assert 2400 < period <= 2500
    all_of_them, before = (_paced(calls, round_trip=0.1).seconds for calls in (5000, 5000 - period))
    reported = _paced(5000 + 3 * period, round_trip=0.1).seconds
    assert pytest.approx(all_of_them + 3 * (all_of_them - before)) == reported


@pytest.mark.parametrize(
    ("calls", "limit", "windows"),
    [
        (40_000, 10_001, 3),
        (10**6, 19_999, 50),  # one whole window was simulated
        (60_000, 30_000, 1),  # fewer calls than a window were simulated
        (60_001, 30_000, 2),
        (10**6, 30_000, 33),
    ],
)
def test_large_quotas(calls: int, limit: int, windows: int) -> None:
    """No way there: the limit goes at once, and again after each window."""
    seconds = _single(calls, Quota(limit, 5.0), concurrency=10**6, round_trip=0.0).seconds
    assert 5.0 * windows == seconds


def test_the_last_call_of_a_large_quota_takes_its_round_trip() -> None:
    """Two windows, and then one call as if it were the first."""
    wire: dict[str, Any] = {"concurrency": 10**6, "round_trip": 0.1}
    quota = Quota(30_000, 5.0)
    expected = 2 * 5.0 + _single(1, quota, **wire).seconds
    assert pytest.approx(expected) == _single(60_001, quota, **wire).seconds


# --- days ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "days", "last"),
    [
        (1, 1, 1),
        (999, 1, 999),
        (1000, 1, 1000),
        (1001, 2, 1),
        (2000, 2, 1000),
        (2001, 3, 1),
        (10_500, 11, 500),
    ],
)
def test_days_and_nights(calls: int, days: int, last: int) -> None:
    """It ends when the last day's calls are made, and each day before is a whole one."""
    reported = _single(calls, PROFESSIONAL, daily_calls=1000)
    assert (days, calls / 1000) == (reported.days, reported.daily_share)
    assert _single(last, PROFESSIONAL).seconds + (days - 1) * DAY == reported.finishes_after
    assert _single(calls, PROFESSIONAL).seconds == reported.seconds


def test_a_quota_that_is_slower_than_the_day() -> None:
    """Waits for no night: its calls of one day are not made when the next begins."""
    reported = _single(2500, Quota(1, 100.0), daily_calls=1000)
    assert 3 == reported.days
    assert 2 * DAY < reported.seconds == reported.finishes_after


def test_a_day_of_unknown_calls() -> None:
    """One day is all that can be said, and no share of it."""
    reported = _single(10**6, PROFESSIONAL)
    assert (1, None) == (reported.days, reported.daily_share)
    assert reported.seconds == reported.finishes_after


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs_by_types", "expected"),
    [
        ({}, 0),
        ({("contacts", "companies"): 0}, 0),
        ({("contacts", "companies"): 1}, 1),
        ({("contacts", "companies"): 2000}, 1),
        ({("contacts", "companies"): 2001}, 2),
        ({("contacts", "companies"): 1, ("companies", "contacts"): 1, ("deals", "deals"): 4001}, 5),
    ],
)
def test_batches(pairs_by_types: dict[tuple[str, str], int], expected: int) -> None:
    """Each pair of types has batches of its own, the last of them not full."""
    assert expected == batch_calls(pairs_by_types)


def test_batches_of_another_size() -> None:
    """HubSpot may change it."""
    assert 4 == batch_calls({("contacts", "companies"): 10}, most=3)
    assert 10 == batch_calls({("contacts", "companies"): 10}, most=1)


# --- calls at a pace -----------------------------------------------------------------------------


def _paced(
    calls: int, quota: Quota | None = None, round_trip: float = 1.0, **options: Any
) -> Estimate:
    return estimate(calls, BatchPacer(quota), round_trip=round_trip, jitter=0.0, **options)


def test_no_paced_calls_take_nothing() -> None:
    """Neither time nor a day."""
    assert Estimate(0, 0.0, 0, 0.0, 0.0) == _paced(0, daily_calls=DAILY_CALLS)


@pytest.mark.parametrize(("calls", "expected"), [(1, 1.0), (2, 1.0), (3, 2.0), (10, 5.0)])
def test_two_go_at_once_at_first(calls: int, expected: float) -> None:
    """So the wire is what they wait for, while there are tokens."""
    assert expected == _paced(calls).seconds


def test_a_pace_that_rises_takes_less() -> None:
    """Than the same one kept as it is; the first window has no more calls, though."""
    assert _paced(10).seconds == _paced(10, FIRST_QUOTA).seconds
    assert _paced(11).seconds > 10.0
    assert 0.6 * _paced(500, FIRST_QUOTA).seconds > _paced(500).seconds


@given(st.integers(0, 60_000), st.integers(1, 5000), st.none() | quotas, st.floats(0.0, 10.0))
@settings(max_examples=20)
def test_more_paced_calls_take_no_less(
    calls: int, more: int, quota: Quota | None, round_trip: float
) -> None:
    """Also beyond the number that is gone through one by one."""
    one, other = (_paced(count, quota, round_trip) for count in (calls, calls + more))
    assert one.seconds <= other.seconds * (1 + 1e-9)


@given(st.integers(1, 60_000), quotas, st.floats(0.01, 10.0))
@settings(max_examples=20)
@example(25_006, Quota(7, 1.0), 1.0)  # the last calls of many are not a whole period
def test_no_paced_quota_is_exceeded(calls: int, quota: Quota, round_trip: float) -> None:
    """No estimate is below the least possible: by the quota, or by four at once."""
    reported = _paced(calls, quota, round_trip).seconds
    by_quota = (min(calls, 20_000) / quota.limit - 1) * quota.window
    assert reported >= by_quota * (1 - 1e-9)
    assert reported >= calls / 4 * round_trip * (1 - 1e-9)


def test_a_million_paced_calls() -> None:
    """They continue as the thousands before."""
    ten, twenty = (_paced(calls, Quota(20)).seconds for calls in (10_000, 20_000))
    million = _paced(1_000_000, Quota(20)).seconds
    assert math.isclose(million, twenty + 98 * (twenty - ten))


def test_paced_days_and_nights() -> None:
    """As of single calls: it ends when the last day's calls are made."""
    reported = _paced(2001, daily_calls=1000)
    assert (3, 2.001) == (reported.days, reported.daily_share)
    assert 2 * DAY + 1.0 == reported.finishes_after


@pytest.mark.parametrize(
    ("calls", "round_trip", "message"),
    [(-1, 1.0, "calls must be"), (1, -1.0, "round_trip must be"), (1, math.nan, "round_trip")],
)
def test_a_pace_out_of_range(calls: int, round_trip: float, message: str) -> None:
    """Is refused by its name."""
    with pytest.raises(OptionsError, match=message):
        _paced(calls, None, round_trip)


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calls": -1}, "calls must be an int of 0 or more, not -1"),
        ({"calls": True}, "calls"),
        ({"calls": 1.5}, "calls"),
        ({"concurrency": 0}, "concurrency must be an int of 1 or more, not 0"),
        ({"round_trip": -0.1}, "round_trip must be a number of seconds, 0 or more, not -0.1"),
        ({"round_trip": math.nan}, "round_trip"),
        ({"round_trip": math.inf}, "round_trip"),
        ({"round_trip": "0.1"}, "round_trip"),
        ({"round_trip": True}, "round_trip"),
        ({"daily_calls": 0}, "daily_calls must be an int of 1 or more, not 0"),
    ],
)
def test_an_argument_out_of_range(options: dict[str, Any], message: str) -> None:
    """Is refused by its name."""
    with pytest.raises(OptionsError, match=message):
        estimate(**{"calls": 1, "pacer": Pacer(PROFESSIONAL), **options})


@pytest.mark.parametrize(
    ("pairs", "most", "message"),
    [(-1, 2000, "pairs from contacts to companies must be"), (1, 0, "most must be")],
)
def test_a_batch_out_of_range(pairs: int, most: int, message: str) -> None:
    """Is refused by its name too."""
    with pytest.raises(OptionsError, match=message):
        batch_calls({("contacts", "companies"): pairs}, most)
