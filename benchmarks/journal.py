"""
What a run folder costs: CPU per pair, memory, and bytes on the disk.

As in `throughput.py`, processes link pairs against one lean server, a round of each in turn: bare
aiohttp, ours, and ours with a run folder, new for each round. The ids of the pairs come in order,
or drawn at random. What the folder adds is that of two rounds beside each other, as a share of a
round of bare aiohttp. Then processes of their own link few pairs and many, all into one folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import peers
from contenders import Contender
from lean_server import lean_server
from report import conclude, print_table

from aiohubassoc import AssociationClient, Journal, Outcome, Pair, Quota, Report, Status
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._run.group_commit import GROUP

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, serve_async

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contenders import Round

_ORDERS: Final = ("ordered", "random")
_BARE: Final = "bare aiohttp"
# What the folder's own code takes, and what a run with a folder takes more than one without. The
# latter is more, and a busy machine makes it more still: a second thread must be given the
# interpreter's lock, and outcomes that wait are looked at by the garbage collector.
_MOST_SHARE: Final = {
    "the folder's own code, ordered": 0.10,
    "the folder's own code, random": 0.15,
    "journal": 0.35,
}
_MOST_GROWTH_MB: Final = 5.0
_UNLIMITED: Final = Quota(1_000_000, 1.0)
_MOST_ID: Final = 10**10
# glibc maps and unmaps the 256 KiB that asyncio asks for at each read, 12 us a call, until the
# process has freed a larger block: which of them did so by chance must not decide.
_MEMORY_SETTINGS: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


async def link(base_url: str, ids: Iterable[int], concurrency: int, journal: Journal | None) -> int:
    """Link each record to the one of the same id; return how many are linked."""
    pairs = (Pair(FROM_TYPE, number, TO_TYPE, number) for number in ids)
    client = AssociationClient(TOKEN, base_url=base_url, quota=_UNLIMITED, concurrency=concurrency)
    linked = 0
    async with client, client.link_each(pairs, journal=journal) as outcomes:
        async for outcome in outcomes:
            linked += outcome.ok
    return linked


# --- CPU -----------------------------------------------------------------------------------------


def serve(order: str, home: Path | None) -> None:
    """Link the pairs of one round after the other; with a run folder for each, in *home*."""

    async def one(job: Job) -> int:
        ids: Iterable[int] = job.ids
        if order == "random":
            ids = Random(job.first_id).sample(range(1, _MOST_ID), job.count)
        journal = None if home is None else Journal(home / str(job.first_id))
        return await link(job.base_url, ids, job.concurrency, journal)

    serve_async(one)


def measure(home: Path, options: argparse.Namespace) -> tuple[dict[str, list[Round]], bool]:
    """Return every round of each, and whether the server answered as many as were sent."""
    names = [_BARE] + [way + order for order in _ORDERS for way in ("ours, ", "journal, ")]
    seen: dict[str, list[Round]] = {name: [] for name in names}
    with lean_server() as server:
        for series in range(options.series):
            with ExitStack() as stack:
                running = {_BARE: stack.enter_context(peers.BARE.contender())}
                for order in _ORDERS:
                    own = [sys.executable, __file__, "--serve", order]
                    folder = home / f"{series}-{order}"
                    running[f"ours, {order}"] = stack.enter_context(Contender(own))
                    running[f"journal, {order}"] = stack.enter_context(
                        Contender([*own, "--folder", folder])
                    )
                for number in range(options.rounds + 1):
                    for name, process in running.items():
                        reported = process.run(server.base_url, options.pairs, options.concurrency)
                        if number:  # the first one warms up
                            seen[name].append(reported)
        sent = options.series * (options.rounds + 1) * options.pairs * len(names)
        return seen, sent == server.count()


def cpu_row(name: str, seen: dict[str, list[Round]]) -> dict[str, Any]:
    """Return the row of one contender."""
    own = [each.cpu_us for each in seen[name]]
    bare = [each.cpu_us for each in seen[_BARE]]
    way, _, order = name.partition(", ")
    added = [0.0]
    if way == "journal":
        without = [each.cpu_us for each in seen[f"ours, {order}"]]
        added = [(more - less) / base for more, less, base in zip(own, without, bare, strict=True)]
    return {
        "client": name,
        "CPU us a pair": round(statistics.median(own), 1),
        "times bare": round(
            statistics.median(one / base for one, base in zip(own, bare, strict=True)), 2
        ),
        "the folder, of bare": round(statistics.median(added), 3),
        "rounds": len(own),
    }


async def work_alone(folder: Path, ids: list[int]) -> float:
    """Return the CPU per pair of the folder's code, in microseconds, without a run."""
    recording = Journal(folder).recording({}, SystemClock(), retry_failed=False)
    await recording.open()
    spent = 0.0
    for start in range(0, len(ids), GROUP):
        pairs = [Pair(FROM_TYPE, number, TO_TYPE, number) for number in ids[start : start + GROUP]]
        outcomes = [
            Outcome(index, pair, Status.LINKED, 1) for index, pair in enumerate(pairs, start)
        ]
        began = time.process_time()  # of all threads
        for outcome in outcomes:
            recording.begin(outcome.index, outcome.pair)
        await recording.write(outcomes)
        spent += time.process_time() - began
    await recording.close(Report(), complete=True)
    return spent / len(ids) * 1e6


