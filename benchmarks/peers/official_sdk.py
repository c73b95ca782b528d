"""hubspot-sdk, HubSpot's newer one, with asyncio."""

from __future__ import annotations

import sys
from typing import Any

import hubspot_sdk
from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, by_workers, serve_async


async def link(job: Job) -> int:
    """Await the generated method in *concurrency* tasks."""
    back_end, retries = sys.argv[1:]
    more: dict[str, Any] = {}
    if retries != "default":
        more["max_retries"] = int(retries)
    if back_end == "aiohttp":
        more["http_client"] = hubspot_sdk.DefaultAioHttpClient()
    async with hubspot_sdk.AsyncHubSpot(
        access_token=TOKEN, base_url=job.base_url, **more
    ) as client:
        create = client.crm.associations.create

        async def put(number: int) -> bool:
            try:
                await create(
                    str(number),
                    from_object_type=FROM_TYPE,
                    from_object_id=str(number),
                    to_object_type=TO_TYPE,
                )
            except hubspot_sdk.HubSpotError:
                return False
            return True

        return await by_workers(job, put)


if __name__ == "__main__":
    serve_async(link)
