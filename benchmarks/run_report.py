"""
The report of a large run: how long it takes to make, and how large it is.

Run folders are made by what a run writes them with, in virtual time: one with few failures, and
one in which every pair failed, each with its own category and message. Then the command
writes the report of each: its time is that of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from report import conclude, print_table

from aiohubassoc import ApiError, Journal, Outcome, Pair, Quota, Report, Status
from aiohubassoc.observer import (
    CallKind,
    ResponseEvent,
    RetryEvent,
    RunStartedEvent,
    ThrottleEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Timer

_QUOTA: Final = Quota(190, 10.0)
_GROUP: Final = 400
_MOST_SECONDS: Final = 5.0
_MOST_BYTES: Final = 300_000
_RUN: Final = "0" * 16


class _Clock:
    """Time that passes by the quota."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def utc_now(self) -> datetime:
        return datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        raise NotImplementedError


def _outcome(index: int, rng: Random, *, all_fail: bool) -> Outcome:
    pair = Pair("contacts", 10**9 + index, "companies", rng.randrange(1, 10**6))
    if all_fail or rng.random() < 0.02:
        kind = index if all_fail else index % 30
        error = ApiError(
            status=400,
            message=f"Record {index} is not valid: " + "because " * 20,
            category=f"REASON_{kind}",
            correlation_id=f"{index:032x}",
        )
        return Outcome(index, pair, Status.FAILED, 1, error=error)
    return Outcome(index, pair, Status.LINKED, 1)


def _observe(journal: Journal, outcome: Outcome, rng: Random) -> None:
    observer, pair = journal.observer, outcome.pair
    if rng.random() < 0.01:
        error = ApiError(500, f"KIND_{rng.randrange(100)}", "failed", None)
        observer.retry(RetryEvent(_RUN, CallKind.PUT, pair, 1, 1, 1.0, error))
    if rng.random() < 0.001:
        observer.throttled(ThrottleEvent(_RUN, CallKind.PUT, 2.0, "TEN_SECONDLY_ROLLING", 429))
    status = 200 if outcome.ok else 400
    took = rng.expovariate(8.0)
    identity = f"{outcome.index:032x}"
    observer.response(
        ResponseEvent(
            _RUN, "api.hubapi.com", CallKind.PUT, "PUT", pair, 1, 1, status, None, took, identity
        )
    )
    observer.outcome(outcome)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _make(folder: Path, count: int, *, all_fail: bool) -> None:
    clock, rng, journal = _Clock(), Random(1), Journal(folder)
    portal = {"portal": "https://api.hubapi.com"}
    writer = journal.recording(portal, clock, retry_failed=False)
    await writer.open()
    journal.observer.run_started(
        RunStartedEvent(_RUN, "api.hubapi.com", "put", False, count, _QUOTA)
    )
    for first in range(0, count, _GROUP):
        group = []
        for index in range(first, min(first + _GROUP, count)):
            clock.seconds += _QUOTA.window / _QUOTA.limit
            outcome = _outcome(index, rng, all_fail=all_fail)
            _observe(journal, outcome, rng)
            group.append(outcome)
        await writer.write(group)
    await writer.close(Report(input_complete=True), complete=True)


def measure(name: str, count: int, *, all_fail: bool) -> dict[str, Any]:
    """Return how long the report of a new folder takes, and its size."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, page = Path(temporary) / "run", Path(temporary) / "run.html"
        asyncio.run(_make(folder, count, all_fail=all_fail))
        begun, cpu = perf_counter(), _cpu_seconds()
        subprocess.run(
            [sys.executable, "-m", "aiohubassoc", "report", str(folder), "-o", str(page)],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        seconds = perf_counter() - begun
        return {
            "run": name,
            "pairs": count,
            "seconds": seconds,
            "CPU s": _cpu_seconds() - cpu,
            "bytes": page.stat().st_size,
            "folder MB": (folder / "journal.db").stat().st_size / 1e6,
        }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--untimed", action="store_true", help="check no times")
    options = parser.parse_args()
    rows = [
        measure("2 % failed", options.pairs, all_fail=False),
        measure("all failed, no two alike", options.pairs, all_fail=True),
    ]
    print_table(rows)
    checks = {
        f"no report has more than {_MOST_BYTES:,} bytes": all(
            row["bytes"] <= _MOST_BYTES for row in rows
        )
    }
    if not options.untimed:
        checks[f"and none takes more than {_MOST_SECONDS:g} s"] = all(
            row["seconds"] <= _MOST_SECONDS for row in rows
        )
    return conclude("run_report", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
