"""aiohttp and orjson and nothing else: what a batch costs before a client adds to it."""

from __future__ import annotations

import sys

import aiohttp
import orjson
import yarl
from runner import BATCH_PATH, TOKEN, Job, serve_async, shared_out


async def link(job: Job) -> int:
    """Send each batch, read and parse the body, look at the status and how many results came."""
    url = yarl.URL(job.base_url).with_path(BATCH_PATH, encoded=True)
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=job.concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        headers=headers,
    ) as session:

        async def post(numbers: range) -> int:
            inputs = [{"from": {"id": str(n)}, "to": {"id": str(n)}} for n in numbers]
            body = orjson.dumps({"inputs": inputs})
            async with session.post(url, data=body, allow_redirects=False) as answer:
                reported = orjson.loads(await answer.read())
                return len(reported["results"]) // 2 if answer.status == 200 else 0

        return await shared_out(job.batches, job.concurrency, post)


if __name__ == "__main__":
    serve_async(link, loop=sys.argv[1])
