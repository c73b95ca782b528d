"""The client against a portal on a real socket, in virtual time, compared with its ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import aiohttp
import pytest

from aiohubassoc import (
    ApiVersion,
    AssociationClient,
    AuthenticationError,
    BulkLinkError,
    DailyLimitError,
    DailyReserveError,
    MigratingError,
    MissingScopesError,
    NotFoundError,
    Pair,
    Quota,
    QuotaLimiter,
    RetryPolicy,
    Status,
    Timeouts,
    TransportError,
    ValidationError,
    WrongEndpointError,
)
from aiohubassoc._http.connections import Connections
from aiohubassoc.simulator import Fault, FaultPlan, Latency, PortalSettings
from aiohubassoc.testing import FakeClock, simulated_portal
from tests.conftest import settle
from tests.http.slow_resolver import SlowResolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from aiohubassoc import Outcome
    from aiohubassoc._http.connections import Attempt
    from aiohubassoc.simulator import ServedPortal

TOKEN = PortalSettings().tokens[0]
UNLIMITED = Quota(10**6, 1.0)
LATENCY = Latency(0.04, 0.3, 0.04, 0.3)
PASSING = [
    fault
    for fault in Fault
    if fault
    not in {
        Fault.ERRORS_IN_2XX,
        Fault.PARTIAL_207,
        Fault.NOT_FOUND_HTML_404,
        Fault.REDIRECT_302,
        Fault.UNMADE,
    }
]


def _client(running: ServedPortal, **options: Any) -> AssociationClient:
    defaults: dict[str, Any] = {"base_url": running.base_url, "timeouts": Timeouts(response=1.0)}
    return AssociationClient(TOKEN, **{**defaults, **options})


def _pairs(count: int) -> list[Pair]:
    return [Pair("contacts", number, "companies", number) for number in range(1, count + 1)]


def _unlimited(**settings: Any) -> PortalSettings:
    return PortalSettings(quota_limit=None, **settings)


async def _outcomes(client: AssociationClient, pairs: Iterable[Pair]) -> list[Outcome]:
    async with client, client.link_each(pairs) as outcomes:
        return [outcome async for outcome in outcomes]


def _contradicted(running: ServedPortal, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that contradict the portal's ledger."""
    made = {tuple(pair) for pair in running.portal.ledger.links}
    wrong = []
    for outcome in outcomes:
        pair = outcome.pair
        is_made = (pair.from_type, pair.from_id, pair.to_type, pair.to_id) in made
        if outcome.status in {Status.LINKED, Status.PARTIAL}:
            if not is_made:
                wrong.append(outcome)
        elif is_made and not outcome.maybe_applied:
            wrong.append(outcome)
    return wrong


# --- every fault ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
async def test_temporary_faults_are_retried(fault: Fault) -> None:
    """The pair is linked, after a retry if one was needed."""
    pair = Pair("contacts", 1, "companies", 2)
    script = {("contacts", "1", "companies", "2"): (fault.value,)}
    plan = FaultPlan(script=script, slow_seconds=5.0)
    async with simulated_portal(_unlimited(faults=plan)) as running:
        (outcome,) = await _outcomes(_client(running), [pair])
        assert outcome.status is Status.LINKED
        assert outcome.pair is pair
        assert not _contradicted(running, [outcome])
        assert running.portal.ledger.faults == {fault.value: 1}
        harmless = {Fault.UNKNOWN_FIELDS, Fault.CREATED_201}
        assert running.portal.ledger.requests == (1 if fault in harmless else 2)
        no_try = {
            Fault.THROTTLED_429,
            Fault.THROTTLED_429_BARE,
            Fault.CLOUDFLARE_1015,
            Fault.MIGRATING_477,
        }
        assert outcome.attempts == (1 if fault in harmless | no_try else 2)
        await settle()
    assert running.open_connections == 0


