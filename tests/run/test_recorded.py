"""Runs that are recorded: written before they are reported. In virtual time."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import looptime
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import JournalStorageError, Outcome, RunStoppedError, Status
from aiohubassoc._run.group_commit import GROUP
from aiohubassoc._run.stream import READ_AHEAD
from tests.conftest import pass_time
from tests.fakes.recorder import FakeRecorder
from tests.fakes.transport import FakeTransport, error, pair, stream_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from aiohubassoc._run.stream import OutcomeStream

DAILY = error(429, policyName="DAILY")
MOST_HELD = 0.2


def _stream(
    pairs: Any, recorder: FakeRecorder, transport: FakeTransport | None = None, **options: Any
) -> OutcomeStream:
    return stream_of(pairs, transport, recorder=recorder, **options)


async def _all(stream: OutcomeStream) -> list[Outcome]:
    async with stream as outcomes:
        return [outcome async for outcome in outcomes]


def _pairs(count: int) -> Iterable[Any]:
    return (pair(number) for number in range(count))


# --- written, then reported ----------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
async def test_every_outcome_is_written_before_it_is_told(ordered: bool) -> None:
    """Each, once; and reported as it was written."""
    recorder = FakeRecorder(seconds=0.02)
    stream = _stream(_pairs(3000), recorder, workers=64, ordered=ordered)
    seen = []
    async with stream as outcomes:
        async for outcome in outcomes:
            assert recorder.written[outcome.index] is outcome
            seen.append(outcome.index)
    assert list(range(3000)) == (seen if ordered else sorted(seen))
    ((report, complete),) = recorder.closed
    assert (report is stream.report, complete, report.linked) == (True, True, 3000)


@pytest.mark.parametrize("latency", [0.01, 0.3])
@pytest.mark.parametrize("workers", [1, 8, 64])
async def test_no_outcome_is_held_for_long(latency: float, workers: int) -> None:
    """At most 0.2 s with the writing, whether pairs come one by one or many at once."""
    recorder = FakeRecorder(seconds=0.05)
    transport = FakeTransport(latency=latency)
    settled_at: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    stream = _stream(_pairs(300), recorder, transport, workers=workers)
    emit = stream._run._emit

    def noting(outcome: Outcome) -> None:
        settled_at[outcome.pair.from_id] = loop.time()
        emit(outcome)

    stream._run._emit = noting
    async with stream as outcomes:
        async for outcome in outcomes:
            assert loop.time() - settled_at[outcome.pair.from_id] <= MOST_HELD + 1e-6
    assert 300 == len(settled_at)


async def test_writes_are_few_where_outcomes_are_many() -> None:
    """A full group at a time: a write each would cost more than the call."""
    recorder = FakeRecorder()
    stream = _stream(_pairs(5120), recorder, FakeTransport(latency=0.001), workers=256)
    await _all(stream)
    assert len(recorder.groups) <= 1.5 * 5120 / GROUP
    assert max(recorder.groups) <= READ_AHEAD


async def test_no_more_than_a_thousand_are_in_hand() -> None:
    """Those that wait to be written are in hand, too."""
    read = 0

    def counted() -> Iterable[Any]:
        nonlocal read
        for each in _pairs(4000):
            read += 1
            yield each

    taken = 0
    async with _stream(counted(), FakeRecorder(seconds=0.05), workers=64) as outcomes:
        async for _ in outcomes:
            assert read <= taken + READ_AHEAD
            taken += 1
    assert 4000 == taken


# --- what is known -----------------------------------------------------------------------------


async def test_known_pairs_need_no_call_and_no_write() -> None:
    """They are reported at once; the others are sent."""
    recorder = FakeRecorder(known={str(number): Status.SKIPPED for number in range(0, 100, 2)})
    transport = FakeTransport()
    outcomes = await _all(_stream(_pairs(100), recorder, transport))
    assert {str(number) for number in range(1, 100, 2)} == set(transport.calls)
    assert 50 == len(recorder.written)
    skipped = [outcome for outcome in outcomes if outcome.status is Status.SKIPPED]
    assert {"LINKED_BEFORE"} == {outcome.category for outcome in skipped}
    assert 50 == len(skipped)


async def test_failures_of_earlier_runs_do_not_stop_this_one() -> None:
    """``stop_after_failures`` counts those that are new."""
    recorder = FakeRecorder(known={str(number): Status.FAILED for number in range(20)})
    refused: dict[str, Any] = {str(number): [error(400)] for number in (50, 60)}
    stream = _stream(_pairs(100), recorder, FakeTransport(refused), stop_after_failures=3)
    assert 100 == len(await _all(stream))
    assert (22, None) == (stream.report.failed, stream.report.stopped)


# --- the end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [True, False])
async def test_after_a_stop_the_rest_is_written_in_groups(is_async: bool) -> None:
    """Each pair is unprocessed, or what it was before; the input is read to its end."""

    async def later() -> AsyncIterator[Any]:
        for each in _pairs(3000):
            yield each

    recorder = FakeRecorder(known={"2500": Status.SKIPPED}, seconds=0.01)
    transport = FakeTransport({"10": [DAILY]})
    stream = _stream(later() if is_async else _pairs(3000), recorder, transport)
    outcomes = await _all(stream)
    assert list(range(3000)) == sorted(outcome.index for outcome in outcomes)
    assert 2999 == len(recorder.written)
    assert 1 == stream.report.skipped
    assert stream.report.unprocessed > 2900
    assert len(recorder.groups) < 60
    assert [True] == [complete for _, complete in recorder.closed]


async def test_a_rest_that_comes_slowly_is_not_held_back() -> None:
    """What was read is reported, though the next row is a long time coming."""

    async def slowly() -> AsyncIterator[Any]:
        for each in _pairs(5):
            yield each
            await pass_time(10.0)

    loop = asyncio.get_running_loop()
    reported = []
    async with _stream(slowly(), FakeRecorder(), FakeTransport({"0": [DAILY]})) as outcomes:
        async for outcome in outcomes:
            reported.append((outcome.index, loop.time()))  # noqa: PERF401 -- the time counts
    assert [0, 1, 2, 3, 4] == [index for index, _ in reported]
    assert all(at <= 10 * index + 0.3 for index, at in reported)


async def test_leaving_early_writes_what_was_under_way() -> None:
    """Interrupted pairs are unprocessed, on the disk as in the report; nothing is complete."""
    recorder = FakeRecorder(seconds=0.05)
    stream = _stream(_pairs(2000), recorder, workers=64)
    async with stream as outcomes:
        async for outcome in outcomes:
            if outcome.index >= 300:
                break
    report = stream.report
    assert len(recorder.written) == report.total
    assert report.linked >= 300
    assert isinstance(report.stopped, RunStoppedError)
    assert [False] == [complete for _, complete in recorder.closed]


async def test_cancelling_waits_for_the_write() -> None:
    """A write cannot be called back: what it writes is reported, then the recorder is closed."""
    recorder = FakeRecorder(seconds=1.0)
    stream = _stream(_pairs(200), recorder, FakeTransport(latency=0.01), workers=16)
    task = asyncio.create_task(_all(stream))
    await pass_time(0.5)
    for _ in range(3):
        task.cancel()
        await pass_time(0.2)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.report.total == len(recorder.written)
    assert 1 == len(recorder.closed)


async def test_an_input_that_fails_is_raised_after_all_is_told() -> None:
    """And what was reported is written."""

    def broken() -> Iterable[Any]:
        yield from _pairs(50)
        raise ZeroDivisionError

    recorder, reported = FakeRecorder(), []
    with pytest.raises(ZeroDivisionError):
        async with _stream(broken(), recorder) as outcomes:
            async for outcome in outcomes:
                reported.append(outcome.index)  # noqa: PERF401 -- what came before the error counts
    assert sorted(reported) == sorted(recorder.written)
    assert [False] == [complete for _, complete in recorder.closed]


# --- a recorder that breaks --------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("breaks_at", [1, 2, 5])
async def test_nothing_is_claimed_that_was_not_written(breaks_at: int, ordered: bool) -> None:
    """The run stops; what could not be written is unprocessed, though HubSpot may have it."""
    recorder = FakeRecorder(seconds=0.02, breaks_at=breaks_at)
    stream = _stream(_pairs(5000), recorder, workers=64, ordered=ordered)
    outcomes = await _all(stream)
    assert list(range(5000)) == sorted(outcome.index for outcome in outcomes)
    linked = {outcome.index for outcome in outcomes if outcome.status is Status.LINKED}
    assert linked == set(recorder.written)
    others = [outcome for outcome in outcomes if outcome.index not in linked]
    assert {Status.UNPROCESSED} == {outcome.status for outcome in others}
    assert all(isinstance(outcome.error, JournalStorageError) for outcome in others)
    maybe = [outcome for outcome in others if outcome.maybe_applied]
    assert maybe
    assert all(outcome.reply is not None for outcome in maybe)
    assert isinstance(stream.report.stopped, JournalStorageError)
    assert [False] == [complete for _, complete in recorder.closed]
    # Pairs that can no longer be written are not even asked for: that would fill memory.
    assert len(recorder.begun) < 5000


async def test_a_fault_in_the_recorder_is_raised() -> None:
    """It is not an outcome of a pair; each pair has one all the same."""
    recorder = FakeRecorder(breaks_at=2, broken_by=ZeroDivisionError())
    reported = []
    stream = _stream(_pairs(2000), recorder, workers=64)
    with pytest.raises(ZeroDivisionError):
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)  # noqa: PERF401 -- what came before the error counts
    linked = {outcome.index for outcome in reported if outcome.status is Status.LINKED}
    assert linked == set(recorder.written)


async def test_a_recorder_that_cannot_be_read_stops_the_run() -> None:
    """The pair that it was asked for is unprocessed, like the rest."""

    class Unreadable(FakeRecorder):
        def begin(self, index: int, pair: Any) -> Outcome | None:
            if index == 5:
                raise JournalStorageError("journal.db is damaged")
            return super().begin(index, pair)

    stream = _stream(_pairs(50), Unreadable(), workers=1)
    outcomes = await _all(stream)
    assert 50 == len(outcomes)
    assert (5, 45) == (stream.report.linked, stream.report.unprocessed)
    assert isinstance(stream.report.stopped, JournalStorageError)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("raised", [ZeroDivisionError, asyncio.CancelledError, GeneratorExit])
async def test_a_recorder_that_raises_anything_loses_no_pair(
    raised: type[BaseException], *, is_async: bool
) -> None:
    """Nor those that were read together with the one that it was asked for."""

    class Raising(FakeRecorder):
        def begin(self, index: int, pair: Any) -> Outcome | None:
            if index == 5:
                raise raised
            return super().begin(index, pair)

    read: list[int] = []

    def counted() -> Iterator[Any]:
        for number, each in enumerate(_pairs(50)):
            read.append(number)
            yield each

    async def one_by_one() -> AsyncIterator[Any]:
        for each in counted():
            yield each

    reported = []
    stream = _stream(one_by_one() if is_async else counted(), Raising(), workers=16)
    usual = RunStoppedError if raised is asyncio.CancelledError else raised
    with pytest.raises(usual):
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome.index)  # noqa: PERF401 -- what came before the error counts
    assert len(read) == (6 if is_async else 16)
    assert read == sorted(reported)


@given(
    count=st.integers(0, 700),
    workers=st.integers(1, 80),
    seconds=st.sampled_from([0.0, 0.01, 0.15]),
    breaks_at=st.sampled_from([None, 1, 2, 3]),
    end=st.sampled_from([None, "daily", "failures", "leave"]),
    ordered=st.booleans(),
)
def test_one_outcome_each_whatever_happens(
    *,
    count: int,
    workers: int,
    seconds: float,
    breaks_at: int | None,
    end: str | None,
    ordered: bool,
) -> None:
    """Replied is written, written is reported; nothing is lost or doubled."""
    script: dict[str, Any] = {str(n): [error(400)] for n in range(0, count, 7)}
    if end == "daily":
        script[str(count // 2)] = itertools.repeat(DAILY)

    async def scenario() -> None:
        recorder = FakeRecorder(seconds=seconds, breaks_at=breaks_at)
        stop_after = 5 if end == "failures" else None
        stream = _stream(
            _pairs(count),
            recorder,
            FakeTransport(script),
            workers=workers,
            ordered=ordered,
            stop_after_failures=stop_after,
        )
        reported: list[Outcome] = []
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)
                if end == "leave" and len(reported) > count // 2:
                    break
        reported += [outcome async for outcome in stream]
        indexes = [outcome.index for outcome in reported]
        assert len(set(indexes)) == len(indexes) == stream.report.total
        if end != "leave":
            assert list(range(count)) == (indexes if ordered else sorted(indexes))
        claimed = {o.index for o in reported if o.status in {Status.LINKED, Status.FAILED}}
        assert claimed <= set(recorder.written)
        assert set(recorder.written) <= set(indexes)
        assert 1 == len(recorder.closed)

    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(scenario())
    finally:
        loop.close()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_an_input_is_closed_however_its_recorder_ends(is_cancelled: bool) -> None:
    """An iterator that was made here; else only the end of the loop would close it."""
    is_closed = False

    class Input:
        async def __aiter__(self) -> AsyncIterator[Any]:
            nonlocal is_closed
            try:
                for number in itertools.count():
                    yield pair(number)
            finally:
                is_closed = True

    class Recorder(FakeRecorder):
        async def close(self, report: Any, *, complete: bool) -> None:
            if is_cancelled:
                raise asyncio.CancelledError
            raise ZeroDivisionError

    stream = _stream(Input(), Recorder(), drain_timeout=0)
    with pytest.raises(asyncio.CancelledError if is_cancelled else ZeroDivisionError):
        async with stream as outcomes:
            await anext(outcomes)
    assert is_closed
