"""Batches, skipping and verifying against a portal on a real socket, in virtual time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from aiohubassoc import (
    ApiVersion,
    AssociationClient,
    DailyLimitError,
    DailyReserveError,
    Journal,
    LinkState,
    OptionsError,
    Outcome,
    Pair,
    Quota,
    QuotaLimiter,
    RetryPolicy,
    Status,
    Timeouts,
)
from aiohubassoc.simulator import Fault, FaultPlan, Latency, PortalSettings
from aiohubassoc.testing import simulated_portal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aiohubassoc.simulator import ServedPortal

TOKEN = PortalSettings().tokens[0]
UNLIMITED = Quota(10**6, 1.0)
# Faults that no retry repairs or no client can see; `partial_207` links in one direction only.
LASTING = {
    Fault.ERRORS_IN_2XX,
    Fault.PARTIAL_207,
    Fault.NOT_FOUND_HTML_404,
    Fault.REDIRECT_302,
    Fault.UNMADE,
}
PASSING = [fault for fault in Fault if fault not in LASTING]


def _client(running: ServedPortal, **options: Any) -> AssociationClient:
    defaults: dict[str, Any] = {
        "base_url": running.base_url,
        "timeouts": Timeouts(response=10.0),
        "quota": UNLIMITED,
        "batch_quota": UNLIMITED,
    }
    return AssociationClient(TOKEN, **{**defaults, **options})


def _pairs(count: int) -> list[Pair]:
    return [Pair("contacts", n, "companies", n + 10_000) for n in range(1, count + 1)]


def _unlimited(**settings: Any) -> PortalSettings:
    return PortalSettings(quota_limit=None, **settings)


async def _link(client: AssociationClient, pairs: Iterable[Pair], **options: Any) -> list[Outcome]:
    async with client, client.link_each(pairs, **{"via": "batch", **options}) as outcomes:
        return [outcome async for outcome in outcomes]


def _made(running: ServedPortal) -> set[tuple[str, ...]]:
    return {tuple(pair) for pair in running.portal.ledger.links}


def _check(running: ServedPortal, outcomes: Iterable[Outcome], count: int) -> None:
    """Check that each pair has one outcome that agrees with the portal's records."""
    made, reported = _made(running), list(outcomes)
    assert list(range(count)) == sorted(outcome.index for outcome in reported)
    for outcome in reported:
        pair = outcome.pair
        is_there = (pair.from_type, pair.from_id, pair.to_type, pair.to_id) in made
        if outcome.ok:
            assert is_there, outcome
        elif outcome.status is Status.FAILED:
            assert outcome.maybe_applied or not is_there, outcome


# --- batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ApiVersion)
async def test_batches_in_every_version(version: ApiVersion) -> None:
    """Only the path depends on the API version."""
    async with simulated_portal(_unlimited()) as running:
        outcomes = await _link(_client(running, api_version=version.value), _pairs(4100))
        _check(running, outcomes, 4100)
        ledger = running.portal.ledger
    assert ({"batch": 3}, 4100) == (ledger.calls, ledger.batch_inputs)


@pytest.mark.parametrize("missing", ["207", "400"])
@pytest.mark.parametrize("errors", ["named", "ends", "unnamed", "first"])
async def test_errors_are_matched_to_pairs_in_every_style(
    missing: Literal["207", "400"], errors: Literal["named", "ends", "unnamed", "first"]
) -> None:
    """Exactly the pairs of missing records fail, in each style of HubSpot's errors."""
    settings = _unlimited(missing_share=0.02, batch_missing=missing, batch_errors=errors)
    async with simulated_portal(settings) as running:
        outcomes = await _link(_client(running), _pairs(1000))
        _check(running, outcomes, 1000)
        made = len(_made(running))
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert 1000 - made == len(failed)
    assert 20 <= len(failed) <= 60
    assert {"OBJECT_NOT_FOUND", "VALIDATION_ERROR"} >= {outcome.category for outcome in failed}


async def test_ids_that_are_alike_on_both_sides() -> None:
    """Contact 7 is missing and company 7 exists: only pairs of the contact fail."""
    pairs = [Pair("contacts", a, "companies", b) for a in range(1, 30) for b in range(1, 30)]
    settings = _unlimited(missing_share=0.1, batch_errors="ends")
    async with simulated_portal(settings) as running:
        outcomes = await _link(_client(running), pairs)
        _check(running, outcomes, len(pairs))
        single = await _link(_client(running), pairs, via="put")
    truth = {outcome.index: outcome.status for outcome in single}
    assert truth == {outcome.index: outcome.status for outcome in outcomes}