@pytest.mark.parametrize(
    ("fault", "maybe_applied"),
    [
        (Fault.NEVER_AFTER, True),
        (Fault.RESET_AFTER, True),
        (Fault.RESET_BEFORE, True),
        (Fault.CUT_BODY, True),
        (Fault.GARBLED_BODY, True),
    ],
)
async def test_an_unknown_result_may_be_applied(fault: Fault, *, maybe_applied: bool) -> None:
    """It is reported as a transport error with `maybe_applied`."""
    plan = FaultPlan(**{fault.value: 1.0})  # type: ignore[arg-type]
    async with simulated_portal(_unlimited(faults=plan)) as running:
        (outcome,) = await _outcomes(_client(running), _pairs(1))
    assert (outcome.status, outcome.attempts) == (Status.FAILED, 5)
    assert isinstance(outcome.error, TransportError)
    assert outcome.error.maybe_applied is outcome.maybe_applied is maybe_applied


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.ERRORS_IN_2XX, Status.FAILED),
        (Fault.PARTIAL_207, Status.PARTIAL),
        (Fault.NOT_FOUND_HTML_404, Status.FAILED),
        (Fault.REDIRECT_302, Status.FAILED),
    ],
)
async def test_final_responses(fault: Fault, status: Status) -> None:
    """After HubSpot responded to another pair, the response is about this pair only."""
    plan = FaultPlan(script_all=(None, fault.value))
    async with simulated_portal(_unlimited(faults=plan)) as running:
        outcomes = await _outcomes(_client(running, concurrency=1), _pairs(3))
        assert Counter(outcome.status for outcome in outcomes) == {Status.LINKED: 2, status: 1}
        assert not _contradicted(running, outcomes)
        assert running.portal.ledger.requests == 3


async def test_a_link_that_is_confirmed_but_not_made() -> None:
    """It is reported as linked: only reading the links back would show it."""
    plan = FaultPlan(script_all=(None, "unmade"))
    async with simulated_portal(_unlimited(faults=plan)) as running:
        outcomes = await _outcomes(_client(running, concurrency=1), _pairs(2))
        assert [outcome.status for outcome in outcomes] == [Status.LINKED, Status.LINKED]
        assert _contradicted(running, outcomes) == [outcomes[1]]


async def test_a_refusal_keeps_maybe_applied_of_an_earlier_attempt() -> None:
    """The first attempt linked the pair and its response was lost; the second was refused."""
    plan = FaultPlan(script_all=(None, "reset_after", "not_found_html_404"))
    async with simulated_portal(_unlimited(faults=plan)) as running:
        outcomes = await _outcomes(_client(running, concurrency=1), _pairs(2))
        assert [outcome.status for outcome in outcomes] == [Status.LINKED, Status.FAILED]
        assert isinstance(outcomes[1].error, WrongEndpointError)
        assert outcomes[1].maybe_applied
        assert not _contradicted(running, outcomes)


async def test_everything_at_once() -> None:
    """One outcome for each pair, and the records agree with all of them."""
    # A fault that no response shows has a separate test.
    shares: dict[str, Any] = dict.fromkeys(map(str, set(Fault) - {Fault.UNMADE}), 0.02)
    plan = FaultPlan(**shares, slow_seconds=5.0, problem_retry_after=1, script_all=(None,) * 64)
    settings = _unlimited(faults=plan, missing_share=0.05, headers="some", latency=LATENCY)
    async with simulated_portal(settings) as running:
        outcomes = await _outcomes(_client(running, quota=UNLIMITED), _pairs(600))
        assert sorted(outcome.index for outcome in outcomes) == list(range(600))
        assert not _contradicted(running, outcomes)
        counts = Counter(outcome.status for outcome in outcomes)
        assert counts[Status.LINKED] > 450
        assert counts[Status.UNPROCESSED] == 0
        refused = [outcome for outcome in outcomes if isinstance(outcome.error, ValidationError)]
        assert len(refused) >= 30
        assert all("associations are invalid" in str(outcome.error) for outcome in refused)


