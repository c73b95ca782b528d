"""What one call changes: exact numbers, derived from the rules by hand. Times are in seconds."""

from __future__ import annotations

import math

import pytest

from aiohubassoc import Quota
from aiohubassoc._quota.pacer import SAFE_START, Pacer
from aiohubassoc._quota.token_bucket import RoundTrips


def _accept(pacer: Pacer, now: float, count: int) -> None:
    """Send this many calls, one after another, each accepted and counted now."""
    for _ in range(count):
        pacer.take(now)
        pacer.record_response(now, now, exact=False, accepted=True)


def _throttle(
    pacer: Pacer,
    sent_at: float,
    now: float,
    *,
    retry_after: float | None = None,
    by_quota: bool = True,
    by_second: bool = False,
) -> float:
    """Throttle a call; return the pause."""
    pacer.take(sent_at)
    pause = pacer.record_throttle(
        now, sent_at, retry_after=retry_after, by_quota=by_quota, by_second=by_second
    )
    pacer.record_response(sent_at, now, exact=False, accepted=False)
    return pause


def _cut_to_60() -> Pacer:
    """Return the pacer of 100 calls in 10 s after 60 at 1.0 and a throttle at 2.5."""
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 60)
    assert pytest.approx(0.1) == _throttle(pacer, 2.0, 2.5)
    return pacer


def _send_times(pacer: Pacer, now: float, count: int, most: float = math.inf) -> list[float]:
    """Return when the next calls go that are accepted at once, up to a moment."""
    times: list[float] = []
    while len(times) < count:
        wait = pacer.wait(now)
        assert wait < math.inf
        now += wait
        if now > most:
            break
        if wait == 0.0:
            _accept(pacer, now, 1)
            times.append(now)
    return times


# --- the quota -----------------------------------------------------------------------------------


def test_a_new_pacer() -> None:
    """It has promised nothing, and no call is in flight."""
    pacer = Pacer()
    assert (SAFE_START, 0, 0.0) == (pacer.quota, pacer.in_flight, pacer.wait(0.0))
    assert (None, False, 0) == (pacer.max_in_flight, pacer.has_ample_room, pacer.room)
    assert (-math.inf, True) == (pacer.adopts_remaining_until, pacer.is_calm(0.0))


def test_a_permit_is_free_one_window_after_its_call_was_counted() -> None:
    """Three in 10 s: the fourth goes 10 s after the first, and so on."""
    pacer = Pacer(Quota(3), strict=True)
    for sent_at in (0.0, 1.0, 2.0):
        pacer.take(sent_at)
        pacer.record_response(sent_at, sent_at + 0.5, exact=True, accepted=True)
    assert [10.5, 11.5, 12.5, 20.5] == _send_times(pacer, 3.0, 4)


def test_sixteen_calls_are_in_flight_at_first() -> None:
    """One more for each eight that were accepted; no bound after a whole window of them."""
    pacer = Pacer(Quota(40))
    for _ in range(16):
        pacer.take(0.0)
    assert math.inf == pacer.wait(0.0)
    for number in range(1, 41):
        pacer.record_response(0.0, 0.0, exact=False, accepted=True)
        while pacer.wait(0.0) == 0.0:
            pacer.take(0.0)
        # Of the 40 permits those of accepted calls are used too.
        assert min(math.ceil(16 + number / 8), 40 - number) == pacer.in_flight
    assert 40 == pacer.count_by(10.0)  # only the quota bounds the calls


def test_calls_that_were_not_accepted_allow_no_more_in_flight() -> None:
    """Responses of a server that is busy prove nothing."""
    pacer = Pacer(Quota(100))
    for _ in range(16):
        pacer.take(0.0)
    for _ in range(8):
        pacer.record_response(0.0, 0.0, exact=False, accepted=False)
    assert 8 == pacer.in_flight
    for _ in range(8):
        assert 0.0 == pacer.wait(0.0)
        pacer.take(0.0)
    assert math.inf == pacer.wait(0.0)


def test_a_call_without_a_response_may_be_counted_a_second_later() -> None:
    """That is what one may take before any round trip is known."""
    pacer = Pacer(Quota(1))
    pacer.take(0.0)
    pacer.record_no_response(0.0, 0.5)
    assert [11.5] == _send_times(pacer, 1.0, 1)


