"""
Memory that does not grow with the number of pairs.

The peak memory of a process that links the pairs of a generator: ours, whose outcomes are taken
and dropped, or counted by `link_all`; and the two ways of most scripts, a task for each pair, by
``gather`` and by ``TaskGroup``. Each is a separate process, against a server in another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from lean_server import lean_server
from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_MOST_GROWTH_MB: Final = 5.0
_UNLIMITED: Final = Quota(1_000_000, 1.0)
_CONCURRENCY: Final = 32
_TOKEN: Final = "simulated-token"  # noqa: S105 -- any will do


def pairs(count: int) -> Iterator[Pair]:
    """Yield this many pairs."""
    for number in range(1, count + 1):
        yield Pair("contacts", number, "companies", number)


def _client(base_url: str) -> AssociationClient:
    return AssociationClient(_TOKEN, base_url=base_url, quota=_UNLIMITED, concurrency=_CONCURRENCY)


async def link_each(base_url: str, count: int) -> int:
    """Take each outcome and drop it."""
    linked = 0
    async with _client(base_url) as client, client.link_each(pairs(count)) as outcomes:
        async for outcome in outcomes:
            linked += outcome.ok
    return linked


async def link_all(base_url: str, count: int) -> int:
    """Have them counted."""
    async with _client(base_url) as client:
        return (await client.link_all(pairs(count))).linked


async def gather(base_url: str, count: int) -> int:
    """Await a task for each pair, as most scripts do."""
    async with aiohttp.ClientSession(base_url) as session:
        put = _putting(session)
        return sum(await asyncio.gather(*(put(pair) for pair in pairs(count))))


async def task_group(base_url: str, count: int) -> int:
    """The same in a TaskGroup."""
    async with aiohttp.ClientSession(base_url) as session:
        put = _putting(session)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(put(pair)) for pair in pairs(count)]
    return sum(task.result() for task in tasks)


def _putting(session: aiohttp.ClientSession) -> Callable[[Pair], Coroutine[None, None, bool]]:
    semaphore = asyncio.Semaphore(_CONCURRENCY)

    async def put(pair: Pair) -> bool:
        path = (
            f"/crm/v4/objects/{pair.from_type}/{pair.from_id}"
            f"/associations/default/{pair.to_type}/{pair.to_id}"
        )
        async with semaphore, session.put(path) as answer:
            await answer.read()
            return answer.ok

    return put


_WAYS = {"link_each": link_each, "link_all": link_all, "gather": gather, "TaskGroup": task_group}


def measure(way: str, count: int) -> dict[str, Any]:
    """Return the peak memory of a process that links this many pairs in that way."""
    with lean_server() as server:
        done = subprocess.run(
            [sys.executable, __file__, "--child", way, server.base_url, "--pairs", str(count)],
            stdout=subprocess.PIPE,
            check=True,
        )
        answered = server.count()
    reported = json.loads(done.stdout)
    return {
        "way": way,
        "pairs": count,
        "linked": reported["linked"],
        "answered": answered,
        "peak memory, MB": reported["peak_kib"] / 1024,
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--most-tasks", type=int, default=100_000, help="for a task each")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "BASE_URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        way, base_url = options.child
        linked = asyncio.run(_WAYS[way](base_url, options.pairs[0]))
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"linked": linked, "peak_kib": peak_kib}))
        return 0
    few, many = min(options.pairs), max(options.pairs)
    rows = [measure("link_each", count) for count in options.pairs]
    rows += [measure("link_all", count) for count in (few, many)]
    for way in ("gather", "TaskGroup"):
        rows += [measure(way, count) for count in options.pairs if count <= options.most_tasks]
    print_table(rows)
    checks = {
        "every pair was linked": all(
            row["pairs"] == row["linked"] == row["answered"] for row in rows
        )
    }
    peaks = {(row["way"], row["pairs"]): row["peak memory, MB"] for row in rows}
    for way in ("link_each", "link_all"):
        growth = peaks[way, many] - peaks[way, few]
        claim = f"{way}: {growth:.1f} MB more for {many:,} pairs than for {few:,}"
        checks[f"{claim}, at most {_MOST_GROWTH_MB:g}"] = growth <= _MOST_GROWTH_MB
    return conclude("memory", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
