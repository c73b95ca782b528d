"""hubspot-sdk's batch call with aiohttp: CPU, or the pairs identified after a 207."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import hubspot_sdk
from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, identified, run_jobs, serve_async, shared_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _client(job: Job) -> Any:  # noqa: ANN401 -- it is in an environment of its own
    return hubspot_sdk.AsyncHubSpot(
        access_token=TOKEN,
        base_url=job.base_url,
        http_client=hubspot_sdk.DefaultAioHttpClient(),
    )


async def _create(client: Any, numbers: Iterable[int]) -> Any:  # noqa: ANN401 -- the same
    return await client.crm.associations.batch.create_default(
        TO_TYPE,
        from_object_type=FROM_TYPE,
        inputs=[{"from": {"id": str(n)}, "to": {"id": str(n)}} for n in numbers],
    )


async def link(job: Job) -> int:
    """Await the generated method, and look at how many results came."""
    async with _client(job) as client:

        async def post(numbers: range) -> int:
            try:
                return len((await _create(client, numbers)).results) // 2
            except hubspot_sdk.HubSpotError:
                return 0

        return await shared_out(job.batches, job.concurrency, post)


async def identify(job: Job) -> Mapping[str, Any]:
    """Look at all that the call returned or raised."""
    async with _client(job) as client:
        try:
            reported = await _create(client, job.ids)
        except hubspot_sdk.HubSpotError as error:
            return identified(job, f"raises {type(error).__name__}")
    return identified(
        job,
        type(reported).__name__,
        [(each.from_.id, each.to.id) for each in reported.results],
        [each.context for each in reported.errors or ()],
    )


if __name__ == "__main__":
    if sys.argv[1] == "identify":
        run_jobs(lambda job: asyncio.run(identify(job)))
    else:
        serve_async(link)
