"""Every fault over a real socket: what a client sees of it, and whether the pair is linked."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from aiohubassoc.simulator import Fault, FaultPlan, Latency, PortalSettings, serve
from tests.conftest import pass_time
from tests.simulator.portal_calls import (
    GOOD,
    batch,
    decode,
    make_portal,
    put,
    put_path,
    send,
    to_dict,
)

if TYPE_CHECKING:
    from aiohubassoc.simulator import ServedPortal


@attrs.frozen
class Seen:
    """What a client saw: a status and a body, or how the connection failed."""

    status: int = 0
    body: bytes = b""
    headers: Any = attrs.field(factory=dict)
    failure: str = ""

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def _seen(served: ServedPortal, path: str | None = None, limit: float = 30.0) -> Seen:
    timeout = aiohttp.ClientTimeout(total=limit)
    session = aiohttp.ClientSession(headers={"Authorization": GOOD}, timeout=timeout)
    # Else it retries an idempotent call by itself when the connection breaks.
    session._retry_connection = False
    async with session:
        try:
            url = served.base_url + (path or put_path())
            async with session.put(url, allow_redirects=False) as response:
                return Seen(response.status, await response.read(), response.headers)
        except TimeoutError:
            return Seen(failure="timeout")
        except aiohttp.ClientPayloadError:
            return Seen(failure="cut")
        except aiohttp.ClientConnectionError:
            return Seen(failure="reset")


async def _hit(fault: Fault, **more: Any) -> tuple[Seen, bool]:
    """Return what is seen of *fault*, and whether the pair is linked."""
    plan = FaultPlan(script_all=(fault.value,), **more)
    async with serve(PortalSettings(faults=plan)) as served:
        seen = await _seen(served)
        assert served.portal.ledger.faults == {fault.value: 1}
        # The next call succeeds.
        assert (await _seen(served, put_path(5))).status == 200
        return seen, served.portal.ledger.links_total == 2


@pytest.mark.parametrize(
    ("fault", "status", "start", "header"),
    [
        (Fault.SERVER_ERROR_500, 500, b'{"status":"error","message":"internal error"', None),
        (Fault.BAD_GATEWAY_HTML_502, 502, b"<html>", None),
        (Fault.UNAVAILABLE_503, 503, b"", None),
        (Fault.GATEWAY_TIMEOUT_504, 504, b"<!DOCTYPE html>", None),
        (Fault.CLOUDFLARE_524, 524, b"<html>", None),
        (Fault.PROBLEM_JSON_502, 502, b'{"type":"https://', ("Retry-After", "60")),
        (Fault.LOCKED_423, 423, b"", None),
        (Fault.MIGRATING_477, 477, b"", ("Retry-After", "1")),
        (Fault.THROTTLED_429, 429, b'{"status":"error","message":"You', ("Retry-After", "1")),
        (Fault.THROTTLED_429_BARE, 429, b'{"status":"error","message":"You', None),
        (Fault.CLOUDFLARE_1015, 429, b"error code: 1015", None),
        (Fault.NOT_FOUND_HTML_404, 404, b"<html>", None),
        (Fault.REDIRECT_302, 302, b"", ("Location", "/login")),
    ],
)
async def test_faults_that_replace_the_response(
    fault: Fault, status: int, start: bytes, header: tuple[str, str] | None
) -> None:
    """Nothing is linked."""
    seen, is_linked = await _hit(fault)
    assert (seen.status, is_linked) == (status, False)
    assert seen.body.startswith(start)
    assert bool(seen.body) == bool(start)
    if header is not None:
        assert seen.headers[header[0]] == header[1]
    elif status == 429:
        assert "Retry-After" not in seen.headers


@pytest.mark.parametrize(
    ("fault", "status", "is_linked"),
    [
        (Fault.NO_BODY, 204, True),
        (Fault.ACCEPTED_202, 202, True),
        (Fault.PENDING, 200, True),
        (Fault.ERRORS_IN_2XX, 200, False),
        (Fault.PARTIAL_207, 207, True),
        (Fault.EMPTY_RESULTS, 200, False),
        (Fault.UNKNOWN_FIELDS, 200, True),
        (Fault.CREATED_201, 201, True),
        (Fault.UNMADE, 200, False),
    ],
)
async def test_faults_that_change_a_success(fault: Fault, status: int, *, is_linked: bool) -> None:
    """The status is 2xx, and only the body shows the fault."""
    seen, was_linked = await _hit(fault)
    assert (seen.status, was_linked) == (status, is_linked)
    if fault is Fault.NO_BODY:
        assert seen.body == b""
        return
    body = seen.document
    results, errors = len(body["results"]), len(body.get("errors") or [])
    expected = {
        Fault.ERRORS_IN_2XX: (0, 1),
        Fault.PARTIAL_207: (1, 1),
        Fault.EMPTY_RESULTS: (0, 0),
        Fault.ACCEPTED_202: (0, 0),
        Fault.PENDING: (0, 0),
    }
    assert (results, errors) == expected.get(fault, (2, 0))
    assert (body["status"] == "PENDING") == (fault in {Fault.ACCEPTED_202, Fault.PENDING})
    if fault is Fault.UNKNOWN_FIELDS:
        assert {type(result["from"]["id"]) for result in body["results"]} == {int}


@pytest.mark.parametrize(
    ("fault", "failure", "is_linked"),
    [
        (Fault.RESET_BEFORE, "reset", False),
        (Fault.RESET_AFTER, "reset", True),
        (Fault.CUT_BODY, "cut", True),
        (Fault.NEVER_BEFORE, "timeout", False),
        (Fault.NEVER_AFTER, "timeout", True),
    ],
)
async def test_connections_that_fail(fault: Fault, failure: str, *, is_linked: bool) -> None:
    """Only the ledger shows whether the pair is linked."""
    seen, was_linked = await _hit(fault)
    assert (seen.failure, was_linked) == (failure, is_linked)


async def test_a_body_that_stops_in_the_middle() -> None:
    """Content-Length agrees, so only the JSON shows it."""
    seen, is_linked = await _hit(Fault.GARBLED_BODY)
    assert (seen.status, is_linked) == (200, True)
    with pytest.raises(json.JSONDecodeError):
        json.loads(seen.body)


async def test_a_slow_response() -> None:
    """The whole response is delayed."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    seen, is_linked = await _hit(Fault.SLOW, slow_seconds=7.0)
    assert (seen.status, is_linked) == (200, True)
    assert loop.time() - begun >= 7.0