def test_calls_without_a_response_allow_no_more_in_flight() -> None:
    """It is not known that they were accepted."""
    pacer = Pacer(Quota(100))
    for _ in range(8):
        pacer.take(0.0)
        pacer.record_no_response(0.0, 0.0)
    for _ in range(16):
        assert 0.0 == pacer.wait(0.0)
        pacer.take(0.0)
    assert math.inf == pacer.wait(0.0)


@pytest.mark.parametrize(
    ("quota", "share", "expected"),
    [
        (Quota(100), 0.5, Quota(50)),
        (Quota(190), 0.29, Quota(55)),  # 55.1
        (Quota(100), 0.29, Quota(29)),  # 28.999999999999996 as a float
        (Quota(4), 0.25, Quota(1)),
        (Quota(3), 0.4, Quota(1)),  # 1.2
        (Quota(3), 0.25, Quota(1, 10.0 / 0.75)),  # one call in a longer window
        (Quota(1, 2.0), 0.25, Quota(1, 8.0)),
        (Quota(1), 1e-12, Quota(1, 1e9)),
    ],
)
def test_a_share_of_a_quota(quota: Quota, share: float, expected: Quota) -> None:
    """Rounded down, or one call in a longer window."""
    assert expected == Pacer(quota, share=share).quota


# --- quotas that HubSpot names -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "named", "expected"),
    [
        (None, Quota(190), [0.0] * 16 + [0.0]),
        (Quota(5), Quota(190), [0.0] * 5 + [10.0]),
        (Quota(190), Quota(5), [0.0] * 5 + [10.0]),
        # Two windows: 5 in 1 s and 8 in 10 s.
        (Quota(5, 1.0), Quota(8), [0.0] * 5 + [1.0] * 3 + [10.0] * 5 + [11.0] * 3),
        (Quota(8), Quota(5, 1.0), [0.0] * 5 + [1.0] * 3 + [10.0] * 5 + [11.0] * 3),
    ],
    ids=str,
)
def test_the_given_quota_and_the_named_one_are_kept(
    given: Quota | None, named: Quota, expected: list[float]
) -> None:
    """Of the same window the lower limit; of two windows both."""
    pacer = Pacer(given)
    pacer.adopt(named)
    assert expected == _send_times(pacer, 0.0, len(expected))


def test_of_two_quotas_the_slower_one_is_reported() -> None:
    """By its calls a second."""
    for given, named in ((Quota(5, 1.0), Quota(8)), (Quota(8), Quota(5, 1.0))):
        pacer = Pacer(given)
        pacer.adopt(named)
        assert Quota(8) == pacer.quota


def test_all_permits_are_taken_of_both_quotas() -> None:
    """The calls in flight are the same after any of them."""
    pacer = Pacer(Quota(3, 1.0))
    pacer.adopt(Quota(2))
    pacer.take(0.0)
    pacer.set_aside(1)
    assert (2, math.inf) == (pacer.in_flight, pacer.wait(0.0))
    pacer.set_aside(-1)
    assert (1, 0.0) == (pacer.in_flight, pacer.wait(0.0))
    pacer.release_unused()
    assert (0, 2) == (pacer.in_flight, pacer.count_by(0.0))
    _accept(pacer, 0.0, 2)
    assert [0, 0, 2] == [pacer.count_by(at) for at in (1.0, 9.0, 10.0)]


def test_a_share_of_the_named_quota() -> None:
    """Half of each: 2 in 1 s and 4 in 10 s."""
    pacer = Pacer(Quota(5, 1.0), share=0.5)
    pacer.adopt(Quota(8))
    assert [0.0, 0.0, 1.0, 1.0, 10.0] == _send_times(pacer, 0.0, 5)


def test_calls_in_flight_are_counted_under_the_named_quota() -> None:
    """Eight of 10: two more."""
    pacer = Pacer(Quota(100))
    for _ in range(8):
        pacer.take(0.0)
    pacer.adopt(Quota(10))
    pacer.take(0.0)
    assert 0.0 == pacer.wait(0.0)
    pacer.take(0.0)
    assert math.inf == pacer.wait(0.0)


def test_the_calls_of_the_longest_window_are_known_under_a_new_quota() -> None:
    """Those that a shorter window has forgotten too: 600 of 700 in a minute."""
    pacer = Pacer(Quota(700, 60.0))
    pacer.adopt(Quota(650, 10.0))
    _accept(pacer, 0.0, 600)
    _accept(pacer, 25.0, 1)  # of the calls before two windows of 10 s none is remembered
    pacer.adopt(Quota(640, 10.0))
    assert 700 - 601 == pacer.count_by(26.0)


