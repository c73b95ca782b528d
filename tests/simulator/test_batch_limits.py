"""The limits and the books of batch calls, which are not those of single ones."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from aiohubassoc.simulator import FaultPlan, Latency, PortalSettings, serve
from tests.simulator.portal_calls import GOOD, READ_PATH, batch, portal_of, put, read, told

if TYPE_CHECKING:
    from aiohubassoc.simulator import Portal, ServedPortal

READ = READ_PATH.format(types="contacts/companies")
INPUTS = json.dumps({"inputs": [{"id": "1"}]}).encode()


def test_batch_calls_use_no_quota_of_single_ones() -> None:
    """Their answers tell what is left to the single ones; they count for the day."""
    portal = portal_of(quota_limit=2, daily_limit=5)
    put(portal, 1)
    for answer in (batch(portal, (1, 2)), read(portal, 1)):
        assert answer.headers["X-HubSpot-RateLimit-Remaining"] == "1"
    assert [put(portal, number).status for number in (2, 3)] == [200, 429]
    assert (batch(portal, (1, 2)).status, read(portal, 1).status) == (200, 429)
    assert portal.ledger.throttled == {"TEN_SECONDLY_ROLLING": 1, "DAILY": 1}


def test_a_limit_of_batch_calls() -> None:
    """In any window of their own length, creating and reading together; single calls are free."""
    portal = portal_of(batch_limit=2, batch_window=5.0, quota_retry_after=True)
    statuses = [
        batch(portal, (1, 2), now=0.0).status,
        read(portal, 1, now=2.0).status,
        batch(portal, (1, 2), now=4.5).status,
    ]
    assert statuses == [200, 200, 429]
    refused = read(portal, 1, now=4.9)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert told(refused)["policyName"] == "TEN_SECONDLY_ROLLING"
    assert put(portal, now=4.9).status == 200
    assert batch(portal, (1, 2), now=5.0).status == 200
    assert read(portal, 1, now=6.9).status == 429
    assert portal.ledger.max_batch_in_window == 5


def test_refused_batch_calls_may_use_the_limit_up() -> None:
    """If the settings say so: there is room only after a pause."""
    portal = portal_of(batch_limit=1, batch_window=1.0, count_refused=True)
    statuses = [read(portal, 1, now=now).status for now in (0.0, 0.9, 1.5, 2.6)]
    assert statuses == [207, 429, 429, 207]


def _opened(portal: Portal, number: int) -> Any:
    body = json.dumps({"inputs": [{"id": str(number)}]}).encode()
    arrival = portal.arrive("POST", READ, body)
    portal.opened(arrival)
    return arrival


def test_only_so_many_at_once() -> None:
    """Beyond them a 429 in words of the ten-second limit, which takes nobody's place."""
    portal = portal_of(batch_max_in_flight=2, quota_retry_after=True)
    arrivals = [_opened(portal, number) for number in range(1, 5)]
    answers = [portal.answer(arrival, GOOD, 0.0) for arrival in arrivals]
    assert [answer.status for answer in answers] == [207, 207, 429, 429]
    assert told(answers[2])["policyName"] == "TEN_SECONDLY_ROLLING"
    assert answers[2].headers["Retry-After"] == "1"
    assert put(portal).status == 200
    for arrival in (arrivals[0], arrivals[2]):
        portal.closed(arrival)
    late = [_opened(portal, number) for number in (5, 6)]
    assert [portal.answer(arrival, GOOD, 1.0).status for arrival in late] == [207, 429]
    assert portal.ledger.throttled == {"BATCH_IN_FLIGHT": 3}
    assert portal.ledger.max_batch_in_flight == 4


async def _posted(running: ServedPortal, session: aiohttp.ClientSession) -> int:
    url = running.base_url + READ
    async with session.post(url, data=INPUTS, headers={"Authorization": GOOD}) as answer:
        return answer.status


async def test_calls_at_once_over_sockets() -> None:
    """A call is worked on until its answer is out, and its place is free then."""
    latency = Latency(after_median=1.0)
    settings = PortalSettings(batch_max_in_flight=3, latency=latency)
    async with serve(settings) as running, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(_posted(running, session)) for _ in range(5)]
            assert sorted(call.result() for call in calls) == [207, 207, 207, 429, 429]
        assert running.portal.ledger.max_batch_in_flight == 5
        assert running.portal.ledger.to_plain()["max_batch_in_flight"] == 5


def test_the_books_of_each_kind() -> None:
    """What the quota let through and with how many inputs; the edge's faults are not seen."""
    plan = FaultPlan(script_all=(None, "server_error_500", "bad_gateway_html_502"))
    portal = portal_of(faults=plan, batch_limit=3)
    put(portal)
    batch(portal, (1, 2), (3, 4), (5, "x"))
    batch(portal, (7, 8))
    read(portal, 1, 2, 3, 4)
    read(portal, *range(1001, 2003))
    read(portal, 5)
    plain = portal.ledger.to_plain()
    assert plain["calls"] == {"batch": 1, "put": 1, "read": 2}
    assert (plain["batch_inputs"], plain["read_inputs"]) == (3, 4)
    assert plain["max_batch_in_window"] == 5
    assert plain["throttled"] == {"TEN_SECONDLY_ROLLING": 1}
    assert plain["windows"] == [1]
