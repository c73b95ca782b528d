"""How much of the quota is available, after throttles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Quota
from aiohubassoc._quota.adaptive_limit import AdaptiveLimit


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


def _try_fails(limit: AdaptiveLimit, own: int, now: float) -> None:
    """Throttle a call that was sent after the last cut."""
    assert not limit.record_throttle(own, now, sent_at=now - 0.001, beside=1)


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
    assert (16, 10.0, 0) == (limit.max_in_flight, limit.window, limit.in_flight_at_cut)
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
    assert 1 == limit.in_flight_at_cut


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
        _try_fails(limit, 60, now + 0.5)  # before the next try: it only shows less
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
    _try_fails(limit, 55, 2.0)
    assert (55, 2.5) == (limit.at(2.0), _tries_after(limit, 2.0))
    _try_fails(limit, 55, 4.5)  # a failed try
    _try_fails(limit, 40, 5.0)
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
    assert limit.is_doubted
    limit.record_accepted(14, sent_at=0.1)
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
    limit.in_flight_at_cut = 6
    for _ in range(6):
        limit.record_accepted(30, sent_at=1.0)
        limit.record_end(sent_at=1.0)
    assert 30 == limit.at(
        1.0
    )  # six are not eight; what was accepted at the cut before does not count
    _try_fails(limit, 20, 1.5)
    limit.in_flight_at_cut = 8
    for _ in range(8):
        limit.record_accepted(20, sent_at=1.5)
        limit.record_end(sent_at=1.5)
    assert 30 == limit.at(1.5)


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
    limit.in_flight_at_cut = 8
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
