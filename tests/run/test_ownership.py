"""
What was read, reported and written is one and the same, whatever ends a run and when.

Time here is counted in turns of the event loop, and clocks leap, so that the same law runs on
asyncio, on uvloop and with eager tasks.
"""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 -- seeded
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import (
    AioHubAssocError,
    LinkState,
    Pair,
    RetryPolicy,
    RunStoppedError,
    Status,
)
from aiohubassoc.testing import FakeClock
from tests.fakes.portal import FakePortal, client_of
from tests.fakes.recorder import FakeJournal, FakeRecorder
from tests.fakes.transport import error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiohubassoc import AssociationClient, Outcome, Verification
    from aiohubassoc._http.failures import NoResponse
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc._protocol.verdicts import Response

VERBS: dict[str, dict[str, Any]] = {
    "put": {},
    "batch": {"via": "batch", "batch_size": 7, "batch_linger": 0.5},
    "skip": {"skip_linked": True},
    "skip batch": {"skip_linked": True, "via": "batch", "batch_size": 5},
    "verify": {},
}
INPUTS = ("generator", "async", "slow async", "iterator")
ENDS = ("itself", "break", "raise", "cancel", "cancel twice", "stop", "cut off", "worker", "input")


async def turns(count: int) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)  # noqa: TID251 -- a turn of the loop, no waiting


class TurningPortal(FakePortal):
    """A portal whose responses take turns of the loop, no time, and may be lost or fail."""

    def __init__(self, chance: random.Random, **options: Any) -> None:
        super().__init__(**options)
        self._chance = chance

    async def send(self, endpoint: Endpoint, token: str) -> tuple[Response | NoResponse, bool]:
        """Respond after some turns."""
        await turns(self._chance.choice((0, 1, 3, 20)))
        response = self.usual(endpoint)
        await turns(self._chance.choice((0, 1, 5)))
        return (error(503) if self._chance.random() < 0.05 else response), False


class Input:
    """Pairs that count how many were given, in every form that a run takes."""

    def __init__(self, count: int, chance: random.Random, *, breaks_at: int | None) -> None:
        self.given = 0
        self.ended = False
        self._pairs = [
            Pair("contacts", chance.randint(1, count + 5), "companies", 1_000 + n)
            for n in range(count)
        ]
        self._chance = chance
        self._breaks_at = breaks_at

    def items(self) -> Iterator[Pair]:
        """Yield the pairs."""
        for pair in self._pairs:
            if self.given == self._breaks_at:
                raise self._chance.choice([KeyError, asyncio.CancelledError])("the cursor is gone")
            self.given += 1
            yield pair
        self.ended = True

    async def slowly(self, most: int) -> AsyncIterator[Pair]:
        """Yield the pairs after some turns each."""
        pairs = iter(self.items())
        while True:
            await turns(self._chance.randint(0, most))
            try:
                pair = next(pairs)
            except StopIteration:
                return
            yield pair

    def __aiter__(self) -> Input:
        self._iterator = self.items()
        return self

    async def __anext__(self) -> Pair:
        await turns(self._chance.randint(0, 2))
        try:
            return next(self._iterator)
        except StopIteration:
            raise StopAsyncIteration from None

    def in_form(self, form: str) -> Any:
        """Return it as an iterable of that form."""
        forms: dict[str, Any] = {
            "generator": self.items(),
            "async": self.slowly(0),
            "slow async": self.slowly(30),
            "iterator": self,
        }
        return forms[form]


@attrs.frozen
class Case:
    """A run."""

    seed: int
    verb: str
    form: str
    end: str
    count: int
    ordered: bool
    recorded: bool


cases = st.builds(
    Case,
    seed=st.integers(0, 10**6),
    verb=st.sampled_from(sorted(VERBS)),
    form=st.sampled_from(INPUTS),
    end=st.sampled_from(ENDS),
    count=st.integers(0, 60),
    ordered=st.booleans(),
    recorded=st.booleans(),
)

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if sys.version_info >= (3, 12):

    def _eager_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    LOOPS["eager"] = _eager_loop
with suppress(ImportError):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


@pytest.mark.parametrize("loop", sorted(LOOPS))
def test_what_was_read_is_what_is_reported(loop: str) -> None:
    """Left, cancelled, stopped or broken at random: no pair is lost, doubled or guessed."""

    @settings(max_examples=150)
    @given(cases)
    def law(case: Case) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(_check(case))

    law()


