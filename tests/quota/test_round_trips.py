"""When a call counts."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from aiohubassoc._quota.token_bucket import RoundTrips


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5), st.booleans()), min_size=1))
def test_a_call_counts_between_its_midpoint_and_its_response(
    calls: list[tuple[float, float, bool]],
) -> None:
    """The estimate stays within what can be, and is the response for calls that say little."""
    trips = RoundTrips()
    for number, (sent_at, took, exact) in enumerate(calls):
        responded_at = sent_at + took
        at = trips.counted_at(sent_at, responded_at, exact=exact)
        assert sent_at + took / 2 <= at <= responded_at
        if not exact or number == 0:
            assert responded_at == at


def test_a_slow_call_counts_from_one_way_before_its_response() -> None:
    """A call much slower than most may have been slow on its way there."""
    trips = RoundTrips()
    for second in range(200):
        trips.counted_at(second, second + 0.1, exact=True)
    assert pytest.approx(500.45) == trips.counted_at(500.0, 500.5, exact=True)
    assert trips.counted_at(600.0, 600.1, exact=True) < 600.08


def test_strictly_every_call_counts_from_its_response() -> None:
    """Whatever was learned of the network."""
    trips = RoundTrips(strict=True)
    assert {7.5} == {trips.counted_at(7.0, 7.5, exact=exact) for exact in (False, True, True)}


def test_leaning_counts_nearer_to_the_response() -> None:
    """By that share of the way; and no more once it is over."""
    trips = RoundTrips()
    for second in range(200):
        trips.counted_at(second, second + 0.1, exact=True)
    trips.count_later(0.5)
    assert pytest.approx(500.075, abs=1e-3) == trips.counted_at(500.0, 500.1, exact=True)
    trips.count_later(0.0)
    assert pytest.approx(600.05, abs=1e-3) == trips.counted_at(600.0, 600.1, exact=True)


def test_the_estimate_follows_as_tcp_s_does() -> None:
    """RFC 6298: half of the first round trip is its deviation; then a sixteenth of each change."""
    trips = RoundTrips()
    assert 1.0 == trips.longest  # nothing is known: a second
    assert 1.0 == trips.counted_at(0.0, 1.0, exact=True)
    # Mean 1, deviation 1/2, and 15/16 of the second.
    assert 1.0 + 4 * 0.5 + 15 / 16 == trips.longest
    # A round trip of 2 is two deviations above the mean, which is not slow: its middle is at 11,
    # and 0.4 deviations are the margin. The mean moves by 1/16, the deviation by 0.5/16.
    assert 11.0 + 0.4 * 0.5 == trips.counted_at(10.0, 12.0, exact=True)
    assert 1.0625 + 4 * 0.53125 + (15 / 16) ** 2 == trips.longest


def test_a_slow_call_counts_from_one_way_less_the_deviation() -> None:
    """A call above two deviations from the mean: the way back took about half of the mean."""
    trips = RoundTrips()
    for _ in range(33):
        trips.counted_at(0.0, 1.0, exact=True)
    deviation = 0.5 * (15 / 16) ** 32
    assert deviation < 0.1  # of a mean of 1
    assert pytest.approx(8.0 - (0.5 - deviation)) == trips.counted_at(3.0, 8.0, exact=True)


def test_a_call_between_two_and_three_deviations_is_slow() -> None:
    """After one round trip of 1, whose deviation is taken for 1/2."""
    trips = RoundTrips()
    trips.counted_at(0.0, 1.0, exact=True)
    # 2.25 is 2.5 deviations above: half a mean less the deviation is nothing before the response.
    assert 12.25 == trips.counted_at(10.0, 12.25, exact=True)
