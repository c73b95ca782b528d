"""A caller that is cancelled between any two callbacks of the loop, for every one of them."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Literal

import pytest

from aiohubassoc import (
    AssociationClient,
    ConnectionLostError,
    Journal,
    LinkState,
    Outcome,
    Pair,
    Quota,
    QuotaLimiter,
    Status,
    Verification,
)
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.failures import NoResponse
from tests.conftest import pass_time
from tests.fakes.interruption import Interruption, interrupt_everywhere
from tests.fakes.portal import FakePortal, client_of, ends_of
from tests.fakes.transport import error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from tests.fakes.portal import Scripted

# So few calls that some have to wait for a permit.
TIGHT = Quota(4, 1.0)
LOST = NoResponse(ConnectionLostError("reset"))
TROUBLE: list[Scripted] = [error(401, category="EXPIRED_AUTHENTICATION"), error(500), LOST]
WORKERS = 3
FEWEST = 25  # cancellations; with fewer the scenario has hardly anything to cancel


class Rows:
    """An async input that waits between its rows, and knows how many it gave."""

    def __init__(self, pairs: list[Pair]) -> None:
        self._pairs = pairs
        self.given = 0

    def __aiter__(self) -> AsyncIterator[Pair]:
        return self

    async def __anext__(self) -> Pair:
        await SystemClock().sleep(0.05)
        if self.given == len(self._pairs):
            raise StopAsyncIteration
        self.given += 1
        return self._pairs[self.given - 1]


async def _token(refused: str | None) -> str:
    await SystemClock().sleep(0.02)
    return "token-1" if refused is None else "token-2"


def _client(portal: FakePortal, **options: Any) -> AssociationClient:
    portal.connections = WORKERS
    settings = {"token": _token, "quota": TIGHT, "batch_quota": TIGHT, "concurrency": WORKERS}
    return client_of(portal, **{**settings, **options})


def _pairs(count: int) -> list[Pair]:
    return [Pair("contacts", 1 + n // 2, "companies", n + 1_000_001) for n in range(count)]


def _took_the_cancellation(interruption: Interruption, task: asyncio.Task[Any]) -> None:
    """What was cancelled says so; else it ended by itself."""
    assert task.cancelled() == interruption.was_accepted
    if not task.cancelled() and (failure := task.exception()) is not None:
        raise failure


async def _nothing_is_left(client: AssociationClient) -> None:
    """No task, no timer, no request in flight, no place of the semaphore, no permit."""
    assert asyncio.all_tasks() == {asyncio.current_task()}
    loop: Any = asyncio.get_running_loop()
    assert [] == [timer for timer in loop._scheduled if not timer.cancelled()]
    senders = client._senders
    assert senders is not None
    assert WORKERS == senders.single._semaphore._value
    fresh = QuotaLimiter(TIGHT), QuotaLimiter.for_batches(TIGHT)
    for used, other in zip((client.limiter, client.batch_limiter), fresh, strict=True):
        assert 0 == used.in_flight  # type: ignore[attr-defined]  # its own
        await pass_time(60.0)
        # One permit less would make it a third slower.
        assert await _seconds_of_calls(used) <= 1.1 * await _seconds_of_calls(other)


async def _seconds_of_calls(limiter: Limiter) -> float:
    """Return how long it takes to let four windows full of calls go."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(4 * TIGHT.limit):
        await limiter.acquire()
        limiter.record_response(loop.time(), loop.time())
    return loop.time() - began


def _are_true(outcomes: list[Outcome], portal: FakePortal, before: set[tuple[str, str]]) -> None:
    """What is linked is, and what may be linked says so."""
    made = set(portal.links)
    for outcome in outcomes:
        (ends,) = ends_of([outcome.pair])
        if outcome.status in {Status.LINKED, Status.SKIPPED}:
            assert ends in made, outcome
        elif ends in made - before:
            assert outcome.maybe_applied, outcome


RUNS: dict[str, Callable[[], tuple[FakePortal, dict[str, Any]]]] = {
    "put": lambda: (FakePortal(bad=[3], script={"put": TROUBLE}), {}),
    "ordered": lambda: (FakePortal(bad=[1], script={"put": [error(500)] * 2}), {"ordered": True}),
    "batch": lambda: (
        FakePortal(bad=[3], whole=True, names=False, script={"batch": TROUBLE}),
        {"via": "batch", "batch_size": 4, "batch_linger": 0.12},
    ),
    "batch with a fallback": lambda: (
        FakePortal(silent=ends_of(_pairs(3)), script={"put": [error(500), LOST]}),
        {"via": "batch", "batch_size": 4},
    ),
    "skip_linked": lambda: (
        FakePortal(linked=ends_of(_pairs(8)[::3]), page=1, script={"read": [None, *TROUBLE]}),
        {"skip_linked": True, "batch_linger": 0.12},
    ),
    "skip_linked by batches": lambda: (
        FakePortal(linked=ends_of(_pairs(8)[::3]), page=1, script={"batch": TROUBLE}),
        {"skip_linked": True, "via": "batch", "batch_size": 3},
    ),
}


# The further cancellations, and how many callbacks lie from one run to the next.
ONCE_AND_AGAIN = pytest.mark.parametrize(
    ("again", "every"), [((), 1), ((1, 2, 5), 4)], ids=["once", "again and again"]
)