# --- which calls are hit -----------------------------------------------------------------------


def test_shares_are_kept() -> None:
    """Each fault hits about its share of the calls."""
    portal = make_portal(faults=FaultPlan(server_error_500=0.1, no_body=0.3))
    for number in range(1, 2001):
        put(portal, number)
    assert 150 < portal.ledger.faults["server_error_500"] < 250
    assert 520 < portal.ledger.faults["no_body"] < 680
    assert set(portal.ledger.faults) == {"server_error_500", "no_body"}


def test_the_same_requests_get_the_same_responses() -> None:
    """In any order; another seed gives other responses."""
    plan = FaultPlan(server_error_500=0.2, no_body=0.2, partial_207=0.2)
    settings: dict[str, Any] = {
        "faults": plan,
        "missing_share": 0.1,
        "latency": Latency(1, 1, 1, 1),
    }
    one, other, third = (
        make_portal(**settings),
        make_portal(**settings),
        make_portal(seed=2, **settings),
    )
    numbers = [*range(1, 200), *range(1, 200)]
    responses = [(number, to_dict(put(one, number))) for number in numbers]
    again = [(number, to_dict(put(other, number))) for number in sorted(numbers)]
    assert sorted(map(str, responses)) == sorted(map(str, again))
    assert sorted(map(str, responses)) != sorted(
        str((number, to_dict(put(third, number)))) for number in numbers
    )


def test_only_first_arrivals_are_hit() -> None:
    """A retry succeeds in the end."""
    portal = make_portal(faults=FaultPlan(unavailable_503=1.0, first_arrivals_only=2))
    assert [put(portal).status for _ in range(4)] == [503, 503, 200, 200]


