"""What most people write: a task a pair, a semaphore, @retry, a timeout, response.json()."""

from __future__ import annotations

import asyncio

import aiohttp
from runner import TOKEN, Job, path, serve_async
from tenacity import retry, stop_after_attempt, wait_exponential


async def link(job: Job) -> int:
    """Gather them all."""
    semaphore = asyncio.Semaphore(job.concurrency)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        @retry(stop=stop_after_attempt(5), wait=wait_exponential(max=10))
        async def put(number: int) -> object:
            timeout = aiohttp.ClientTimeout(total=30)
            async with (
                semaphore,
                session.put(job.base_url + path(number), timeout=timeout) as answer,
            ):
                answer.raise_for_status()
                return await answer.json()

        answers = await asyncio.gather(*map(put, job.ids), return_exceptions=True)
    return sum(not isinstance(answer, BaseException) for answer in answers)


if __name__ == "__main__":
    serve_async(link)