@pytest.mark.parametrize("headers", ["all", "some"])
async def test_the_reserve_of_the_day(headers: Literal["all", "some"]) -> None:
    """The run stops in time, although not all responses report the remaining calls."""
    settings = _unlimited(daily_limit=1000, headers=headers, latency=LATENCY)
    async with simulated_portal(settings) as running:
        async with _client(running, quota=UNLIMITED, reserve_daily=0.6) as client:
            report = await client.link_all(_pairs(500))
            with pytest.raises(DailyReserveError):
                await client.create_default(_pairs(1)[0])
        assert isinstance(report.stopped, DailyReserveError)
        assert 500 == report.total
        assert report.linked == report.responses == running.portal.ledger.requests
        # If headers are missing, the lowest count of responses out of order is used.
        assert (400 if headers == "all" else 336) <= report.linked <= 400


async def test_the_share_of_errors() -> None:
    """The report has the share that HubSpot's rule limits."""
    async with simulated_portal(_unlimited(records_up_to=15)) as running:
        async with _client(running, quota=UNLIMITED) as client:
            report = await client.link_all(_pairs(20))
        assert (20, 5, 0, 0.25) == (
            report.responses,
            report.error_responses,
            report.throttled,
            report.error_share,
        )


# --- what ends a run -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "linked"),
    [
        ({"daily_limit": 50}, DailyLimitError, 50),
        ({"tokens": ("another",)}, AuthenticationError, 0),
        ({"missing_scopes": ("a.write",)}, MissingScopesError, 0),
        (
            {
                "faults": FaultPlan(
                    script_all=(None,) * 50 + ("migrating_477",), migrating_retry_after=86_400
                )
            },
            MigratingError,
            None,
        ),
        ({"faults": FaultPlan(redirect_302=1.0)}, WrongEndpointError, 0),
    ],
    ids=["daily", "401", "403", "477", "302"],
)
async def test_what_ends_a_run(
    settings: dict[str, Any], error: type[Exception], linked: int | None
) -> None:
    """Calls in flight end, the rest is unprocessed, and the report has the reason."""
    async with simulated_portal(_unlimited(**settings)) as running:
        async with _client(running, quota=UNLIMITED) as client:
            report = await client.link_all(_pairs(1000))
        assert isinstance(report.stopped, error)
        assert report.linked + report.failed + report.unprocessed == report.total == 1000
        assert report.linked == running.portal.ledger.links_total
        assert linked in {None, report.linked}
        assert running.portal.ledger.requests <= report.linked + 64
        await settle()
    assert running.open_connections == 0


async def test_a_token_is_renewed_once_for_all() -> None:
    """All refused calls wait for the same new token."""
    asked: list[str | None] = []

    async def token(refused: str | None) -> str:
        if refused is not None:
            asked.append(refused)
            running.portal.accept("fresh")
        return "fresh" if asked else TOKEN

    async with simulated_portal(_unlimited(latency=LATENCY)) as running:
        client = AssociationClient(token, base_url=running.base_url, quota=UNLIMITED)
        async with client, client.link_each(_pairs(500)) as outcomes:
            reported = []
            async for outcome in outcomes:
                reported.append(outcome)
                if len(reported) == 100:
                    running.portal.revoke(TOKEN)
    assert asked == [TOKEN]
    assert {outcome.status for outcome in reported} == {Status.LINKED}


# --- the quota -----------------------------------------------------------------------------------


async def test_no_window_holds_more_than_the_quota() -> None:
    """Even if many runs and callers share one client."""
    async with simulated_portal(PortalSettings(quota_limit=50, latency=LATENCY)) as running:
        async with _client(running, quota=Quota(50, 10.0)) as client, asyncio.TaskGroup() as group:
            runs = [group.create_task(client.link_all(_pairs(60))) for _ in range(3)]
            calls = [group.create_task(client.create_default(pair)) for pair in _pairs(60)]
        assert [run.result().linked for run in runs] == [60] * 3
        assert all(call.result().status == "COMPLETE" for call in calls)
        ledger = running.portal.ledger
        assert ledger.requests == 240
        assert ledger.max_seen_in_window == 50
        assert not ledger.throttled


