"""The window-safe bucket: laws on both sides."""

from __future__ import annotations

import heapq
import math
from collections import deque
from itertools import pairwise

from hypothesis import given, strategies as st

from aiohubassoc import Quota
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket


def _most_in_a_window(instants: list[float], window: float) -> int:
    most = 0
    inside: deque[float] = deque()
    for instant in sorted(instants):
        inside.append(instant)
        while inside[0] <= instant - window:
            inside.popleft()
        most = max(most, len(inside))
    return most


def _run(
    bucket: TokenBucket, trips: list[tuple[float, float]], *, round_trips: RoundTrips | None = None
) -> tuple[list[float], list[float]]:
    """Send a call for each (way there, way back) as soon as possible: sent and counted instants."""
    now = 0.0
    sent: list[float] = []
    counted: list[float] = []
    on_the_way: list[tuple[float, float]] = []
    for there, back in trips:
        while (wait := bucket.wait(now)) > 0:
            answered = on_the_way[0][0] if on_the_way else math.inf
            now = min(now + wait, answered)
            while on_the_way and on_the_way[0][0] <= now:
                at, began = heapq.heappop(on_the_way)
                if round_trips is None:
                    bucket.record(at, at)
                else:
                    bucket.record(round_trips.counted_at(began, at, exact=True), at)
        bucket.take()
        sent.append(now)
        counted.append(now + there)
        heapq.heappush(on_the_way, (now + there + back, now))
    return sent, counted


# Exact in binary, so that a law is not broken by rounding alone.
ways = st.integers(0, 4096).map(lambda n: n / 1024)
trips_lists = st.lists(st.tuples(ways, ways), min_size=1, max_size=60)
limits = st.integers(1, 7)
windows = st.sampled_from([0.5, 1.0, 10.0])


@given(trips_lists, limits, windows)
def test_counted_from_the_response_no_window_holds_more_than_the_limit(
    trips: list[tuple[float, float]], limit: int, window: float
) -> None:
    """Whatever the network does, the server sees at most the limit in any window."""
    _, counted = _run(TokenBucket(Quota(limit, window)), trips)
    assert _most_in_a_window(counted, window) <= limit


def test_a_limit_with_a_window_of_its_own() -> None:
    """Permits are counted for that window, shorter or longer than the quota's."""
    bucket = TokenBucket(Quota(10, 10.0))
    bucket.memory = 30.0
    for counted_at in (0.0, 15.0, 29.0, 29.5):
        bucket.take()
        bucket.record(counted_at, counted_at)
    bucket.take()
    assert 0.0 == bucket.wait(29.75)
    assert [1.0, 0.75, 0.5, 0.0] == [bucket.wait(at, 2, 1.0) for at in (29.5, 29.75, 30.0, 30.5)]
    assert [0.25, 0.0, 0.0] == [bucket.wait(29.75, limit, 30.0) for limit in (5, 6, 7)]
    assert [18.25, 4.25, 0.0] == [bucket.wait(29.75, limit, 19.0) for limit in (3, 4, 5)]
    assert math.inf == bucket.wait(29.75, 1, 30.0)


def test_in_how_many_seconds_calls_were_accepted() -> None:
    """Until a moment, without those that were throttled."""
    bucket = TokenBucket(Quota(10, 10.0))
    for counted_at, accepted in ((1.0, True), (2.0, False), (2.0, True), (3.0, False), (4.0, True)):
        bucket.take()
        bucket.record(counted_at, counted_at, accepted=accepted)
    expected = [0.0, 2.0, 3.0, math.inf]
    assert expected == [bucket.seconds_of(count, 4.0) for count in (1, 2, 3, 4)]
    assert [1.5, 2.5, math.inf] == [bucket.seconds_of(count, 3.5) for count in (1, 2, 3)]


@given(ways, st.integers(1, 60), limits, windows)
def test_on_an_even_network_the_midpoint_is_safe_too(
    way: float, calls: int, limit: int, window: float
) -> None:
    """With equal ways there and back no window holds more than the limit."""
    bucket = TokenBucket(Quota(limit, window))
    _, counted = _run(bucket, [(way, way)] * calls, round_trips=RoundTrips())
    assert _most_in_a_window(counted, window) <= limit


@given(trips_lists, limits, windows)
def test_no_call_waits_longer_than_it_must(
    trips: list[tuple[float, float]], limit: int, window: float
) -> None:
    """A call goes the moment that fewer than the limit are in flight or counted in the window."""
    sent, _ = _run(TokenBucket(Quota(limit, window)), trips)
    back_at: list[float] = []  # when the token of each call is there again
    for began, (there, back) in zip(sent, trips, strict=True):
        busy = sorted(back_at)
        must_wait_until = busy[-limit] if len(busy) >= limit else 0.0
        earliest = max(must_wait_until, sent[len(back_at) - 1] if back_at else 0.0)
        assert earliest == began
        back_at.append(began + there + back + window)


def test_the_first_burst_is_free() -> None:
    """As many calls as the quota holds may go at once."""
    sent, _ = _run(TokenBucket(Quota(190)), [(0.04, 0.04)] * 190)
    assert [0.0] * 190 == sent


def test_steady_use_costs_half_a_round_trip_a_window() -> None:
    """1,800 calls at 190 per second and 80 ms end within 1.08 of the least possible time."""
    sent, _ = _run(TokenBucket(Quota(190, 1.0)), [(0.04, 0.04)] * 1800, round_trips=RoundTrips())
    assert 9.0 <= sent[-1] <= 1.08 * 9.0


