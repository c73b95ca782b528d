"""Many pairs: one outcome each, no matter what happens. In virtual time."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import looptime
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import (
    AioHubAssocError,
    ConnectionLostError,
    DailyLimitError,
    DefaultAssociations,
    OptionsError,
    Outcome,
    Pair,
    PairError,
    PartialFailureError,
    Quota,
    RetryPolicy,
    RunStoppedError,
    ServerError,
    Status,
    UnconfirmedError,
)
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._protocol.verdicts import Accepted
from aiohubassoc._run.put import Put
from aiohubassoc._run.source import Source
from aiohubassoc._run.stream import READ_AHEAD
from tests.conftest import pass_time, settle
from tests.fakes.transport import (
    FakeTransport,
    error,
    pair,
    reply,
    sender_of,
    stream_of,
    stream_over,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohubassoc._http.sender import Call
    from aiohubassoc._protocol.verdicts import Response
    from aiohubassoc._run.stream import OutcomeStream

LOST = NoResponse(ConnectionLostError("reset"))
DAILY = error(429, policyName="DAILY")


class Input:
    """Counts how far it was read."""

    def __init__(self, pairs: Any) -> None:
        self._pairs = iter(pairs)
        self.read = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        item = next(self._pairs)
        self.read += 1
        return item


async def _all(stream: OutcomeStream) -> list[Outcome]:
    async with stream as outcomes:
        return [outcome async for outcome in outcomes]


def _by_index(outcomes: list[Outcome]) -> list[Status]:
    assert list(range(len(outcomes))) == sorted(outcome.index for outcome in outcomes)
    return [outcome.status for outcome in sorted(outcomes, key=lambda outcome: outcome.index)]


# --- one outcome each ------------------------------------------------------------------------


async def test_every_pair_has_one_outcome() -> None:
    """Linked, partial, failed: each pair comes back once, with its own pair, index and reply."""
    transport = FakeTransport(
        {
            "1": [reply(("1", "1000001"), numErrors=1)],
            "2": [error(400, category="VALIDATION_ERROR", correlationId="c-2")],
            "3": [reply(errors=[{"category": "OBJECT_NOT_FOUND"}])],
            "4": itertools.repeat(error(500)),
            "5": itertools.repeat(LOST),
            "6": itertools.repeat(reply()),
        }
    )
    pairs = [pair(number) for number in range(7)]
    stream = stream_of(pairs, transport)
    outcomes = sorted(await _all(stream), key=lambda outcome: outcome.index)
    linked, partial, refused, undone, broken, lost, unconfirmed = outcomes
    assert all(outcome.pair is pairs[outcome.index] for outcome in outcomes)
    assert ["linked", "partial", "failed", "failed", "failed", "failed", "failed"] == [
        outcome.status for outcome in outcomes
    ]
    assert [False, False, False, False, True, True, True] == [o.maybe_applied for o in outcomes]
    assert (None, True, 1) == (linked.error, linked.ok, linked.attempts)
    assert isinstance(partial.error, PartialFailureError)
    assert ("VALIDATION_ERROR", "c-2") == (refused.category, refused.correlation_id)
    assert isinstance(undone.error, PartialFailureError)
    assert "OBJECT_NOT_FOUND" == undone.category
    assert isinstance(broken.error, ServerError)
    assert (5, "CONNECTION_LOST", None) == (lost.attempts, lost.category, lost.correlation_id)
    assert isinstance(unconfirmed.error, UnconfirmedError)
    assert all(outcome.reply for outcome in (linked, partial, undone, unconfirmed))
    report = stream.report
    assert (1, 1, 5, 0, 0) == (
        report.linked,
        report.partial,
        report.failed,
        report.unprocessed,
        report.skipped,
    )
    assert (7, 6, None) == (report.total, report.not_linked, report.stopped)
    assert outcomes[1:] == sorted(report.failures, key=lambda outcome: outcome.index)


@pytest.mark.parametrize("ordered", [True, False])
async def test_no_pairs_no_outcomes(ordered: bool) -> None:
    """An empty input ends at once."""
    assert [] == await _all(stream_of([], ordered=ordered))


async def test_in_the_inputs_order() -> None:
    """With `ordered` a slow pair holds back those behind it, and nothing else changes."""
    transport = FakeTransport({"0": [error(500)] * 3, "7": [error(500)]})
    outcomes = await _all(stream_of((pair(n) for n in range(50)), transport, ordered=True))
    assert list(range(50)) == [outcome.index for outcome in outcomes]
    assert 4 == outcomes[0].attempts


async def test_without_order_outcomes_come_as_they_finish() -> None:
    """A slow pair holds back nobody."""
    outcomes = await _all(
        stream_of([pair(0), pair(1), pair(2)], FakeTransport({"0": [error(500)]}))
    )
    assert [1, 2, 0] == [outcome.index for outcome in outcomes]


async def test_pairs_of_ids_with_their_types_given() -> None:
    """(from_id, to_id) are pairs where the types are given for all."""
    stream = stream_of([(1, "2"), [3, 4]], types=("0-1", "p12345_cars"))
    outcomes = await _all(stream)
    assert {Pair("0-1", 1, "p12345_cars", 2), Pair("0-1", 3, "p12345_cars", 4)} == {
        outcome.pair for outcome in outcomes
    }


async def test_a_pair_that_cannot_be_sent_fails_without_a_call() -> None:
    """None is not sent as the id "None": the outcome names the pair, and others continue."""
    transport = FakeTransport()
    ids = [(1, 2), (None, 2), (1.0, 2), ("..", 2), ("", 2), (True, 2)]
    outcomes = await _all(stream_of(ids, transport, types=("contacts", "companies")))
    assert ["linked", *["failed"] * 5] == _by_index(outcomes)
    assert 1 == len(transport.sent)
    bad = next(outcome for outcome in outcomes if outcome.index == 1)
    assert isinstance(bad.error, PairError)
    assert (0, "contacts:None -> companies:2") == (bad.attempts, str(bad.pair))
    assert not isinstance(bad.pair.from_id, str)  # shown as it was given


@pytest.mark.parametrize("item", ["12", b"12", {1: 2, 3: 4}, (1,), (1, 2, 3), 5, None])
async def test_what_is_no_pair_of_ids_ends_the_run(item: object) -> None:
    """It is a fault of the input: everything before it is reported, then it is raised."""
    outcomes = []
    ids = itertools.chain([(1, 2), (3, 4)], [item], [(5, 6)] * 5000)
    stream = stream_of(ids, types=("contacts", "companies"), ordered=True)
    with pytest.raises(PairError, match="item 2 of the input"):
        async with stream as running:
            async for outcome in running:
                outcomes.append(outcome)  # noqa: PERF401 -- what came before the error counts
    assert {0, 1} <= {outcome.index for outcome in outcomes}
    assert len(outcomes) == stream.report.total


async def test_slow_pairs_hold_up_no_others() -> None:
    """With as many workers as pairs may be in hand, those that are free continue."""
    loop = asyncio.get_running_loop()

    async def send(call: Call[Pair]) -> Accepted:
        await pass_time(1000.0 if int(call.subject.from_id) < 900 else 0.1)
        return Accepted(DefaultAssociations(()))

    source = Source((pair(n) for n in range(3000)), None, None)
    async with stream_over(source, Put(send, workers=READ_AHEAD)) as outcomes:
        fast = [await anext(outcomes) for _ in range(2100)]
    assert 900 <= min(outcome.index for outcome in fast)
    assert loop.time() < 10.0


async def test_ids_without_types_are_refused_with_a_hint() -> None:
    """Without types the message says what to give."""
    with pytest.raises(OptionsError, match="give from_type and to_type"):
        await _all(stream_of([(1, 2)]))


@pytest.mark.parametrize(
    ("pairs", "types", "reported"),
    [
        (5, (None, None), "must be an iterable"),
        ("text", (None, None), "must be an iterable"),
        ({}, (None, None), "must be an iterable"),
        (pair(1), (None, None), "must be an iterable"),
        ([], ("contacts", None), "give both"),
        ([], (None, "contacts"), "give both"),
        ([], ("a b", "contacts"), "contains a blank"),
    ],
)
def test_unusable_input_is_refused_at_once(
    pairs: Any, types: tuple[str, str], reported: str
) -> None:
    """Before anything is read."""
    with pytest.raises(AioHubAssocError, match=reported):
        Source(pairs, *types)


# --- reading ---------------------------------------------------------------------------------


async def test_the_input_is_read_no_further_than_a_thousand_ahead() -> None:
    """However fast HubSpot is, reading waits for the outcomes to be taken."""
    for ordered in (True, False):
        pairs = Input(pair(number) for number in range(5000))
        async with stream_of(pairs, ordered=ordered) as outcomes:
            taken = 0
            async for _ in outcomes:
                taken += 1
                if taken % 97 == 0:
                    await pass_time(10.0)
                assert pairs.read <= taken + READ_AHEAD
        assert (5000, 5000) == (taken, pairs.read)


async def test_an_async_input() -> None:
    """An async generator is read one at a time, as slowly as it likes."""
    reading = 0

    async def slowly() -> AsyncIterator[Pair]:
        nonlocal reading
        for number in range(20):
            assert reading == 0
            reading += 1
            await pass_time(1.0)
            reading -= 1
            yield pair(number)

    outcomes = await _all(stream_of(slowly()))
    assert [Status.LINKED] * 20 == _by_index(outcomes)


async def test_an_async_iterable_of_ones_own_is_closed() -> None:
    """The iterator that was made here is closed here, so that its `finally` runs."""
    closed = []

    class Rows:
        async def __aiter__(self) -> AsyncIterator[Pair]:
            try:
                for number in itertools.count():
                    yield pair(number)
            finally:
                closed.append(True)

    async with stream_of(Rows()) as outcomes:
        async for _ in outcomes:
            break
    assert [True] == closed


async def test_an_input_that_fails_is_raised_after_what_was_done() -> None:
    """A broken database cursor ends the run: its exception comes out, and no outcome is lost."""

    def broken() -> Iterator[Pair]:
        yield from (pair(number) for number in range(20))
        raise ZeroDivisionError

    for ordered in (True, False):
        reported = []
        with pytest.raises(ZeroDivisionError):
            async with stream_of(broken(), ordered=ordered) as outcomes:
                async for outcome in outcomes:
                    reported.append(outcome)  # noqa: PERF401 -- what came before the error counts
        assert list(range(20)) == sorted(outcome.index for outcome in reported)


async def test_a_token_provider_that_fails_is_raised_too() -> None:
    """The caller's own fault: pairs are unprocessed, then it is raised."""

    async def broken(_: str | None) -> str:
        raise ZeroDivisionError("no token")

    stream = stream_of([pair(1), pair(2)], sender=sender_of(FakeTransport(), token=broken))
    reported = []
    with pytest.raises(ZeroDivisionError):
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)  # noqa: PERF401 -- what came before the error counts
    assert {Status.UNPROCESSED} == set(_by_index(reported))
    assert "no token" in str(stream.report.stopped)


