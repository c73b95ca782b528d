"""How a run ends, case by case: the end of its input, a cut-off, a second loop, a lost task."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import (
    BulkLinkError,
    ClientClosedError,
    OptionsError,
    Pair,
    PairError,
    RunStoppedError,
)
from tests.conftest import pass_time, settle
from tests.fakes.portal import FakePortal, client_of, pairs_of
from tests.fakes.recorder import FakeJournal, FakeRecorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

VERBS: dict[str, dict[str, Any]] = {
    "put": {"via": "put"},
    "batch": {"via": "batch"},
    "skip": {"skip_linked": True},
    "skip batch": {"skip_linked": True, "via": "batch"},
}


async def _queue(count: int, fast: int, seconds: float) -> AsyncIterator[Pair]:
    """Yield pairs as a queue gives them: some at once, the others slowly."""
    for number, pair in enumerate(pairs_of(count)):
        await pass_time(0.002 if number < fast else seconds)
        yield pair


# --- the end of the input ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_a_cut_off_is_not_the_end_of_the_input(verb: str) -> None:
    """A slow input that a stop interrupts was not read to its end, and nobody says that it was."""
    recorder = FakeRecorder()
    async with client_of(FakePortal()) as client:
        stream = client.link_each(
            _queue(100, 29, 1.0),
            journal=FakeJournal(recorder),  # type: ignore[arg-type]  # it has what a run uses
            batch_linger=0.05,
            **VERBS[verb],
        )
        async with stream as outcomes:
            asyncio.get_running_loop().call_later(
                0.3, lambda: outcomes.stop(RunStoppedError("shutting down"), drain_timeout=0.2)
            )
            reported = [outcome async for outcome in outcomes]
    assert 29 == len(reported) == stream.report.total
    assert not stream.report.input_complete
    assert [(stream.report, False)] == recorder.closed
    with pytest.raises(BulkLinkError, match=r"29 were read, not the rest.*shutting down"):
        stream.report.raise_for_failures()


async def test_a_cut_off_leaves_a_step_of_the_input_alone() -> None:
    """The caller's iterator is not cancelled while outcomes are taken, and not read after it."""
    cancelled: list[float] = []
    read: list[int] = []
    loop = asyncio.get_running_loop()

    async def pages() -> AsyncIterator[Pair]:
        for number, pair in enumerate(pairs_of(10)):
            try:
                await pass_time(1.0)
            except asyncio.CancelledError:
                cancelled.append(loop.time())
                raise
            read.append(number)
            yield pair

    async with client_of(FakePortal()) as client, client.link_each(pages()) as outcomes:
        loop.call_later(2.5, lambda: outcomes.stop(RunStoppedError("enough"), drain_timeout=0.2))
        reported = [outcome async for outcome in outcomes]
        assert (2, 2.7, []) == (len(reported), round(loop.time(), 3), cancelled)
        await pass_time(2.0)
    # The step that was under way ended by itself: its pair was read, so it is reported.
    assert [0, 1, 2] == read
    assert 3 == outcomes.report.total
    assert not cancelled
    assert [2] == [outcome.index async for outcome in outcomes]


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_a_cancelled_error_out_of_the_input_is_a_failure_of_it(verb: str) -> None:
    """As a KeyError in the same place is: raised, and the input was not read to its end."""

    async def awaiting_somebody_cancelled() -> AsyncIterator[Pair]:
        for number, pair in enumerate(pairs_of(100)):
            if number == 29:
                other = asyncio.create_task(pass_time(5.0))
                asyncio.get_running_loop().call_soon(other.cancel)
                await other
            yield pair

    recorder = FakeRecorder()
    reported = []
    async with client_of(FakePortal()) as client:
        stream = client.link_each(
            awaiting_somebody_cancelled(),
            journal=FakeJournal(recorder),  # type: ignore[arg-type]  # it has what a run uses
            batch_linger=0.05,
            **VERBS[verb],
        )
        with pytest.raises(RunStoppedError, match="the input raised CancelledError"):
            async with stream as outcomes:
                async for outcome in outcomes:
                    reported.append(outcome)  # noqa: PERF401 -- until it raises
    assert 29 == len(reported) == stream.report.total
    assert [(stream.report, False)] == recorder.closed


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_an_error_of_the_input_does_not_look_like_the_end_of_the_outcomes(verb: str) -> None:
    """StopAsyncIteration out of a sync input would end the caller's loop without a word."""

    class Broken:
        def __init__(self) -> None:
            self._pairs = iter(pairs_of(7))

        def __iter__(self) -> Broken:
            return self

        def __next__(self) -> Pair:
            for pair in self._pairs:
                return pair
            raise StopAsyncIteration

    async with client_of(FakePortal()) as client:
        stream = client.link_each(Broken(), **VERBS[verb])
        reported = []
        with pytest.raises(RunStoppedError, match="StopAsyncIteration"):
            async with stream as outcomes:
                async for outcome in outcomes:
                    reported.append(outcome)  # noqa: PERF401 -- until it raises
    assert 7 == len(reported) == stream.report.total
    assert not stream.report.input_complete


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("how", ["left", "cut off"])
async def test_an_input_that_ends_because_it_is_cancelled_was_not_read_to_its_end(
    verb: str, how: str
) -> None:
    """As one that ends with the cancellation: nobody knows what it would have given."""

    async def ending() -> AsyncIterator[Pair]:
        for pair in pairs_of(100):
            try:
                await pass_time(0.1)
            except asyncio.CancelledError:
                return
            yield pair

    recorder = FakeRecorder()
    async with client_of(FakePortal()) as client:
        stream = client.link_each(
            ending(),
            journal=FakeJournal(recorder),  # type: ignore[arg-type]  # it has what a run uses
            batch_linger=0.05,
            **VERBS[verb],
        )
        async with stream as outcomes:
            await pass_time(1.05)
            if how == "cut off":
                outcomes.stop(RunStoppedError("enough"), drain_timeout=0.0)
                async for _ in outcomes:
                    pass
    assert not stream.report.input_complete
    assert [(stream.report, False)] == recorder.closed
    with pytest.raises(BulkLinkError, match="not the rest of the input"):
        stream.report.raise_for_failures()


