"""Where no connection can be made, nothing is sent: no pair is at fault, and the run waits."""

from __future__ import annotations

import asyncio
import itertools
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import ConnectError, ConnectionLostError, RetryPolicy, RunStoppedError
from aiohubassoc._http.failures import NoResponse
from aiohubassoc.models import LinkState
from tests.fakes.portal import FakePortal, client_of, ends_of, pairs_of
from tests.fakes.transport import error

if TYPE_CHECKING:
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc._protocol.verdicts import Response

REFUSED = NoResponse(ConnectError("refused"))
WAYS = [
    {"via": "put"},
    {"via": "batch", "batch_size": 10},
    {"via": "batch", "batch_size": 10, "skip_linked": True},
]


class DownPortal(FakePortal):
    """
    Cannot be connected to from *begin* to *end*, in seconds from now.

    Attributes:
        refused: How many attempts have made no connection.
    """

    def __init__(self, begin: float, end: float, **options: Any) -> None:
        super().__init__(**options)
        now = asyncio.get_running_loop().time()
        self._begin, self._end = now + begin, now + end
        self.refused = 0

    async def send(
        self, endpoint: Endpoint, token: str
    ) -> tuple[Response | NoResponse, float | None]:
        """Respond, unless it is down."""
        if self._begin <= asyncio.get_running_loop().time() < self._end:
            self.refused += 1
            return REFUSED, None
        return await super().send(endpoint, token)


async def taken(stream: Any) -> list[Any]:
    """Return all results of a run."""
    async with stream:
        return [result async for result in stream]


@pytest.mark.no_cover
@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize(("begin", "end"), [(0.0, 60.0), (0.15, 60.0), (0.0, 119.0)])
async def test_an_outage_within_the_budget_fails_no_pair(
    options: dict[str, Any], begin: float, end: float
) -> None:
    """Each pair is linked after it, by one attempt, and each call is made once."""
    portal = DownPortal(begin, end)
    async with client_of(portal, concurrency=64) as client:
        outcomes = await taken(client.link_each(pairs_of(3000), **options))
    assert {("linked", 1)} == {(outcome.status, outcome.attempts) for outcome in outcomes}
    assert 3000 == len(outcomes)
    assert set(portal.links.values()) == {1}
    assert portal.refused


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize("begin", [0.0, 0.15])
async def test_a_longer_one_stops_the_run(options: dict[str, Any], begin: float) -> None:
    """No pair has failed: all that were not sent are unprocessed, and the input is read."""
    portal = DownPortal(begin, inf)
    async with client_of(portal, concurrency=64) as client:
        report = await client.link_all(pairs_of(3000), **options)
    assert (0, 3000) == (report.failed, report.unprocessed + report.linked)
    assert len(portal.links) == report.linked
    assert report.input_complete
    assert isinstance(report.stopped, RunStoppedError)
    assert "no connection for 120 s. Last error: refused" in str(report.stopped)
    assert 120.0 <= asyncio.get_running_loop().time() < 122.0


async def test_it_stops_a_verification() -> None:
    """Of its pairs nothing is known."""
    pairs = pairs_of(10)
    async with client_of(DownPortal(0.0, inf, linked=ends_of(pairs))) as client:
        found = await taken(client.verify(pairs))
    assert {LinkState.UNKNOWN} == {one.state for one in found}
    async with client_of(DownPortal(0.0, 60.0, linked=ends_of(pairs))) as client:
        found = await taken(client.verify(pairs))
    assert {LinkState.LINKED} == {one.state for one in found}


async def test_the_stall_timeout_stops_it_earlier() -> None:
    """If it is the smaller one."""
    async with client_of(DownPortal(0.0, inf)) as client:
        report = await client.link_all(pairs_of(100), stall_timeout=30.0)
    assert "no pair completed for 30 s" in str(report.stopped)
    assert (100, 0) == (report.unprocessed, report.failed)


@pytest.mark.parametrize("policy", [{"wait_initial": 0.0}, {"wait_max": 0.0}, {"attempts": 1}])
async def test_no_policy_hurries(policy: dict[str, Any]) -> None:
    """Without waits it still tries ten times a second at most."""
    portal = DownPortal(0.0, inf)
    retry = RetryPolicy(**{"budget": 10.0, **policy})
    async with client_of(portal, retry=retry) as client:
        report = await client.link_all(pairs_of(1))
    assert 1 == report.unprocessed
    assert 4 <= portal.refused <= 102


async def test_it_takes_nothing_of_the_attempts_and_the_budget_for_other_faults() -> None:
    """A portal that comes back is often not well at once."""
    script: dict[str, Any] = {"put": [error(503), *[REFUSED] * 12, error(503), REFUSED, error(503)]}
    portal = FakePortal(script=script)
    policy = RetryPolicy(attempts=4, budget=78.0)  # the outage takes 77 s
    async with client_of(portal, retry=policy) as client:
        (outcome,) = await taken(client.link_each(pairs_of(1)))
    assert ("linked", 4) == (outcome.status, outcome.attempts)


async def test_each_outage_has_the_whole_budget() -> None:
    """They do not add up."""
    refused: Any = itertools.chain.from_iterable([*[REFUSED] * 5, error(503)] for _ in range(4))
    portal = FakePortal(script={"put": refused})
    policy = RetryPolicy(budget=10.0, wait_initial=0.2, wait_max=2.0)
    async with client_of(portal, retry=policy) as client:
        (outcome,) = await taken(client.link_each(pairs_of(1)))
    assert ("linked", 5) == (outcome.status, outcome.attempts)


async def test_a_link_that_may_have_been_made_before_is_not_forgotten() -> None:
    """The pair is unprocessed, and may be linked."""
    lost = NoResponse(ConnectionLostError("reset"))
    portal = FakePortal(script={"put": [lost, *[REFUSED] * 999]})
    async with client_of(portal) as client:
        (outcome,) = await taken(client.link_each(pairs_of(1)))
    assert ("unprocessed", 1, True) == (outcome.status, outcome.attempts, outcome.maybe_applied)


async def test_a_reused_connection_that_was_closed_is_still_the_same_attempt() -> None:
    """However often no new one can be made."""
    stale = NoResponse(ConnectionLostError("reset"), was_reuse=True)
    seen: list[bool] = []

    class Stale(FakePortal):
        async def send(
            self, endpoint: Endpoint, token: str, *, needs_new: bool = False
        ) -> tuple[Response | NoResponse, float | None]:
            seen.append(needs_new)
            return await super().send(endpoint, token)

    async with client_of(Stale(script={"put": [stale, *[REFUSED] * 9]})) as client:
        (outcome,) = await taken(client.link_each(pairs_of(1)))
    assert ("linked", 1) == (outcome.status, outcome.attempts)
    assert [False, *[True] * 10] == seen


async def test_a_single_call_gives_up_soon() -> None:
    """Who waits for its result, such as a web handler, wants the error: five attempts."""
    portal = DownPortal(0.0, inf)
    async with client_of(portal) as client:
        with pytest.raises(ConnectError):
            await client.create_default(*pairs_of(1))
        assert 5 == portal.refused
        with pytest.raises(ConnectError):
            await client.create_default_batch("contacts", "companies", [("1", "2")])
        assert 10 == portal.refused
