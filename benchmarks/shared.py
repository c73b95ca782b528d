"""
One quota for many processes: how near to it, what is lost at it, and what the portal saw.

1. Processes that begin at the same moment and share a quota in SQLite, and in PostgreSQL: 4 and 16
   of them, at 190 calls in 10 s and in 1 s; and one alone, with a store and without. CPU a call.
2. One of four is killed, or stopped for a while, at a random moment, again and again.
3. PostgreSQL is restarted in mid-run; it crashes in mid-run; its clients' clocks are 5 s apart.
4. A quota that is not what it seems, as in quota.py: too high, or used by others as well.

The portal's records judge what was sent. The least possible time is that of clients that know
everything: ``floor((n - 1) / limit)`` windows, no time in flight at all. Without PostgreSQL its
parts are left out, and the reason is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final

import attrs
from postgres import postgres_server, why_not
from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota, SharedQuota
from aiohubassoc.simulator import Latency, Neighbour, PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from postgres import PostgresServer

_LATENCY: Final = Latency(before_median=0.04, before_sigma=0.3, after_median=0.04, after_sigma=0.3)
_LIMIT: Final = 190
_CONCURRENCY: Final = 64
# The least share of the least time, by store and window.
_LEAST_SHARE: Final = {
    ("sqlite", 10.0): 0.97,
    ("sqlite", 1.0): 0.93,
    ("postgresql", 10.0): 0.96,
    ("postgresql", 1.0): 0.90,
}
_ALONE_SHARE: Final = 0.985
_FAIR_SHARE: Final = 1.05
_ERROR_SHARE: Final = 0.05
# A permit that a killed process had is back after that, and one window.
_LEASE: Final = 30.0
_THIRD: Final = 0.3 * _LIMIT / 10


# --- a process ------------------------------------------------------------------------------------


async def work(reported: dict[str, Any]) -> None:
    """Link what a process is asked to, once a line comes in, and print how it went."""
    quota = None if reported["quota"] is None else Quota(*reported["quota"])
    shared = None if reported["url"] is None else SharedQuota(reported["url"], reported["key"])
    client = AssociationClient(
        reported["token"],
        base_url=reported["base_url"],
        api_version="2026-09",
        quota=quota,
        share=reported["share"],
        concurrency=_CONCURRENCY,
        shared_quota=shared,
    )
    pairs = [Pair("contacts", one, "companies", one) for one in range(*reported["ids"])]
    async with client:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cpu, begun = process_time(), perf_counter()
        report = await client.link_all(pairs)
        cpu, took = process_time() - cpu, perf_counter() - begun
    ended = {
        "linked": report.linked,
        "unprocessed": report.unprocessed,
        "failed": report.failed,
        "responses": report.responses,
        "throttled": report.throttled,
        "stopped": None if report.stopped is None else str(report.stopped),
        "seconds": took,
        "cpu": cpu,
    }
    print(json.dumps(ended), flush=True)


def set_clocks(offset: float) -> None:
    """Let every clock of this process be another host's: *offset* seconds ahead."""
    for name in ("time", "monotonic", "perf_counter"):
        real = getattr(time, name)
        setattr(time, name, lambda real=real: real() + offset)


# --- many -----------------------------------------------------------------------------------------


@attrs.frozen
class Run:
    """
    Processes, and what became of them.

    Attributes:
        processes: Those that run, each with its number of pairs.
        count: Pairs in all.
    """

    processes: list[subprocess.Popen[str]]
    count: int

    def begin(self) -> float:
        """Let all of them begin at once, and return when."""
        begun = perf_counter()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return begun

    def end(self, *, killed: int | None = None) -> list[dict[str, Any]]:
        """Wait for all and return what they say, but for the one that was *killed*."""
        ended = []
        for number, process in enumerate(self.processes):
            out, _ = process.communicate(timeout=600)
            if number != killed:
                ended.append(json.loads(out.splitlines()[-1]))
        return ended


