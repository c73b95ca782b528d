"""How much of the quota is available, after throttles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Quota
from aiohubassoc._quota.adaptive_limit import AdaptiveLimit

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_a_throttle_showed_holds_for_a_longer_window() -> None:
    """60 calls in 10 s are 120 in 20 s, when HubSpot names that window."""
    limit = AdaptiveLimit(Quota(100, 10.0))
    assert not limit.record_throttle(60, 1.0, sent_at=0.9, beside=1)
    assert 60 == limit.at(1.0)
    limit.adopt(Quota(200, 20.0))
    assert 120 == limit.at(1.0)
    limit.adopt(Quota(100, 10.0))  # it names windows in turn: the longest is measured
    assert (120, 20.0) == (limit.at(1.0), limit.window)


# --- exact steps, of 100 calls in 10 s -----------------------------------------------------------

QUOTA = Quota(100, 10.0)


def _cut(
    own: int, now: float = 0.0, *, quota: Quota = QUOTA, beside: int = 1, sent_ago: float = 0.5
) -> AdaptiveLimit:
    """Return a limit after a throttle: *own* calls were accepted in the window before it."""
    limit = AdaptiveLimit(quota)
    assert not limit.record_throttle(own, now, sent_at=now - sent_ago, beside=beside)
    return limit


def _is_cut(limit: AdaptiveLimit) -> bool:
    return limit.level is not None


def _try_fails(limit: AdaptiveLimit, own: int, now: float, in_a_row: int = 1) -> None:
    """Throttle a call that was sent after the last cut."""
    _row(limit, in_a_row)
    assert not limit.record_throttle(own, now, sent_at=now - 0.001, beside=1)


def _row(limit: AdaptiveLimit, in_a_row: int) -> None:
    """Make the next throttle the last of *in_a_row* without an accepted call between them."""
    limit.cut.in_a_row, limit.cut.accepted_later = in_a_row - 1, int(in_a_row == 1)


def _throttles(
    limit: AdaptiveLimit,
    own: int,
    now: float,
    seconds_of: Callable[[int], float],
    in_a_row: int = 3,
) -> None:
    """Throttle *in_a_row* calls, each of them sent after the previous throttle."""
    for before in range(in_a_row - 1, 0, -1):
        at = now - before / 1000
        limit.record_throttle(own, at, sent_at=at - 0.0005, beside=1)
    limit.record_throttle(own, now, sent_at=now - 0.0005, beside=1, seconds_of=seconds_of)


def _tries_after(limit: AdaptiveLimit, now: float) -> float:
    """Return the seconds until more is tried, and check that nothing is before."""
    seconds = limit.rises_in(now)
    assert limit.at(now) == limit.at(now + seconds - 1e-6) == limit.at(now + seconds) - 1
    return seconds


def test_before_a_throttle_all_of_the_limit_is_available() -> None:
    """Sixteen calls may be in flight, and one more for eight that were accepted."""
    limit = AdaptiveLimit(QUOTA)
    assert (100, math.inf) == (limit.at(0.0), limit.rises_in(0.0))
    assert (None, False, False) == (limit.level, limit.is_proven, limit.is_doubted)
    assert (16, 10.0, 0) == (limit.max_in_flight, limit.window, limit.cut.in_flight)
    for _ in range(8):
        limit.record_accepted(99, sent_at=0.0)
    assert (17, False) == (limit.max_in_flight, limit.is_proven)
    limit.adopt(QUOTA)  # HubSpot named it: one more for four
    for _ in range(4):
        limit.record_accepted(99, sent_at=0.0)
    assert (18, False) == (limit.max_in_flight, limit.is_proven)
    limit.record_accepted(100, sent_at=0.0)
    assert (math.inf, True) == (limit.max_in_flight, limit.is_proven)


def test_after_a_throttle_what_was_accepted_is_available() -> None:
    """Then the level bounds the calls, not their number in flight."""
    limit = _cut(60)
    assert (60, False, True) == (limit.at(0.0), limit.is_doubted, limit.is_proven)
    assert math.inf == limit.max_in_flight
    assert 1 == limit.cut.in_flight


def test_more_is_tried_after_a_quarter_of_a_window() -> None:
    """One more; and only what is used may grow, by twice that, doubling each eighth of a window."""
    limit = _cut(60)
    assert 2.5 == _tries_after(limit, 0.0)
    assert 0.5 == _tries_after(limit, 2.0)
    assert (61, math.inf) == (limit.at(2.5), limit.rises_in(2.5))  # nobody used the one yet
    assert 61 == limit.at(1000.0)
    limit.record_accepted(61, sent_at=2.5)
    # Up to 1 + 2 * 1 more: the second one after an eighth, the third when 2 ** (t / 1.25) is 3.
    assert pytest.approx(1.25) == _tries_after(limit, 2.5)
    assert pytest.approx(1.25 * math.log2(3) - 1.25) == _tries_after(limit, 3.75)
    assert (63, math.inf) == (limit.at(5.0), limit.rises_in(5.0))
    assert 63 == limit.at(1000.0)
    limit.record_accepted(63, sent_at=5.0)
    assert (67, math.inf) == (limit.at(9.0), limit.rises_in(9.0))  # 1 + 2 * 3
    limit.record_accepted(50, sent_at=5.0)  # fewer take nothing back
    assert 67 == limit.at(9.0)


@given(st.integers(0, 200), st.floats(0.0, 1000.0))
def test_a_timer_for_a_rise_is_never_too_early(grown: int, cut_at: float) -> None:
    """At the moment that `rises_in` names there is more, though sums of floats are rounded."""
    limit = _cut(500, cut_at, quota=Quota(1000, 10.0))
    limit.record_accepted(500 + grown, sent_at=cut_at + 1.0)
    now = cut_at
    for _ in range(50):
        wait = limit.rises_in(now)
        if wait == math.inf:
            break
        before = limit.at(now)
        now += wait
        assert before < limit.at(now)


def test_a_level_of_the_whole_limit_does_not_rise() -> None:
    """There is no more than the limit."""
    limit = _cut(60)
    limit.record_accepted(100, sent_at=-1.0)  # it was in flight at the cut: it lifts nothing
    assert (100, math.inf) == (limit.at(0.0), limit.rises_in(0.0))
    assert 100 == limit.at(1000.0)
    assert _is_cut(limit)


def test_a_whole_limit_of_accepted_calls_lifts_the_level() -> None:
    """Sent after the cut, and as many as the limit."""
    limit = _cut(60)
    for own, sent_at, is_cut in ((99, 0.1, True), (100, 0.0, True), (100, 0.1, False)):
        limit.record_accepted(own, sent_at=sent_at)
        assert is_cut == _is_cut(limit)
    assert 100 == limit.at(0.0)


def test_each_failed_try_makes_the_next_one_later() -> None:
    """A quarter of a window at first, then 1/2, 1, 2 and 3; one that got through starts anew."""
    limit = _cut(60)
    now = 0.0
    for patience in (2.5, 5.0, 10.0, 20.0, 30.0, 30.0):
        assert pytest.approx(patience) == _tries_after(limit, now)
        now += patience
        _try_fails(limit, 62, now)  # two more than the base: an error in the times
        assert 62 == limit.at(now)
        _try_fails(limit, 60, now + 0.5, in_a_row=2)  # before the next try: it only shows less
        assert 60 == limit.at(now)
    now += 30.0
    _try_fails(limit, 63, now)
    assert pytest.approx(2.5) == _tries_after(limit, now)


@pytest.mark.parametrize(
    ("own", "patience"), [(152, 5.0), (153, 5.0), (154, 2.5)], ids=["below", "at", "above"]
)
def test_a_fiftieth_of_many_calls_is_an_error_in_the_times(own: int, patience: float) -> None:
    """Of 150 they are three."""
    limit = _cut(150, quota=Quota(200, 10.0))
    _try_fails(limit, own, 2.5)
    assert pytest.approx(patience) == _tries_after(limit, 2.5)


def test_a_throttle_before_more_was_tried() -> None:
    """Near what was shown it corrects that; well below it is another cut of the same patience."""
    limit = _cut(60)
    _try_fails(limit, 58, 1.0)
    assert (58, 1.5) == (limit.at(1.0), _tries_after(limit, 1.0))
    _try_fails(limit, 55, 2.0, in_a_row=2)
    assert (55, 2.5) == (limit.at(2.0), _tries_after(limit, 2.0))
    _try_fails(limit, 55, 4.5)  # a failed try
    _try_fails(limit, 40, 5.0, in_a_row=2)
    assert (40, 5.0) == (limit.at(5.0), _tries_after(limit, 5.0))


def test_calls_in_flight_at_the_cut_show_the_same_throttle() -> None:
    """Also one that was sent in its very moment."""
    limit = _cut(60, 5.0)
    for sent_at, expected in ((4.0, 60), (5.0, 60), (5.001, 30)):
        passes = limit.record_throttle(30, 6.0, sent_at=sent_at, beside=1)
        assert (False, expected) == (passes, limit.at(6.0))


# --- a throttle near the limit -------------------------------------------------------------------


def _near_throttles(*moments: float, own: int = 98) -> list[bool]:
    limit = AdaptiveLimit(QUOTA)
    return [limit.record_throttle(own, now, sent_at=now - 0.001, beside=1) for now in moments]


def test_a_throttle_near_the_limit_is_an_error_in_the_times() -> None:
    """Two calls below it are near, three are not."""
    assert [[True], [False]] == [_near_throttles(0.0, own=own) for own in (98, 97)]
    assert 100 == AdaptiveLimit(QUOTA).at(0.0)


@pytest.mark.parametrize(
    ("moments", "last"),
    [
        ((0.0, 11.0, 22.0), True),
        ((0.0, 11.0, 22.0, 33.0), False),  # in each of four windows: it is the limit
        ((0.0, 10.0, 20.5, 30.5), True),  # those within a window of the first count once
        ((0.0, 11.0, 22.0, 72.0), False),  # five windows later: still in a row
        ((0.0, 11.0, 22.0, 73.0), True),  # more than five windows: forgotten
        ((0.0, 11.0, 22.0, 73.0, 84.0, 95.0), True),
        ((0.0, 11.0, 22.0, 73.0, 84.0, 95.0, 106.0), False),
    ],
)
def test_throttles_near_the_limit_in_a_row(moments: tuple[float, ...], last: bool) -> None:
    """In three windows they pass for errors, in a fourth the limit is lowered."""
    *others, final = _near_throttles(*moments)
    assert all(others)
    assert last == final


# --- a throttle that may not be the quota's ------------------------------------------------------


def test_few_calls_before_a_throttle_are_doubted() -> None:
    """Below a tenth of the limit: four more and an eighth of those accepted disprove it."""
    assert 99 + 4 + 12 == _cut(99, quota=Quota(1000)).at(0.0)
    assert 8 + 4 + 1 == _cut(8).at(0.0)
    limit = _cut(9)
    assert (True, 9 + 4 + 1) == (limit.is_doubted, limit.at(0.0))
    assert (math.inf, 14) == (limit.rises_in(0.0), limit.at(1000.0))
    limit.record_accepted(13, sent_at=0.1)
    assert (True, 14) == (limit.is_doubted, limit.at(0.1))
    # With time four more of those beyond the base double, as after every cut: 1 + 2 * 4.
    assert (9 + 9, math.inf) == (limit.at(1000.0), limit.rises_in(1000.0))
    limit.record_accepted(14, sent_at=0.0)  # it was in flight at the throttle
    limit.record_accepted(18, sent_at=0.1)  # so fourteen were accepted before, not nine
    assert limit.is_doubted
    limit.record_accepted(19, sent_at=0.1)
    assert (False, 100) == (limit.is_doubted, limit.at(0.1))


def test_a_tenth_of_the_limit_is_not_doubted() -> None:
    """More is tried with patience."""
    limit = _cut(10)
    assert (False, 10) == (limit.is_doubted, limit.at(0.0))
    limit.record_accepted(14, sent_at=0.1)
    assert _is_cut(limit)


def test_no_accepted_call_leaves_four_to_try() -> None:
    """And one at least may always go."""
    assert 4 == _cut(0).at(0.0)
    limit = _cut(0)
    for now in (0.5, 1.0):
        _try_fails(limit, 0, now)
    assert (False, 1) == (limit.is_doubted, limit.at(1.0))


def test_a_doubt_ends_with_its_second_failed_try() -> None:
    """Then it is the quota, and the next try is a window later."""
    limit = _cut(9)
    _try_fails(limit, 9, 0.5)
    assert (True, 14) == (limit.is_doubted, limit.at(0.5))
    _try_fails(limit, 9, 1.0)
    assert (False, 9) == (limit.is_doubted, limit.at(1.0))
    assert pytest.approx(10.0) == _tries_after(limit, 1.0)


# --- throttles that have another cause than the quota --------------------------------------------


def _unexplained(limit: AdaptiveLimit, *owns: int, now: float = 0.5) -> float:
    """Throttle calls that are not beyond what was accepted before. Return when the last was."""
    for own in owns:
        _try_fails(limit, own, now)
        now += 0.1
    return now - 0.1


def test_two_throttles_where_none_were_before_are_tested() -> None:
    """Four more than were accepted before are sent at once, and two throttles end nothing."""
    limit = _cut(60)
    at = _unexplained(limit, 59)
    assert (False, 59) == (limit.is_doubted, limit.at(at))
    at = _unexplained(limit, 58, now=at + 0.1)
    assert (True, 58 + 4) == (limit.is_doubted, limit.at(at))
    at = _unexplained(limit, 59, 60, now=at + 0.1)
    limit.record_accepted(61, sent_at=at + 0.1)
    assert limit.is_doubted
    limit.record_accepted(62, sent_at=at + 0.1)
    assert (False, 100) == (_is_cut(limit), limit.at(at))


def test_a_third_throttle_ends_the_test() -> None:
    """It is the quota; then six that are unexplained are tested."""
    limit = _cut(60)
    at = _unexplained(limit, 59, 58, 58, 58, 58)
    assert (False, 58) == (limit.is_doubted, limit.at(at))
    at = _unexplained(limit, *range(57, 52, -1), now=at + 0.1)
    assert not limit.is_doubted
    _unexplained(limit, 52, now=at + 0.1)
    assert limit.is_doubted


def test_throttles_in_a_row_and_failed_tries_are_explained() -> None:
    """All of the quota may be used up; and forty accepted calls outweigh one throttle."""
    limit = _cut(60)
    for now in (0.5, 0.6, 0.7):
        _try_fails(limit, 59, now, in_a_row=2)
    assert not limit.is_doubted
    _unexplained(limit, 58, now=0.8)
    for _ in range(40):
        limit.record_accepted(58, sent_at=0.9)
    _unexplained(limit, 57, now=1.0)
    assert not limit.is_doubted
    limit = _cut(60)
    for now in (2.5, 10.0, 25.0):
        _try_fails(limit, 60, now)
    assert not limit.is_doubted
    limit = _cut(60)
    _try_fails(limit, 70, 2.5)  # ten more were tried, from this moment on
    _try_fails(limit, 60, 3.0)  # what that try gained is lost
    _try_fails(limit, 59, 3.1)
    assert not limit.is_doubted
    _try_fails(limit, 58, 3.2)
    assert limit.is_doubted


def test_a_stray_throttle_does_not_end_a_test() -> None:
    """Eight calls were accepted since the last one, and fewer than before: it shows nothing."""
    for accepted, passes in ((8, True), (7, False)):
        limit = _cut(60)
        at = _unexplained(limit, 59, 58)
        for stray in range(1, 4):
            for _ in range(accepted):
                limit.record_accepted(30, sent_at=at + stray - 0.1)
            limit.record_throttle(55, at + stray, sent_at=at + stray - 0.05, beside=1)
        limit.record_accepted(62, sent_at=at + 3.1)
        assert passes is not _is_cut(limit)


def test_after_a_test_that_passed_the_next_throttle_is_tested_at_once() -> None:
    """Until as many tests failed; and no window is taken to be longer."""
    limit = _cut(60)
    at = _unexplained(limit, 59, 58)
    limit.record_accepted(62, sent_at=at + 0.1)
    assert not _is_cut(limit)
    _throttles(limit, 5, at + 0.3, lambda _: 99.0)
    assert (10.0, True, 5 + 4) == (limit.window, limit.is_doubted, limit.at(at + 0.3))
    at = _unexplained(limit, 5, 5, 5, now=at + 0.4)
    assert not limit.is_doubted
    limit.level = None
    _try_fails(limit, 60, at + 50.0)
    assert not limit.is_doubted


def test_throttled_calls_use_no_permits_of_a_level() -> None:
    """Except while it is doubted that the quota is the cause, and in a window longer than named."""
    assert _cut(60).spares_throttled
    assert not _cut(9).spares_throttled
    limit = _cut(60)
    _unexplained(limit, 59, 58)
    assert limit.is_doubted
    assert limit.spares_throttled
    assert not _widened(0).spares_throttled


# --- a throttle that was alone -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "throttled", "other", "is_undone"),
    [
        (8, 0, 0, True),
        (7, 0, 1, False),  # one ended without a response
        (8, 1, 0, True),
        (15, 2, 0, False),
        (16, 2, 0, True),
    ],
)
def test_a_throttle_among_many_accepted_calls_is_undone(
    accepted: int, throttled: int, other: int, is_undone: bool
) -> None:
    """If eight times as many of those in flight with it were accepted, when all have ended."""
    limit = _cut(50, beside=1 + accepted + throttled + other)
    limit.record_end(sent_at=-0.5)
    for _ in range(throttled):
        assert not limit.record_throttle(50, 0.1, sent_at=-0.1, beside=1)
        limit.record_end(sent_at=-0.1)
    for _ in range(other):
        limit.record_end(sent_at=-0.1)
    for _ in range(accepted):
        assert 50 == limit.at(0.0)
        limit.record_end(sent_at=0.1)  # sent after the cut: says nothing of it
        limit.record_accepted(50, sent_at=0.0)  # in its very moment
        limit.record_end(sent_at=0.0)
    assert (100 if is_undone else 50) == limit.at(0.0)


def test_what_held_before_the_throttle_holds_again() -> None:
    """The level of the cut before, and each cut counts its own calls."""
    limit = _cut(60, beside=9)
    limit.record_end(sent_at=0.0)
    for _ in range(3):
        limit.record_accepted(60, sent_at=0.0)
        limit.record_end(sent_at=0.0)
    assert not limit.record_throttle(60, 0.5, sent_at=0.0, beside=9)  # of the same cut
    _try_fails(limit, 30, 1.0)
    limit.cut.in_flight = 6
    for _ in range(6):
        limit.record_accepted(30, sent_at=1.0)
        limit.record_end(sent_at=1.0)
    assert 30 == limit.at(
        1.0
    )  # six are not eight; what was accepted at the cut before does not count
    _try_fails(limit, 20, 1.5)
    limit.cut.in_flight = 8
    for _ in range(8):
        limit.record_accepted(20, sent_at=1.5)
        limit.record_end(sent_at=1.5)
    assert 30 == limit.at(1.5)


# --- a window that is longer than named ----------------------------------------------------------


def _widened(own: int, *, seconds: float = 20.0, whole: int = 100) -> AdaptiveLimit:
    """Return a limit after *whole* calls in a window, which took *seconds*, and a throttle."""
    limit = AdaptiveLimit(QUOTA)
    limit.record_accepted(whole, sent_at=-1.0)
    spans = {100: seconds}
    _throttles(limit, own, 0.0, lambda count: spans.get(count, math.inf))
    return limit


@pytest.mark.parametrize(("in_a_row", "window"), [(1, 10.0), (2, 10.0), (3, 20.0)])
def test_one_throttle_alone_shows_no_longer_window(in_a_row: int, window: float) -> None:
    """It may have another cause. Each would make the window longer, and the next one, too."""
    limit = AdaptiveLimit(QUOTA)
    limit.record_accepted(100, sent_at=-1.0)
    _throttles(limit, 9, 0.0, lambda _: 20.0, in_a_row)
    assert window == limit.window


@pytest.mark.parametrize(
    ("own", "seconds", "whole", "expected"),
    [
        (24, 20.0, 100, (20.0, 101)),  # the whole limit, and one more is tried at once
        (25, 20.0, 100, (10.0, 25)),  # a quarter of the limit: other programs use the rest
        (24, 10.0, 100, (10.0, 24)),
        (24, math.inf, 100, (10.0, 24)),  # fewer calls than that are remembered
        (24, 20.0, 99, (10.0, 24)),  # a whole limit was never accepted
    ],
)
def test_next_to_nothing_in_a_window_shows_a_longer_one(
    own: int, seconds: float, whole: int, expected: tuple[float, int]
) -> None:
    """It is as long as the limit took: fewer than a quarter of the calls were accepted in it."""
    limit = _widened(own, seconds=seconds, whole=whole)
    assert expected == (limit.window, limit.at(0.0))


@pytest.mark.parametrize(
    ("retry_after", "expected"), [(11.0, (10.0, 60)), (11.5, (10.0 + 11.5, 101))]
)
def test_a_wait_that_is_longer_than_the_window_shows_a_longer_one(
    retry_after: float, expected: tuple[float, int]
) -> None:
    """Then the oldest call is out of it; a wait may be rounded up to whole seconds."""
    limit = AdaptiveLimit(QUOTA)
    limit.record_accepted(100, sent_at=-1.0)
    assert not limit.record_throttle(
        60,
        0.0,
        sent_at=-0.5,
        beside=1,
        retry_after=retry_after,
        seconds_of=lambda count: count * 0.105,
    )
    assert expected == (limit.window, limit.at(0.0))


def test_the_most_before_a_throttle_shows_a_longer_window_too() -> None:
    """60 of 100 were accepted, and a window later next to nothing: 60 in 15 s."""
    for own, expected in ((14, (15.0, 61)), (15, (10.0, 15))):
        limit = _cut(60)
        _throttles(limit, own, 9.0, lambda count: count / 4)
        assert expected == (limit.window, limit.at(9.0))


def test_a_longer_window_is_used_at_the_pace_of_the_quota_until_a_try_fails() -> None:
    """Then its calls are spread, and the next try is half a window of it later."""
    limit = _widened(0)
    assert pytest.approx(0.1) == limit.interval(0.0)
    _try_fails(limit, 100, 1.0)
    assert 100 == limit.at(1.0)
    assert pytest.approx(0.2) == limit.interval(1.0)
    assert 10.0 == _tries_after(limit, 1.0)
    # The calls tried double with each eighth of the window that HubSpot names.
    limit.record_accepted(101, sent_at=11.0)
    assert pytest.approx(10.0 + 1.25 * math.log2(2)) == limit.rises_in(1.0)
    assert 103 == limit.at(11.0 + 2.5)
    # Without a longer window calls are spread at once.
    assert pytest.approx(10.0 / 60) == _cut(60).interval(0.0)
    assert pytest.approx(0.1) == AdaptiveLimit(QUOTA).interval(0.0)


@pytest.mark.parametrize(("own", "expected"), [(98, (20.0, 98)), (97, (21.0, 100))])
def test_a_longer_window_grows_until_it_fits(own: int, expected: tuple[float, int]) -> None:
    """As long as less than the limit was accepted in it, but for an error in the times."""
    limit = _widened(0)
    _row(limit, 3)
    assert not limit.record_throttle(
        own, 1.0, sent_at=0.9, beside=1, seconds_of=lambda count: count * 0.21
    )
    assert expected == (limit.window, limit.at(1.0))
    assert pytest.approx(expected[0] / 2) == _tries_after(limit, 1.0)


def test_a_whole_limit_of_calls_in_a_longer_window_disproves_it() -> None:
    """100 in 10 s are 200 in 20 s; then the named window holds again, and what is known of it."""
    limit = _widened(0)
    limit.record_accepted(199, sent_at=0.1)
    assert (20.0, True) == (limit.window, _is_cut(limit))
    limit.record_accepted(200, sent_at=0.1)
    assert (10.0, False, 100) == (limit.window, _is_cut(limit), limit.at(0.0))
    _try_fails(limit, 24, 1.0)
    assert (10.0, 24) == (limit.window, limit.at(1.0))
    _throttles(limit, 5, 2.0, lambda count: count / 2)
    assert (50.0, 101) == (limit.window, limit.at(2.0))  # of 100 calls, not of 200


def test_an_isolated_throttle_shows_no_longer_window() -> None:
    """Eight of those in flight with it were accepted: the named window holds again."""
    limit = _widened(0)
    limit.cut.in_flight = 8
    for _ in range(8):
        limit.record_accepted(1, sent_at=-0.1)
        limit.record_end(sent_at=-0.1)
    assert (10.0, 4) == (limit.window, limit.at(0.0))  # as after the throttle before it


def test_a_longer_window_holds_on_when_another_quota_is_named() -> None:
    """What throttles showed is not taken back."""
    limit = _widened(0)
    limit.adopt(Quota(190, 10.0))
    assert (20.0, 101) == (limit.window, limit.at(0.0))
    limit.record_accepted(379, sent_at=0.1)
    assert _is_cut(limit)
    limit.record_accepted(380, sent_at=0.1)
    assert (10.0, 190) == (limit.window, limit.at(0.0))


def test_failed_tries_of_a_small_limit_are_some_calls_apart() -> None:
    """From the third on by 20 calls, up to 80: 429s stay few where a window holds five."""
    limit = _cut(5, quota=Quota(50))
    now = 0.0
    waited = []
    for _ in range(9):
        waited.append(_tries_after(limit, now))
        now += waited[-1]
        _try_fails(limit, 5, now)
    expected = [2.5, 5.0, 10.0, 40.0, 80.0, 120.0, 160.0, 160.0, 160.0]
    assert pytest.approx(expected) == waited


# --- a limit of calls a second -------------------------------------------------------------------


def test_a_limit_besides_the_quota_has_its_own_window() -> None:
    """In a second all of the quota may go at first, whatever quota is named."""
    limit = AdaptiveLimit(QUOTA, 1.0)
    assert (1.0, 100) == (limit.window, limit.at(0.0))
    for quota, expected in ((Quota(190), 190), (Quota(50, 0.5), 100), (Quota(300, 60.0), 300)):
        limit.adopt(quota)
        assert (1.0, expected) == (limit.window, limit.at(0.0))


def test_a_limit_besides_the_quota_is_learned_with_the_patience_of_the_quota() -> None:
    """More is tried after a quarter of ten seconds, and doubles with each eighth."""
    limit = AdaptiveLimit(QUOTA, 1.0)
    _try_fails(limit, 12, 0.0)
    assert (12, False) == (limit.at(0.0), limit.is_doubted)
    assert pytest.approx(1 / 12) == limit.interval(0.0)
    assert 2.5 == _tries_after(limit, 0.0)
    limit.record_accepted(13, sent_at=2.5)
    assert [14, 15, 15] == [limit.at(2.5 + eighths * 1.25) for eighths in (1, 2, 3)]
    assert not limit.record_throttle(  # its window is as HubSpot names it: it does not grow
        2, 3.0, sent_at=2.9, beside=1, seconds_of=lambda count: count
    )
    assert (1.0, 2) == (limit.window, limit.at(3.0))
    limit.record_accepted(100, sent_at=3.1)
    assert (1.0, False) == (limit.window, _is_cut(limit))


def test_a_second_with_next_to_nothing_is_doubted() -> None:
    """A tenth of what the quota allows in a second: one call of a hundred in ten seconds."""
    for own, is_doubted in ((0, True), (1, False)):
        limit = AdaptiveLimit(QUOTA, 1.0)
        _try_fails(limit, own, 0.0)
        assert is_doubted == limit.is_doubted


# --- limits that HubSpot names -------------------------------------------------------------------


def test_a_named_limit_holds_at_once() -> None:
    """And what throttles showed holds on."""
    limit = AdaptiveLimit(QUOTA)
    limit.adopt(Quota(190, 10.0))
    assert (190, 0.25, 10.0) == (limit.at(0.0), limit.growth, limit.window)
    limit = _cut(60)
    limit.adopt(Quota(190, 10.0))
    assert 60 == limit.at(0.0)
    limit.adopt(Quota(50, 10.0))
    assert 50 == limit.at(0.0)


def test_the_first_named_window_is_measured() -> None:
    """Any assumption is replaced. Of two that are named in turn it is the longer one."""
    limit = AdaptiveLimit(Quota(100, 60.0))
    windows = []
    for window in (10.0, 0.5, 0.5, 20.0, 0.5, 20.0):
        limit.adopt(Quota(100, window))
        windows.append(limit.window)
        assert 100 * limit.window / window == limit.at(0.0)
    assert [10.0, 10.0, 0.5, 20.0, 20.0, 20.0] == windows


def test_a_whole_window_of_the_longer_one_is_a_proof() -> None:
    """100 in 10 s are 200 in the 20 s that are measured."""
    limit = AdaptiveLimit(QUOTA)
    limit.adopt(Quota(200, 20.0))
    limit.adopt(Quota(100, 10.0))
    assert 20.0 == limit.window
    for own, is_proven in ((199, False), (200, True)):
        limit.record_accepted(own, sent_at=0.0)
        assert is_proven == limit.is_proven


def test_what_was_cut_is_scaled_to_the_window() -> None:
    """What was shown and the base of tries."""
    limit = _cut(60)
    limit.record_accepted(61, sent_at=0.1)
    limit.adopt(Quota(200, 20.0))
    assert 122 == limit.at(0.0)
    assert pytest.approx(2.5 + 2.5 * math.log2(3)) == limit.rises_in(0.0)
    # Eighths of the longer window: 2, 4, 8 beyond the base of 120, but 1 + 2 * 2 at most.
    assert [122, 124, 125] == [limit.at(2.5 + eighths * 2.5) for eighths in (1, 2, 3)]
    limit.adopt(Quota(100, 10.0))
    assert [122, 124, 125] == [limit.at(2.5 + eighths * 2.5) for eighths in (1, 2, 3)]


def test_an_undone_cut_is_undone_in_the_window_that_is_measured() -> None:
    """The level of before is scaled too."""
    limit = _cut(60)
    _try_fails(limit, 30, 1.0)
    limit.adopt(Quota(200, 20.0))
    assert 60 == limit.at(1.0)
    limit.cut.in_flight = 8
    for _ in range(8):
        limit.record_accepted(60, sent_at=1.0)
        limit.record_end(sent_at=1.0)
    assert 120 == limit.at(1.0)


def test_a_lower_limit_proves_nothing_of_the_higher_one() -> None:
    """A level is lifted by as many calls as the highest limit since the cut."""
    limit = _cut(40)
    limit.adopt(Quota(50, 10.0))
    limit.record_accepted(99, sent_at=0.1)
    assert _is_cut(limit)
    limit.adopt(Quota(100, 20.0))  # the same pace, measured in 20 s: 200 are the whole
    limit.record_accepted(199, sent_at=0.1)
    assert _is_cut(limit)
    limit.record_accepted(200, sent_at=0.1)
    assert not _is_cut(limit)
    _try_fails(limit, 40, 1.0)  # 100 in 20 s are the limit now: they lift the next level
    limit.record_accepted(100, sent_at=1.1)
    assert not _is_cut(limit)


def test_without_a_level_the_limit_of_the_moment_is_the_whole() -> None:
    """A lower one that was named before the cut counts, a higher one of before does not."""
    limit = AdaptiveLimit(QUOTA)
    limit.adopt(Quota(50, 10.0))
    _try_fails(limit, 20, 0.0)
    limit.record_accepted(50, sent_at=0.1)
    assert not _is_cut(limit)
    _try_fails(limit, 20, 1.0)
    limit.adopt(Quota(70, 10.0))
    _try_fails(limit, 10, 2.0)  # another cut: the highest since the first is still 70
    limit.adopt(Quota(30, 10.0))
    limit.record_accepted(69, sent_at=2.1)
    assert _is_cut(limit)
    limit.record_accepted(70, sent_at=2.1)
    assert not _is_cut(limit)