async def test_a_failure_is_raised_on_leaving_if_nobody_met_it() -> None:
    """Who stops iterating before the fault still hears of it."""

    def broken() -> Iterator[Pair]:
        yield pair(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with stream_of(broken()) as outcomes:
            async for _ in outcomes:
                break


# --- stops -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_daily_limit_stops_the_run_once(ordered: bool) -> None:
    """What was in flight ends, nothing more is sent, and every pair of the input is reported."""
    transport = FakeTransport({"20": [DAILY]})
    stream = stream_of([pair(n) for n in range(3000)], transport, ordered=ordered)
    outcomes = await _all(stream)
    statuses = _by_index(outcomes)
    assert 3000 == len(statuses)
    assert len(transport.sent) < 40
    assert len(transport.sent) == statuses.count(Status.LINKED) + 1
    assert isinstance(stream.report.stopped, DailyLimitError)
    assert {id(stream.report.stopped)} == {id(o.error) for o in outcomes if o.error}
    if ordered:
        assert list(range(3000)) == [outcome.index for outcome in outcomes]


async def test_after_a_stop_an_async_input_is_told_to_its_end() -> None:
    """Reading a slow input continues after the stop; each pair of it is unprocessed."""

    async def slowly() -> AsyncIterator[Pair]:
        for number in range(30):
            await pass_time(1.0)
            yield pair(number)

    stream = stream_of(slowly(), FakeTransport({"3": [DAILY]}))
    statuses = _by_index(await _all(stream))
    assert ["linked"] * 3 + ["unprocessed"] * 27 == statuses


async def test_pairs_that_cannot_be_sent_are_unprocessed_after_a_stop() -> None:
    """Nothing is judged any more once the run has stopped."""
    ids = [(1, 2), *[(None, 2)] * 5000]
    stream = stream_of(
        ids, FakeTransport({"1": [DAILY]}), types=("contacts", "companies"), workers=1
    )
    statuses = _by_index(await _all(stream))
    assert {"unprocessed"} == set(statuses)
    assert 5001 == len(statuses)


async def test_stop_after_failures() -> None:
    """Once so many failed, the rest is unprocessed, and the report says why."""
    transport = FakeTransport({str(n): [error(404, category="X")] for n in range(0, 1000, 10)})
    stream = stream_of([pair(n) for n in range(1000)], transport, stop_after_failures=5, workers=1)
    statuses = _by_index(await _all(stream))
    assert (5, 36, 959) == tuple(
        statuses.count(s) for s in (Status.FAILED, Status.LINKED, Status.UNPROCESSED)
    )
    assert "5 pairs failed" == str(stream.report.stopped)


async def test_nothing_but_trouble_for_too_long() -> None:
    """A service that is down ends the run, not each of a million pairs."""
    transport = FakeTransport({"*": itertools.repeat(error(503))})
    policy = RetryPolicy(attempts=None, budget=None, wait_max=5.0)
    stream = stream_of(
        [pair(n) for n in range(5000)],
        sender=sender_of(transport, policy=policy),
        stall_timeout=60.0,
    )
    outcomes = await _all(stream)
    assert ["unprocessed"] * 5000 == _by_index(outcomes)
    assert 60.0 <= asyncio.get_running_loop().time() < 70.0
    assert "no pair completed for 60 s" in str(stream.report.stopped)
    tried = [outcome for outcome in outcomes if outcome.attempts]
    assert all(isinstance(outcome.error, ServerError) for outcome in tried)


async def test_a_slow_quota_is_no_trouble() -> None:
    """Windows longer than stall_timeout do not end a run that only waits its turn."""
    transport = FakeTransport({"1": [error(500)], "4": [error(500)]})
    sender = sender_of(transport, quota=Quota(2, 1000.0))
    stream = stream_of([pair(n) for n in range(6)], sender=sender, stall_timeout=60.0)
    assert ["linked"] * 6 == _by_index(await _all(stream))


async def test_a_slow_input_is_no_trouble() -> None:
    """Faults of pairs that come minutes apart do not end a run: nothing was to complete between."""

    async def slow() -> AsyncIterator[Pair]:
        for number in range(4):
            yield pair(number)
            await pass_time(600.0)

    transport = FakeTransport({"0": [error(503)] * 5, "1": [error(503)], "2": [error(503)] * 5})
    stream = stream_of(slow(), transport, stall_timeout=300.0)
    assert ["failed", "linked", "failed", "linked"] == _by_index(await _all(stream))
    assert stream.report.stopped is None


# --- leaving early, cancellation -------------------------------------------------------------


async def test_leaving_early_drains() -> None:
    """No new request, those in flight end, the rest is unprocessed and can still be taken."""
    transport = FakeTransport(latency=1.0)
    pairs = Input(pair(number) for number in itertools.count())
    async with stream_of(pairs, transport) as outcomes:
        async for first in outcomes:
            assert first.ok
            break
        sent = len(transport.sent)
    assert (16, sent, 0) == (sent, len(transport.sent), transport.on_wire)
    rest = [outcome async for outcome in outcomes]
    assert pairs.read == 1 + len(rest) == outcomes.report.total
    assert {"linked"} == {outcome.status for outcome in rest if outcome.attempts}
    assert isinstance(outcomes.report.stopped, RunStoppedError)


async def test_a_drain_has_an_end() -> None:
    """A request that hangs is cut off: unprocessed, but it may have been done."""
    transport = FakeTransport(latency=100.0)
    async with stream_of([pair(n) for n in range(20)], transport, drain_timeout=2.0) as outcomes:
        await pass_time(1.0)
    assert 3.0 == asyncio.get_running_loop().time()
    reported = [outcome async for outcome in outcomes]
    assert {"unprocessed"} == {outcome.status for outcome in reported}
    assert {True} == {outcome.maybe_applied for outcome in reported}
    assert all(isinstance(outcome.error, ConnectionLostError) for outcome in reported)


async def test_leaving_while_pairs_wait_in_line() -> None:
    """Callers in line for the quota or between two tries are let go at once."""
    transport = FakeTransport({"0": [LOST], "1": [error(500)]})
    sender = sender_of(transport, quota=Quota(3, 1000.0))
    async with stream_of([pair(n) for n in range(20)], sender=sender) as outcomes:
        await pass_time(0.2)
    assert 0.2 == round(asyncio.get_running_loop().time(), 3)
    reported = {outcome.index: outcome async for outcome in outcomes}
    assert ["unprocessed", "unprocessed", "linked"] == [reported[n].status for n in range(3)]
    assert [True, True] == [reported[n].maybe_applied for n in range(2)]
    assert (LOST.error, 1) == (reported[0].error, reported[0].attempts)
    assert isinstance(reported[4].error, RunStoppedError)


async def test_leaving_while_the_input_is_read() -> None:
    """A slow input does not hold up the leaving, and what it had not given is not reported."""

    async def never() -> AsyncIterator[Pair]:
        yield pair(0)
        await pass_time(1000.0)

    async with stream_of(never()) as outcomes:
        async for _ in outcomes:
            break
    assert (1, 1) == (outcomes.report.total, outcomes.report.linked)


async def test_an_exception_in_the_block_comes_out() -> None:
    """The caller's own exception is not hidden by the end of the run."""
    with pytest.raises(ZeroDivisionError):
        async with stream_of(pair(n) for n in range(5000)) as outcomes:
            async for _ in outcomes:
                raise ZeroDivisionError
    assert outcomes.report.total == outcomes.report.linked + outcomes.report.unprocessed


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.5, 3.0])
async def test_cancelled_anywhere_every_pair_read_is_told(after: float) -> None:
    """The task that runs it is cancelled: no task is left, each pair has exactly one outcome."""
    transport = FakeTransport({str(n): [error(500), LOST] for n in range(0, 50, 3)})
    sender = sender_of(transport, quota=Quota(10, 1.0))
    pairs = Input(pair(number) for number in itertools.count())
    stream = stream_of(pairs, sender=sender)
    reported: list[Outcome] = []

    async def run() -> None:
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)

    task = asyncio.create_task(run())
    await pass_time(after)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    reported += [outcome async for outcome in stream]
    assert list(range(pairs.read)) == sorted(outcome.index for outcome in reported)
    assert pairs.read == stream.report.total
    assert 0 == transport.on_wire


