"""The limiter, in virtual time."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from threading import Thread
from typing import Any

import looptime
import pytest
from hypothesis import example, given, strategies as st

from aiohubassoc import DailyReserveError, OptionsError, Quota, QuotaLimiter
from aiohubassoc._http.sender import Call
from tests.conftest import pass_time, settle
from tests.fakes.transport import FakeTransport, pair, sender_of


def _now() -> float:
    return asyncio.get_running_loop().time()


def _headers(quota: Quota, remaining: int | None = None) -> dict[str, str]:
    reported = {
        "X-HubSpot-RateLimit-Max": str(quota.limit),
        "X-HubSpot-RateLimit-Interval-Milliseconds": f"{quota.window * 1000:.0f}",
    }
    return (
        reported
        if remaining is None
        else reported | {"X-HubSpot-RateLimit-Remaining": str(remaining)}
    )


def _daily(left: int, limit: int = 1000) -> dict[str, str]:
    return {
        "X-HubSpot-RateLimit-Daily": str(limit),
        "X-HubSpot-RateLimit-Daily-Remaining": str(left),
    }


async def _tell(limiter: QuotaLimiter, headers: dict[str, str]) -> None:
    """Let one call be answered with *headers*, at a moment long ago for the quota."""
    await limiter.acquire()
    limiter.record_response(_now() - 1000.0, _now() - 1000.0, headers=headers)


def _timers() -> list[asyncio.TimerHandle]:
    """Return the timers of wait queues."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return [t for t in scheduled if not t.cancelled() and "WaitQueue.wake" in repr(t)]


class Gatekeeper:
    """Takes calls that are answered at once, and notes when each went."""

    def __init__(self, limiter: QuotaLimiter) -> None:
        self.limiter = limiter
        self.went: list[tuple[int, float]] = []

    async def call(self, number: int) -> None:
        """Wait in line and go."""
        await self.limiter.acquire()
        self.went.append((number, round(_now(), 3)))
        self.limiter.record_response(_now(), _now(), exact=True)

    def start(self, numbers: range) -> list[asyncio.Task[None]]:
        """Let callers queue."""
        return [asyncio.create_task(self.call(number)) for number in numbers]


async def test_first_come_first_served() -> None:
    """Callers go in the order of asking, as many a window as the quota holds."""
    gate = Gatekeeper(QuotaLimiter(Quota(2, 10.0)))
    await asyncio.wait(gate.start(range(5)))
    assert [(0, 0.0), (1, 0.0), (2, 10.0), (3, 10.0), (4, 20.0)] == gate.went


async def test_a_newcomer_does_not_overtake_the_line() -> None:
    """Who asks when a token is there but others wait goes behind them."""
    limiter = QuotaLimiter(Quota(1, 10.0))
    gate = Gatekeeper(limiter)
    await limiter.acquire()
    tasks = gate.start(range(2))
    await settle()
    limiter.release_unused()
    tasks += gate.start(range(2, 3))
    await asyncio.wait(tasks)
    assert [0, 1, 2] == [number for number, _ in gate.went]


async def test_a_cancelled_waiter_costs_no_token() -> None:
    """Others take its place in line, at its time."""
    gate = Gatekeeper(QuotaLimiter(Quota(1, 10.0)))
    tasks = gate.start(range(4))
    await settle()
    tasks[1].cancel()
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert [(0, 0.0), (3, 10.0)] == gate.went


async def test_a_turn_that_comes_with_its_cancellation_is_passed_on() -> None:
    """Cancelled in the very tick of its turn, a waiter gives the token back."""
    limiter = QuotaLimiter(Quota(1, 10.0))
    await limiter.acquire()
    first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
    await settle()
    limiter.release_unused()  # the turn of the first: it is reported in the loop's next tick
    first.cancel()
    await asyncio.wait([first, second])
    assert (True, 0.0) == (first.cancelled(), _now())


async def test_only_the_head_of_the_line_holds_a_timer() -> None:
    """A thousand waiters set one timer, not a thousand."""
    gate = Gatekeeper(QuotaLimiter(Quota(1, 0.01)))
    tasks = gate.start(range(1000))
    await settle()
    assert 1 == len(_timers())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_all_in_flight_waits_for_an_answer() -> None:
    """With every token in flight the line moves when one comes back, not before."""
    limiter = QuotaLimiter(Quota(1, 10.0))
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await settle()
    assert not waiting.done()
    limiter.record_response(0.0, 4.0, exact=False)
    await waiting
    assert 14.0 == round(_now(), 3)