@pytest.mark.parametrize("fault", PASSING)
async def test_temporary_faults_are_retried(fault: Fault) -> None:
    """The fault hits the first batch, which is sent again; every pair is linked."""
    plan = FaultPlan(script_batches=(fault.value,), slow_seconds=2.0)
    async with simulated_portal(_unlimited(faults=plan)) as running:
        outcomes = await _link(_client(running, timeouts=Timeouts(response=1.0)), _pairs(30))
        _check(running, outcomes, 30)
        assert 1 == running.portal.ledger.faults[fault.value]
    assert {Status.LINKED} == {outcome.status for outcome in outcomes}
    assert not any(outcome.maybe_applied for outcome in outcomes)


async def test_everything_at_once() -> None:
    """A fifth of all calls fails in some way, and some records are missing."""
    shares: dict[str, Any] = {fault.value: 0.2 / len(PASSING) for fault in PASSING}
    faults = FaultPlan(**shares, slow_seconds=0.5)
    settings = _unlimited(faults=faults, missing_share=0.01, batch_errors="ends")
    async with simulated_portal(settings) as running:
        client = _client(running, retry=RetryPolicy(attempts=8), timeouts=Timeouts(response=1.0))
        outcomes = await _link(client, _pairs(3000), batch_size=50)
        _check(running, outcomes, 3000)
    counted = Counter(outcome.status for outcome in outcomes)
    assert counted[Status.LINKED] >= 2850


async def test_the_pace_adapts_to_a_lower_limit() -> None:
    """The portal accepts 4 batch calls in 10 s, one in flight: few 429s, no pair is lost."""
    settings = _unlimited(
        batch_limit=4,
        batch_max_in_flight=1,
        latency=Latency(0.2, 0.1, 0.2, 0.1),
        keep_arrivals=False,
    )
    async with simulated_portal(settings) as running:
        outcomes = await _link(
            _client(running, batch_quota=None, timeouts=Timeouts()), _pairs(9000), batch_size=50
        )
        _check(running, outcomes, 9000)
        ledger = running.portal.ledger
    assert {Status.LINKED} == {outcome.status for outcome in outcomes}
    assert {1} == {outcome.attempts for outcome in outcomes}
    assert ledger.responses[429] / ledger.responses.total() < 0.1


async def test_the_headers_of_single_calls_slow_no_batch_down() -> None:
    """They report the limit of single calls: here one call in ten seconds."""
    settings = PortalSettings(quota_limit=1, quota_window=10.0, headers="all")
    async with simulated_portal(settings) as running:
        outcomes = await _link(_client(running), _pairs(1000), batch_size=50)
        ledger = running.portal.ledger
        assert ledger.first_counted is not None
        assert ledger.last_counted is not None
        assert ledger.last_counted - ledger.first_counted < 5.0
    assert 1000 == len(outcomes)


async def test_the_daily_limit_counts_batches_too() -> None:
    """The run stops, and every pair has an outcome."""
    async with simulated_portal(_unlimited(daily_limit=3)) as running:
        client = _client(running)
        async with client, client.link_each(_pairs(500), via="batch", batch_size=50) as outcomes:
            reported = [outcome async for outcome in outcomes]
    assert {"linked": 150, "unprocessed": 350} == Counter(o.status.value for o in reported)
    assert isinstance(outcomes.report.stopped, DailyLimitError)


async def test_the_reserve_of_the_day_is_kept_by_batches() -> None:
    """The run stops when HubSpot reports no more calls than the reserve."""
    async with simulated_portal(_unlimited(daily_limit=20)) as running:
        client = _client(running, reserve_daily=5)
        async with client, client.link_each(_pairs(2000), via="batch", batch_size=50) as outcomes:
            reported = [outcome async for outcome in outcomes]
        assert 15 == running.portal.ledger.calls["batch"]
    assert isinstance(outcomes.report.stopped, DailyReserveError)
    assert 750 == sum(outcome.ok for outcome in reported)


async def test_two_clients_share_a_batch_limiter() -> None:
    """Both clients together keep one quota."""
    limiter = QuotaLimiter.for_batches(Quota(5, 10.0))
    async with simulated_portal(_unlimited()) as running:
        for _ in range(2):
            client = _client(running, batch_quota=None, batch_limiter=limiter)
            await _link(client, _pairs(200), batch_size=40)
        assert 5 == running.portal.ledger.max_batch_in_window


