"""The work of one response, or of a part of the input, is done in steps, between other tasks."""

from __future__ import annotations

import itertools
from asyncio import events
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from aiohubassoc import Outcome, Pair, RunStoppedError, Skip, Status
from tests.conftest import pass_time
from tests.fakes.portal import FakePortal, client_of, ends_of, pairs_of
from tests.fakes.transport import stream_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW = 250  # pairs: they take about a millisecond
SAME = pairs_of(1) * 4000


@contextmanager
def most_at_once(count: Callable[[], int]) -> Iterator[list[int]]:
    """Yield a list of how much *count* grew in each callback of the event loop."""
    grown: list[int] = []
    run = events.Handle._run

    def measured(handle: Any) -> None:
        before = count()
        run(handle)
        grown.append(count() - before)

    with patch.object(events.Handle, "_run", measured):
        yield grown


CASES: dict[str, tuple[list[Pair], Callable[[], FakePortal]]] = {
    "repeats of a linked pair": (SAME, FakePortal),
    "repeats of a refused pair": (SAME, lambda: FakePortal(bad=[1])),
    "repeats of a pair sent singly": (SAME, lambda: FakePortal(silent=ends_of(pairs_of(1)))),
    "errors inside a reply": (pairs_of(2000), lambda: FakePortal(bad=range(2, 2001))),
    "a refusal that names many": (
        pairs_of(2000),
        lambda: FakePortal(bad=range(1, 2001), whole=True),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_results_of_one_response_are_taken_a_few_at_a_time(case: str) -> None:
    """However many pairs it is about."""
    pairs, portal = CASES[case]
    async with (
        client_of(portal()) as client,
        client.link_each(pairs, via="batch", stop_after_alike=None) as outcomes,
    ):
        with most_at_once(lambda: outcomes.report.total) as grown:
            assert len(pairs) == len([outcome async for outcome in outcomes])
    assert 0 < max(grown) <= FEW


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("skip_linked", [False, True])
async def test_an_input_is_read_a_few_pairs_at_a_time(via: Any, *, skip_linked: bool) -> None:
    """A generator never waits, and there is room for thousands of pairs."""
    read = itertools.count()
    pairs = (pair for pair, _ in zip(pairs_of(6000), read, strict=False))
    portal = FakePortal(linked=ends_of(pairs_of(6000)) if skip_linked else ())
    async with client_of(portal) as client:
        stream = client.link_each(pairs, via=via, skip_linked=skip_linked)
        with most_at_once(lambda: int(repr(read)[6:-1])) as grown:
            async with stream as outcomes:
                assert 6000 == len([outcome async for outcome in outcomes])
    assert 0 < max(grown) <= FEW


class _Known:
    """A recorder that knows every pair."""

    def __init__(self) -> None:
        self.asked = 0

    async def open(self) -> None:
        pass

    def begin(self, index: int, pair: Pair) -> Outcome:
        self.asked += 1
        return Outcome(index, pair, Status.SKIPPED, skip=Skip("LINKED_BEFORE", "linked before"))

    async def close(self, *_: object, **__: object) -> None:
        pass


async def test_pairs_of_an_earlier_run_are_looked_up_a_few_at_a_time() -> None:
    """No call interrupts the reading of a folder that knows them all."""
    recorder = _Known()
    stream = stream_of(pairs_of(3000), recorder=recorder)
    with most_at_once(lambda: recorder.asked) as grown:
        async with stream as outcomes:
            assert 3000 == len([outcome async for outcome in outcomes])
    assert 0 < max(grown) <= FEW


async def test_the_rest_of_an_input_is_rejected_a_few_at_a_time() -> None:
    """A run that stopped reads on, and a generator never waits."""
    async with (
        client_of(FakePortal()) as client,
        client.link_each(iter(pairs_of(5000))) as outcomes,
    ):
        outcomes.stop(RunStoppedError("enough"))
        with most_at_once(lambda: outcomes.report.total) as grown:
            assert 5000 == len([outcome async for outcome in outcomes])
    assert 0 < max(grown) <= FEW


@pytest.mark.parametrize("how", ["leave", "stop"])
@pytest.mark.parametrize("case", CASES)
async def test_a_result_that_is_known_is_reported(case: str, how: str) -> None:
    """Between two steps the block is left, or calls are cut off."""
    pairs, portal = CASES[case]
    async with (
        client_of(portal()) as client,
        client.link_each(pairs, via="batch", stop_after_alike=None) as outcomes,
    ):
        async for _ in outcomes:
            if outcomes.report.total > 1:
                break
        if how == "stop":
            outcomes.stop(RunStoppedError("enough"), drain_timeout=0.0)
            await pass_time(1.0)
    reported = Counter(outcome.status for outcome in [one async for one in outcomes])
    total = outcomes.report
    assert len(pairs) == total.total == reported.total() + 1
    assert 0 == total.unprocessed
