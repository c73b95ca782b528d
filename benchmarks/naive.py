"""The ways in which scripts usually keep a quota, to measure against."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc import Pair, Quota

_CONCURRENCY = 64


async def burst(
    base_url: str, token: str, pairs: Sequence[Pair], quota: Quota
) -> tuple[int, float]:
    """
    Send the quota at once, sleep for its window, and so on; return the linked and the seconds.

    The answers' statuses are counted and nothing is tried again, as in most scripts.
    """
    linked = 0
    begun = perf_counter()
    async with aiohttp.ClientSession(base_url, headers=_headers(token)) as session:
        semaphore = asyncio.Semaphore(_CONCURRENCY)
        for first in range(0, len(pairs), quota.limit):
            window_begun = perf_counter()
            part = pairs[first : first + quota.limit]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_put(session, semaphore, pair)) for pair in part]
            linked += sum(task.result() for task in tasks)
            if first + quota.limit < len(pairs):
                await asyncio.sleep(max(0.0, quota.window - (perf_counter() - window_begun)))
    return linked, perf_counter() - begun


async def paced(
    base_url: str, token: str, pairs: Sequence[Pair], quota: Quota, share: float
) -> tuple[int, float]:
    """Send at an even pace of *share* of the quota; return the linked and the seconds."""
    begun = perf_counter()
    interval = quota.window / quota.limit / share
    async with aiohttp.ClientSession(base_url, headers=_headers(token)) as session:
        semaphore = asyncio.Semaphore(_CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            tasks = []
            for index, pair in enumerate(pairs):
                await asyncio.sleep(max(0.0, begun + index * interval - perf_counter()))
                tasks.append(group.create_task(_put(session, semaphore, pair)))
    return sum(task.result() for task in tasks), perf_counter() - begun


async def token_bucket(
    base_url: str, token: str, pairs: Sequence[Pair], quota: Quota
) -> tuple[int, float]:
    """Send as a plain token bucket lets: it holds the quota, and refills evenly."""
    begun = perf_counter()
    rate = quota.rate_per_second
    async with aiohttp.ClientSession(base_url, headers=_headers(token)) as session:
        semaphore = asyncio.Semaphore(_CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            tasks = []
            for index, pair in enumerate(pairs):
                due = begun + max(0.0, (index + 1 - quota.limit) / rate)
                await asyncio.sleep(max(0.0, due - perf_counter()))
                tasks.append(group.create_task(_put(session, semaphore, pair)))
    return sum(task.result() for task in tasks), perf_counter() - begun


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _put(session: aiohttp.ClientSession, semaphore: asyncio.Semaphore, pair: Pair) -> bool:
    path = (
        f"/crm/v4/objects/{pair.from_type}/{pair.from_id}"
        f"/associations/default/{pair.to_type}/{pair.to_id}"
    )
    async with semaphore, session.put(path) as answer:
        await answer.read()
        return answer.ok