async def test_thousands_in_the_wait_queue_all_succeed() -> None:
    """Waiting for the quota costs no attempt and no retry budget."""
    async with simulated_portal(PortalSettings(quota_limit=19, quota_window=1.0)) as running:
        async with _client(running, quota=Quota(19, 1.0)) as client, asyncio.TaskGroup() as group:
            calls = [group.create_task(client.create_default(pair)) for pair in _pairs(3000)]
        assert all(call.result().results for call in calls)
        assert not running.portal.ledger.throttled


async def test_a_quota_is_adopted_from_the_headers() -> None:
    """Without a configured quota the client adopts the limit of the headers."""
    settings = PortalSettings(quota_limit=190, latency=LATENCY)
    async with simulated_portal(settings) as running:
        async with _client(running) as client:
            report = await client.link_all(_pairs(600))
            assert client.limiter.quota == Quota(190, 10.0)
        assert report.linked == 600
        assert running.portal.ledger.max_seen_in_window <= 190
        assert running.portal.ledger.windows[1] > 150


@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("strict", [True, False])
async def test_a_slow_resolver_of_a_caller_s_session_exceeds_no_quota(
    monkeypatch: pytest.MonkeyPatch, *, strict: bool, knows: bool
) -> None:
    """A call counts from the sending of its request, or from its response if that is unknown."""
    if not knows:
        take = Connections.take_lent

        async def forgetting(self: Connections, call: Attempt, connection: Any) -> None:
            await take(self, call, connection)
            call.waited = None

        monkeypatch.setattr(Connections, "take_lent", forgetting)
    settings = PortalSettings(quota_limit=40, quota_window=2.0, latency=LATENCY)
    connector = aiohttp.TCPConnector(resolver=SlowResolver(0.25), use_dns_cache=False)
    async with (
        simulated_portal(settings) as running,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        client = _client(
            running,
            base_url=running.base_url.replace("127.0.0.1", "localhost"),
            quota=Quota(40, 2.0),
            strict_quota=strict,
            session=session,
        )
        began_at = asyncio.get_running_loop().time()
        async with client:
            report = await client.link_all(_pairs(200))
        assert (200, 0) == (report.linked, report.throttled)
        assert running.portal.ledger.max_seen_in_window <= 40
        assert asyncio.get_running_loop().time() - began_at <= 9.2


async def test_two_clients_share_a_limiter() -> None:
    """The portal sees them as one client."""
    limiter = QuotaLimiter(Quota(30, 10.0))
    async with simulated_portal(PortalSettings(quota_limit=30, latency=LATENCY)) as running:
        async with (
            _client(running, limiter=limiter) as one,
            _client(running, limiter=limiter) as other,
        ):
            reports = await asyncio.wait_for(_both(one, other), 1000.0)
        assert [report.linked for report in reports] == [50, 50]
        assert not running.portal.ledger.throttled


async def _both(one: AssociationClient, other: AssociationClient) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.link_all(_pairs(50))) for each in (one, other)]
    return [task.result() for task in tasks]


async def test_throttles_by_other_clients_are_not_attempts() -> None:
    """They pause all calls, and every pair is linked."""
    settings = PortalSettings(quota_limit=20, latency=LATENCY, headers="none")
    async with simulated_portal(settings) as running:
        # Twice what the portal lets through.
        client = _client(running, quota=Quota(40, 10.0), retry=RetryPolicy(attempts=1))
        outcomes = await _outcomes(client, _pairs(100))
        assert {outcome.status for outcome in outcomes} == {Status.LINKED}
        assert running.portal.ledger.throttled.total() > 0


# --- leaving early -------------------------------------------------------------------------------


async def test_leaving_early_waits_for_calls_in_flight() -> None:
    """Calls in flight end, no more are sent, and no connection stays open."""
    async with simulated_portal(_unlimited(latency=LATENCY)) as running:
        async with _client(running, quota=UNLIMITED) as client:
            async with client.link_each(_endless()) as outcomes:
                async for outcome in outcomes:
                    if outcome.index >= 300:
                        break
            assert outcomes.in_flight == 0
            requests = running.portal.ledger.requests
            assert running.portal.ledger.links_total == requests
        await settle()
        assert running.open_connections == 0
        assert running.portal.ledger.requests == requests