def alone_row(home: Path, order: str, count: int, bare_us: float) -> dict[str, Any]:
    """Return the row of the folder's own code."""
    ids = list(range(1, count + 1))
    if order == "random":
        ids = Random(1).sample(range(1, _MOST_ID), count)
    own = asyncio.run(work_alone(home / f"alone-{order}", ids))
    return {
        "client": f"the folder's own code, {order}",
        "CPU us a pair": round(own, 1),
        "times bare": round(own / bare_us, 2),
        "the folder, of bare": round(own / bare_us, 3),
        "rounds": 1,
    }


# --- memory and the disk -------------------------------------------------------------------------


def fill(base_url: str, count: int, concurrency: int, folder: Path) -> dict[str, Any]:
    """Link this many pairs into a new run folder; return what it came to."""
    journal = Journal(folder)
    linked = asyncio.run(link(base_url, range(1, count + 1), concurrency, journal))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size_bytes = sum(file.stat().st_size for file in folder.iterdir())
    kept = journal.counts()[Status.LINKED]
    return {"linked": linked, "kept": kept, "peak_kib": peak_kib, "size_bytes": size_bytes}


def fill_row(home: Path, count: int, concurrency: int) -> dict[str, Any]:
    """Return the row of a process that does so."""
    with lean_server() as server:
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--fill", server.base_url, str(count)),
                *("--folder", home / str(count), "--concurrency", str(concurrency)),
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
        answered = server.count()
    reported = json.loads(done.stdout)
    return {
        "run folder of": f"{count:,} pairs",
        "pairs": count,
        "linked": reported["linked"],
        "kept": reported["kept"],
        "answered": answered,
        "peak memory, MB": reported["peak_kib"] / 1024,
        "bytes a pair": round(reported["size_bytes"] / count, 1),
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5, help="of each series")
    parser.add_argument("--pairs", type=int, default=10_000, help="of each round")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--fill-pairs", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    parser.add_argument("--serve", choices=_ORDERS, help=argparse.SUPPRESS)
    parser.add_argument("--fill", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.folder)
        return 0
    if options.fill:
        base_url, count = options.fill
        print(json.dumps(fill(base_url, int(count), options.concurrency, options.folder)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        os.environ.update(_MEMORY_SETTINGS)  # of the processes that are started from here on
        seen, is_answered = measure(Path(name), options)
        fills = [fill_row(Path(name), n, options.concurrency) for n in options.fill_pairs]
        rows = [cpu_row(name, seen) for name in seen]
        bare_us = rows[0]["CPU us a pair"]
        rows += [alone_row(Path(name), order, 20 * options.pairs, bare_us) for order in _ORDERS]
    print_table(rows)
    print_table(fills)
    checks = {
        "every pair was linked": is_answered
        and all(each.failed == 0 for rounds in seen.values() for each in rounds),
        "every pair is in its folder": all(
            row["pairs"] == row["linked"] == row["kept"] == row["answered"] for row in fills
        ),
    }
    few, many = (of(fills, key=lambda row: row["pairs"]) for of in (min, max))
    growth = many["peak memory, MB"] - few["peak memory, MB"]
    claim = f"{growth:.1f} MB more for {many['pairs']:,} pairs than for {few['pairs']:,}"
    checks[f"{claim}, at most {_MOST_GROWTH_MB:g}"] = growth <= _MOST_GROWTH_MB
    if not options.untimed:
        for row in rows:
            for beginning, most in _MOST_SHARE.items():
                if row["client"].startswith(beginning):
                    claim = f"{row['client']}: adds at most {most:.0%} of bare aiohttp"
                    checks[claim] = row["the folder, of bare"] <= most
    return conclude("journal", [*rows, *fills], checks)


if __name__ == "__main__":
    sys.exit(main())
