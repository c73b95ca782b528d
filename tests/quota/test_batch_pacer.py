"""When batch calls go, in virtual time, against limits that nobody names."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from itertools import pairwise
from random import Random  # noqa: TID251 -- seeded

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import Quota
from aiohubassoc._quota.batch_pacer import FIRST_QUOTA, MOST_IN_FLIGHT, BatchPacer

WINDOW = 10.0
NEVER = 10**9
seeds = pytest.mark.parametrize("seed", [1, 2, 3])


@attrs.frozen
class Server:
    """
    What the calls meet.

    Attributes:
        limit: Calls that it takes in a rolling window.
        at_once: Calls that it works on at once.
        seconds: The mean of what a call takes.
        sigma: Of the natural logarithm of that.
        refused_seconds: What a refusal takes.
    """

    limit: int = NEVER
    at_once: int = NEVER
    seconds: float = 0.5
    sigma: float = 0.3
    refused_seconds: float = 0.05
    seed: int = 1


@attrs.define
class Seen:
    """
    What became of the calls.

    Attributes:
        sent: When each went.
        taken: When each that was taken was counted.
        refused: When each other came to the server.
        limits: The pace's limit at each sending, as above the calls in flight.
    """

    sent: list[float] = attrs.Factory(list)
    taken: list[float] = attrs.Factory(list)
    refused: list[float] = attrs.Factory(list)
    limits: list[int] = attrs.Factory(list)
    on_wire: list[int] = attrs.Factory(list)

    @property
    def refused_share(self) -> float:
        """The share of responses that were 429."""
        return len(self.refused) / (len(self.taken) + len(self.refused))

    def rate(self, begin: float = 0.0) -> float:
        """Return the calls a window that were taken since a moment."""
        taken = [moment for moment in self.taken if moment >= begin]
        return WINDOW * len(taken) / (taken[-1] - begin)


def _send(server: Server, pace: BatchPacer, calls: int, *, gap: float = 0.0) -> Seen:
    """Send this many calls as soon as the pace allows, at least *gap* seconds after one another."""
    chance = Random(server.seed)
    seen = Seen()
    answers: list[tuple[float, float, bool]] = []
    working: list[float] = []
    now, next_at = 0.0, 0.0
    while len(seen.sent) < calls or answers:
        wait = pace.wait(now) if len(seen.sent) < calls and now >= next_at else math.inf
        if wait == 0:
            pace.take(now)
            next_at = now + gap
            seen.sent.append(now)
            seen.limits.append(pace.limit)
            seen.on_wire.append(pace.in_flight)
            seconds = server.seconds * math.exp(chance.gauss(0.0, server.sigma))
            arrives = now + min(seconds, server.refused_seconds) / 2
            working = [over for over in working if over > arrives]
            begin = bisect_right(seen.taken, arrives - WINDOW)
            takes = len(seen.taken) - begin < server.limit and len(working) < server.at_once
            (seen.taken if takes else seen.refused).append(arrives)
            answered = now + (seconds if takes else server.refused_seconds)
            if takes:
                working.append(answered)
            heapq.heappush(answers, (answered, now, takes))
            continue
        soon = now + wait
        if len(seen.sent) < calls and now < next_at:
            soon = next_at
        if answers and answers[0][0] <= soon:
            now, sent_at, taken = heapq.heappop(answers)
            if not taken:
                pace.record_throttle(now, sent_at, retry_after=None, by_quota=True)
            pace.record_response(sent_at, now, exact=True, accepted=taken)
        else:
            assert soon < math.inf, "nobody would ever go again"
            now = soon
    return seen


def _most_in_a_window(moments: list[float], window: float = WINDOW) -> int:
    return max(i + 1 - bisect_right(moments, moments[i] - window) for i in range(len(moments)))


# --- nobody names a limit ----------------------------------------------------------------------


def test_it_begins_low() -> None:
    """Ten in the first ten seconds, and two at once."""
    seen = _send(Server(), BatchPacer(), 100)
    assert Quota(10, 10.0) == FIRST_QUOTA == BatchPacer().quota
    assert 10 == len([at for at in seen.sent if at < WINDOW])
    assert [1, 2] == seen.on_wire[:2]
    assert 2 == max(seen.on_wire[:10])


@settings(max_examples=30)
@given(st.floats(0.05, 5.0), st.floats(0.0, 1.0), st.integers(0, 1000), st.sampled_from([0.0, 0.5]))
def test_never_above_what_it_allows(seconds: float, sigma: float, seed: int, gap: float) -> None:
    """While it rises, no window holds more than the limit, and no more go at once than may."""
    server = Server(seconds=seconds, sigma=sigma, seed=seed)
    pace = BatchPacer()
    seen = _send(server, pace, 300, gap=gap)
    assert seen.limits == sorted(seen.limits)
    for number, limit in enumerate(seen.limits):
        begin = bisect_right(seen.sent, seen.sent[number] - WINDOW)
        assert number + 1 - begin <= limit
    assert max(seen.on_wire) <= pace.max_in_flight <= MOST_IN_FLIGHT == 4


def test_it_rises_by_one_a_window_when_that_is_wanted() -> None:
    """In the number of calls and in those at once, to four."""
    pace = BatchPacer()
    seen = _send(Server(), pace, 1000)
    assert {0, 1} == {b - a for a, b in pairwise(seen.limits)}
    rises = {
        limit: at for at, limit in zip(reversed(seen.sent), reversed(seen.limits), strict=True)
    }
    moments = sorted(rises.values())[1:]
    assert all(b - a >= WINDOW - 1e-9 for a, b in pairwise(moments))
    assert len(moments) >= seen.sent[-1] / WINDOW - 2
    assert MOST_IN_FLIGHT == pace.max_in_flight == max(seen.on_wire)


def test_it_does_not_rise_when_nobody_waits() -> None:
    """A call every two seconds needs neither more calls nor more at once."""
    pace = BatchPacer()
    seen = _send(Server(), pace, 200, gap=2.0)
    assert ({10}, {1}, 2) == (set(seen.limits), set(seen.on_wire), pace.max_in_flight)


@seeds
@pytest.mark.parametrize("seconds", [0.5, 2.0])
@pytest.mark.parametrize("limit", [1, 3, 10, 25])
def test_a_limit_of_the_window(limit: int, seconds: float, seed: int) -> None:
    """Few 429s, fewer in the long run, and most of what there is is used."""
    server = Server(limit=limit, seconds=seconds, seed=seed)
    seen = _send(server, BatchPacer(), 1000)
    assert seen.refused_share < 0.05
    assert seen.rate() > 0.6 * limit
    assert _send(server, BatchPacer(), 3000).refused_share < 0.02


@seeds
@pytest.mark.parametrize("seconds", [0.5, 2.0])
@pytest.mark.parametrize("at_once", [1, 2])
def test_a_limit_of_calls_at_once(at_once: int, seconds: float, seed: int) -> None:
    """It is not taken for one of the window, which would starve the run for nothing."""
    server = Server(at_once=at_once, seconds=seconds, seed=seed)
    seen = _send(server, BatchPacer(), 1000)
    assert seen.refused_share < 0.05
    # Beginning with ten and rising by one a window takes a while to this.
    assert seen.rate() > 0.6 * at_once * WINDOW / seconds
    assert _send(server, BatchPacer(), 3000).refused_share < 0.02


@pytest.mark.parametrize(("limit", "at_once"), [(3, 1), (10, 1), (10, 2), (25, 2)])
def test_both_limits(limit: int, at_once: int) -> None:
    """Each is found."""
    seen = _send(Server(limit=limit, at_once=at_once), BatchPacer(), 1000)
    assert seen.refused_share < 0.05
    assert seen.rate() > 0.6 * min(limit, at_once * WINDOW / 0.55)


@seeds
def test_without_a_pace_there_are_refusals(seed: int) -> None:
    """Or the bounds above would prove nothing."""
    pace = BatchPacer(Quota(10**6))
    pace.max_in_flight = 4
    server = Server(limit=10, seed=seed)
    assert len([at for at in _send(server, pace, 100).refused if at < WINDOW]) > 0


# --- a limit that the caller names -------------------------------------------------------------


@seeds
@pytest.mark.parametrize(
    "quota", [Quota(1), Quota(5), Quota(20), Quota(40), Quota(100, 60.0), Quota(3, 1.0)]
)
def test_a_named_quota_is_never_exceeded_and_used(quota: Quota, seed: int) -> None:
    """At least 95 % of it, where the calls at once suffice for it."""
    pace = BatchPacer(quota)
    seconds = min(0.2, 0.02 * quota.window)
    seen = _send(Server(seconds=seconds, seed=seed), pace, 10 * quota.limit)
    assert _most_in_a_window(seen.taken, quota.window) <= quota.limit
    assert quota == pace.quota
    assert seen.taken[-1] <= (9 / 0.95 + 1 / 2) * quota.window


def test_a_named_quota_that_is_too_high_is_corrected() -> None:
    """And what was cut rises again no higher than to what was named."""
    pace = BatchPacer(Quota(30))
    seen = _send(Server(limit=20), pace, 1000)
    assert seen.refused_share < 0.02
    assert seen.rate() > 0.6 * 20
    assert max(seen.limits) == 30


# --- single calls ------------------------------------------------------------------------------


def _refuse(pace: BatchPacer, now: float, sent_at: float, **more: float | bool | None) -> float:
    reported = {"retry_after": None, "by_quota": True, **more}
    wait = pace.record_throttle(now, sent_at, **reported)  # type: ignore[arg-type]
    pace.record_response(sent_at, now, exact=True, accepted=False)
    return wait


def test_refusals_together_are_one() -> None:
    """Of calls that were in flight when the first was refused, none slows down further."""
    pace = BatchPacer(Quota(16))
    pace.take(0.0)
    pace.take(0.1)
    _refuse(pace, 0.5, 0.0)
    cut = (pace.quota, pace.max_in_flight)
    _refuse(pace, 0.6, 0.1)
    assert cut == (pace.quota, pace.max_in_flight)
    pace.take(1.0)
    _refuse(pace, 1.1, 1.0)
    assert pace.limit < 16


@given(st.floats(0.0, 100.0), st.floats(0.0, 5.0))
def test_retry_after_is_obeyed(retry_after: float, later: float) -> None:
    """Nobody goes before, however many were refused; a hundredth of the window is the least."""
    pace = BatchPacer()
    pace.take(0.0)
    wait = _refuse(pace, 1.0, 0.0, retry_after=retry_after)
    assert wait == pytest.approx(max(retry_after, 0.1))
    assert pace.wait(1.0 + later) >= max(0.0, retry_after - later) - 1e-9
    end = 1.0 + wait + 1e-9
    assert 0.0 == pace.wait(end) or pace.limit == 1


def test_a_refusal_that_is_not_the_quotas_only_pauses() -> None:
    """A server that is busy says nothing of how many calls may go."""
    pace = BatchPacer()
    pace.take(0.0)
    assert 2.0 == _refuse(pace, 1.0, 0.0, retry_after=2.0, by_quota=False)
    assert (FIRST_QUOTA, 2, 2.0) == (pace.quota, pace.max_in_flight, pace.wait(1.0))
    assert 0.0 == pace.wait(3.0)


def test_one_call_through_opens_the_wire_again() -> None:
    """After refusals one goes by itself; those behind it wait for what it brings."""
    pace = BatchPacer(Quota(100))
    now = 0.0
    for _ in range(2):
        pace.take(now)
        now += _refuse(pace, now + 0.1, now) + 0.1
    now += 10.0
    assert 0.0 == pace.wait(now)
    pace.take(now)
    assert math.inf == pace.wait(now)
    pace.record_response(now, now + 0.1, exact=True, accepted=True)
    assert pace.wait(now + 0.1) < math.inf


def test_a_call_that_was_not_sent_costs_nothing() -> None:
    """Its token is there at once."""
    pace = BatchPacer(Quota(1))
    pace.take(0.0)
    assert (math.inf, 1) == (pace.wait(0.0), pace.in_flight)
    pace.release_unused()
    assert (0.0, 0) == (pace.wait(0.0), pace.in_flight)


def test_a_rise_is_news() -> None:
    """Whoever waits for a token is not asked to wait past the moment at which there is one more."""
    pace = BatchPacer()
    now = 0.0
    for _ in range(10):
        pace.take(now)
        now += 0.9
        pace.record_response(now - 0.9, now, exact=True, accepted=True)
    assert pytest.approx(10.0 - now) == pace.wait(now)
    assert (0.0, 11) == (pace.wait(10.0), pace.limit)


# --- exact steps -------------------------------------------------------------------------------


def _answer(pace: BatchPacer, now: float, count: int | None = None) -> None:
    """Let calls in flight be accepted; None: all of them. Each is counted now."""
    for _ in range(pace.in_flight if count is None else count):
        pace.record_response(now, now, exact=False, accepted=True)


def _send_all(pace: BatchPacer, now: float) -> None:
    """Send all that may go in this moment, and let others wait for a permit and for the wire."""
    while (wait := pace.wait(now)) in {0.0, math.inf}:
        if wait == math.inf:
            _answer(pace, now)
        else:
            pace.take(now)
    _answer(pace, now)


def _windows(pace: BatchPacer, begin: float, count: int) -> list[tuple[int, int]]:
    """Return the limits of windows in which calls wait: of calls, and of those in flight."""
    limits = []
    for number in range(count):
        pace.wait(begin + number * WINDOW)
        limits.append((pace.limit, pace.max_in_flight))
        _send_all(pace, begin + number * WINDOW + 1.0)
    return limits


def _accept(pace: BatchPacer, now: float, count: int) -> None:
    """Send this many calls, one after another, each accepted at once."""
    for _ in range(count):
        pace.take(now)
        _answer(pace, now)


def _throttle(pace: BatchPacer, now: float, in_flight: int = 1) -> None:
    """Throttle one of *in_flight* calls that were sent half a second ago."""
    for _ in range(in_flight):
        pace.take(now - 0.5)
    pace.record_throttle(now, now - 0.5, retry_after=None, by_quota=True)
    for _ in range(in_flight):
        pace.record_response(now - 0.5, now, exact=False, accepted=False)


def _proven() -> BatchPacer:
    """Return the pacer of 20 calls that sent 12 in the first window, two of them at once."""
    pace = BatchPacer(Quota(20))
    _accept(pace, 0.0, 1)  # windows count from here; that of the first rise does not hold it
    _accept(pace, 1.0, 10)
    pace.take(1.0)
    pace.take(1.0)
    assert math.inf == pace.wait(1.0)  # a third one would go
    _answer(pace, 1.0)
    assert 0.0 == pace.wait(10.0)
    assert (20, 3) == (pace.limit, pace.max_in_flight)
    return pace


def test_nothing_is_promised_ahead() -> None:
    """The limit changes: no call may go without asking, and none may be recorded later."""
    pace = BatchPacer()
    pace.take(0.0)
    assert (False, 0, False) == (pace.is_calm(0.0), pace.count_by(99.0), pace.try_take())
    assert (False, 0) == (pace.has_ample_room, pace.room)
    assert -math.inf == pace.adopts_remaining_until


def test_permits_that_are_set_aside_are_in_flight() -> None:
    """Until they are given back."""
    pace = BatchPacer()
    pace.set_aside(2)
    assert (2, math.inf) == (pace.in_flight, pace.wait(0.0))
    pace.set_aside(-1)
    assert (1, 0.0) == (pace.in_flight, pace.wait(0.0))


def test_the_options_are_kept_after_a_state_was_loaded() -> None:
    """A limit above the given one is lowered, a lower one stays, and the calls are known."""
    for limit, expected in ((30, 5), (3, 3)):
        pace = BatchPacer(Quota(5))
        _accept(pace, 0.0, 3)
        pace.limit = limit  # as of another client
        pace.apply_options()
        assert Quota(expected) == pace.quota
        assert (0.0 if expected == 5 else WINDOW) == pace.wait(0.0)


def test_another_window_is_kept_after_a_state_was_loaded() -> None:
    """The calls of the other client are known in it."""
    pace = BatchPacer(Quota(5))
    _accept(pace, 0.0, 5)
    vars(pace)["_given"] = Quota(5, 60.0)
    pace.apply_options()
    assert (Quota(5, 60.0), 60.0) == (pace.quota, pace.wait(0.0))


def test_without_a_quota_there_is_none_to_keep() -> None:
    """What was loaded stays."""
    pace = BatchPacer()
    pace.limit = 30
    pace.apply_options()
    assert Quota(30) == pace.quota


def test_a_call_without_a_response_may_be_counted_a_second_later() -> None:
    """Nothing is known of the network: a second, and no call was accepted."""
    pace = BatchPacer(Quota(1))
    pace.take(0.0)
    pace.record_no_response(0.0, 0.5)
    assert 0.5 + 1.0 + WINDOW == 2.0 + pace.wait(2.0)


def test_each_window_in_which_calls_wait_allows_one_more() -> None:
    """Of calls, and up to four in flight."""
    pace = BatchPacer()
    _accept(pace, 0.0, 1)
    _send_all(pace, 1.0)
    assert [(11, 3), (12, 4), (13, 4), (14, 4)] == _windows(pace, 10.0, 4)


THE_LIMIT = (10, 1)
THE_WIRE = (20, 1)


@pytest.mark.parametrize(
    ("own", "in_flight", "expected"),
    [
        # As many calls as before, but three at once, which is more than before.
        (12, 3, THE_WIRE),
        (13, 3, THE_LIMIT),
        (12, 2, THE_LIMIT),
        # Less than half of the limit got through: it is not the limit.
        (9, 2, THE_WIRE),
        (10, 2, THE_LIMIT),
        (9, 1, THE_LIMIT),  # unless the call was alone
    ],
)
def test_what_a_throttle_is_about(own: int, in_flight: int, expected: tuple[int, int]) -> None:
    """Calls in a window, or calls at once: the one that is new is halved, and those in flight."""
    pace = _proven()
    _accept(pace, 12.0, own)
    _throttle(pace, 13.5, in_flight)
    assert expected == (pace.limit, pace.max_in_flight)


def test_the_calls_that_count_are_those_before_the_throttle() -> None:
    """Up to the middle of its round trip, and the limit is known to be above them."""
    pace = BatchPacer(Quota(20))
    _accept(pace, 1.0, 1)
    _accept(pace, 1.5, 11)
    pace.take(1.5)
    _accept_beside(pace, 2.5, 3)
    # Sent at 1.6 and throttled at 2.8: its middle, 2.2, is after twelve and before three.
    pace.record_throttle(2.8, 1.6, retry_after=None, by_quota=True)
    pace.record_response(1.6, 2.8, exact=False, accepted=False)
    # Up to twelve at once, then one more after each eight windows.
    limits = [limit for limit, _ in _windows(pace, 12.8, 8)]
    assert [10, 11, 12, 12, 12, 12, 12, 13] == limits


def _accept_beside(pace: BatchPacer, now: float, count: int) -> None:
    for _ in range(count):
        pace.take(now)
        _answer(pace, now, 1)


def test_after_a_throttle_of_the_limit() -> None:
    """It rises to what was accepted, and then by one each time that eight windows were clean."""
    pace = _proven()
    _accept(pace, 12.0, 13)
    _throttle(pace, 13.5, 3)
    limits = [10, 11, 12, 13, 13, 13, 13, 14, *[14] * 7, 15]
    wires = [1, 2, 3, *[4] * 13]
    assert list(zip(limits, wires, strict=True)) == _windows(pace, 23.5, 16)


def test_after_a_throttle_of_the_wire() -> None:
    """One less than were throttled at once, and one more after eight clean windows each."""
    pace = _proven()
    _accept(pace, 12.0, 12)
    _throttle(pace, 13.5, 3)
    wires = [1, 2, 2, 2, 2, 2, 2, 3, *[3] * 7, 4]
    assert [(20, one) for one in wires] == _windows(pace, 23.5, 16)


def test_a_throttle_without_an_accepted_call_shows_no_limit() -> None:
    """The limit is halved, and rises again to all of it without patience."""
    pace = BatchPacer(Quota(16))
    _throttle(pace, 1.0)
    assert [8, 9, 10, 11, 12, 13, 14, 15, 16, 16] == [
        limit for limit, _ in _windows(pace, 11.0, 10)
    ]


def test_after_it_rose_with_patience_what_it_reached_is_known() -> None:
    """A throttle that shows no limit takes it back no further than that."""
    pace = BatchPacer(Quota(16))
    _accept(pace, 1.0, 4)
    _throttle(pace, 2.0)
    # Four were accepted: the next after eight windows each.
    assert [8] * 7 + [9] == [limit for limit, _ in _windows(pace, 12.0, 8)]
    # No call was accepted since 83. The limit is 4; calls waited before, so it rises at once, to
    # 9, and then after sixteen windows.
    _throttle(pace, 104.0)
    limits = [limit for limit, _ in _windows(pace, 114.0, 17)]
    assert [5, 6, 7, 8, *[9] * 11, 10, 10] == limits


@pytest.mark.parametrize(
    ("throttles", "patience", "limit"),
    [(1, 8, 8), (2, 16, 4), (3, 32, 2), (4, 64, 1), (5, 128, 1), (6, 128, 1)],
)
def test_patience_doubles(throttles: int, patience: int, limit: int) -> None:
    """With each throttle after the first, from 8 windows to 128; the limit is 1 at least."""
    pace = BatchPacer(Quota(16))
    now = 0.0
    for _ in range(throttles):
        now += 20.0
        _accept(pace, now - 1.0, 1)  # so a second call in a window is what was throttled
        _throttle(pace, now)
    assert (limit, 1) == (pace.limit, pace.max_in_flight)
    limits = [each for each, _ in _windows(pace, now + WINDOW, patience)]
    assert [limit] * (patience - 1) + [limit + 1] == limits


def test_patience_doubles_after_throttles_of_either_kind() -> None:
    """First of the wire, then of the limit: 16 windows."""
    pace = _proven()
    _accept(pace, 12.0, 12)
    _throttle(pace, 13.5, 3)
    _accept(pace, 30.0, 1)
    _throttle(pace, 31.0)
    limits = [limit for limit, _ in _windows(pace, 41.0, 16)]
    assert [10] * 15 + [11] == limits


def test_a_call_of_the_moment_of_a_throttle_belongs_to_it() -> None:
    """Only one that was sent later shows something new."""
    pace = BatchPacer(Quota(16))
    _throttle(pace, 1.0)
    for sent_at, limit in ((1.0, 8), (1.25, 4)):
        pace.take(sent_at)
        _refuse(pace, 2.0, sent_at)
        assert limit == pace.limit


def test_one_accepted_call_proves_nothing_of_the_first_window() -> None:
    """Before a window was clean no number of calls is usual."""
    pace = BatchPacer(Quota(3))
    _accept(pace, 0.0, 1)
    _throttle(pace, 1.5, 2)  # one of 3 is not below their half, rounded down
    assert (1, 1) == (pace.limit, pace.max_in_flight)


def test_a_throttle_takes_back_what_was_proven() -> None:
    """If 12 were accepted once and 3 before a throttle, 5 are not usual any more."""
    pace = _proven()
    _accept(pace, 12.0, 3)
    _throttle(pace, 13.5)
    assert (10, 1) == (pace.limit, pace.max_in_flight)
    for begin in (23.5, 33.5):  # few calls, but more of them wait for the wire
        while pace.wait(begin) == 0.0:
            pace.take(begin)
        _answer(pace, begin)
    assert 0.0 == pace.wait(43.5)
    assert (10, 3) == (pace.limit, pace.max_in_flight)
    _accept(pace, 44.0, 5)
    _throttle(pace, 45.0, 3)
    assert (5, 1) == (pace.limit, pace.max_in_flight)


def test_a_wait_of_less_than_a_second_counts() -> None:
    """A caller that waited wants one more in the next window."""
    pace = BatchPacer()
    _accept(pace, 0.0, 10)
    assert 0.5 == pace.wait(9.5)
    assert (0.0, 11) == (pace.wait(10.0), pace.limit)


def test_the_wire_is_open_again_after_an_accepted_call() -> None:
    """Throttles that are not by the quota leave two; one goes until it is accepted."""
    pace = BatchPacer()
    for now in (1.0, 2.0):
        pace.take(now)
        _refuse(pace, now, now, by_quota=False)
    pace.take(5.0)
    assert math.inf == pace.wait(5.0)
    _answer(pace, 5.0)
    pace.take(6.0)
    assert 0.0 == pace.wait(6.0)


def test_calls_without_a_response_show_no_limit() -> None:
    """It is not known that they were accepted: the limit rises without patience."""
    pace = BatchPacer(Quota(20))
    for _ in range(12):
        pace.take(1.0)
        pace.record_no_response(1.0, 1.0)
    _throttle(pace, 9.0)
    assert [10, 11, 12, 13, 14] == [limit for limit, _ in _windows(pace, 19.0, 5)]


@pytest.mark.parametrize(("windows", "in_flight", "limit"), [(2, 2, 10), (8, 3, 20)])
def test_what_a_throttle_of_the_wire_proves(windows: int, in_flight: int, limit: int) -> None:
    """If three at once were too many, a throttle of two is of the limit, one of three is not."""
    pace = _proven()
    _accept(pace, 12.0, 12)
    _throttle(pace, 13.5, 3)
    _windows(pace, 23.5, windows - 1)
    last = 23.5 + (windows - 1) * WINDOW
    pace.wait(last)
    assert in_flight == pace.max_in_flight
    _accept(pace, last + 2.0, 12)
    _throttle(pace, last + 3.0, in_flight)
    assert limit == pace.limit


def test_half_of_four_at_once_are_two() -> None:
    """A throttle halves both, and nothing rises for a window after it."""
    pace = BatchPacer()
    _accept(pace, 0.0, 1)
    _send_all(pace, 1.0)
    assert (12, 4) == _windows(pace, 10.0, 2)[-1]
    _throttle(pace, 32.0)
    pace.wait(41.99)
    assert (6, 2) == (pace.limit, pace.max_in_flight)
    pace.wait(42.0)
    assert (7, 3) == (pace.limit, pace.max_in_flight)


def test_what_the_wire_reached_with_patience_is_known() -> None:
    """A throttle of the limit takes it back; it rises to that number again at once."""
    pace = _proven()
    _accept(pace, 12.0, 12)
    _throttle(pace, 13.5, 3)
    assert (20, 3) == _windows(pace, 23.5, 8)[-1]
    _throttle(pace, 105.0)
    assert [(11, 2), (12, 3), (13, 3)] == _windows(pace, 115.0, 3)
