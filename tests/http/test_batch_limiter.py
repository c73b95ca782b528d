"""The limiter of batch calls, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from multidict import CIMultiDict

from aiohubassoc import (
    AssociationClient,
    DailyReserveError,
    OptionsError,
    Quota,
    QuotaLimiter,
)
from tests.conftest import settle


def _now() -> float:
    return asyncio.get_running_loop().time()


def _told(limit: int, left: int) -> CIMultiDict[str]:
    return CIMultiDict(
        {"X-HubSpot-RateLimit-Daily": str(limit), "X-HubSpot-RateLimit-Daily-Remaining": str(left)}
    )


async def _call(limiter: QuotaLimiter, seconds: float = 0.0, **reported: Any) -> float:
    """Make a call that takes so long, and return when it went."""
    await limiter.acquire()
    sent_at = _now()
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, over.set_result, None)
    await over
    limiter.record_response(sent_at, _now(), **reported)
    return round(sent_at, 3)


async def test_two_at_once_and_ten_in_ten_seconds() -> None:
    """What nobody named is not used up at once."""
    limiter = QuotaLimiter.for_batches()
    went = await asyncio.wait_for(_all(limiter, 12, 0.5), 100)
    assert [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0] == went[:10]
    assert went[10] >= 10.0
    assert (Quota(11), 3) == (limiter.quota, limiter.max_in_flight)


async def _all(limiter: QuotaLimiter, count: int, seconds: float) -> list[float]:
    tasks = [asyncio.create_task(_call(limiter, seconds)) for _ in range(count)]
    return sorted([await task for task in tasks])


async def test_what_the_headers_say_of_ten_seconds_is_not_believed() -> None:
    """It is about single calls."""
    limiter = QuotaLimiter.for_batches(Quota(50))
    headers = CIMultiDict(
        {"X-HubSpot-RateLimit-Max": "1", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    )
    assert [0.0] * 20 == [await _call(limiter, headers=headers) for _ in range(20)]
    assert Quota(50) == limiter.quota


def _client_of(**options: Any) -> tuple[QuotaLimiter, QuotaLimiter]:
    """Return both limiters of a client."""
    client = AssociationClient("token-1", **options)
    assert isinstance(client.limiter, QuotaLimiter)
    assert isinstance(client.batch_limiter, QuotaLimiter)
    return client.limiter, client.batch_limiter


async def test_single_calls_and_batches_have_one_daily_reserve() -> None:
    """What a batch's response reports holds for single calls too, and the other way round."""
    for order in (1, -1):
        one, other = _client_of(reserve_daily=100)[::order]
        await _call(one, headers=_told(1000, 100))
        with pytest.raises(DailyReserveError, match="100 calls"):
            await other.acquire()


async def test_calls_of_either_kind_in_flight_count() -> None:
    """Two calls are left: a third waits for the end of either, and goes if it took none."""
    for order in (1, -1):
        one, other = _client_of(reserve_daily=100)[::order]
        await _call(one, headers=_told(1000, 102))
        await one.acquire()
        await other.acquire()
        third = asyncio.create_task(one.acquire())
        await settle()
        assert not third.done()
        other.release_unused()
        await settle()
        assert third.done()
        one.release_unused()
        one.release_unused()


async def test_a_refusal_holds_everybody_and_halves_the_pace() -> None:
    """Those in line too, for as long as HubSpot asks."""
    limiter = QuotaLimiter.for_batches(Quota(8))
    await limiter.acquire()
    assert 3.0 == limiter.record_throttle(0.0, 3.0)
    waiting = asyncio.create_task(_call(limiter))
    await settle()
    limiter.record_response(0.0, 0.0, accepted=False)
    assert 3.0 == await waiting
    assert (limiter.quota.limit < 8, 1) == (True, limiter.max_in_flight)


async def test_a_call_that_was_not_sent_costs_nothing() -> None:
    """Its token is there for the next."""
    limiter = QuotaLimiter.for_batches(Quota(1))
    await limiter.acquire()
    waiting = asyncio.create_task(_call(limiter))
    await settle()
    limiter.release_unused()
    assert 0.0 == await waiting


async def test_nothing_is_acquired_without_waiting() -> None:
    """There is always somebody to ask: the pace may rise."""
    assert not QuotaLimiter.for_batches().try_acquire()


async def test_the_reserve_of_the_day() -> None:
    """Once so many are left, nothing goes; a call in flight may bring other news."""
    limiter = QuotaLimiter.for_batches(Quota(100), reserve_daily=10)
    await _call(limiter, headers=_told(100, 11))
    await limiter.acquire()
    waiting = asyncio.create_task(_call(limiter))
    await settle()
    assert not waiting.done()
    limiter.record_response(_now(), _now(), headers=_told(100, 10))
    with pytest.raises(DailyReserveError):
        await waiting


@pytest.mark.parametrize("reserve", [-1, 1.5, True])
def test_a_reserve_that_cannot_be(reserve: float) -> None:
    """Neither calls nor a share."""
    with pytest.raises(OptionsError, match="reserve_daily"):
        QuotaLimiter.for_batches(reserve_daily=reserve)
