"""aiohubassoc, by its run of many pairs or by single calls that tasks await."""

from __future__ import annotations

import sys

from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, by_workers, serve_async

from aiohubassoc import AioHubAssocError, AssociationClient, Observer, Pair, Quota

_FAR_AWAY = Quota(1_000_000, 1.0)  # on, but not binding


def _client(job: Job, quota: Quota, observer: Observer | None = None) -> AssociationClient:
    return AssociationClient(
        TOKEN,
        base_url=job.base_url,
        quota=quota,
        concurrency=job.concurrency,
        observer=observer,
    )


async def link_each(job: Job, quota: Quota = _FAR_AWAY, observer: Observer | None = None) -> int:
    """Pairs of a generator in, outcomes out."""
    pairs = (Pair(FROM_TYPE, number, TO_TYPE, number) for number in job.ids)
    linked = 0
    async with _client(job, quota, observer) as client, client.link_each(pairs) as outcomes:
        async for outcome in outcomes:
            linked += outcome.ok
    return linked


async def create_default(job: Job, quota: Quota = _FAR_AWAY) -> int:
    """One call a pair."""
    async with _client(job, quota) as client:

        async def put(number: int) -> bool:
            try:
                await client.create_default(Pair(FROM_TYPE, number, TO_TYPE, number))
            except AioHubAssocError:
                return False
            return True

        return await by_workers(job, put)


if __name__ == "__main__":
    way, loop, *limits = sys.argv[1:]
    at = Quota(int(limits[0])) if limits else _FAR_AWAY
    link = {"link_each": link_each, "create_default": create_default}[way]
    serve_async(lambda job: link(job, at), loop=loop)