async def test_a_second_cancellation_ends_the_drain() -> None:
    """A second stop does not wait for hanging requests."""
    transport = FakeTransport(latency=100.0)
    stream = stream_of((pair(n) for n in range(20)), transport, drain_timeout=50.0)

    async def run() -> None:
        async with stream as outcomes:
            async for _ in outcomes:
                pass

    task = asyncio.create_task(run())
    await pass_time(1.0)
    task.cancel()
    await pass_time(1.0)
    task.cancel()
    await asyncio.wait([task])
    assert (2.0, 0) == (asyncio.get_running_loop().time(), transport.on_wire)
    assert 8 == len([outcome async for outcome in stream])


async def test_cancelled_again_and_again_it_still_leaves_nothing() -> None:
    """Even when the workers' end is being waited for."""
    transport = FakeTransport(latency=100.0)
    stream = stream_of((pair(n) for n in range(20)), transport, drain_timeout=50.0)

    async def run() -> None:
        async with stream as outcomes:
            async for _ in outcomes:
                pass

    task = asyncio.create_task(run())
    await pass_time(1.0)
    for _ in range(5):
        task.cancel()
        await asyncio.wait([task], timeout=0)
    await asyncio.wait([task])
    assert task.cancelled()
    assert 0 == transport.on_wire


