"""
Which part of a call costs what: microseconds of CPU that each layer adds to bare aiohttp.

Every way here does what the one before it does and one thing more, all in one process, a round of
each in turn. When `throughput.py` gets slower, this names the layer.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

from lean_server import cores, lean_server
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from report import conclude, print_table

from aiohubassoc import ApiVersion, Observer, Pair, Quota, Timeouts
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.limiter import QuotaLimiter
from aiohubassoc._http.transport import Transport
from aiohubassoc._protocol.requests import Endpoint, create_default
from aiohubassoc._protocol.verdicts import Accepted, Response, judge_pair_reply
from aiohubassoc.otel import OpenTelemetryObserver

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import bare_aiohttp
import ours
from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, by_workers, path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc import Outcome, ResponseEvent, Verification


def _layers(*names: str) -> Callable[[Job], Awaitable[int]]:
    """Return a function that links pairs with only these layers of the client."""

    async def link(job: Job) -> int:
        transport = Transport(job.base_url, timeouts=Timeouts(), connections=job.concurrency)
        limiter = QuotaLimiter(Quota(1_000_000, 1.0))
        clock, semaphore = SystemClock(), asyncio.Semaphore(job.concurrency)

        async def put(number: int) -> bool:
            endpoint, pair = Endpoint("PUT", path(number)), None
            if "pair" in names:
                pair = Pair(FROM_TYPE, number, TO_TYPE, number)
                endpoint = create_default(ApiVersion.V4, pair)
            if "limiter" in names and not limiter.try_acquire():
                await limiter.acquire()
            if "semaphore" in names:
                await semaphore.acquire()
            sent_at = clock.now()
            answer, waited = await transport.send(endpoint, TOKEN)
            assert isinstance(answer, Response)
            if "semaphore" in names:
                semaphore.release()
            if "limiter" in names:
                now = clock.now()
                limiter.record_response(
                    sent_at, now, exact=waited is not None, headers=answer.headers
                )
            if "decode" not in names:
                return answer.status == 200
            assert pair is not None
            return isinstance(judge_pair_reply(answer, pair), Accepted)

        await transport.open()
        try:
            return await by_workers(job, put)
        finally:
            await transport.close()

    return link


class _Counting(Observer):
    """Does as little as an observer can."""

    def __init__(self) -> None:
        self.count = 0

    def response(self, event: ResponseEvent) -> None:
        """Count those that are linked."""
        self.count += event.status == 200

    def outcome(self, outcome: Outcome | Verification) -> None:
        """Count those without an error."""
        self.count += outcome.error is None


def _with_sdk(*, trace_calls: bool = False) -> OpenTelemetryObserver:
    """Return an observer with metrics in memory and spans that are not exported."""
    return OpenTelemetryObserver(
        trace_calls=trace_calls,
        tracer_provider=TracerProvider(shutdown_on_exit=False),
        meter_provider=MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False),
    )


def _observed(make: Callable[[], Observer]) -> Callable[[Job], Awaitable[int]]:
    """Return `link_each` with an observer."""

    async def link(job: Job) -> int:
        return await ours.link_each(job, observer=make())

    return link


_WAYS: dict[str, Callable[[Job], Awaitable[int]]] = {
    "bare aiohttp": bare_aiohttp.link,
    "transport: one timer, headers ready made": _layers(),
    "+ pair, checked, and its path": _layers("pair"),
    "+ limiter": _layers("pair", "limiter"),
    "+ semaphore": _layers("pair", "limiter", "semaphore"),
    "+ decoding and judging": _layers("pair", "limiter", "semaphore", "decode"),
    "create_default by tasks": ours.create_default,
    "link_each: input, outcomes, report": ours.link_each,
    "link_each, an observer of responses and outcomes": _observed(_Counting),
    "link_each, OpenTelemetry without an SDK": _observed(OpenTelemetryObserver),
    "link_each, OpenTelemetry's metrics": _observed(_with_sdk),
    "link_each, OpenTelemetry's metrics and a span a call": _observed(
        lambda: _with_sdk(trace_calls=True)
    ),
}


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--pairs", type=int, default=2000, help="of each round")
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    if (pair := cores()) is not None:
        os.sched_setaffinity(0, {pair[0]})
    costs: dict[str, list[float]] = {name: [] for name in _WAYS}
    linked = sent = 0
    with lean_server() as server, asyncio.Runner() as runner:
        for number in range(options.rounds + 1):
            for name, link in _WAYS.items():
                job = Job(server.base_url, sent + 1, options.pairs, options.concurrency)
                sent += options.pairs
                gc.collect()
                begun = process_time()
                linked += runner.run(_awaiting(link, job))
                if number:  # the first one warms up
                    costs[name].append((process_time() - begun) / options.pairs * 1e6)
        answered = server.count()
    bare = costs["bare aiohttp"]
    rows, before = [], bare
    for name, own in costs.items():
        added = statistics.median(a - b for a, b in zip(own, before, strict=True))
        ratio = statistics.median(a / b for a, b in zip(own, bare, strict=True))
        rows.append(
            {
                "layer": name,
                "CPU us a pair": round(statistics.median(own), 1),
                "us added": round(added, 1),
                "times bare": round(ratio, 2),
            }
        )
        before = own
    print_table(rows)
    return conclude("overhead", rows, {"every pair was linked": sent == linked == answered})


async def _awaiting(link: Callable[[Job], Awaitable[int]], job: Job) -> int:
    return await link(job)


if __name__ == "__main__":
    sys.exit(main())
