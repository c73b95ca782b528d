"""aiohttp and nothing else, tuned: what a request costs before a client adds to it."""

from __future__ import annotations

import sys

import aiohttp
import yarl
from runner import TOKEN, Job, by_workers, path, serve_async


async def link(job: Job) -> int:
    """Send each PUT, read the body, look at the status."""
    base = yarl.URL(job.base_url)
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=job.concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        headers=headers,
    ) as session:

        async def put(number: int) -> bool:
            url = base.with_path(path(number), encoded=True)
            async with session.put(url, allow_redirects=False) as answer:
                await answer.read()
                return answer.status == 200

        return await by_workers(job, put)


if __name__ == "__main__":
    serve_async(link, loop=sys.argv[1])
