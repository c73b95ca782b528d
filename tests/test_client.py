"""The client's verbs, without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses

from aiohubassoc import (
    ApiVersion,
    AssociationClient,
    AuthenticationError,
    BulkLinkError,
    ClientClosedError,
    ConnectionLostError,
    DailyLimitError,
    LockedError,
    MissingScopesError,
    NotFoundError,
    OptionsError,
    Pair,
    PairError,
    PartialFailureError,
    Quota,
    QuotaLimiter,
    RateLimitedError,
    ResponseTimeoutError,
    RetryPolicy,
    ServerError,
    Status,
    Timeouts,
    UnconfirmedError,
    ValidationError,
    WrongEndpointError,
)
from aiohubassoc.testing import FakeClock
from tests.conftest import pass_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

PAIR = Pair("contacts", 101, "companies", 202)
URL_V4 = "https://api.hubapi.com/crm/v4/objects/contacts/101/associations/default/companies/202"
ANY = re.compile(r"https://api\.hubapi\.com/.*")
QUOTA_HEADERS = {
    "X-HubSpot-RateLimit-Max": "190",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
}


def success(from_id: str = "101", to_id: str = "202") -> dict[str, Any]:
    """Return the body of a usual success."""
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
    return {
        "status": "COMPLETE",
        "results": [
            {"from": {"id": to_id}, "to": {"id": from_id}, "associationSpec": spec},
            {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec},
        ],
        "startedAt": "2026-11-23T10:00:00.000Z",
        "completedAt": "2026-11-23T10:00:00.010Z",
    }


def echo(url: URL, **_: Any) -> CallbackResult:
    """Link whatever is asked for."""
    parts = url.path.split("/")
    return CallbackResult(payload=success(parts[5], parts[9]), headers=QUOTA_HEADERS)


@pytest.fixture
def hubspot() -> Any:
    """HubSpot without a network."""
    with aioresponses() as mocked:
        yield mocked


@pytest.fixture
async def client(hubspot: aioresponses) -> AsyncIterator[AssociationClient]:
    """An open client."""
    async with AssociationClient("canary-token", quota=Quota(1000, 1.0)) as opened:
        yield opened


# --- create_default ----------------------------------------------------------------------------


async def test_one_pair(hubspot: aioresponses, client: AssociationClient) -> None:
    """All fields of the reply of a linked pair are returned."""
    hubspot.put(URL_V4, payload=success())
    reply = await client.create_default(PAIR)
    assert ("COMPLETE", (), 279) == (
        reply.status,
        reply.errors,
        reply.results[0].association_spec.association_type_id,
    )
    ((_, calls),) = hubspot.requests.items()
    (call,) = calls
    assert (None, False) == (call.kwargs.get("data"), call.kwargs["allow_redirects"])


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v4", "/crm/v4/objects/contacts/101/associations/default/companies/202"),
        ("2026-03", "/crm/objects/2026-03/contacts/101/associations/default/companies/202"),
        ("2026-09", "/crm/objects/2026-09/contacts/101/associations/default/companies/202"),
    ],
)
async def test_every_version(hubspot: aioresponses, version: str, path: str) -> None:
    """Only the path depends on the API version."""
    hubspot.put(f"https://hub.example{path}", payload=success())
    async with AssociationClient(
        "t", base_url="https://hub.example/", api_version=version
    ) as client:
        assert "COMPLETE" == (await client.create_default(PAIR)).status


def _error(**more: Any) -> dict[str, Any]:
    return {"status": "error", "message": "m", "correlationId": "c-1", **more}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 400, "payload": _error(category="VALIDATION_ERROR")}, ValidationError),
        ({"status": 401, "payload": _error(category="X")}, AuthenticationError),
        ({"status": 403, "payload": _error(category="MISSING_SCOPES")}, MissingScopesError),
        ({"status": 404, "payload": _error(category="OBJECT_NOT_FOUND")}, NotFoundError),
        ({"status": 404, "body": "<html>"}, WrongEndpointError),
        ({"status": 302, "headers": {"Location": "/"}}, WrongEndpointError),
        ({"status": 423, "payload": _error()}, LockedError),
        ({"status": 429, "payload": _error(policyName="SECONDLY")}, RateLimitedError),
        ({"status": 429, "payload": _error(policyName="DAILY")}, DailyLimitError),
        ({"status": 502, "body": "<html>"}, ServerError),
        ({"payload": {**success(), "numErrors": 1}}, PartialFailureError),
        ({"payload": {"status": "COMPLETE", "results": []}}, UnconfirmedError),
        ({"status": 204}, UnconfirmedError),
        ({"exception": aiohttp.ServerDisconnectedError()}, ConnectionLostError),
    ],
)
async def test_a_pair_that_is_not_linked_raises(
    hubspot: aioresponses, client: AssociationClient, answer: dict[str, Any], expected: type
) -> None:
    """Each kind of failure has a separate exception, which does not contain the token."""
    hubspot.put(URL_V4, repeat=True, **answer)
    with pytest.raises(expected) as caught:
        await client.create_default(PAIR)
    assert "canary-token" not in repr(caught.value) + str(caught.value)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


async def test_temporary_errors_are_retried(
    hubspot: aioresponses, client: AssociationClient
) -> None:
    """A 500, a 429, a lost connection and an invalid response come before the link."""
    hubspot.put(URL_V4, status=500)
    hubspot.put(URL_V4, status=429, payload=_error(policyName="TEN_SECONDLY_ROLLING"))
    hubspot.put(URL_V4, exception=aiohttp.ClientPayloadError())
    hubspot.put(URL_V4, body="<html>")
    hubspot.put(URL_V4, payload=success())
    assert "COMPLETE" == (await client.create_default(PAIR)).status


async def test_only_pairs_are_accepted(client: AssociationClient) -> None:
    """Ids without object types are not a pair."""
    with pytest.raises(OptionsError, match=r"not a Pair: give Pair\("):
        await client.create_default((1, 2))  # type: ignore[arg-type]  # that is the point


async def test_thousands_of_tasks_share_a_client(hubspot: aioresponses) -> None:
    """Ten thousand callers at 19 calls/s all succeed, however long they wait for the quota."""
    hubspot.put(ANY, callback=echo, repeat=True)
    clock = FakeClock()
    async with AssociationClient("t", quota=Quota.PROFESSIONAL, clock=clock) as client:
        tasks = [
            asyncio.create_task(client.create_default(Pair("contacts", n, "companies", n)))
            for n in range(3000)
        ]
        await asyncio.wait(tasks)
    assert {"COMPLETE"} == {task.result().status for task in tasks}
    assert 3000 / 19 - 10 <= clock.now() <= 3000 / 19


# --- many --------------------------------------------------------------------------------------


async def test_link_each(hubspot: aioresponses, client: AssociationClient) -> None:
    """A failed pair raises nothing, and each pair has its outcome."""
    hubspot.put(URL_V4, status=404, payload=_error(category="OBJECT_NOT_FOUND"))
    hubspot.put(ANY, callback=echo, repeat=True)
    pairs = [PAIR, Pair("deals", 1, "contacts", 2, tag="mine")]
    async with client.link_each(pairs, ordered=True) as outcomes:
        refused, linked = [outcome async for outcome in outcomes]
    assert isinstance(refused.error, NotFoundError)
    assert (Status.LINKED, "mine", 1) == (linked.status, linked.pair.tag, linked.index)
    assert linked.reply is not None


async def test_link_all(hubspot: aioresponses, client: AssociationClient) -> None:
    """The report counts, keeps the failures, and raises them when asked."""
    hubspot.put(URL_V4, status=404, payload=_error(category="OBJECT_NOT_FOUND"))
    hubspot.put(ANY, callback=echo, repeat=True)
    ids: Any = [(101, 202), (1, 2), (3, None)]
    report = await client.link_all(ids, from_type="contacts", to_type="companies")
    assert (1, 2, 3) == (report.linked, report.failed, report.total)
    with pytest.raises(BulkLinkError, match="2 of 3"):
        report.raise_for_failures()


async def test_link_all_stops(hubspot: aioresponses, client: AssociationClient) -> None:
    """link_all accepts the arguments of link_each."""
    hubspot.put(ANY, status=400, payload=_error(category="X"), repeat=True)
    pairs = (Pair("contacts", n, "companies", n) for n in range(500))
    report = await client.link_all(pairs, stop_after_failures=3, max_failures_kept=2)
    assert (500, 2) == (report.total, len(report.failures))
    assert report.unprocessed >= 500 - 3 - 64


async def test_batches_without_a_socket(hubspot: aioresponses, client: AssociationClient) -> None:
    """Users can mock the documented call: a POST with the pairs as JSON."""
    asked: list[tuple[str, int, str | None]] = []

    def link(url: URL, *, data: bytes, headers: dict[str, str], **_: Any) -> CallbackResult:
        inputs = json.loads(data)["inputs"]
        asked.append((url.path, len(inputs), headers.get("Content-Type")))
        results = [one | {"associationSpec": {}} for one in inputs]
        return CallbackResult(payload={"status": "COMPLETE", "results": results})

    hubspot.post(ANY, callback=link, repeat=True)
    report = await client.link_all(
        [(n, n + 500) for n in range(1, 251)],
        from_type="contacts",
        to_type="companies",
        via="batch",
        batch_size=100,
    )
    assert (250, 250) == (report.linked, report.total)
    path = "/crm/v4/associations/contacts/companies/batch/associate/default"
    assert [(path, count, "application/json") for count in (100, 100, 50)] == asked


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({"stop_after_failures": 0}, "stop_after_failures"),
        ({"stall_timeout": 0}, "stall_timeout"),
        ({"drain_timeout": -1.0}, "drain_timeout"),
        ({"max_failures_kept": -1}, "max_failures_kept"),
        ({"from_type": "contacts"}, "give both"),
    ],
)
async def test_options_of_a_run(
    client: AssociationClient, options: dict[str, Any], reported: str
) -> None:
    """Options are checked before anything is read."""
    with pytest.raises(OptionsError, match=reported):
        client.link_each([], **options)


async def test_two_clients_share_a_limiter(hubspot: aioresponses) -> None:
    """Only if both get the same limiter."""
    hubspot.put(ANY, callback=echo, repeat=True)
    clock = FakeClock()
    limiter = QuotaLimiter(Quota(10, 10.0), clock=clock)
    async with (
        AssociationClient("t", limiter=limiter, clock=clock) as one,
        AssociationClient("t", limiter=limiter, clock=clock) as other,
    ):
        assert one.limiter is other.limiter is limiter
        for client in (one, other):
            await client.link_all([Pair("contacts", n, "companies", n) for n in range(20)])
    assert 30.0 <= clock.now() < 31.0


async def test_the_quota_is_adopted_from_the_headers(hubspot: aioresponses) -> None:
    """Without a quota, the limit of the first responses is adopted."""
    hubspot.put(ANY, callback=echo, repeat=True)
    async with AssociationClient("t") as client:
        assert Quota(100) == client.limiter.quota
        await client.create_default(PAIR)
        assert Quota(190) == client.limiter.quota


# --- life --------------------------------------------------------------------------------------


async def test_a_client_is_used_inside_its_block(hubspot: aioresponses) -> None:
    """Every method raises before the block is entered and after it is left."""
    client = AssociationClient("t")
    for _ in range(2):
        with pytest.raises(ClientClosedError, match="async with"):
            await client.create_default(PAIR)
        with pytest.raises(ClientClosedError):
            client.link_each([])
        await client.aclose()
    with pytest.raises(ClientClosedError, match="once"):
        async with client:
            pass


async def test_a_client_cannot_be_entered_twice(client: AssociationClient) -> None:
    """A second entry would create a second session."""
    with pytest.raises(ClientClosedError, match="once"):
        await client.__aenter__()


async def test_closing_the_client_ends_its_run(hubspot: aioresponses) -> None:
    """The remaining pairs are unprocessed, with the reason."""
    hubspot.put(ANY, callback=echo, repeat=True)
    client = AssociationClient("t", quota=Quota(5, 10.0))
    reported = []
    async with client:
        outcomes = client.link_each([Pair("contacts", n, "companies", n) for n in range(20)])
        with pytest.raises(ClientClosedError):
            async with outcomes:
                async for outcome in outcomes:
                    reported.append(outcome)
                    await client.aclose()
    reported += [outcome async for outcome in outcomes]
    assert len(reported) == outcomes.report.total
    assert outcomes.report.linked >= 1


def test_the_token_is_not_in_the_repr() -> None:
    """The client's repr and its errors do not contain the token."""
    client = AssociationClient("canary-token", api_version="2026-09")
    assert "<AssociationClient https://api.hubapi.com 2026-09 new>" == repr(client)
    for token in ("canary-token\n", "canary token", "Bearer canary-token", "canary-tökén"):
        with pytest.raises(OptionsError) as caught:
            AssociationClient(token)
        assert "canary" not in str(caught.value)


