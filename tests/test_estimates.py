"""Estimates against runs on a real socket, in virtual time."""

from __future__ import annotations

import asyncio
import math

import pytest

from aiohubassoc import AssociationClient, Pair, Quota
from aiohubassoc._quota.batch_pacer import BatchPacer
from aiohubassoc._quota.estimate import estimate
from aiohubassoc._quota.pacer import SAFE_START, Pacer
from aiohubassoc.simulator import Latency, PortalSettings
from aiohubassoc.testing import simulated_portal

TOKEN = PortalSettings().tokens[0]
PROFESSIONAL = Quota(190, 10.0)
STARTER = Quota(100, 10.0)
SECONDLY = Quota(190, 1.0)
UNLIMITED = Quota(10**6, 1.0)
NEAR = Latency(0.04, 0.3, 0.04, 0.3)
FAR = Latency(0.15, 0.3, 0.15, 0.3)


def _round_trip(latency: Latency) -> float:
    """Return the mean of both ways together: a log-normal mean lies above the median."""
    before = latency.before_median * math.exp(latency.before_sigma**2 / 2)
    return before + latency.after_median * math.exp(latency.after_sigma**2 / 2)


async def _run(
    count: int, portal: Quota, given: Quota | None, latency: Latency, concurrency: int = 64
) -> float:
    """Return the seconds that a run of this many pairs takes."""
    settings = PortalSettings(
        quota_limit=portal.limit, quota_window=portal.window, latency=latency, keep_links=False
    )
    pairs = (Pair("contacts", number, "companies", number) for number in range(1, count + 1))
    clock = asyncio.get_running_loop()
    async with simulated_portal(settings) as running:
        client = AssociationClient(
            TOKEN, base_url=running.base_url, quota=given, concurrency=concurrency
        )
        async with client:
            began_at = clock.time()
            report = await client.link_all(pairs)
            took = clock.time() - began_at
        assert (count, 0) == (report.linked, report.throttled)
        assert count == running.portal.ledger.requests
    return took


@pytest.mark.parametrize(
    ("count", "quota", "latency", "concurrency"),
    [
        (300, PROFESSIONAL, NEAR, 64),
        (1000, PROFESSIONAL, NEAR, 64),
        (300, STARTER, NEAR, 64),
        (1000, STARTER, NEAR, 64),
        (2000, STARTER, NEAR, 64),
        (300, SECONDLY, NEAR, 64),
        (1000, SECONDLY, NEAR, 64),
        (5000, SECONDLY, NEAR, 64),
        (300, SECONDLY, FAR, 64),
        (300, SECONDLY, NEAR, 8),  # the wire is slower than the quota
        (500, UNLIMITED, NEAR, 64),
    ],
    ids=lambda value: f"{value.before_median:g}s" if isinstance(value, Latency) else str(value),
)
async def test_a_run_agrees_within_five_percent(
    count: int, quota: Quota, latency: Latency, concurrency: int
) -> None:
    """Whether the quota, the latency or the slow start limits the run."""
    took = await _run(count, quota, quota, latency, concurrency)
    reported = estimate(
        count, Pacer(quota), concurrency=concurrency, round_trip=_round_trip(latency)
    )
    assert math.isclose(reported.seconds, took, rel_tol=0.05)


@pytest.mark.parametrize("count", [20, 100, 190, 191])
async def test_a_short_run_agrees_within_a_round_trip(count: int) -> None:
    """For few calls the random latency is more than five percent."""
    took = await _run(count, PROFESSIONAL, PROFESSIONAL, NEAR)
    round_trip = _round_trip(NEAR)
    reported = estimate(count, Pacer(PROFESSIONAL), round_trip=round_trip)
    assert math.isclose(reported.seconds, took, rel_tol=0.05, abs_tol=round_trip)


async def test_without_a_quota_the_estimate_is_an_upper_bound() -> None:
    """The client starts with the lowest quota and adopts the higher limit that it reads."""
    took = await _run(600, PROFESSIONAL, None, NEAR)
    round_trip = _round_trip(NEAR)
    assert took < estimate(600, Pacer(SAFE_START), round_trip=round_trip).seconds
    reported = estimate(600, Pacer(PROFESSIONAL), round_trip=round_trip)
    assert math.isclose(reported.seconds, took, rel_tol=0.05)


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, Quota(20), Quota(5, 10.0), Quota(1, 30.0)], ids=str)
@pytest.mark.parametrize("count", [1, 11, 60])
async def test_batches_agree_within_five_percent(count: int, given: Quota | None) -> None:
    """Whether the rate rises or not, and whether the quota or the latency limits the calls."""
    latency = Latency(0.5, 0.0, 0.5, 0.0)
    settings = PortalSettings(quota_limit=None, latency=latency, keep_links=False)
    pairs = (Pair("contacts", number, "companies", number) for number in range(1, count + 1))
    clock = asyncio.get_running_loop()
    async with simulated_portal(settings) as running:
        async with AssociationClient(TOKEN, base_url=running.base_url, batch_quota=given) as client:
            began_at = clock.time()
            report = await client.link_all(pairs, via="batch", batch_size=1)
            took = clock.time() - began_at
        assert (count, count) == (report.linked, running.portal.ledger.calls["batch"])
    reported = estimate(count, BatchPacer(given), round_trip=1.0, jitter=0.0)
    assert math.isclose(reported.seconds, took, rel_tol=0.05)
