"""The limits and counts of batch calls, which are separate from those of single calls."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from aiohubassoc.simulator import FaultPlan, Latency, PortalSettings, serve
from tests.simulator.portal_calls import GOOD, READ_PATH, batch, decode, make_portal, put, read

if TYPE_CHECKING:
    from aiohubassoc.simulator import Portal, ServedPortal

READ = READ_PATH.format(types="contacts/companies")
INPUTS = json.dumps({"inputs": [{"id": "1"}]}).encode()


def test_batch_calls_do_not_use_the_quota_of_single_calls() -> None:
    """Their headers report what is left to single calls; they count for the day."""
    portal = make_portal(quota_limit=2, daily_limit=5)
    put(portal, 1)
    for response in (batch(portal, (1, 2)), read(portal, 1)):
        assert response.headers["X-HubSpot-RateLimit-Remaining"] == "1"
    assert [put(portal, number).status for number in (2, 3)] == [200, 429]
    assert (batch(portal, (1, 2)).status, read(portal, 1).status) == (200, 429)
    assert portal.ledger.throttled == {"TEN_SECONDLY_ROLLING": 1, "DAILY": 1}


def test_a_limit_of_batch_calls() -> None:
    """In any window, for linking and reading together; single calls are exempt."""
    portal = make_portal(batch_limit=2, batch_window=5.0, quota_retry_after=True)
    statuses = [
        batch(portal, (1, 2), now=0.0).status,
        read(portal, 1, now=2.0).status,
        batch(portal, (1, 2), now=4.5).status,
    ]
    assert statuses == [200, 200, 429]
    refused = read(portal, 1, now=4.9)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert decode(refused)["policyName"] == "TEN_SECONDLY_ROLLING"
    assert put(portal, now=4.9).status == 200
    assert batch(portal, (1, 2), now=5.0).status == 200
    assert read(portal, 1, now=6.9).status == 429
    assert portal.ledger.max_batch_in_window == 5


def test_refused_batch_calls_may_use_up_the_limit() -> None:
    """With `count_refused` there is room only after a pause."""
    portal = make_portal(batch_limit=1, batch_window=1.0, count_refused=True)
    statuses = [read(portal, 1, now=now).status for now in (0.0, 0.9, 1.5, 2.6)]
    assert statuses == [207, 429, 429, 207]


def _open(portal: Portal, number: int) -> Any:
    body = json.dumps({"inputs": [{"id": str(number)}]}).encode()
    request = portal.receive("POST", READ, body)
    portal.open(request)
    return request


def test_the_limit_of_batch_calls_in_flight() -> None:
    """Beyond it a 429 that names the ten-second limit; a refused call is not in flight."""
    portal = make_portal(batch_max_in_flight=2, quota_retry_after=True)
    requests = [_open(portal, number) for number in range(1, 5)]
    responses = [portal.respond(request, GOOD, 0.0) for request in requests]
    assert [response.status for response in responses] == [207, 207, 429, 429]
    assert decode(responses[2])["policyName"] == "TEN_SECONDLY_ROLLING"
    assert responses[2].headers["Retry-After"] == "1"
    assert put(portal).status == 200
    for request in (requests[0], requests[2]):
        portal.close(request)
    late = [_open(portal, number) for number in (5, 6)]
    assert [portal.respond(request, GOOD, 1.0).status for request in late] == [207, 429]
    assert portal.ledger.throttled == {"BATCH_IN_FLIGHT": 3}
    assert portal.ledger.max_batch_in_flight == 4


async def _post(served: ServedPortal, session: aiohttp.ClientSession) -> int:
    url = served.base_url + READ
    async with session.post(url, data=INPUTS, headers={"Authorization": GOOD}) as response:
        return response.status


async def test_calls_in_flight_over_sockets() -> None:
    """A call is in flight until its response is sent."""
    latency = Latency(after_median=1.0)
    settings = PortalSettings(batch_max_in_flight=3, latency=latency)
    async with serve(settings) as served, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(_post(served, session)) for _ in range(5)]
            assert sorted(call.result() for call in calls) == [207, 207, 207, 429, 429]
        assert served.portal.ledger.max_batch_in_flight == 5
        assert served.portal.ledger.to_dict()["max_batch_in_flight"] == 5


def test_counts_by_kind() -> None:
    """Calls that the limits let through, and their inputs; without the CDN's faults."""
    plan = FaultPlan(script_all=(None, "server_error_500", "bad_gateway_html_502"))
    portal = make_portal(faults=plan, batch_limit=3)
    put(portal)
    batch(portal, (1, 2), (3, 4), (5, "x"))
    batch(portal, (7, 8))
    read(portal, 1, 2, 3, 4)
    read(portal, *range(1001, 2003))
    read(portal, 5)
    counts = portal.ledger.to_dict()
    assert counts["calls"] == {"batch": 1, "put": 1, "read": 2}
    assert (counts["batch_inputs"], counts["read_inputs"]) == (3, 4)
    assert counts["max_batch_in_window"] == 5
    assert counts["throttled"] == {"TEN_SECONDLY_ROLLING": 1}
    assert counts["windows"] == [1]
