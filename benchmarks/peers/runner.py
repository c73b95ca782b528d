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
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

_T = TypeVar("_T")

TOKEN = "simulated-token"  # noqa: S105 -- the simulated portal's
FROM_TYPE, TO_TYPE = "contacts", "companies"
BATCH_PATH = f"/crm/v4/associations/{FROM_TYPE}/{TO_TYPE}/batch/associate/default"
BATCH_SIZE = 2000  # HubSpot, Associations v4: the most pairs of one call


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

    @property
    def batches(self) -> Iterable[range]:
        """The same ids, as many at a time as one batch call takes."""
        return (self.ids[first : first + BATCH_SIZE] for first in range(0, self.count, BATCH_SIZE))


def path(number: int) -> str:
    """Return the path of Create Default for the pair of that number."""
    return f"/crm/v4/objects/{FROM_TYPE}/{number}/associations/default/{TO_TYPE}/{number}"


def run_jobs(run: Callable[[Job], Mapping[str, Any]]) -> None:
    """Print the result of *run* for each job of the standard input, until it ends."""
    for line in sys.stdin:
        print(json.dumps(run(Job(**json.loads(line)))), flush=True)


def serve(link: Callable[[Job], int]) -> None:
    """Run rounds until the input ends; *link* returns how many pairs it reports as linked."""

    def timed(job: Job) -> Mapping[str, Any]:
        gc.collect()  # garbage of the previous round must not count
        wall, cpu = time.perf_counter(), time.process_time()
        linked = link(job)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        reported = {"linked": linked, "failed": job.count - linked}
        return reported | {"cpu_seconds": cpu, "wall_seconds": wall}

    run_jobs(timed)


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
    """Let this many workers take the ids from one iterator; return how many *put* linked."""
    return await shared_out(job.ids, job.concurrency, put)


async def shared_out(
    items: Iterable[_T], workers: int, send: Callable[[_T], Awaitable[int]]
) -> int:
    """Let this many workers take *items* from one iterator; return the sum of *send* results."""
    left = iter(items)

    async def work() -> int:
        linked = 0
        for item in left:
            linked += await send(item)
        return linked

    return sum(await asyncio.gather(*(work() for _ in range(workers))))


def identified(
    job: Job,
    what: str,
    results: Iterable[tuple[str, str]] = (),
    contexts: Iterable[Mapping[str, Sequence[str]]] = (),
) -> dict[str, Any]:
    """
    Return how many pairs of *job* a caller can identify as linked and as failed.

    Args:
        job: The pairs.
        what: What the call returned or raised, for the table.
        results: Both ids of each result that the caller gets.
        contexts: The context of each error that the caller gets.
    """
    pairs = {(str(number), str(number)) for number in job.ids}
    failed = {
        pair
        for context in contexts
        for pair in zip(context.get("fromObjectId", ()), context.get("toObjectId", ()), strict=True)
    }
    linked = pairs.intersection(results)
    return {"what": what, "linked": len(linked), "failed": len(pairs & failed - linked)}