def test_the_options_are_kept_after_a_state_was_loaded() -> None:
    """Of another client, with another quota and the same calls."""
    pacer = Pacer(Quota(5))
    _accept(pacer, 0.0, 3)
    vars(pacer)["_given"] = Quota(3)
    pacer.apply_options()
    assert (Quota(3), 10.0) == (pacer.quota, pacer.wait(0.0))
    pacer.take(10.0)
    before = pacer.room
    pacer.apply_options()  # the same ones: nothing changes
    assert (before, 1) == (pacer.room, pacer.in_flight)


# --- what is left of the first window ------------------------------------------------------------


def test_calls_of_others_in_the_first_window() -> None:
    """The limit less those that are left and those of ours are theirs, until the window ends."""
    pacer = Pacer(Quota(10))
    _accept(pacer, 2.0, 1)
    assert 12.0 == pacer.adopts_remaining_until
    pacer.take(3.0)
    pacer.adopt_remaining(3.0, 10, 4)  # 10 - 4 left - 1 in flight - 1 accepted: four of others
    pacer.adopt_remaining(3.0, 10, 5)  # fewer take nothing back
    pacer.record_response(3.0, 3.0, exact=False, accepted=True)
    # Six are ours: four more now. At 12 the window is over: ten less five since 3.
    assert [4.0] * 4 + [12.0] * 5 + [13.0] == _send_times(pacer, 4.0, 10)


def test_calls_of_others_in_a_first_window_that_was_named_longer() -> None:
    """The same number of them, reported again, counts until that window ends."""
    pacer = Pacer(Quota(10))
    _accept(pacer, 2.0, 1)
    pacer.take(3.0)
    pacer.adopt_remaining(3.0, 10, 4)  # four of others, until 12
    pacer.adopt(Quota(10, 20.0))
    pacer.adopt_remaining(3.0, 10, 4)  # until 22
    pacer.record_response(3.0, 3.0, exact=False, accepted=True)
    assert [4.0] * 4 + [22.0] == _send_times(pacer, 4.0, 5)


def test_one_call_of_another_program_counts() -> None:
    """Nine of ten are ours."""
    pacer = Pacer(Quota(10))
    pacer.take(0.0)
    pacer.adopt_remaining(0.0, 10, 8)
    pacer.record_response(0.0, 0.0, exact=False, accepted=True)
    assert [1.0] * 8 + [10.0] == _send_times(pacer, 1.0, 9)


def test_the_calls_of_others_end_with_the_first_window() -> None:
    """Also after a throttle, and in the very moment; what a throttle showed does not."""
    pacer = Pacer(Quota(10))
    _accept(pacer, 2.0, 1)
    pacer.take(3.0)
    pacer.adopt_remaining(3.0, 10, 4)  # four of others
    pacer.record_response(3.0, 3.0, exact=False, accepted=True)
    _accept(pacer, 3.0, 4)
    _throttle(pacer, 4.0, 4.0, by_quota=False)
    assert 12.0 == 5.0 + pacer.wait(5.0)  # six of six are used
    assert 0.0 == pacer.wait(12.0)

    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 1)
    pacer.take(2.0)
    pacer.adopt_remaining(2.0, 100, 94)  # four of others
    pacer.record_response(2.0, 2.0, exact=False, accepted=True)
    _accept(pacer, 2.0, 58)
    _throttle(pacer, 2.0, 2.5)
    # 60 were accepted, so 61 may go at 11, of which 59 did after 1; these are tried beyond them.
    assert [11.0, 11.0] == _send_times(pacer, 11.0, 2)
    assert pytest.approx(0.9 * 10.0 / 61) == pacer.wait(11.0)


def test_others_may_have_used_all_of_the_first_window() -> None:
    """One call may go all the same: only its response can tell that there is room again."""
    pacer = Pacer(Quota(10))
    pacer.take(0.0)
    pacer.adopt_remaining(0.5, 10, 0)
    pacer.adopt_remaining(0.5, 20, 0)  # another limit than ours
    assert 9.5 == pacer.wait(0.5)  # when the window is over
    pacer.release_unused()
    assert 0.0 == pacer.wait(0.5)
    assert [0.5, 10.0] == _send_times(pacer, 0.5, 2)