async def test_a_single_call_limiter_works_for_batches() -> None:
    """It has no limit of calls in flight, so the usual number of batches is prepared."""
    limiter = QuotaLimiter(Quota(5, 10.0))
    async with simulated_portal(_unlimited()) as running:
        client = _client(running, batch_quota=None, batch_limiter=limiter)
        outcomes = await _link(client, _pairs(200), batch_size=40)
        assert 5 == running.portal.ledger.calls["batch"]
    assert {Status.LINKED} == {outcome.status for outcome in outcomes}


async def test_a_limiter_and_a_quota_exclude_each_other() -> None:
    """A limiter and a quota together are refused."""
    with pytest.raises(OptionsError, match="batch_limiter"):
        AssociationClient(TOKEN, batch_quota=Quota(5), batch_limiter=QuotaLimiter.for_batches())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"via": "post"}, "via"),
        ({"via": "batch", "batch_size": 0}, "batch_size"),
        ({"via": "batch", "batch_size": 2001}, "batch_size"),
        ({"via": "batch", "batch_size": True}, "batch_size"),
        ({"via": "batch", "batch_size": "10"}, "batch_size"),
        ({"via": "batch", "batch_linger": 0}, "batch_linger"),
    ],
)
async def test_options_that_cannot_work(options: dict[str, Any], named: str) -> None:
    """Invalid options are refused before anything is read."""
    async with simulated_portal() as running, _client(running) as client:
        with pytest.raises(OptionsError, match=named):
            client.link_each([], **options)


@pytest.mark.parametrize(
    ("pairs", "reported"),
    [
        ([], "at least one"),
        ([(n, n) for n in range(2001)], "2,000"),
        ([(1, 2), (2, 1)], "reverse of another"),
        ([Pair("deals", 1, "companies", 2)], "is not from contacts to companies"),
        ([(1, 2), 3], r"item 1 of the input is not \(from_id, to_id\) but 3"),
        ([(1, 2, 3)], r"is not \(from_id, to_id\)"),
    ],
)
async def test_pairs_that_are_no_batch(pairs: Any, reported: str) -> None:
    """Nothing is sent."""
    async with simulated_portal() as running, _client(running) as client:
        with pytest.raises(OptionsError, match=reported):
            await client.create_default_batch("contacts", "companies", pairs)
        assert 0 == running.portal.ledger.requests


# --- a run folder --------------------------------------------------------------------------------


async def test_a_run_folder_of_batches_goes_on(tmp_path: Path) -> None:
    """Linked pairs are not sent again, failed ones are reported again, with both ways to link."""
    pairs = _pairs(500)
    settings = _unlimited(missing_share=0.01)
    async with simulated_portal(settings) as running:
        first = await _link(
            _client(running), pairs[:300], journal=Journal(tmp_path), batch_size=100
        )
        again = await _link(_client(running), pairs, journal=Journal(tmp_path))
        assert 500 == len(running.portal.ledger.links) + sum(
            outcome.status is Status.FAILED for outcome in again
        )
        assert 4 == running.portal.ledger.calls["batch"]
    assert {o.index for o in first if o.status is Status.LINKED} == {
        o.index for o in again if o.status is Status.SKIPPED
    }
    counts = Journal(tmp_path).counts()
    assert (500, 0) == (sum(counts.values()), counts[Status.UNPROCESSED])


@pytest.mark.parametrize("via", ["put", "batch"])
async def test_a_run_folder_keeps_what_was_linked_already(
    tmp_path: Path, via: Literal["put", "batch"]
) -> None:
    """A pair that HubSpot had linked is stored as linked, so the next run makes no call."""
    pairs = _pairs(120)
    async with simulated_portal(_unlimited()) as running:
        running.portal.add_links(
            [("contacts", pair.from_id, "companies", pair.to_id) for pair in pairs[:100]]
        )
        options: dict[str, Any] = {"via": via, "skip_linked": True}
        await _link(_client(running), pairs, journal=Journal(tmp_path), **options)
        outcomes = await _link(_client(running), pairs, journal=Journal(tmp_path), **options)
        calls = running.portal.ledger.calls
    assert {Status.SKIPPED} == {outcome.status for outcome in outcomes}
    assert {"LINKED_BEFORE"} == {outcome.category for outcome in outcomes}
    assert (1, 20 if via == "put" else 1) == (calls["read"], calls[via])
    assert 120 == Journal(tmp_path).counts()[Status.LINKED]


# --- skip and verify -----------------------------------------------------------------------------


