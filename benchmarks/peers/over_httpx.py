"""httpx and nothing else."""

from __future__ import annotations

import httpx
from runner import TOKEN, Job, by_workers, path, serve_async


async def link(job: Job) -> int:
    """Send each PUT, read the body, look at the status."""
    limits = httpx.Limits(max_connections=job.concurrency)
    async with httpx.AsyncClient(
        base_url=job.base_url,
        limits=limits,
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    ) as client:

        async def put(number: int) -> bool:
            answer = await client.put(path(number))
            return bool(answer.is_success)

        return await by_workers(job, put)


if __name__ == "__main__":
    serve_async(link)
