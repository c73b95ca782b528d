"""
What every contender in Python does around its own code: rounds asked for over standard input.

A line of JSON in, such as ``{"base_url": "http://127.0.0.1:1", "first_id": 1, "count": 1000,
"concurrency": 32}``; a line of JSON out: what was linked and lost, the seconds of CPU of the whole
process, its threads included, and the seconds that went by. It must import nothing but the
standard library: peers run it in environments of their own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOKEN = "simulated-token"  # noqa: S105 -- the simulated portal's
FROM_TYPE, TO_TYPE = "contacts", "companies"


class Job:
    """One round: pairs from *first_id* on, each number linked to the same one."""

    def __init__(self, base_url: str, first_id: int, count: int, concurrency: int) -> None:
        self.base_url = base_url
        self.first_id = first_id
        self.count = count
        self.concurrency = concurrency

    @property
    def ids(self) -> range:
        """The ids of the records on either side."""
        return range(self.first_id, self.first_id + self.count)


def path(number: int) -> str:
    """Return the path of Create Default for the pair of that number."""
    return f"/crm/v4/objects/{FROM_TYPE}/{number}/associations/default/{TO_TYPE}/{number}"


def serve(link: Callable[[Job], int]) -> None:
    """Run rounds until the input ends; *link* returns how many pairs it says are linked."""
    for line in sys.stdin:
        job = Job(**json.loads(line))
        gc.collect()  # what the round before left is not this one's cost
        wall, cpu = time.perf_counter(), time.process_time()
        linked = link(job)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        told = {"linked": linked, "failed": job.count - linked}
        print(json.dumps(told | {"cpu_seconds": cpu, "wall_seconds": wall}), flush=True)


def serve_async(link: Callable[[Job], Awaitable[int]], *, loop: str = "asyncio") -> None:
    """Run rounds in one event loop, as a service would."""
    factory: Any = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 -- only where asked for

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:

        async def one(job: Job) -> int:
            return await link(job)

        serve(lambda job: runner.run(one(job)))


async def by_workers(job: Job, put: Callable[[int], Awaitable[bool]]) -> int:
    """Let so many workers take the ids from one iterator; return how many *put* said are linked."""
    ids = iter(job.ids)

    async def work() -> int:
        linked = 0
        for number in ids:
            linked += await put(number)
        return linked

    return sum(await asyncio.gather(*(work() for _ in range(job.concurrency))))