async def test_a_refusal_holds_everybody_those_in_line_included() -> None:
    """A pause begun while callers wait holds them too, and only ever gets longer."""
    limiter = QuotaLimiter(Quota(1, 1.0))
    gate = Gatekeeper(limiter)
    tasks = gate.start(range(3))
    await settle()
    assert 5.0 == limiter.record_throttle(0.5, 5.0)
    limiter.record_throttle(0.6, 2.0)
    await asyncio.wait(tasks)
    assert [(0, 0.0), (1, 5.0), (2, 6.0)] == gate.went


async def test_a_pause_set_in_mid_wait_is_seen_on_waking() -> None:
    """The timer was set for the token; the gate is asked again when it fires."""
    limiter = QuotaLimiter(Quota(1, 10.0))
    gate = Gatekeeper(limiter)
    tasks = gate.start(range(2))
    asyncio.get_running_loop().call_later(9.0, limiter.record_throttle, 9.0, 7.0)
    await asyncio.wait(tasks)
    assert [(0, 0.0), (1, 16.0)] == gate.went


async def test_an_accepted_call_makes_the_next_pause_short() -> None:
    """Pauses without `Retry-After` begin small again once HubSpot took a call."""
    limiter = QuotaLimiter(Quota(10, 10.0))
    pauses = []
    for _ in range(2):
        pauses.append(limiter.record_throttle(_now(), None))
        await pass_time(1.0)
    await limiter.acquire()
    limiter.record_response(_now(), _now())
    await pass_time(1.0)
    pauses.append(limiter.record_throttle(_now(), None))
    assert pytest.approx([0.1, 0.2, 0.1]) == pauses


@pytest.mark.parametrize(
    ("given_quota", "reported", "expected"),
    [
        (None, Quota(190, 10.0), Quota(190, 10.0)),
        (None, Quota(5, 1.0), Quota(5, 1.0)),
        (Quota(190), Quota(100), Quota(100)),
        (Quota(190), Quota(250), Quota(190)),
        (Quota(190), Quota(5, 1.0), Quota(5, 1.0)),
        (Quota(190), Quota(100, 1.0), Quota(190)),
    ],
)
async def test_what_hubspot_names_is_taken(
    given_quota: Quota | None, reported: Quota, expected: Quota
) -> None:
    """Without a quota the reported one is kept; a given one can only be lowered."""
    limiter = QuotaLimiter(given_quota)
    assert (given_quota or Quota.STARTER) == limiter.quota
    await _tell(limiter, _headers(reported))
    await _tell(limiter, _headers(reported))
    assert expected == limiter.quota


async def test_two_windows_are_kept_at_once() -> None:
    """A given ten-second quota and a reported one-second quota both hold."""
    limiter = QuotaLimiter(Quota(5, 10.0))
    await _tell(limiter, _headers(Quota(2, 1.0)))
    gate = Gatekeeper(limiter)
    await asyncio.wait(gate.start(range(6)))
    assert [0.0, 0.0, 1.0, 1.0, 2.0, 10.0] == [when for _, when in gate.went]


async def test_a_higher_quota_frees_those_in_line() -> None:
    """Learning the true quota moves the line at once."""
    limiter = QuotaLimiter()
    await limiter.acquire()
    gate = Gatekeeper(limiter)
    tasks = gate.start(range(149))
    await settle()
    assert 99 == len(gate.went)
    limiter.record_response(_now(), _now(), headers=_headers(Quota(150)))
    await asyncio.wait(tasks)
    assert {0.0} == {when for _, when in gate.went}


async def test_what_others_have_used_is_left_out_of_the_first_window() -> None:
    """Of a window that is half full already only the other half is taken."""
    limiter = QuotaLimiter(Quota(10))
    await limiter.acquire()
    limiter.record_response(_now(), _now(), headers=_headers(Quota(10), remaining=4))
    gate = Gatekeeper(limiter)
    await asyncio.wait(gate.start(range(12)))
    assert [0.0] * 4 + [10.0] * 8 == [when for _, when in gate.went]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-HubSpot-RateLimit-Max": "0", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"},
        {"X-HubSpot-RateLimit-Max": "-5", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"},
        {"X-HubSpot-RateLimit-Max": "many", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"},
        {"X-HubSpot-RateLimit-Max": "50", "X-HubSpot-RateLimit-Interval-Milliseconds": "0"},
        {"X-HubSpot-RateLimit-Max": "50"},
        {"X-HubSpot-RateLimit-Remaining": "-3", "X-HubSpot-RateLimit-Daily-Remaining": "none"},
    ],
)
async def test_nonsense_in_headers_changes_nothing(headers: dict[str, str]) -> None:
    """Never faster than set, never stuck."""
    limiter = QuotaLimiter(Quota(3), reserve_daily=5)
    for _ in range(3):
        await limiter.acquire()
        limiter.record_response(_now(), _now(), headers=headers)
    assert (Quota(3), 0.0) == (limiter.quota, _now())
    await limiter.acquire()
    assert 10.0 == round(_now(), 3)