async def test_a_sync_input_may_raise_it_too() -> None:
    """It is no cancellation of the caller's task."""

    def broken() -> Iterator[Pair]:
        yield from pairs_of(3)
        raise asyncio.CancelledError

    async with client_of(FakePortal()) as client:
        for options in VERBS.values():
            with pytest.raises(RunStoppedError, match="CancelledError"):
                await client.link_all(broken(), **options)


async def test_the_input_may_raise_what_cannot_be_printed() -> None:
    """The run ends all the same, and raises it."""

    class Unprintable(Exception):  # noqa: N818 -- as callers have them
        def __str__(self) -> str:
            raise ValueError("no text")

    def broken() -> Iterator[Pair]:
        yield from pairs_of(3)
        raise Unprintable

    async with client_of(FakePortal()) as client, asyncio.timeout(60.0):
        for options in VERBS.values():
            stream = client.link_each(broken(), **options)
            with pytest.raises(Unprintable):
                async with stream as outcomes:
                    async for _ in outcomes:
                        pass
            assert 3 == stream.report.total
            assert "Unprintable" in str(stream.report.stopped)


async def test_a_run_that_was_read_to_its_end_says_so() -> None:
    """And only then its report raises nothing."""
    async with client_of(FakePortal()) as client:
        report = await client.link_all(pairs_of(10))
        assert report.input_complete
        report.raise_for_failures()
        async with client.link_each(pairs_of(5000)) as outcomes:
            async for _ in outcomes:
                break
        assert "the rest of the input was not read" in str(outcomes.report.stopped)
        with pytest.raises(BulkLinkError, match="were read, not the rest"):
            outcomes.report.raise_for_failures()


# --- pairs of tasks that never had a turn --------------------------------------------------------


@pytest.mark.parametrize("after", range(12))
@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.parametrize("verb", [*sorted(VERBS), "verify"])
async def test_pairs_of_a_task_without_a_first_turn_are_reported(
    verb: str, how: str, after: int
) -> None:
    """A group that was read, and whose task is cancelled before it ran, is not lost."""
    read: list[Pair] = []

    def counted() -> Iterator[Pair]:
        for pair in pairs_of(10):
            read.append(pair)
            yield pair

    async with client_of(FakePortal()) as client:
        stream: Any
        if verb == "verify":
            stream = client.verify(counted(), drain_timeout=0)
        else:
            stream = client.link_each(counted(), drain_timeout=0, **VERBS[verb])

        async def use() -> None:
            async with stream:
                for _ in range(after):
                    await asyncio.sleep(0)  # noqa: TID251 -- a turn of the loop
                if how == "cancel":
                    await pass_time(100.0)

        task = asyncio.create_task(use())
        for _ in range(after + 1):
            await asyncio.sleep(0)  # noqa: TID251 -- a turn of the loop
        if how == "cancel":
            task.cancel()
        await asyncio.wait([task])
        assert len(read) == stream.report.total
        assert len(read) == len([one async for one in stream])