def test_the_first_window_is_that_of_the_named_quota() -> None:
    """It began with the first call."""
    pacer = Pacer(Quota(10))
    pacer.adopt(Quota(10, 5.0))
    assert -math.inf == pacer.adopts_remaining_until
    _accept(pacer, 1.0, 1)
    _accept(pacer, 2.0, 1)
    assert 6.0 == pacer.adopts_remaining_until
    pacer.adopt(Quota(10, 20.0))
    assert 21.0 == pacer.adopts_remaining_until
    pacer.adopt_remaining(21.0, 10, 0)
    assert 0.0 == pacer.wait(21.0)


# --- room ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "is_ample"), [(1000, False), (1001, True)])
def test_a_thousand_free_permits_are_ample(limit: int, is_ample: bool) -> None:
    """Then calls may be recorded later."""
    pacer = Pacer(Quota(limit))
    pacer.take(0.0)
    assert (is_ample, 15, 15) == (pacer.has_ample_room, pacer.room, pacer.count_by(0.0))
    pacer.adopt_remaining(10.0, limit, 0)  # the first window is over
    assert (is_ample, 15) == (pacer.has_ample_room, pacer.room)


@pytest.mark.parametrize(("limit", "room"), [(1, 0), (5, 4), (100, 15)])
def test_permits_that_are_free_are_taken_without_asking(limit: int, room: int) -> None:
    """As many as the quota and the calls in flight allow."""
    pacer = Pacer(Quota(limit))
    assert not pacer.try_take()
    pacer.take(0.0)
    assert [True] * room + [False] == [pacer.try_take() for _ in range(room + 1)]
    assert (1 + room, 0, math.inf) == (pacer.in_flight, pacer.room, pacer.wait(0.0))
    assert 0 == pacer.count_by(0.0)


def test_nothing_is_taken_without_asking_under_two_quotas() -> None:
    """Either of them may be the one that bounds."""
    pacer = Pacer(Quota(2000, 1.0))
    pacer.adopt(Quota(2000))
    pacer.take(0.0)
    assert (0, False, False) == (pacer.room, pacer.has_ample_room, pacer.try_take())


def test_a_throttle_ends_what_was_free() -> None:
    """Also one that is not by the quota; and for ten windows there is none."""
    pacer = Pacer(Quota(2000))
    pacer.take(0.0)
    pacer.record_throttle(1.0, 0.0, retry_after=None, by_quota=False)
    assert (0, False) == (pacer.room, pacer.has_ample_room)
    pacer.record_response(0.0, 1.0, exact=False, accepted=False)
    _accept(pacer, 2.0, 1)
    for now, room in ((100.9, 0), (101.0, 15)):
        pacer.take(now)
        assert (room, room > 0) == (pacer.room, pacer.has_ample_room)
        assert (room > 0) == pacer.is_calm(now)
        pacer.release_unused()


def test_a_named_quota_ends_what_was_free() -> None:
    """But not the same one again."""
    pacer = Pacer(Quota(2000))
    pacer.take(0.0)
    pacer.adopt(Quota(2000))
    assert 15 == pacer.room
    pacer.adopt(Quota(1500))
    assert (0, False) == (pacer.room, pacer.has_ample_room)
    pacer.take(0.0)
    assert 14 == pacer.room
    pacer.adopt(Quota(1500))
    assert 14 == pacer.room
    pacer.adopt_remaining(0.5, 1500, 1400)
    assert (0, False) == (pacer.room, pacer.has_ample_room)
    pacer.take(0.5)
    assert (0, False, False) == (pacer.room, pacer.has_ample_room, pacer.is_calm(0.5))
    assert pacer.is_calm(10.0)


# --- after a throttle ----------------------------------------------------------------------------


def test_after_a_throttle_by_the_quota() -> None:
    """Sixty were accepted: one more is tried after 2.5 s, the rest when permits are free."""
    pacer = _cut_to_60()
    assert 2.5 == pacer.wait(2.5)  # 60 and the throttled one are counted
    assert 0.0 == pacer.wait(5.0)  # 61 may go, and 60 did: the throttled one does not count
    # The first two go at once, the others 0.9 / 61 of the window after one another.
    interval = 0.9 * 10.0 / 61
    expected = [11.0, 11.0, 11.0 + interval, 11.0 + 2 * interval]
    assert pytest.approx(expected) == _send_times(pacer, 11.0, 4)