@pytest.mark.parametrize("unlinked", ["errors", "left_out", "empty"])
async def test_only_what_is_new_is_sent(unlinked: Literal["errors", "left_out", "empty"]) -> None:
    """In each style in which HubSpot reports records without links."""
    pairs = _pairs(3000)
    async with simulated_portal(_unlimited(read_unlinked=unlinked)) as running:
        running.portal.add_links(
            [("contacts", pair.from_id, "companies", pair.to_id) for pair in pairs[30:]]
        )
        outcomes = await _link(_client(running), pairs, via="put", skip_linked=True)
        calls = running.portal.ledger.calls
    assert {"linked": 30, "skipped": 2970} == Counter(o.status.value for o in outcomes)
    assert 30 == calls["put"]
    assert calls["read"] <= (3 if unlinked != "left_out" else 4)


async def test_records_with_many_links_are_read_page_by_page() -> None:
    """A company of 2,300 contacts, five hundred a page."""
    pairs = [Pair("companies", 1, "contacts", n) for n in range(1, 2301)]
    async with simulated_portal(_unlimited()) as running:
        running.portal.add_links([("contacts", str(n), "companies", "1") for n in range(1, 2200)])
        outcomes = await _link(_client(running), pairs, skip_linked=True)
    assert {"skipped": 2199, "linked": 101} == Counter(o.status.value for o in outcomes)


@pytest.mark.parametrize("version", ApiVersion)
async def test_verify_finds_links_that_were_confirmed_but_not_made(version: ApiVersion) -> None:
    """Verify finds exactly the links that are not in the portal's ledger."""
    pairs = _pairs(2500)
    async with simulated_portal(_unlimited(unmade_share=0.01)) as running:
        client = _client(running, api_version=version.value)
        async with client:
            report = await client.link_all(pairs, via="batch")
            async with client.verify(pairs) as found:
                reported = [one async for one in found]
        made = _made(running)
    assert 2500 == report.linked
    missing = {one.index for one in reported if one.state is LinkState.MISSING}
    expected = {
        index
        for index, pair in enumerate(pairs)
        if ("contacts", pair.from_id, "companies", pair.to_id) not in made
    }
    assert expected == missing
    assert 10 <= len(missing) <= 50


@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_while_reading_back(fault: Fault) -> None:
    """The lookup is retried, and no wrong state is reported."""
    pairs = _pairs(40)
    plan = FaultPlan(script_reads=(fault.value,), slow_seconds=2.0)
    async with simulated_portal(_unlimited(faults=plan)) as running:
        client = _client(running, timeouts=Timeouts(response=1.0))
        running.portal.add_links(
            [("contacts", pair.from_id, "companies", pair.to_id) for pair in pairs[:35]]
        )
        async with client, client.verify(pairs, ordered=True) as found:
            reported = [one.state async for one in found]
    assert ["linked"] * 35 + ["missing"] * 5 == reported


@pytest.mark.parametrize("errors", ["named", "ends", "unnamed", "first"])
@pytest.mark.parametrize("missing", ["207", "400"])
async def test_missing_records_while_reading_back(errors: str, missing: str) -> None:
    """Pairs of missing records are missing; all others have their state."""
    pairs = _pairs(300)
    settings = _unlimited(
        missing_share=0.05,
        batch_missing=cast("Literal['207', '400']", missing),
        batch_errors=cast("Literal['named', 'ends', 'unnamed', 'first']", errors),
    )
    async with simulated_portal(settings) as running:
        await _link(_client(running), pairs, via="put")
        made = _made(running)
        client = _client(running)
        async with client, client.verify(pairs) as found:
            reported = [one async for one in found]
    for one in reported:
        is_there = ("contacts", one.pair.from_id, "companies", one.pair.to_id) in made
        assert one.state == (LinkState.LINKED if is_there else LinkState.MISSING), one


async def test_the_example_of_the_design_runs() -> None:
    """The code of the page works as shown."""
    async with simulated_portal(_unlimited()) as running, _client(running) as client:
        (outcome,) = await client.create_default_batch("deals", "contacts", [(1, 2)])
        assert outcome.status is Status.LINKED
        assert outcome.reply is not None
        assert {3, 4} == {one.association_spec.association_type_id for one in outcome.reply.results}
        async with client.verify([(1, 2)], from_type="deals", to_type="contacts") as found:
            assert [LinkState.LINKED] == [one.state async for one in found]
        report = await client.link_all(
            [(1, 2), (3, 4)], from_type="deals", to_type="contacts", skip_linked=True
        )
        assert (1, 1) == (report.linked, report.skipped)