@contextlib.contextmanager
def processes(
    base_url: str,
    token: str,
    url: str | None,
    *,
    count: int,
    number: int,
    quota: Quota | None,
    key: str = "default",
    share: float = 1.0,
    clock_offsets: Sequence[float] = (0.0,),
) -> Iterator[Run]:
    """Start processes that link *count* pairs, and wait until all of them are ready."""
    started = []
    part = count // number
    try:
        for place in range(number):
            reported = {
                "base_url": base_url,
                "token": token,
                "url": url,
                "key": key,
                "quota": None if quota is None else [quota.limit, quota.window],
                "share": share,
                "ids": [place * part + 1, (place + 1) * part + 1],
                "clock_offset": clock_offsets[place % len(clock_offsets)],
            }
            started.append(
                subprocess.Popen(
                    [sys.executable, __file__, "--work", json.dumps(reported)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a process did not begin")
        yield Run(started, part * number)
    finally:
        for process in started:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


def settings_for(quota: Quota, seed: int, **more: Any) -> PortalSettings:  # noqa: ANN401
    """Return a portal with a rolling window."""
    return PortalSettings(
        **{
            "seed": seed,
            "quota_limit": quota.limit,
            "quota_window": quota.window,
            "latency": _LATENCY,
            **more,
        }
    )


def measure(
    store: str,
    url: str | None,
    *,
    number: int,
    count: int,
    quota: Quota,
    seed: int,
    portal_settings: PortalSettings | None = None,
    given: Quota | None = None,
    in_mid_run: Callable[[], None] | None = None,
    clock_offsets: Sequence[float] = (0.0,),
    share: float = 1.0,
) -> dict[str, Any]:
    """Return what processes come to that share a quota, by the portal's records."""
    settings = portal_settings or settings_for(quota, seed)
    with (
        portal_process(settings) as portal,
        processes(
            portal.base_url,
            settings.tokens[0],
            url,
            count=count,
            number=number,
            quota=given or quota,
            key=f"{store}-{number}-{quota}-{seed}-{time.time_ns()}",
            share=share,
            clock_offsets=clock_offsets,
        ) as run,
    ):
        begun = run.begin()
        if in_mid_run is not None:
            in_mid_run()
        ended = run.end()
        seconds = perf_counter() - begun
        books = portal.ledger()
    least = (run.count - 1) // quota.limit * quota.window
    took = [one["seconds"] for one in ended]
    return {
        "store": store,
        "processes": number,
        "quota": str(quota),
        "pairs": run.count,
        "calls": books["requests"],
        "lost": run.count - books["links"]["pairs"],
        "reported wrongly": abs(sum(one["linked"] for one in ended) - books["links"]["pairs"]),
        "429s": sum(books["throttled"].values()),
        "most in a window": books["max_seen_in_window"],
        "errors, share": books["error_share"],
        "seconds": seconds,
        "share of the least": least / max(took),
        "slowest/fastest": max(took) / min(took),
        "ms CPU a call": sum(one["cpu"] for one in ended) / run.count * 1e3,
    }


def at_the_quota(
    options: argparse.Namespace, stores: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """Run part 1."""
    rows, checks = [], {}
    for window, count in zip(options.windows, options.pairs, strict=True):
        quota = Quota(options.limit, window)
        without = measure("none", None, number=1, count=count, quota=quota, seed=1)
        rows.append(without)
        for store, url in stores.items():
            for number in (1, *options.processes):
                row = measure(store, url, number=number, count=count, quota=quota, seed=1)
                rows.append(row)
                print_table([row])
                where = f"{store}, {number} processes at {quota}"
                checks[f"every pair linked: {where}"] = row["lost"] == row["reported wrongly"] == 0
                checks |= kept([row], quota, where, untimed=options.untimed)
                if options.untimed:
                    continue
                if number == 1:
                    least = _ALONE_SHARE * without["share of the least"]
                    checks[f"{_ALONE_SHARE:.1%} of what it is without a store: {where}"] = (
                        row["share of the least"] >= least
                    )
                    continue
                least = _LEAST_SHARE.get((store, window), 0.9)
                checks[f"at least {least:.0%} of the least time: {where}"] = (
                    row["share of the least"] >= least
                )
                checks[f"the slowest ends within 5 % of the fastest: {where}"] = (
                    row["slowest/fastest"] <= _FAIR_SHARE
                )
    return rows, checks


def kept(
    rows: Sequence[dict[str, Any]], quota: Quota, what: str, *, untimed: bool
) -> dict[str, bool]:
    """Return whether the quota was kept; *untimed*: but for some calls that took any time."""
    if untimed:
        most = f"at most {_ERROR_SHARE:.0%} of calls throttled: {what}"
        return {most: all(row["429s"] <= _ERROR_SHARE * row["calls"] for row in rows)}
    return {
        f"no 429: {what}": not any(row["429s"] for row in rows),
        f"no window above the quota: {what}": all(
            row["most in a window"] <= quota.limit for row in rows
        ),
    }


# --- killed, stopped, restarted -------------------------------------------------------------------


def with_one_hit(
    store: str, url: str, how: str, *, count: int, quota: Quota, rng: Random
) -> dict[str, Any]:
    """Return what four processes come to, of which one is killed or stopped for a while."""
    settings = settings_for(quota, rng.randrange(1 << 30), keep_arrivals=True)
    with (
        portal_process(settings) as portal,
        processes(
            portal.base_url,
            settings.tokens[0],
            url,
            count=count,
            number=4,
            quota=quota,
            key=f"{how}-{time.time_ns()}",
        ) as run,
    ):
        begun = run.begin()
        victim = rng.randrange(4)
        least = (run.count - 1) // quota.limit * quota.window
        time.sleep(rng.uniform(0.05, 0.6 * max(least, quota.window)))
        stopped_for = 0.0
        if how == "kill":
            run.processes[victim].kill()
        else:
            stopped_for = rng.choice([rng.uniform(0.1, 2.0), rng.uniform(4.0, 14.0)])
            run.processes[victim].send_signal(signal.SIGSTOP)
            time.sleep(stopped_for)
            run.processes[victim].send_signal(signal.SIGCONT)
        hit_after = perf_counter() - begun - stopped_for
        ended = run.end(killed=victim if how == "kill" else None)
        seconds = perf_counter() - begun
        books = portal.ledger()
        instants = [at for at, status in portal.arrivals() if status == 200]
    others = run.count if how == "stop" else run.count - run.count // 4
    return {
        "store": store,
        "how": how,
        "after": hit_after,
        "stopped for": stopped_for,
        "calls": books["requests"],
        "lost": max(0, others - sum(one["linked"] for one in ended)),
        "stopped runs": sum(one["stopped"] is not None for one in ended),
        "429s": sum(books["throttled"].values()),
        "most in a window": books["max_seen_in_window"],
        "longest pause": max((b - a for a, b in pairwise(sorted(instants))), default=0.0),
        "seconds": seconds,
    }


def hit(
    options: argparse.Namespace, stores: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """Run part 2."""
    rng = Random(options.seed)
    quota = Quota(options.limit, options.hit_window)
    rows = [
        with_one_hit(store, url, how, count=options.hit_pairs, quota=quota, rng=rng)
        for store, url in stores.items()
        for how in ("kill", "stop")
        for _ in range(options.hits)
    ]
    checks: dict[str, bool] = {}
    for store in stores:
        of_store = [row for row in rows if row["store"] == store]
        what = f"{store}, {len(of_store)} processes killed or stopped"
        checks |= {
            f"no pair of the others lost: {what}": all(
                row["lost"] == row["stopped runs"] == 0 for row in of_store
            ),
            f"no permit lost for longer than {_LEASE:g} s: {what}": all(
                row["longest pause"] <= _LEASE for row in of_store
            ),
            **kept(of_store, quota, what, untimed=options.untimed),
        }
    return rows, checks


def with_postgres(
    options: argparse.Namespace, server: PostgresServer
) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """Run part 3."""
    quota = Quota(options.limit, options.hit_window)
    rows: list[dict[str, Any]] = []
    checks: dict[str, bool] = {}

    def restart(how: str, away: float) -> Callable[[], None]:
        def act() -> None:
            time.sleep(1.5 * quota.window)
            server.stop(how)
            time.sleep(away)
            server.start()

        return act

    cases: dict[str, dict[str, Any]] = {
        "restarted": {"in_mid_run": restart("fast", 0.0)},
        "crashed, 3 s away": {"in_mid_run": restart("immediate", 3.0)},
        "clocks 5 s apart": {"clock_offsets": (0.0, 5.0, -5.0, 10.0)},
    }
    for name, more in cases.items():
        row = measure(
            name,
            server.url(),
            number=4,
            count=options.hit_pairs,
            quota=quota,
            seed=options.seed,
            **more,
        )
        rows.append(row)
        checks |= {
            f"every pair linked: PostgreSQL {name}": row["lost"] == row["reported wrongly"] == 0,
            **kept([row], quota, f"PostgreSQL {name}", untimed=options.untimed),
        }
    return rows, checks


# --- a quota that is not what it seems ------------------------------------------------------------


@attrs.frozen
class Scenario:
    """
    A portal that is not what its clients believe.

    Attributes:
        name: For the table.
        settings: The portal.
        rate: What there is for us, in calls per window.
        most_share: Of 429s.
    """

    name: str
    settings: dict[str, Any]
    rate: int
    most_share: float


_SCENARIOS: Final = (
    Scenario(
        "190 set, 100 true, no headers",
        {"quota_limit": 100, "headers": "none"},
        100,
        _ERROR_SHARE,
    ),
    Scenario("190 set, 100 true, headers", {"quota_limit": 100}, 100, 0.0),
    Scenario(
        "neighbour of 30 %, even",
        {"neighbours": (Neighbour(0.0, 600.0, _THIRD),), "headers": "none"},
        133,
        _ERROR_SHARE,
    ),
    Scenario(
        "neighbour of 30 %, bursts of 57",
        {"neighbours": (Neighbour(0.0, 600.0, _THIRD, 57),), "headers": "none"},
        133,
        _ERROR_SHARE,
    ),
)


def adaptive(
    options: argparse.Namespace, stores: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """Run part 4, all of it at the same time."""
    rows: list[dict[str, Any]] = []

    def one(scenario: Scenario, store: str, url: str) -> None:
        rate = Quota(scenario.rate, 10.0)
        settings = settings_for(Quota(_LIMIT), 1, **scenario.settings)
        row = measure(
            store,
            url,
            number=4,
            count=options.scenario_windows * scenario.rate // 4 * 4,
            quota=rate,
            given=Quota(_LIMIT),
            seed=len(scenario.name),
            portal_settings=settings,
        )
        rows.append({"scenario": scenario.name, **row})

    threads = [
        threading.Thread(target=one, args=(scenario, store, url))
        for scenario in _SCENARIOS
        for store, url in stores.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    most = {scenario.name: scenario.most_share for scenario in _SCENARIOS}
    checks = {"each scenario ended": len(rows) == len(threads)}
    for row in rows:
        what = f"{row['scenario']}, {row['store']}, 4 processes"
        checks[f"every pair linked: {what}"] = row["lost"] == 0
        if not options.untimed:
            share = most[row["scenario"]]
            checks[f"at most {share:.1%} errors: {what}"] = row["errors, share"] <= share
    return rows, checks


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--parts", nargs="+", default=["quota", "hits", "postgres", "scenarios"])
    parser.add_argument("--stores", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--limit", type=int, default=_LIMIT)
    parser.add_argument("--windows", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[3808, 784], help="for each window")
    parser.add_argument("--processes", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--hits", type=int, default=10, help="of each kind and store")
    parser.add_argument("--hit-window", type=float, default=2.0)
    parser.add_argument("--hit-pairs", type=int, default=1000)
    parser.add_argument("--scenario-windows", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    # On a machine that is busy with something else a call may take any time.
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    if options.work:
        reported = json.loads(options.work)
        if reported["clock_offset"]:
            set_clocks(reported["clock_offset"])
        asyncio.run(work(reported))
        return 0
    rows: list[dict[str, Any]] = []
    checks: dict[str, bool] = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stores = {"sqlite": f"sqlite:///{Path(folder) / 'quota.db'}"}
        server = start_postgres(stack) if "postgresql" in options.stores else None
        if server is not None:
            stores["postgresql"] = server.url()
        stores = {name: url for name, url in stores.items() if name in options.stores}
        parts: dict[str, Callable[[], tuple[list[dict[str, Any]], dict[str, bool]]]] = {
            "quota": lambda: at_the_quota(options, stores),
            "hits": lambda: hit(options, stores),
            "scenarios": lambda: adaptive(options, stores),
        }
        if server is not None:
            parts["postgres"] = lambda: with_postgres(options, server)
        for part in options.parts:
            if part in parts:
                found, more = parts[part]()
                print_table(found)
                rows, checks = rows + found, checks | more
    return conclude("shared", rows, checks)


def start_postgres(stack: contextlib.ExitStack) -> PostgresServer | None:
    """Start PostgreSQL until *stack* ends; None where there is none."""
    if reason := why_not():
        print(f"without PostgreSQL: {reason}\n")
        return None
    return stack.enter_context(postgres_server())


if __name__ == "__main__":
    sys.exit(main())