def test_spacing_ends_after_ten_windows() -> None:
    """Those that were not used are not made up for: spacing goes on from now."""
    pacer = _cut_to_60()
    interval = 0.9 * 10.0 / 61
    for now in (50.0, 102.0):
        first, second, third = _send_times(pacer, now, 3)
        assert [now, now] == [first, second]
        assert pytest.approx(interval) == third - now
    _send_times(pacer, 102.4, 2)
    assert pacer.wait(102.499) > 0.0
    assert [102.5] * 9 == _send_times(pacer, 102.5, 9)


def test_a_throttle_that_is_not_the_quotas_only_pauses() -> None:
    """All of the limit stays, spaced for ten windows."""
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 60)
    assert 2.0 == _throttle(pacer, 2.0, 2.5, retry_after=2.0, by_quota=False)
    expected = [4.5, 4.5, *(4.5 + 0.09 * n for n in range(1, 38))]
    assert pytest.approx(expected) == _send_times(pacer, 2.5, 39, most=10.9)


def test_a_limit_of_a_second_is_kept_besides_the_quota() -> None:
    """Five were accepted in the second before: five a second, 0.9 of even spacing apart."""
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 3)
    _accept(pacer, 2.0, 5)
    pause = _throttle(pacer, 2.25, 2.75, by_quota=False, by_second=True)
    assert pytest.approx(0.1) == pause
    assert not pacer.is_calm(3.0)
    # The throttled call does not count; the first two go at once.
    expected = [3.0, 3.0, *(3.0 + 0.18 * n for n in (1, 2, 3))]
    assert pytest.approx(expected) == _send_times(pacer, 3.0, 5)
    assert pytest.approx(3.75) == 3.6 + pacer.wait(3.6)  # the sixth: more is tried by then
    # One more is tried after a quarter of ten seconds.
    assert pytest.approx([100.0, 100.0, 100.15]) == _send_times(pacer, 100.0, 3)


def test_a_limit_of_a_second_is_lifted_by_calls_beyond_it() -> None:
    """As many as the quota allows were accepted in a second: there is no such limit."""
    pacer = Pacer(Quota(20))
    _accept(pacer, 1.0, 5)
    _throttle(pacer, 1.5, 1.5, by_quota=False, by_second=True)
    assert not pacer.is_calm(101.5)
    pacer.take(200.0)
    _record_all(pacer, 200.0, 20)
    assert pacer.is_calm(301.5)


def test_calls_of_a_longer_window_are_remembered_while_it_is_kept() -> None:
    """Three windows of it, as it may be longer still; then only those of the quota."""
    pacer = Pacer(Quota(600))
    _accept(pacer, 0.0, 600)
    for now in (19.5, 19.7, 20.0):
        _throttle(pacer, now, now)
    (bucket,) = pacer._buckets
    _accept(pacer, 69.9, 1)
    assert 604 == bucket.remembered  # for 60 s, and the quota's window
    _accept(pacer, 69.95, 1)
    _accept(pacer, 70.5, 1)
    assert 6 == bucket.remembered  # with those that were throttled
    _accept(pacer, 71.0, 1197)  # 1,200 in the 20 s: the quota's window holds again
    assert 1203 == bucket.remembered
    _accept(pacer, 91.1, 1)
    assert 1 == bucket.remembered


def _record_all(pacer: Pacer, now: float, count: int) -> None:
    """Record calls that were taken before the limit was known, each accepted now."""
    for _ in range(count - 1):
        pacer.take(now)
    for _ in range(count):
        pacer.record_response(now, now, exact=False, accepted=True)


def test_a_longer_window_than_named_is_learned() -> None:
    """100 in a burst, and a window later none: they go again when those are out of 20 s."""
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 100)
    for now in (11.5, 11.7, 12.0, 21.0):
        _throttle(pacer, now, now)
    assert 0.0 < pacer.wait(21.0)
    times = _send_times(pacer, 21.1, 99)
    # At the pace of the quota, as no try has failed: 0.09 s apart.
    assert pytest.approx(0.09) == times[50] - times[49]
    _throttle(pacer, times[-1] + 1.0, times[-1] + 1.0)
    later = _send_times(pacer, 60.0, 3)
    assert pytest.approx(0.9 * 20.0 / 100, rel=0.2) == later[2] - later[1]