# --- a part of the quota -----------------------------------------------------------------------


async def test_a_share_of_the_quota() -> None:
    """Half of what is given, and half of what HubSpot names."""
    limiter = QuotaLimiter(Quota(190), share=0.5)
    assert Quota(95) == limiter.quota
    await _tell(limiter, _headers(Quota(100)))
    assert Quota(50) == limiter.quota


async def test_a_share_of_a_small_quota_takes_longer() -> None:
    """A third of two calls in 10 s is one call in 15 s."""
    assert Quota(1, 15.0) == QuotaLimiter(Quota(2), share=1 / 3).quota


@pytest.mark.parametrize("share", [0, -0.5, 1.5, float("nan"), True, "half"])
def test_a_share_that_cannot_be(share: float) -> None:
    """Nothing, more than all, and what is no number."""
    with pytest.raises(OptionsError, match="share must be"):
        QuotaLimiter(share=share)


@pytest.mark.parametrize("reserve", [-1, 1.5, -0.1, float("nan"), True, "ten"])
def test_a_reserve_that_cannot_be(reserve: float) -> None:
    """Less than nothing, more than all, and what is no number."""
    with pytest.raises(OptionsError, match="reserve_daily must be"):
        QuotaLimiter(reserve_daily=reserve)


async def test_at_the_reserve_of_the_day_nobody_goes() -> None:
    """Those in line are reported as well, and the message says when to come back."""
    limiter = QuotaLimiter(Quota(2), reserve_daily=0.25)
    await limiter.acquire()
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await settle()
    limiter.record_response(_now(), _now(), headers=_daily(251))
    await pass_time(20.0)
    assert not any(task.done() for task in waiting)  # the other call's answer is to tell
    limiter.record_response(_now(), _now(), headers=_daily(250))
    await settle()
    for task in waiting:
        assert isinstance(task.exception(), DailyReserveError)
    with pytest.raises(DailyReserveError, match=r"250 calls .* 250 reserved.* after midnight"):
        await limiter.acquire()


async def test_cancelled_at_the_reserve_no_token_is_given_back() -> None:
    """Cancelled in the very tick of being refused, a waiter had no token."""
    limiter = QuotaLimiter(Quota(1), reserve_daily=10)
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await settle()
    limiter.record_response(_now(), _now(), headers=_daily(10))
    waiting.cancel()
    await asyncio.wait([waiting])
    assert 0 == limiter.in_flight


async def test_without_a_reserve_the_day_is_used_up() -> None:
    """The last call is refused by HubSpot, not here."""
    limiter = QuotaLimiter(Quota(5))
    await _tell(limiter, _daily(0))
    await limiter.acquire()


# --- event loops -------------------------------------------------------------------------------

kinds = pytest.mark.parametrize("make", [QuotaLimiter, QuotaLimiter.for_batches])
Make = Callable[..., QuotaLimiter]


def test_a_limiter_outlives_its_event_loop() -> None:
    """A notebook runs loop after loop: the queue of a dead loop does not block the next."""
    limiter = QuotaLimiter(Quota(1, 0.05))

    async def wait_and_be_cut_off() -> None:
        await limiter.acquire()
        limiter.record_response(_now(), _now() + 0.05, exact=False)
        waiting = asyncio.create_task(limiter.acquire())
        await settle()
        waiting.cancel()

    async def go_on() -> None:
        await asyncio.wait_for(limiter.acquire(), 10.0)

    asyncio.run(wait_and_be_cut_off())
    asyncio.run(go_on())


async def _acquire(limiter: QuotaLimiter, count: int) -> list[float]:
    """Acquire so often, each call being over at once, and return when each went."""
    went = []
    for _ in range(count):
        await limiter.acquire()
        went.append(round(_now(), 3))
        limiter.record_response(_now(), _now())
    return went


