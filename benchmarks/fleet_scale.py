"""
How many portals one worker of a fleet carries, and what bounds that.

1. One worker, pinned to one core, links for many portals at 190 calls in 10 s each: the share of
   what their quotas allow, the CPU seconds of the worker for each call, and its memory. Beside it
   as many plain clients in one process, without a fleet: the difference is what a fleet costs.
2. The pairs a second of one, two and four workers, whose portals have no quota.
3. How long procrastinate takes to find a job while thousands of portals are queued.

Every portal is the same lean server, which answers each call with HubSpot's usual reply and keeps
no quota, so that its own cost is small. Server and PostgreSQL run on the other cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import psycopg
from fleet import TOKEN_VARIABLE, Workers
from lean_server import cores, lean_server
from postgres import postgres_server
from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota
from aiohubassoc.fleet import Fleet

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Awaitable, Callable

_QUOTA: Final = Quota(190, 10.0)
_RATE: Final = _QUOTA.limit / _QUOTA.window
_CARRIED: Final = 0.97
_WANTED: Final = 150
_MOST_POLL_MS: Final = 25
# Runs begin one after the other, and each sends its first window as one burst.
_WARM_UP: Final = 2.5 * _QUOTA.window
_RACE_WARM_UP: Final = 5.0
_MOST_PER_SECOND: Final = 8000


def write_portals(path: Path, base_url: str, count: int, quota: str) -> None:
    """Write the file of portals p0, p1 ..., all of them at one server."""
    path.write_text(
        "".join(
            f'[portals.p{number}]\nbase_url = "{base_url}"\ntoken_env = "{TOKEN_VARIABLE}"\n'
            f'quota = "{quota}"\n'
            for number in range(count)
        ),
        encoding="utf-8",
    )


def pin(process: subprocess.Popen[Any]) -> None:
    """Let a process run on the core for clients only, where that can be chosen."""
    if (pair := cores()) is not None:
        os.sched_setaffinity(process.pid, {pair[0]})


def cpu_seconds(process_id: int) -> float:
    """Return the CPU that a process used so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process_id: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def measure(
    done: Callable[[], Awaitable[int]], process_ids: list[int], portals: int, seconds: float
) -> dict[str, Any]:
    """Return how fast processes are that work already, and what a call costs them."""
    before, cpu_before = await done(), sum(map(cpu_seconds, process_ids))
    began = time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - began
    after, cpu_after = await done(), sum(map(cpu_seconds, process_ids))
    rate = (after - before) / elapsed
    cpu = (cpu_after - cpu_before) / max(1, after - before)
    memory = sum(map(memory_mb, process_ids))
    return {
        "portals": portals,
        "calls/s": rate,
        "share of 19/s": rate / (_RATE * portals),
        "cores": (cpu_after - cpu_before) / elapsed,
        "ms CPU a call": cpu * 1000,
        "portals a core": 1 / (_RATE * cpu) if cpu else 0.0,
        "MB": memory,
        "KB a portal": memory * 1000 / portals,
    }


@attrs.frozen
class Bench:
    """
    Where it is measured.

    Attributes:
        fleet: The fleet.
        database: Its connection URI.
        path: The file of portals.
        seconds: How long each measurement takes.
        options: Of workers.
    """

    fleet: Fleet
    database: str
    path: Path
    seconds: float
    options: tuple[str, ...]