def test_all_permits_in_flight() -> None:
    """With every token in flight nobody can say how long it takes."""
    bucket = TokenBucket(Quota(2, 10.0))
    bucket.take()
    bucket.take()
    assert math.inf == bucket.wait(0.0)


def test_a_call_that_was_not_sent_costs_nothing() -> None:
    """A token given back is there at once."""
    bucket = TokenBucket(Quota(1, 10.0))
    bucket.take()
    bucket.release_unused()
    assert (0.0, 0) == (bucket.wait(0.0), bucket.in_flight)


def test_a_permit_comes_back_one_window_after_it_was_counted() -> None:
    """Not a moment earlier, not a moment later."""
    bucket = TokenBucket(Quota(1, 10.0))
    bucket.take()
    bucket.record(3.0, 3.0)
    assert [9.0, 0.5, 0.0] == [bucket.wait(now) for now in (4.0, 12.5, 13.0)]


def test_a_lower_limit_waits_for_more_than_one() -> None:
    """After the limit was lowered, calls wait until enough tokens are back."""
    bucket = TokenBucket(Quota(4, 10.0))
    for counted_at in (1.0, 2.0, 3.0, 4.0):
        bucket.take()
        bucket.record(counted_at, counted_at)
    lower = bucket.copy_for(Quota(2, 10.0))
    assert 13.0 - 5.0 == lower.wait(5.0)
    higher = lower.copy_for(Quota(5, 10.0))
    assert 0.0 == higher.wait(5.0)


def test_a_longer_window_is_kept_for_calls_of_before() -> None:
    """What was counted is known under a new quota too, and copies live on their own."""
    bucket = TokenBucket(Quota(1, 1.0))
    bucket.take()
    longer = bucket.copy_for(Quota(1, 60.0))
    assert math.inf == longer.wait(0.0)
    longer.record(1.0, 1.0)
    assert (60.0, math.inf) == (longer.wait(1.0), bucket.wait(1.0))


def test_calls_that_were_rejected_do_not_count_as_accepted() -> None:
    """What HubSpot accepted from us in a window is known for any moment of it."""
    bucket = TokenBucket(Quota(5, 10.0))
    for counted_at, accepted in ((1.0, True), (2.0, False), (3.0, True), (12.0, True)):
        bucket.take()
        bucket.record(counted_at, counted_at, accepted=accepted)
    assert [0, 1, 2, 2] == [bucket.accepted_until(at) for at in (0.5, 1.0, 10.0, 12.5)]


def test_permits_that_came_back_are_forgotten() -> None:
    """Memory holds two windows of calls at most, however long a run continues."""
    bucket = TokenBucket(Quota(100, 1.0))
    for number in range(20_000):
        now = number / 100
        assert bucket.wait(now) <= 0.011
        bucket.take()
        bucket.record(now, now, accepted=number % 7 != 0)
    assert len(bucket._counted) <= 2000
    assert len(bucket._rejected) <= 300


def test_what_is_long_past_is_forgotten_though_nobody_asks() -> None:
    """While the quota is far away calls go without asking for their turn."""
    bucket = TokenBucket(Quota(1_000_000, 1.0))
    for number in range(20_000):
        bucket.take()
        bucket.record(number / 100, number / 100)
    assert bucket.remembered < 2000
    assert 100 == bucket.accepted_until(199.99)


def test_how_many_permits_are_free() -> None:
    """The room is the limit less those in flight and those counted in the last window."""
    bucket = TokenBucket(Quota(10, 4.0))
    for counted_at in (1.0, 2.0, 3.0):
        bucket.take()
        bucket.record(counted_at, counted_at)
    bucket.take()
    assert (10 - 1 - 3, 3) == (bucket.room, bucket.remembered)
    # The permits are free again at 5, 6 and 7.
    assert [6, 7, 8, 9, 9] == [bucket.count_by(at) for at in (4.5, 5.0, 6.0, 7.0, 99.0)]
    assert 0.0 == bucket.wait(5.0)
    assert 10 - 1 - 2 == bucket.room
    assert [7, 8] == [bucket.count_by(at) for at in (5.5, 6.5)]


def test_how_many_of_the_remembered_calls_were_accepted() -> None:
    """All but those that were rejected."""
    bucket = TokenBucket(Quota(10, 4.0))
    for accepted in (True, False, True, False, True):
        bucket.take()
        bucket.record(1.0, 1.0, accepted=accepted)
    assert (5, 3) == (bucket.remembered, bucket.remembered_accepted)


def test_how_long_calls_are_remembered() -> None:
    """For the window of the quota."""
    bucket = TokenBucket(Quota(1, 4.0))
    assert [4.0, 0.5] == [one.memory for one in (bucket, bucket.copy_for(Quota(1, 0.5)))]


def test_old_calls_are_forgotten_in_groups() -> None:
    """Two windows are always known; older calls are dropped by 513, so that few copies are made."""
    bucket = TokenBucket(Quota(1, 1.0))
    sizes = []
    for second in range(3000):
        bucket.take()
        bucket.record(float(second), float(second))
        sizes.append(bucket.remembered)
        # One call a second: one in the window that ends now, and one in the window before it.
        assert min(second, 1) == bucket.accepted_until(second - 1.0)
    # 512 that are too old, and the two of two windows. The next one brings it to two.
    assert (512 + 2, 2) == (max(sizes), min(sizes[514:]))
    assert 5 == sum(b < a for a, b in pairwise(sizes))  # 3000 // 513