async def _check(case: Case) -> None:
    chance = random.Random(case.seed)
    breaks_at = chance.randint(0, 60) if case.end == "input" else None
    given = Input(case.count, chance, breaks_at=breaks_at)
    bad = [n for n in range(1, case.count + 6) if chance.random() < 0.1]
    portal = TurningPortal(chance, bad=bad, names=chance.random() < 0.5)
    recorder = FakeRecorder() if case.recorded and case.verb != "verify" else None
    policy = RetryPolicy(attempts=3, wait_initial=0.1)
    async with client_of(portal, clock=FakeClock(), retry=policy) as client:
        stream = _stream(client, case, given, recorder)
        reported = await _go(stream, case, given, chance)
        was_entered = stream._is_entered
        stream._is_entered = True  # else cancelled before its first turn; no warning about it
        await turns(3)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        indexes = [one.index for one in reported]
        assert list(range(given.given)) == (indexes if case.ordered else sorted(indexes))
        report = stream.report
        assert given.given == report.total
        if report.input_complete:
            assert given.ended
        elif report.stopped is None:
            assert not given.given  # it was left before its first turn
        for one in reported:
            _check_truth(one, portal)
            if recorder is not None and getattr(one, "status", None) is not Status.UNPROCESSED:
                assert recorder.written[one.index] is one
        if recorder is not None and was_entered:
            assert recorder.closed == [(report, report.input_complete)]
        await _check_client(client)


def _stream(client: AssociationClient, case: Case, given: Input, recorder: Any) -> Any:
    options = {"ordered": case.ordered, "drain_timeout": 0.0, **VERBS[case.verb]}
    if case.verb == "verify":
        return client.verify(given.in_form(case.form), **options)
    journal: Any = None if recorder is None else FakeJournal(recorder)
    return client.link_each(given.in_form(case.form), journal=journal, **options)


async def _go(stream: Any, case: Case, given: Input, chance: random.Random) -> list[Any]:
    """Run it to the end that the case wants, and return all that it reports."""
    reported: list[Any] = []
    at = chance.choice((0, 1, 2, 5, 30, 100))
    task = asyncio.create_task(_use(stream, case, at, reported))
    await turns(at)
    await _interrupt(stream, case, task, chance)
    await asyncio.wait([task])
    assert given.given == stream.report.total  # before anybody takes what is left
    if not task.cancelled() and (failed := task.exception()) is not None:
        assert isinstance(failed, LookupError | KeyError | RunStoppedError)
    if stream._is_entered:
        with suppress(KeyError, RunStoppedError):
            reported += [one async for one in stream]
        reported += [one async for one in stream]
    return reported


async def _use(stream: Any, case: Case, at: int, reported: list[Any]) -> None:
    async with stream as results:
        if at == 0 and case.end == "break":
            return
        async for one in results:
            reported.append(one)
            if len(reported) > at and case.end == "break":
                break
            if len(reported) > at and case.end == "raise":
                raise LookupError


async def _interrupt(
    stream: Any, case: Case, task: asyncio.Task[None], chance: random.Random
) -> None:
    if case.end.startswith("cancel"):
        task.cancel()
        await turns(chance.randint(0, 3))
        if case.end == "cancel twice":
            task.cancel()
    elif case.end == "stop":
        stream.stop(RunStoppedError("enough"))
    elif case.end == "cut off":
        stream.stop(RunStoppedError("enough"), drain_timeout=chance.choice((0.0, 0.3)))
    elif case.end == "worker" and stream._run._tasks:
        chance.choice(sorted(stream._run._tasks, key=id)).cancel()


def _check_truth(one: Outcome | Verification, portal: FakePortal) -> None:
    is_there = (one.pair.from_id, one.pair.to_id) in portal.links
    state = getattr(one, "state", None)
    if state is not None:
        assert is_there or state is not LinkState.LINKED
        return
    outcome: Any = one
    if outcome.status is Status.LINKED:
        assert is_there
    elif outcome.status is not Status.SKIPPED:
        assert isinstance(outcome.error, AioHubAssocError)
        assert outcome.maybe_applied or not is_there


async def _check_client(client: AssociationClient) -> None:
    """The run left the client as it was: the next one works, and no permit is lost."""
    more = [Pair("contacts", n, "companies", n) for n in range(1_000_001, 1_000_012)]
    report = await client.link_all(more, stall_timeout=None)
    assert len(more) == report.linked + report.failed