def test_few_calls_may_be_in_flight_after_a_throttle() -> None:
    """Eight after one, one after two, until a call is accepted."""
    pacer = Pacer(Quota(100))
    now = 0.0
    for most in (8, 1):
        _throttle(pacer, now + 10.0, now + 10.0, by_quota=False)
        now += 20.0
        for _ in range(most):
            now += pacer.wait(now)
            pacer.take(now)
        assert math.inf == pacer.wait(now)
        for _ in range(most):
            pacer.record_no_response(now, now)  # proves nothing
    now += 1.0
    pacer.take(now)
    assert math.inf == pacer.wait(now)
    pacer.release_unused()
    _accept(pacer, now, 1)
    pacer.take(now)
    assert pacer.wait(now) < math.inf


def test_the_calls_that_count_are_those_before_the_throttle() -> None:
    """Up to the middle of its round trip: 60 and 10, of which the level is; 71 a window go."""
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 60)
    pacer.take(2.0)
    _accept(pacer, 2.5, 10)
    _accept(pacer, 3.5, 5)
    pacer.record_throttle(4.0, 2.0, retry_after=None, by_quota=True)
    pacer.record_response(2.0, 4.0, exact=False, accepted=False)
    assert 71 == _count_free(pacer, 60.0)


def _count_free(pacer: Pacer, now: float) -> int:
    """Return how many calls go in a window: one that is accepted, and others that do not end."""
    count, end = 1, now + 10.0
    _accept(pacer, now, 1)
    while now + (wait := pacer.wait(now)) < end:
        now += wait
        if wait == 0.0:
            pacer.take(now)
            count += 1
    return count


@pytest.mark.parametrize(("accepted", "sent"), [(8, 100), (7, 53 + 1 + 2 * 7)])
def test_a_throttle_among_many_accepted_calls_is_undone(accepted: int, sent: int) -> None:
    """
    Eight of those in flight with it were accepted; seven are too few.

    Then the level is the 53 calls of before, and the seven count as used beyond it.
    """
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 60 - accepted)
    for _ in range(9):
        pacer.take(2.0)
    pacer.record_throttle(2.5, 2.0, retry_after=None, by_quota=True)
    for number in range(9):
        pacer.record_response(2.0, 2.0, exact=False, accepted=number < accepted)
    assert sent == _count_free(pacer, 60.0)


def test_calls_are_not_spaced_while_a_throttle_is_doubted() -> None:
    """Five of 100 were accepted: four more and the fifth of 5 / 8, none, at once disprove it."""
    pacer = Pacer(Quota(100))
    _accept(pacer, 1.0, 5)
    _throttle(pacer, 2.0, 2.5)
    times = _send_times(pacer, 2.5, 3)
    assert pytest.approx([2.6] * 3) == times
    pacer.take(2.7)
    assert 3.0 == _pause_of(pacer, 2.7, 3.0)


def _pause_of(pacer: Pacer, sent_at: float, now: float) -> float:
    pacer.record_response(sent_at, now, exact=False, accepted=True)
    return now + pacer.wait(now)


@pytest.mark.parametrize(("sent_at", "share"), [(30.0, 0.5), (101.9, 0.5), (102.0, 0.0)])
def test_a_throttle_near_the_limit_counts_calls_later(sent_at: float, share: float) -> None:
    """By half of the time that is left to the response, for ten windows."""
    pacer, trips = Pacer(Quota(4)), RoundTrips()
    for _ in range(3):
        pacer.take(0.0)
        pacer.record_response(0.0, 1.0, exact=True, accepted=True)
        trips.counted_at(0.0, 1.0, exact=True)
    pacer.take(2.0)
    pacer.record_throttle(3.0, 2.0, retry_after=None, by_quota=True)
    pacer.record_response(2.0, 3.0, exact=True, accepted=False)
    trips.counted_at(2.0, 3.0, exact=True)
    trips.count_later(share)
    for _ in range(4):
        pacer.take(sent_at)
    for _ in range(4):
        pacer.record_response(sent_at, sent_at + 1.0, exact=True, accepted=True)
    counted = [trips.counted_at(sent_at, sent_at + 1.0, exact=True) for _ in range(4)]
    assert pytest.approx(min(counted) + 10.0) == sent_at + 5.0 + pacer.wait(sent_at + 5.0)