async def test_a_worker_for_single_pairs_that_is_cancelled_ends_the_run() -> None:
    """The batch that waits for it does not wait for ever."""
    pairs = pairs_of(20)
    portal = FakePortal(silent=[(pair.from_id, pair.to_id) for pair in pairs])
    async with client_of(portal) as client, client.link_each(pairs, via="batch") as outcomes:
        while not portal.calls["put"]:
            await pass_time(0.01)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        reported = [outcome async for outcome in outcomes]
    assert 20 == len(reported)
    assert "cancelled" in str(outcomes.report.stopped)


# --- tasks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_workers_start_as_pairs_come(count: int) -> None:
    """A run of one pair does not start 64 tasks."""
    async with client_of(FakePortal()) as client, client.link_each(pairs_of(count)) as outcomes:
        before = len(asyncio.all_tasks())
        await settle()
        assert len(asyncio.all_tasks()) <= max(before, 1 + count)
        assert count == len([outcome async for outcome in outcomes])


async def test_a_slow_input_needs_no_more_workers_than_it_has_pairs_in_flight() -> None:
    """Workers end when another task reads anyway."""
    portal = FakePortal(latency=0.5)
    async with client_of(portal) as client:
        most = 0
        async with client.link_each(_queue(100, 0, 0.2)) as outcomes:
            async for _ in outcomes:
                most = max(most, len(asyncio.all_tasks()))
    assert most <= 6


def test_a_stream_that_is_never_entered_warns() -> None:
    """As a coroutine that is never awaited does."""

    async def main() -> None:
        async with client_of(FakePortal()) as client:
            client.link_each(pairs_of(3))
            client.verify(pairs_of(3))
            gc.collect()

    with pytest.warns(ResourceWarning, match="never entered") as caught:
        asyncio.run(main())
    assert ["link_each", "verify"] == [str(one.message).split("(")[0][2:] for one in caught]


async def test_what_a_stream_shows() -> None:
    """Nothing by which a pair could get a second outcome."""
    async with (
        client_of(FakePortal()) as client,
        client.link_each([]) as outcomes,
        client.verify([]) as found,
    ):
        for stream in (outcomes, found):
            assert ["in_flight", "report", "run_id", "stop"] == [
                name for name in dir(stream) if not name.startswith("_")
            ]


async def test_a_stop_after_the_end_changes_nothing() -> None:
    """A handler of a signal may call it at any time, but a run that ended did not end early."""
    async with client_of(FakePortal()) as client:
        async with client.link_each(pairs_of(5)) as outcomes, client.verify(pairs_of(5)) as found:
            for stream in (outcomes, found):
                async for _ in stream:
                    pass
                stream.stop(RunStoppedError("too late"), drain_timeout=1.0)
        outcomes.stop(RunStoppedError("too late"))
    assert (None, None) == (outcomes.report.stopped, found.report.stopped)
    outcomes.report.raise_for_failures()


async def test_a_stop_by_another_thread_is_refused_and_changes_nothing() -> None:
    """It is no half stop: what it changes belongs to the event loop."""
    async with client_of(FakePortal()) as client, client.link_each(pairs_of(5)) as outcomes:
        with pytest.raises(ClientClosedError, match="call_soon_threadsafe"):
            await asyncio.to_thread(outcomes.stop, RunStoppedError("by a thread"))
        assert 5 == len([outcome async for outcome in outcomes])
    assert (5, None) == (outcomes.report.linked, outcomes.report.stopped)


# --- loops ---------------------------------------------------------------------------------------


async def test_a_client_in_a_second_loop_is_an_error_of_ours() -> None:
    """Not one of asyncio's about futures; and the client continues in its own loop."""
    async with client_of(FakePortal()) as client:

        def elsewhere(use: Callable[[], Any]) -> None:
            with pytest.raises(ClientClosedError, match="another event loop"):
                asyncio.run(use())

        for use in (
            lambda: client.link_all(pairs_of(3)),
            lambda: client.create_default(pairs_of(1)[0]),
            lambda: client.create_default_batch("contacts", "companies", [(1, 2)]),
            client.aclose,
        ):
            await asyncio.get_running_loop().run_in_executor(None, elsewhere, use)
        async with client.link_each(pairs_of(3)) as outcomes:
            await asyncio.to_thread(elsewhere, lambda: asyncio.wait_for(anext(outcomes), 1))
            assert 3 == len([outcome async for outcome in outcomes])