async def test_the_log_shows_no_token(
    hubspot: aioresponses, client: AssociationClient, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level, in the lines of every logger."""
    caplog.set_level(logging.DEBUG)
    hubspot.put(URL_V4, status=500)
    hubspot.put(URL_V4, payload=success())
    await client.create_default(PAIR)
    assert caplog.records
    assert "canary-token" not in caplog.text


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({"token": ""}, "token"),
        ({"token": 5}, "token"),
        ({"base_url": "http://api.hubapi.com"}, "https"),
        ({"api_version": "v3"}, "v4, 2026-03, 2026-09"),
        ({"api_version": "2027-13"}, "YYYY-MM-beta"),
        ({"api_version": "2027-03-alpha"}, "YYYY-MM-beta"),
        ({"api_version": "2027-03/.."}, "YYYY-MM-beta"),
        ({"api_version": "2027-03\n"}, "YYYY-MM-beta"),
        ({"api_version": 2027}, "YYYY-MM-beta"),
        ({"concurrency": 0}, "1 to 1000"),
        ({"concurrency": 1001}, "1 to 1000"),
        ({"concurrency": 1.5}, "int"),
        ({"concurrency": True}, "int"),
        ({"quota": "190/10s"}, "Quota"),
        ({"retry": 5}, "RetryPolicy"),
        ({"timeouts": 5}, "Timeouts"),
        ({"quota": Quota.OAUTH, "limiter": QuotaLimiter()}, "limiter or a quota"),
        ({"share": 0.5, "limiter": QuotaLimiter()}, "limiter or a quota"),
        ({"reserve_daily": 5, "limiter": QuotaLimiter()}, "limiter or a quota"),
        ({"strict_quota": True, "limiter": QuotaLimiter()}, "limiter or a quota"),
        ({"share": 0}, "share must be"),
        ({"reserve_daily": 1.5}, "reserve_daily must be"),
        ({"session": object(), "trust_env": True}, "session that the client makes"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], reported: str) -> None:
    """Invalid arguments are refused when the client is created, with the reason."""
    with pytest.raises(OptionsError, match=reported):
        AssociationClient(**{"token": "t", **options})


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token and base URL are read from the environment; arguments take precedence."""
    for name in ("HUBSPOT_ACCESS_TOKEN", "PRIVATE_APP_ACCESS_TOKEN", "HUBSPOT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OptionsError, match="HUBSPOT_ACCESS_TOKEN or PRIVATE_APP_ACCESS_TOKEN"):
        AssociationClient.from_env()
    monkeypatch.setenv("PRIVATE_APP_ACCESS_TOKEN", "second\n")
    assert "second" == AssociationClient.from_env()._tokens.fixed
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", " first ")
    monkeypatch.setenv("HUBSPOT_BASE_URL", "https://hub.example")
    client = AssociationClient.from_env(api_version="2026-03")
    assert "first" == client._tokens.fixed
    assert "<AssociationClient https://hub.example 2026-03 new>" == repr(client)
    assert "https://b.example" in repr(AssociationClient.from_env(base_url="https://b.example"))
    with pytest.raises(OptionsError, match=r"^base_url 'ftp://b' must begin with"):
        AssociationClient.from_env(base_url="ftp://b")
    monkeypatch.setenv("HUBSPOT_BASE_URL", "ftp://hub")
    with pytest.raises(OptionsError, match=r"^HUBSPOT_BASE_URL 'ftp://hub' must begin with"):
        AssociationClient.from_env()
    with pytest.raises(OptionsError, match=r"^concurrency must"):
        AssociationClient.from_env(concurrency=0)


@pytest.mark.filterwarnings("error::FutureWarning")
def test_the_end_of_v4_is_announced() -> None:
    """A warning starts 90 days before the end of support; dated versions have none."""
    late = FakeClock(datetime(2026, 12, 30, tzinfo=UTC))
    with pytest.warns(
        FutureWarning, match="until 2027-03-30: set api_version to '2026-09'"
    ) as reported:
        AssociationClient("t", clock=late)
    assert __file__ == reported[0].filename
    AssociationClient("t", clock=late, api_version="2026-03")
    AssociationClient("t", clock=FakeClock(datetime(2026, 12, 29, tzinfo=UTC)))


@pytest.mark.parametrize("version", ["2027-03", "2027-03-beta", "2026-03-beta", "2031-12"])
def test_a_later_version_is_used_with_a_warning(version: str) -> None:
    """HubSpot releases two versions a year; an unknown one gives one warning with its name."""
    with pytest.warns(UserWarning, match=f"api_version '{version}' is not known") as reported:
        client = AssociationClient("t", api_version=version)
    assert [__file__] == [one.filename for one in reported]
    assert f"<AssociationClient https://api.hubapi.com {version} new>" == repr(client)


@pytest.mark.parametrize("version", ApiVersion)
def test_a_known_version_gives_no_warning(version: ApiVersion) -> None:
    """A text or a member of the enum; warnings are errors here."""
    AssociationClient("t", api_version=version)
    AssociationClient("t", api_version=version.value)


@pytest.mark.parametrize(
    ("timeouts", "seconds"), [({}, 30.0), ({"timeouts": Timeouts(response=None, total=7.0)}, 7.0)]
)
async def test_timeouts_are_set_by_default(timeouts: dict[str, Any], seconds: float) -> None:
    """A server that never responds costs one attempt."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await pass_time(100)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    policy = RetryPolicy(attempts=1)
    async with (
        server,
        AssociationClient("t", base_url=base_url, retry=policy, **timeouts) as client,
    ):
        begun = asyncio.get_running_loop().time()
        with pytest.raises(ResponseTimeoutError):
            await client.create_default(PAIR)
        assert seconds == round(asyncio.get_running_loop().time() - begun, 1)
        await pass_time(100)


async def test_a_session_of_the_caller(hubspot: aioresponses) -> None:
    """Requests use it, and it stays open."""
    hubspot.put(URL_V4, payload=success())
    async with aiohttp.ClientSession() as session:
        async with AssociationClient("t", session=session) as client:
            await client.create_default(PAIR)
        assert not session.closed


async def test_a_custom_retry_policy(hubspot: aioresponses) -> None:
    """With one attempt there is no retry."""
    hubspot.put(URL_V4, status=500, repeat=True)
    policy = RetryPolicy(attempts=1)
    async with AssociationClient("t", retry=policy, jitter=lambda: 0.0) as client:
        with pytest.raises(ServerError):
            await client.create_default(PAIR)
    ((_, calls),) = hubspot.requests.items()
    assert 1 == len(calls)


async def test_a_pair_error_is_raised_where_the_pair_is_made() -> None:
    """Before anything is sent."""
    with pytest.raises(PairError):
        Pair("contacts", "", "companies", 1)
