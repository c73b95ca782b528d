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