_EAGER = """
import asyncio
from tests.fakes.portal import FakePortal, client_of, pairs_of
from tests.fakes.recorder import FakeJournal, FakeRecorder
from aiohubassoc import Pair

class FailsAtOnce(FakeRecorder):
    async def write(self, outcomes):
        raise self._broken_by

async def main():
    if hasattr(asyncio, "eager_task_factory"):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    async with client_of(FakePortal()) as client:
        report = await client.link_all(pairs_of(5), journal=FakeJournal(FailsAtOnce()))
        assert 5 == report.unprocessed, report
        report = await client.link_all(
            [("", 1), *((n, n) for n in range(1, 5))], from_type="contacts", to_type="companies",
            via="batch", skip_linked=True, stop_after_failures=1,
        )
        assert 5 == report.total, report
        report = await client.link_all(pairs_of(5000), via="put")
        assert 5000 == report.linked, report
    async with client_of(FakePortal(), concurrency=1000) as client:
        report = await client.link_all(pairs_of(3000))
        assert 3000 == report.linked, report
asyncio.run(main())
"""


def test_eager_tasks_and_a_recorder_that_fails_at_once() -> None:
    """In a process with a time limit, as the fault was a loop without end."""
    subprocess.run([sys.executable, "-c", _EAGER], check=True, timeout=100)


# --- items ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        "12",
        b"12",
        bytearray(b"12"),
        memoryview(b"12"),
        {"a": 1, "b": 2},
        {202, 101},
        frozenset((202, 101)),
        7,
        (1,),
    ],
    ids=lambda item: type(item).__name__,
)
async def test_what_is_no_pair_is_none_in_either_verb(item: Any) -> None:
    """It unpacks, but not into two ids that anybody chose."""
    portal = FakePortal()
    async with client_of(portal) as client:
        with pytest.raises(OptionsError, match="item 0"):
            await client.create_default_batch("contacts", "companies", [item])
        for via in ("put", "batch"):
            with pytest.raises(PairError, match="item 0"):
                await client.link_all([item], from_type="contacts", to_type="companies", via=via)
    assert not portal.calls


@pytest.mark.parametrize("ordered", [True, False])
async def test_items_that_were_read_with_one_that_is_no_pair_are_reported(ordered: bool) -> None:
    """They were taken out of the iterator, so they have an outcome; in order, around the gap."""
    pairs = pairs_of(50)
    items: list[Any] = [*pairs[:20], "no pair", *pairs[20:]]
    async with client_of(FakePortal()) as client:
        for options in VERBS.values():
            source = iter(items)
            stream = client.link_each(source, ordered=ordered, **options)
            reported = []
            with pytest.raises(OptionsError, match="item 20"):
                async with stream as outcomes:
                    async for outcome in outcomes:
                        reported.append(outcome)  # noqa: PERF401 -- until it raises
            left = len(list(source))
            assert len(items) - left - 1 == len(reported) == stream.report.total
            assert stream.report.input_complete == (left == 0)
            with pytest.raises(BulkLinkError, match="item 20"):
                stream.report.raise_for_failures()


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("raised", [asyncio.CancelledError, GeneratorExit, KeyError])
async def test_an_item_may_raise_anything(verb: str, raised: type[BaseException]) -> None:
    """An item that reads a cancelled future, say: those read with it are reported, and why."""

    class Lazy:
        def __iter__(self) -> Iterator[int]:
            raise raised

    ids: list[Any] = [(number, number) for number in range(1, 20)]
    ids.insert(5, Lazy())
    source = iter(ids)
    async with client_of(FakePortal()) as client:
        types: dict[str, Any] = {"from_type": "contacts", "to_type": "companies"}
        stream = client.link_each(source, **types, **VERBS[verb])
        expected = RunStoppedError if raised is asyncio.CancelledError else raised
        with pytest.raises(expected):
            async with stream as outcomes:
                async for _ in outcomes:
                    pass
    assert len(ids) - len(list(source)) - 1 == stream.report.total
    with pytest.raises(BulkLinkError):
        stream.report.raise_for_failures()


async def test_a_recorder_that_cannot_read_a_pair_loses_none() -> None:
    """A pair without attributes, say, of a class of the caller's."""

    class Bare(Pair):
        def __init__(self) -> None:
            pass

    source = iter([*pairs_of(5), Bare(), *pairs_of(14)])
    recorder = FakeRecorder(known={})
    async with client_of(FakePortal()) as client:
        stream = client.link_each(source, journal=FakeJournal(recorder))  # type: ignore[arg-type]  # it has what a run uses
        with pytest.raises(AttributeError):
            async with stream as outcomes:
                async for _ in outcomes:
                    pass
    assert 20 - len(list(source)) == stream.report.total
