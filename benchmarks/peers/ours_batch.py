"""aiohubassoc's batches: CPU, memory, or the pairs identified after a 207."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from runner import BATCH_SIZE, FROM_TYPE, TO_TYPE, TOKEN, Job, run_jobs, serve_async

from aiohubassoc import AssociationClient, Pair, Quota, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc import OutcomeStream

_FAR_AWAY = Quota(100_000, 1.0)  # on, but not binding


def _client(job: Job) -> AssociationClient:
    return AssociationClient(
        TOKEN,
        base_url=job.base_url,
        batch_quota=_FAR_AWAY,
        concurrency=job.concurrency,
    )


def _run(client: AssociationClient, job: Job) -> OutcomeStream:
    pairs = (Pair(FROM_TYPE, number, TO_TYPE, number) for number in job.ids)
    return client.link_each(pairs, via="batch", batch_size=BATCH_SIZE)


async def link(job: Job) -> int:
    """Take each outcome and drop it."""
    linked = 0
    async with _client(job) as client, _run(client, job) as outcomes:
        async for outcome in outcomes:
            linked += outcome.ok
    return linked


async def identify(job: Job) -> Mapping[str, Any]:
    """Count the outcomes by status."""
    async with _client(job) as client, _run(client, job) as outcomes:
        reported = Counter([outcome.status async for outcome in outcomes])
    return {
        "what": "an outcome a pair",
        "linked": reported[Status.LINKED],
        "failed": reported[Status.FAILED],
    }


def peak(job: Job) -> Mapping[str, Any]:
    """Return what was linked, and the most memory that the process had."""
    linked = asyncio.run(link(job))
    return {
        "linked": linked,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


if __name__ == "__main__":
    match sys.argv[1]:
        case "identify":
            run_jobs(lambda job: asyncio.run(identify(job)))
        case "peak":
            run_jobs(peak)
        case loop:
            serve_async(link, loop=loop)