def test_scripts_come_before_shares() -> None:
    """The script of a pair, under every name of its types, before that of the portal."""
    plan = FaultPlan(
        no_body=1.0,
        script={("contact", "01", "0-2", "2"): ("locked_423", None)},
        script_all=("unavailable_503", "gateway_timeout_504", "cloudflare_524"),
    )
    portal = make_portal(faults=plan)
    assert [put(portal).status for _ in range(4)] == [423, 200, 524, 204]
    assert put(portal, 3).status == 204


def test_a_rate_limited_call_has_no_fault() -> None:
    """Which fault hits a pair does not depend on how often it was rate limited."""
    plan = FaultPlan(script={("contacts", "2", "companies", "2"): ("locked_423",)})
    portal = make_portal(quota_limit=1, quota_window=1.0, faults=plan)
    assert put(portal, 1).status == 200
    assert put(portal, 2).status == 429
    assert put(portal, 2, now=1.0).status == 423


def test_faults_of_the_cdn_use_no_quota() -> None:
    """HubSpot does not count these calls."""
    portal = make_portal(quota_limit=1, faults=FaultPlan(script_all=("gateway_timeout_504",)))
    assert [put(portal, number).status for number in (1, 2, 3)] == [504, 200, 429]


def test_a_fault_that_changes_a_success_keeps_refusals() -> None:
    """A missing record stays missing."""
    portal = make_portal(records_up_to=0, faults=FaultPlan(partial_207=0.5, no_body=0.5))
    assert put(portal).status == 400
    assert not portal.ledger.faults
    assert portal.ledger.refused_total == 1


def test_faults_of_batches() -> None:
    """One result is replaced by an error, besides the errors of missing records."""
    portal = make_portal(records_up_to=50, faults=FaultPlan(partial_207=1.0))
    body = decode(batch(portal, (1, 2), (3, 99)))
    assert (len(body["results"]), body["numErrors"]) == (1, 2)
    scripted = make_portal(faults=FaultPlan(script_all=("server_error_500",)))
    assert batch(scripted, (1, 2)).status == 500


# --- plans -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        {"no_body": -0.1},
        {"no_body": 1.1},
        {"no_body": 0.6, "pending": 0.6},
        {"slow_seconds": -1.0},
        {"migrating_retry_after": -1},
        {"first_arrivals_only": -1},
        {"script_all": ("nonsense",)},
        {"script": {("a", "1", "b", "2"): ("nonsense",)}},
    ],
)
def test_invalid_plans(plan: dict[str, Any]) -> None:
    """They raise ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        FaultPlan(**plan)


async def test_latency_before_and_after_counting() -> None:
    """Each is drawn independently; the quota counts in between."""
    latency = Latency(before_median=3.0, before_sigma=0.5, after_median=5.0, after_sigma=0.5)
    async with serve(PortalSettings(latency=latency)) as served:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        asked = asyncio.create_task(_seen(served, limit=1000.0))
        await asked
        counted, ended = served.portal.ledger.first_counted, loop.time()
        assert counted is not None
        assert 0.5 < counted - begun < 15
        assert 1.0 < ended - counted < 25
        await pass_time(0.0)


def test_delays_are_log_normal() -> None:
    """Half are below the median, few beyond three sigmas; zero without a median."""
    portal = make_portal(latency=Latency(before_median=0.04, before_sigma=0.3))
    delays = [portal.receive("PUT", put_path(number)).delay for number in range(1, 2001)]
    assert 900 < sum(delay < 0.04 for delay in delays) < 1100
    assert sum(delay > 0.04 * 2.46 for delay in delays) < 20
    assert send(make_portal(), "PUT", put_path()).delay == 0


def test_some_requests_are_delayed() -> None:
    """About their share is late, by up to the maximum."""
    portal = make_portal(latency=Latency(stray_share=0.1, stray_max=2.0))
    delays = [portal.receive("PUT", put_path(number)).delay for number in range(1, 2001)]
    late = sorted(delay for delay in delays if delay > 0)
    assert 150 < len(late) < 250
    assert late[0] < 0.2
    assert 1.8 < late[-1] < 2.0