async def test_a_worker_cancelled_from_outside_ends_the_run() -> None:
    """A loop that shuts down cancels every task: nobody is left waiting for ever."""
    stream = stream_of((pair(n) for n in range(2000)), FakeTransport(latency=1.0))
    async with stream as outcomes:
        await settle()
        next(iter(stream._run._tasks)).cancel()
        reported = [outcome async for outcome in outcomes]
    assert 2000 == len(reported)
    assert "cancelled" in str(stream.report.stopped)


# --- use -------------------------------------------------------------------------------------


async def test_many_runs_share_one_sender() -> None:
    """Ten runs at once: one quota and one semaphore hold for all of them."""
    transport = FakeTransport(latency=0.5)
    sender = sender_of(transport, quota=Quota(100, 10.0), concurrency=20)
    streams = [stream_of([pair(n) for n in range(30)], sender=sender) for _ in range(10)]
    tasks = [asyncio.create_task(_all(stream)) for stream in streams]
    await asyncio.wait(tasks)
    assert {30} == {stream.report.linked for stream in streams}
    assert (300, 20) == (len(transport.sent), transport.most_on_wire)
    instants = sorted(when for when, _ in transport.sent)
    assert all(instants[n + 100] - instants[n] >= 10.0 for n in range(len(instants) - 100))