async def test_cancellation_leaves_nothing() -> None:
    """No task (a fixture checks it) and no connection is left."""
    async with simulated_portal(_unlimited(faults=FaultPlan(never_before=1.0))) as running:

        async def run() -> None:
            async with _client(running, timeouts=Timeouts(response=None, total=None)) as client:
                await client.link_all(_pairs(200))

        task = asyncio.create_task(run())
        while running.portal.ledger.open_requests < 16:  # as many as go before the first response
            await settle()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        while running.open_connections:
            await settle()
        assert running.portal.ledger.open_connections_peak <= 64


async def _endless() -> AsyncIterator[Pair]:
    number = 0
    while True:
        number += 1
        yield Pair("contacts", number, "companies", number)


# --- the public names, as the design has them ---------------------------------------------------


async def test_the_example_of_the_design_runs() -> None:
    """One call, many pairs as they complete, many pairs to the end."""
    pairs = _pairs(20)
    async with simulated_portal(_unlimited(records_up_to=10)) as running:
        client = AssociationClient(TOKEN, base_url=running.base_url, quota=Quota.PROFESSIONAL)
        async with client:
            reply = await client.create_default(Pair("contacts", 1, "companies", 2))
            assert reply.status == "COMPLETE"
            assert reply.results[0].association_spec.association_type_id in {279, 280}
            assert not reply.errors
            with pytest.raises(ValidationError, match="is not valid"):
                await client.create_default(pairs[-1])

            async with client.link_each(pairs, ordered=True) as outcomes:
                reported = [outcome async for outcome in outcomes]
            assert [outcome.pair for outcome in reported] == pairs
            assert [outcome.status for outcome in reported] == ["linked"] * 10 + ["failed"] * 10
            assert {outcome.attempts for outcome in reported} == {1}
            assert all(
                (outcome.error is None) == (outcome.reply is not None) for outcome in reported
            )

            report = await client.link_all(
                ((number, number) for number in range(1, 21)),
                from_type="contacts",
                to_type="companies",
            )
            counts = (report.linked, report.partial, report.failed, report.unprocessed)
            assert counts == (10, 0, 10, 0)
            assert sum(counts) + report.skipped == report.total
            assert sorted(outcome.index for outcome in report.failures) == list(range(10, 20))
            with pytest.raises(BulkLinkError, match="10 of 20"):
                report.raise_for_failures()


# --- one call ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ApiVersion)
async def test_one_call_in_every_version(version: ApiVersion) -> None:
    """Both directions of the link are in the reply."""
    async with simulated_portal() as running, _client(running, api_version=version) as client:
        reply = await client.create_default(Pair("deals", 1, "contacts", 2))
        assert {result.association_spec.association_type_id for result in reply.results} == {3, 4}


@pytest.mark.parametrize("record_id", ["1/2", "..x", "ä", "1?x=y", "%2e%2e"])
async def test_no_id_changes_the_path(record_id: str) -> None:
    """The portal receives the id unchanged in its path segment, and refuses it."""
    async with simulated_portal() as running:
        async with _client(running) as client:
            with pytest.raises(NotFoundError):
                await client.create_default(Pair("contacts", record_id, "companies", 2))
        assert [pair.from_id for pair in running.portal.ledger.refused] == [record_id]


async def test_a_fake_clock_skips_waits() -> None:
    """Retries take no real time."""
    plan = FaultPlan(unavailable_503=1.0, first_arrivals_only=4)
    async with simulated_portal(_unlimited(faults=plan)) as running:
        client = _client(running, clock=FakeClock(), jitter=lambda: 1.0)
        (outcome,) = await _outcomes(client, _pairs(1))
    assert (outcome.status, outcome.attempts) == (Status.LINKED, 5)