@asynccontextmanager
async def working(
    bench: Bench, portals: int, pairs: int, workers: int
) -> AsyncIterator[tuple[list[int], list[int]]]:
    """Let workers link runs of all portals; yields the runs, and the workers' process ids."""
    fleet = bench.fleet
    items = [(number, number) for number in range(1, pairs + 1)]
    runs = [await submit(fleet, f"p{n}", items) for n in range(portals)]
    most = str(-(-portals // workers))
    several = Workers(
        bench.database, bench.path, "--max-runs", most, "--dead-after", "60", *bench.options
    )
    several.start(workers)
    if workers == 1:
        pin(several.running[0])
    try:
        while not all(  # noqa: ASYNC110 -- another process does it
            one.started_at for one in await fleet.runs() if one.run in set(runs)
        ):
            await asyncio.sleep(0.5)
        yield runs, [process.pid for process in several.running]
    finally:
        several.end()
        for run in runs:
            await fleet.cancel(run)


async def submit(fleet: Fleet, portal: str, pairs: list[tuple[int, int]]) -> int:
    """Queue a run of contacts and companies."""
    return await fleet.submit(portal, pairs, from_type="contacts", to_type="companies")


async def linked(fleet: Fleet, runs: list[int]) -> int:
    """Return how many pairs of these runs are linked."""
    wanted = set(runs)
    return sum(one.linked for one in await fleet.runs() if one.run in wanted)


async def carry(bench: Bench, base_url: str, portals: int) -> dict[str, Any]:
    """Measure one worker with so many portals."""
    write_portals(bench.path, base_url, portals, f"{_QUOTA.limit}/{_QUOTA.window:g}s")
    pairs = int(_RATE * (bench.seconds + 2 * _WARM_UP)) + 3 * _QUOTA.limit
    async with working(bench, portals, pairs, 1) as (runs, process_ids):
        await asyncio.sleep(_WARM_UP)
        row = await measure(lambda: linked(bench.fleet, runs), process_ids, portals, bench.seconds)
    return {"what": "fleet worker", **row}


async def carry_without(base_url: str, portals: int, seconds: float) -> dict[str, Any]:
    """Measure one process with a plain client for each portal, without a fleet."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--plain", base_url, "--scale-portals", str(portals)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if (pair := cores()) is not None:
        os.sched_setaffinity(process.pid, {pair[0]})

    async def done() -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        return int(await process.stdout.readline())

    try:
        await asyncio.sleep(_WARM_UP)
        row = await measure(done, [process.pid], portals, seconds)
    finally:
        process.kill()
        await process.wait()
    return {"what": "plain clients", **row}


async def link_plainly(base_url: str, portals: int) -> None:
    """Link for as many portals in this process; print the number of links for each line read."""
    count = 0

    async def link(client: AssociationClient) -> None:
        nonlocal count
        pairs = (Pair("contacts", number, "companies", number) for number in range(1, 1 << 30))
        async with client.link_each(pairs) as outcomes:
            async for _ in outcomes:
                count += 1

    async with AsyncExitStack() as stack:
        tasks = [
            asyncio.create_task(
                link(
                    await stack.enter_async_context(
                        AssociationClient("token", base_url=base_url, quota=_QUOTA)
                    )
                )
            )
            for _ in range(portals)
        ]
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(count, flush=True)
        for task in tasks:
            task.cancel()


async def race(bench: Bench, base_url: str, workers: int) -> dict[str, Any]:
    """Measure the pairs a second of several workers whose portals have no quota to speak of."""
    portals = 8
    write_portals(bench.path, base_url, portals, "100000/1s")
    pairs = int(_MOST_PER_SECOND * (bench.seconds + 10) / portals)
    async with working(bench, portals, pairs, workers) as (runs, process_ids):
        await asyncio.sleep(_RACE_WARM_UP)
        row = await measure(lambda: linked(bench.fleet, runs), process_ids, portals, bench.seconds)
    shown = ("calls/s", "cores", "ms CPU a call")
    return {"workers": workers, **{name: row[name] for name in shown}}


async def measure_poll(fleet: Fleet, database: str, queued: int) -> float:
    """Return how many ms procrastinate takes to fetch a job, at the median."""
    for number in range(queued):
        await submit(fleet, f"q{number}", [(1, 1)])
    times = []
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("analyze procrastinate_jobs")
        row = await (await db.execute("select procrastinate_register_worker_v1()")).fetchone()
        worker = row[0] if row else None
        for _ in range(20):
            began = time.perf_counter()
            await db.execute(
                "select procrastinate_fetch_job_v2(array['aiohubassoc']::varchar[], %s)", (worker,)
            )
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1000


async def run(arguments: argparse.Namespace, stack: ExitStack) -> int:
    """Measure what is asked for."""
    server = stack.enter_context(postgres_server())
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "portals.toml"
    lean = stack.enter_context(lean_server((_QUOTA.limit, int(_QUOTA.window * 1000))))
    free = stack.enter_context(lean_server())
    rows: list[dict[str, Any]] = []
    checks: dict[str, bool] = {}
    options = ("--uvloop",) if arguments.uvloop else ()
    async with Fleet(server.url()) as fleet:
        await fleet.init()
        bench = Bench(fleet, server.url(), path, arguments.seconds, options)
        carried = 0
        for count in arguments.scale_portals:
            if "carry" in arguments.parts:
                rows.append(await carry(bench, lean.base_url, count))
                if rows[-1]["share of 19/s"] > _CARRIED:
                    carried = max(carried, count)
                print_table(rows[-1:])
            if "plain" in arguments.parts:
                rows.append(await carry_without(lean.base_url, count, arguments.seconds))
                print_table(rows[-1:])
        if "carry" in arguments.parts:
            checks[f"one worker carries {carried} portals, at least {_WANTED}"] = carried >= _WANTED
        if "race" in arguments.parts:
            racing = [await race(bench, free.base_url, number) for number in arguments.workers]
            print_table(racing)
            rows += racing
        if "poll" in arguments.parts:
            poll_ms = await measure_poll(fleet, server.url(), arguments.queued)
            print(f"a poll with {arguments.queued:,} portals queued: {poll_ms:.1f} ms\n")
            rows.append({"queued": arguments.queued, "poll_ms": poll_ms})
            checks[f"a poll takes at most {_MOST_POLL_MS} ms"] = poll_ms <= _MOST_POLL_MS
    return conclude("fleet_scale", rows, checks)


def main() -> int:
    """Read the arguments, run, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--plain", help=argparse.SUPPRESS)
    parser.add_argument("--parts", nargs="+", default=["carry", "plain", "race", "poll"])
    parser.add_argument("--scale-portals", type=int, nargs="+", default=[50, 150])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--queued", type=int, default=5000)
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    if arguments.plain:
        asyncio.run(link_plainly(arguments.plain, arguments.scale_portals[0]))
        return 0
    with ExitStack() as stack:
        return asyncio.run(run(arguments, stack))


if __name__ == "__main__":
    sys.exit(main())