@pytest.mark.looptime(False)
@pytest.mark.no_cover
@ONCE_AND_AGAIN
@pytest.mark.parametrize("name", RUNS)
def test_a_run(name: str, again: tuple[int, ...], every: int) -> None:
    """Each pair that was read has one true outcome, and everything is given back."""

    async def scenario(interruption: Interruption) -> None:
        portal, options = RUNS[name]()
        before = set(portal.links)
        rows = Rows(_pairs(8))
        reported: list[Outcome] = []
        streams: list[OutcomeStream] = []

        async def work(client: AssociationClient) -> None:
            async with client.link_each(rows, **options) as outcomes:
                streams.append(outcomes)
                async for outcome in outcomes:
                    reported.append(outcome)

        async with _client(portal) as client:
            _took_the_cancellation(interruption, await interruption.over(work(client)))
            for stream in streams:
                reported += [outcome async for outcome in stream]
                assert (rows.given, 0) == (stream.report.total, stream.in_flight)
            assert sorted(outcome.index for outcome in reported) == list(range(rows.given))
            _are_true(reported, portal, before)
            await _nothing_is_left(client)

    assert interrupt_everywhere(scenario, again=again, every=every) > FEWEST // every


@pytest.mark.looptime(False)
@ONCE_AND_AGAIN
def test_a_verification(again: tuple[int, ...], every: int) -> None:
    """Each pair that was read is reported once, as it is or as unknown."""

    async def scenario(interruption: Interruption) -> None:
        linked = set(ends_of(_pairs(8)[::2]))
        portal = FakePortal(linked=linked, page=1, script={"read": TROUBLE})
        rows = Rows(_pairs(8))
        reported: list[Verification] = []
        streams: list[VerificationStream] = []

        async def work(client: AssociationClient) -> None:
            async with client.verify(rows, wait=0.12) as found:
                streams.append(found)
                async for one in found:
                    reported.append(one)

        async with _client(portal) as client:
            _took_the_cancellation(interruption, await interruption.over(work(client)))
            for stream in streams:
                reported += [one async for one in stream]
                assert (rows.given, 0) == (stream.report.total, stream.in_flight)
            assert sorted(one.index for one in reported) == list(range(rows.given))
            for one in reported:
                (ends,) = ends_of([one.pair])
                is_linked = LinkState.LINKED if ends in linked else LinkState.MISSING
                assert one.state in {LinkState.UNKNOWN, is_linked}, one
            await _nothing_is_left(client)

    assert interrupt_everywhere(scenario, again=again, every=every) > FEWEST // every


CALLS: dict[str, Callable[[AssociationClient, Pair], Awaitable[object]]] = {
    "create_default": lambda client, pair: client.create_default(pair),
    "create_default_batch": lambda client, pair: client.create_default_batch(
        "contacts", "companies", [pair]
    ),
}


@pytest.mark.looptime(False)
@ONCE_AND_AGAIN
@pytest.mark.parametrize("name", CALLS)
def test_a_call_beside_others(name: str, again: tuple[int, ...], every: int) -> None:
    """The others, which wait for the same token, quota and connections, end as if alone."""

    async def scenario(interruption: Interruption) -> None:
        kind = "put" if name == "create_default" else "batch"
        portal = FakePortal(script={kind: TROUBLE})
        async with _client(portal) as client:
            first, *others = _pairs(6)
            async with asyncio.TaskGroup() as group:
                for pair in others[:2]:
                    group.create_task(_call(name, client, pair))
                _took_the_cancellation(
                    interruption, await interruption.over(_call(name, client, first))
                )
                for pair in others[2:]:
                    group.create_task(_call(name, client, pair))
            assert set(ends_of(others)) <= set(portal.links)
            assert interruption.was_accepted or set(ends_of([first])) <= set(portal.links)
            await _nothing_is_left(client)

    assert interrupt_everywhere(scenario, again=again, every=every) > FEWEST // every


async def _call(name: str, client: AssociationClient, pair: Pair) -> None:
    await CALLS[name](client, pair)


@pytest.mark.looptime(False)
@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("via", "every", "again"), [("put", 3, ()), ("batch", 1, ()), ("batch", 3, (1, 2, 5))]
)
def test_a_run_with_a_folder(
    tmp_path: Path, via: Literal["put", "batch"], every: int, again: tuple[int, ...]
) -> None:
    """The folder holds what was reported, is free at once, and the next run ends the work."""
    folders = (tmp_path / str(number) for number in itertools.count())

    async def scenario(interruption: Interruption) -> None:
        portal, folder = FakePortal(bad=[3]), next(folders)
        reported: list[Outcome] = []
        streams: list[OutcomeStream] = []
        options: dict[str, Any] = {"via": via, "batch_size": 4, "journal": Journal(folder)}

        async def work(client: AssociationClient) -> None:
            async with client.link_each(_pairs(8), **options) as outcomes:
                streams.append(outcomes)
                async for outcome in outcomes:
                    reported.append(outcome)

        async with _client(portal, token="token-1") as client:
            _took_the_cancellation(interruption, await interruption.over(work(client)))
            for stream in streams:
                reported += [outcome async for outcome in stream]
            if Journal(folder).is_there:
                rows = {row.pair: row for row in Journal(folder).rows()}
                assert {o.pair: o.status for o in reported} == {
                    r.pair: r.status for r in rows.values()
                }
            _are_true(reported, portal, set())
            await _nothing_is_left(client)
        settled = {o.pair for o in reported if o.status in {Status.LINKED, Status.FAILED}}
        made = dict(portal.links)
        async with _client(portal, token="token-1") as client:
            report = await client.link_all(_pairs(8), **{**options, "journal": Journal(folder)})
        assert (8, 2, 6) == (report.total, report.failed, report.linked + report.skipped)
        assert set(ends_of(_pairs(8))) - set(portal.links) == set(ends_of(_pairs(8)[4:6]))
        for ends in ends_of(settled):
            assert made.get(ends) == portal.links.get(ends)

    assert interrupt_everywhere(scenario, every=every, again=again) > FEWEST // every