@kinds
def test_what_a_closed_loop_left_behind_is_forgotten(make: Make) -> None:
    """Its callers in the queue, its timer, and its calls in flight, which count from now on."""
    limiter = make(Quota(2, 10.0))

    async def leave_behind() -> None:
        for _ in range(2):
            await limiter.acquire()
        left.append(asyncio.create_task(limiter.acquire()))
        await settle()

    left: list[asyncio.Task[None]] = []
    first, second = looptime.new_event_loop(), looptime.new_event_loop()
    first.run_until_complete(leave_behind())
    first.close()
    left[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # as meant
    assert 2 == limiter.in_flight
    assert [11.0, 11.0] == second.run_until_complete(_acquire(limiter, 2))
    assert 0 == limiter.in_flight
    second.close()


def test_a_coroutine_that_is_thrown_away_with_its_loop_reports_nothing() -> None:
    """Its call was forgotten: reported as well, it would count as over in another loop."""
    limiter = QuotaLimiter(Quota(2, 10.0))
    left: list[asyncio.Task[Any]] = []

    async def leave_behind() -> None:
        sender = sender_of(FakeTransport(latency=5.0), limiter=limiter)
        left.append(asyncio.create_task(sender.send(Call(pair(1)))))
        await settle()

    async def go_on() -> None:
        await limiter.acquire()
        assert 1 == limiter.in_flight
        coroutine = left.pop().get_coro()
        assert coroutine is not None
        coroutine.close()
        assert 1 == limiter.in_flight

    first, second = looptime.new_event_loop(), looptime.new_event_loop()
    first.run_until_complete(leave_behind())
    first.close()
    left[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # as meant
    second.run_until_complete(go_on())
    second.close()


@kinds
def test_a_limiter_moves_on_between_loops_that_are_not_closed(make: Make) -> None:
    """If nothing waits or is in flight; else the calls of two loops would be mixed up."""
    limiter = make(Quota(2, 10.0))
    first, second = looptime.new_event_loop(), looptime.new_event_loop()
    for loop in (first, second, first):
        loop.run_until_complete(_acquire(limiter, 1))
    first.run_until_complete(limiter.acquire())
    with pytest.raises(OptionsError, match="another event loop is using this limiter"):
        second.run_until_complete(limiter.acquire())
    limiter.release_unused()
    second.run_until_complete(limiter.acquire())
    first.close()
    second.close()


@kinds
@pytest.mark.parametrize("way", ["try_acquire", "acquire"])
async def test_two_loops_at_once_are_refused(way: str, make: Make) -> None:
    """Also while nothing is in flight: another thread would meddle with what this one does."""
    limiter = make(Quota(2, 10.0))
    await _acquire(limiter, 1)

    async def meddle() -> None:
        if way == "acquire":
            await limiter.acquire()
        else:
            limiter.try_acquire()

    def run() -> None:
        with pytest.raises(OptionsError, match="another event loop is using this limiter"):
            asyncio.run(meddle())

    thread = Thread(target=run)
    thread.start()
    thread.join()
    await limiter.acquire()
    assert 1 == limiter.in_flight


# --- callers that give up ------------------------------------------------------------------------


async def test_cancelled_callers_leave_the_queue_at_once() -> None:
    """Behind one that continues waiting: neither futures nor the room for them stay."""
    limiter = QuotaLimiter(Quota(1, 10_000.0))
    await _acquire(limiter, 1)
    head = asyncio.create_task(limiter.acquire())
    await settle()
    tracemalloc.start()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(12_000)]
    await settle()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    del waiting, task
    own = tracemalloc.Filter(inclusive=True, filename_pattern="*/limiter.py")
    kept = tracemalloc.take_snapshot().filter_traces([own])
    tracemalloc.stop()
    assert 1 == len(limiter._queue.waiters)
    assert sum(trace.size for trace in kept.traces) < 50_000
    await head
    assert 10_000.0 == round(_now())


async def test_a_queue_that_everybody_left_keeps_no_timer() -> None:
    """A timer would keep a loop from being quiet, and fire in vain."""
    limiter = QuotaLimiter(Quota(1, 10_000.0))
    await _acquire(limiter, 1)
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await settle()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert [] == _timers()


async def test_a_call_without_a_response_counts_later() -> None:
    """A second later while nothing is known, about a round trip later when it is."""
    limiter = QuotaLimiter(Quota(1, 10.0))
    await limiter.acquire()
    limiter.record_no_response(_now())
    assert [11.0] == await _acquire(limiter, 1)
    for _ in range(300):
        await limiter.acquire()
        limiter.record_response(_now() - 0.1, _now())
    await limiter.acquire()
    given_up = _now()
    limiter.record_no_response(given_up - 0.05)
    [next_at] = await _acquire(limiter, 1)
    assert pytest.approx(given_up + 0.1 + 10.0, abs=0.01) == next_at


async def test_the_limiter_goes_on_though_headers_raise() -> None:
    """Whatever a mapping of headers does, the permit is back in time."""

    class Raising(dict[str, str]):
        def get(self, *_: object) -> str:
            raise ZeroDivisionError

    limiter = QuotaLimiter(Quota(1, 10.0))
    await limiter.acquire()
    with pytest.raises(ZeroDivisionError):
        limiter.record_response(_now(), _now(), headers=Raising(a="b"))
    assert [10.0] == await _acquire(limiter, 1)


class Steps:
    """Random doings with a limiter."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.limiter = QuotaLimiter(Quota(limit, 1.0))
        self.asked: list[asyncio.Task[None]] = []

    async def do(self, kind: str, number: int) -> None:
        """Ask, cancel, refuse, answer or wait."""
        if kind == "ask":
            self.asked.append(asyncio.create_task(self.limiter.acquire()))
        elif kind == "cancel" and self.asked:
            self.asked[number % len(self.asked)].cancel()
        elif kind == "refuse":
            self.limiter.record_throttle(_now(), number / 1000)
        elif kind == "answer":
            self.answer()
        elif kind == "wait":
            await pass_time(number / 1000)

    def answer(self) -> None:
        """Answer all calls that were let go."""
        for task in [task for task in self.asked if task.done()]:
            self.asked.remove(task)
            if not task.cancelled():
                self.limiter.record_response(_now(), _now(), exact=False)

    async def end(self) -> float:
        """Cancel and answer everything; return how long the whole quota then takes to be had."""
        for task in self.asked:
            task.cancel()
        await settle()
        self.answer()
        began = _now()
        for _ in range(self.limit):
            await self.limiter.acquire()
            self.limiter.record_response(_now(), _now(), exact=False)
        assert 0 == self.limiter.in_flight
        return _now() - began


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["ask", "cancel", "refuse", "answer", "wait"]), st.integers(0, 2000)
        ),
        max_size=40,
    ),
    limit=st.integers(1, 4),
)
@example(  # the limit is back at the quota: that it may rise lets no call go
    steps=[("ask", 0)] * 2 + [("refuse", 0)] + [("ask", 0)] * 4 + [("answer", 0), ("wait", 291)],
    limit=3,
)
def test_tokens_are_never_lost_or_doubled(steps: list[tuple[str, int]], limit: int) -> None:
    """Whatever is asked, cancelled, refused and answered, all tokens are there in the end."""

    async def run() -> None:
        doings = Steps(limit)
        for step in steps:
            await doings.do(*step)
            await settle()
            going = sum(task.done() and not task.cancelled() for task in doings.asked)
            assert going <= limit
        # One window for the last responses, two seconds for the last refusal, and a window for each
        # call while the refusals before leave one call a window.
        assert await doings.end() <= 1.0 + 2.0 + limit

    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


async def _go_at_once(limiter: QuotaLimiter, headers: dict[str, str]) -> bool:
    """Let a call go if it need not wait, and be answered; return whether it went."""
    if not limiter.try_acquire():
        try:
            async with asyncio.timeout(0.001):
                await limiter.acquire()
        except TimeoutError:
            return False
    limiter.record_response(_now(), _now(), headers=headers)
    return True


async def test_far_from_the_quota_calls_are_settled_together() -> None:
    """And still no window holds one more or one less than it may."""
    limiter = QuotaLimiter(Quota(3000, 10.0))
    for window in range(3):
        went = 0
        while await _go_at_once(limiter, {}):
            went += 1
        assert 3000 == went
        await pass_time(10.0 * (window + 1) + 0.01 - _now())


async def test_a_lower_quota_is_heard_of_in_the_midst_of_many() -> None:
    """At most as many calls later as are completed together."""
    limiter = QuotaLimiter(Quota(3000, 10.0))
    for _ in range(1000):
        assert await _go_at_once(limiter, {})
    went = 0
    while await _go_at_once(limiter, _headers(Quota(1500, 10.0))):
        went += 1
    assert 1500 == limiter.quota.limit
    assert 500 == went


async def test_a_refusal_in_the_midst_of_many_holds_everybody() -> None:
    """What was not settled yet is completed first: the refusal is measured against it."""
    limiter = QuotaLimiter(Quota(3000, 10.0))
    for _ in range(1000):
        assert await _go_at_once(limiter, {})
    await limiter.acquire()
    assert 3.0 == limiter.record_throttle(_now(), 3.0)
    limiter.record_response(_now(), _now(), accepted=False)
    assert not limiter.try_acquire()
    assert not await _go_at_once(limiter, {})