async def test_several_consumers_share_a_run() -> None:
    """Each outcome is given to one of them."""
    reported: list[int] = []

    async def consume(outcomes: OutcomeStream) -> None:
        async for outcome in outcomes:
            reported.append(outcome.index)  # noqa: PERF401 -- shared

    async with stream_of(pair(n) for n in range(500)) as outcomes:
        await asyncio.wait([asyncio.create_task(consume(outcomes)) for _ in range(3)])
    assert list(range(500)) == sorted(reported)


async def test_it_must_be_entered_and_only_once() -> None:
    """Misuse is reported at once rather than hanging."""
    stream = stream_of([pair(1)])
    with pytest.raises(RuntimeError, match="async with"):
        await anext(stream)
    await _all(stream)
    with pytest.raises(RuntimeError, match="once"):
        await _all(stream)


async def test_the_report_keeps_a_bounded_number_of_failures() -> None:
    """Counts continue; the list does not grow."""
    stream = stream_of([(None, 1)] * 50, types=("contacts", "companies"), max_failures_kept=7)
    await _all(stream)
    assert (50, 7) == (stream.report.failed, len(stream.report.failures))


scripts = st.dictionaries(
    st.integers(0, 30).map(str),
    st.lists(
        st.sampled_from(
            [error(500), error(404, category="X"), error(423), error(429), LOST, reply(), DAILY]
        ),
        max_size=6,
    ),
)


@given(
    script=scripts,
    ordered=st.booleans(),
    workers=st.integers(1, 40),
    stop_after=st.none() | st.integers(1, 5),
    leave_after=st.none() | st.integers(0, 31),
)
def test_one_outcome_each_whatever_happens(
    script: dict[str, list[Response | NoResponse]],
    ordered: bool,
    workers: int,
    stop_after: int | None,
    leave_after: int | None,
) -> None:
    """Faults, stops and leaving in any mixture: every pair read is reported exactly once."""

    async def run() -> None:
        pairs = Input(pair(number) for number in range(31))
        stream = stream_of(
            pairs,
            FakeTransport(dict(script)),
            ordered=ordered,
            workers=workers,
            stop_after_failures=stop_after,
        )
        reported: list[Outcome] = []
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)
                if leave_after is not None and len(reported) > leave_after:
                    break
        reported += [outcome async for outcome in stream]
        indexes = [outcome.index for outcome in reported]
        assert list(range(pairs.read)) == (indexes if ordered else sorted(indexes))
        assert leave_after is not None or 31 == pairs.read
        assert len(reported) == stream.report.total
        for outcome in reported:
            assert (outcome.error is None) == (outcome.status is Status.LINKED)

    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
