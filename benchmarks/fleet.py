"""
The truth about every pair of many portals though workers are killed and PostgreSQL is stopped.

Runs of several portals are queued and linked by several worker processes. At random moments one of
them is killed, frozen for longer than its runs are its own, or ended by SIGTERM, and PostgreSQL is
stopped for seconds. Afterwards each pair has one outcome, each portal's records say the same, no
response was a 429, and no window was above the quota.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from postgres import PostgresServer, postgres_server
from report import conclude, print_table

from aiohubassoc import Status
from aiohubassoc.fleet import Fleet, RunState
from aiohubassoc.simulator import FaultPlan, Latency, PortalSettings, portal_process

if TYPE_CHECKING:
    from aiohubassoc.simulator import PortalProcess

TOKEN_VARIABLE: Final = "AHAS_FLEET_TOKEN"  # noqa: S105 -- the name of a variable
_HEARTBEAT, _DEAD_AFTER = 0.5, 4.0
_LATENCY: Final = Latency(0.04, 0.3, 0.04, 0.3)
_FAULTS: Final = FaultPlan(server_error_500=0.01, reset_after=0.01)
_TOO_MANY: Final = 429
_ENDED: Final = {RunState.DONE, RunState.FAILED, RunState.CANCELLED}
_PATIENCE: Final = 600.0


class Workers:
    """Worker processes, some of which are dead or frozen."""

    def __init__(self, database: str, portals: Path, *options: str) -> None:
        self._command = [
            *(sys.executable, "-m", "aiohubassoc", "fleet", "worker", "--database", database),
            *("--portals", str(portals), *options),
        ]
        self.running: list[subprocess.Popen[bytes]] = []
        self._ended: list[subprocess.Popen[bytes]] = []

    def start(self, count: int) -> None:
        """Start so many."""
        environment = {**os.environ, TOKEN_VARIABLE: "simulated-token"}
        for _ in range(count):
            process = subprocess.Popen(self._command, env=environment, stderr=subprocess.DEVNULL)
            self.running.append(process)

    def signal(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to one."""
        process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.running.remove(process)
            self._ended.append(process)

    def end(self) -> None:
        """End all."""
        for process in self.running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in [*self.running, *self._ended]:
            process.wait(60)
        self.running = []


def write_portals(path: Path, portals: list[PortalProcess], quota: str) -> None:
    """Write the file of portals p0, p1 ..."""
    path.write_text(
        "".join(
            f'[portals.p{number}]\nbase_url = "{portal.base_url}"\n'
            f'token_env = "{TOKEN_VARIABLE}"\nquota = "{quota}"\n'
            for number, portal in enumerate(portals)
        ),
        encoding="utf-8",
    )


async def wait_for_runs(fleet: Fleet, runs: list[int], seconds: float) -> bool:
    """Return whether all runs ended in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        states = {one.run: one.state for one in await fleet.runs()}
        if all(states[run] in _ENDED for run in runs):
            return True
        await asyncio.sleep(0.2)
    return False


async def torment(
    server: PostgresServer, workers: Workers, rng: Random, arguments: argparse.Namespace
) -> Counter[str]:
    """Do harm until enough was done; return what."""
    done: Counter[str] = Counter()
    outages = [arguments.outage_seconds] * arguments.outages
    for number in range(arguments.kills):
        await asyncio.sleep(rng.uniform(0.3, arguments.every))
        process = rng.choice(workers.running)
        harm = rng.choice(("kill", "kill", "freeze", "term"))
        done[harm] += 1
        if harm == "freeze":
            workers.signal(process, signal.SIGSTOP)
            await asyncio.sleep(_DEAD_AFTER * rng.uniform(0.3, 2.0))
            workers.signal(process, signal.SIGCONT)
        else:
            workers.signal(process, signal.SIGKILL if harm == "kill" else signal.SIGTERM)
            workers.start(1)
        if outages and number % 4 == 1:
            seconds = outages.pop()
            await asyncio.to_thread(server.stop, "fast")
            await asyncio.sleep(seconds)
            await asyncio.to_thread(server.start)
            done["outage"] += 1
    return done


async def judge(fleet: Fleet, run: int, portal: PortalProcess, quota: int) -> dict[str, Any]:
    """Compare the outcomes of a run with the records of its portal."""
    (state,) = await fleet.runs(run)
    links = portal.links()
    linked = {tuple(entry[:4]) for entry in links["links"]}
    refused = {tuple(entry[:4]) for entry in links["refused"]}
    reported: Counter[tuple[str, ...]] = Counter()
    wrong = 0
    async for row in fleet.rows(run):
        pair = (row.from_type, row.from_id, row.to_type, row.to_id)
        reported[pair] += 1
        if row.status is Status.LINKED:
            wrong += pair not in linked
        elif row.status is Status.FAILED:
            wrong += pair in linked and not row.maybe_applied
            wrong += pair not in refused and not row.maybe_applied
        else:
            wrong += row.status is not Status.SKIPPED
    ledger = portal.ledger()
    arrivals = portal.arrivals()
    return {
        "run": run,
        "state": str(state.state),
        "pairs": state.total,
        "linked": state.linked,
        "failed": state.failed,
        "wrong": wrong,
        "counted": sum(reported.values()) == state.total,
        "adds up": state.linked + state.failed + state.partial + state.skipped == state.total,
        "calls": ledger["requests"],
        "429s": sum(what == _TOO_MANY for _, what in arrivals),
        "most in a window": ledger["max_accepted_in_window"],
        "quota": quota,
    }


async def run_kills(arguments: argparse.Namespace, stack: ExitStack) -> int:
    """Queue runs, do harm, and compare what was reported with the records."""
    rng = Random(arguments.seed)
    server = stack.enter_context(postgres_server())
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    portals = [
        stack.enter_context(
            portal_process(
                PortalSettings(
                    seed=number,
                    quota_limit=arguments.quota,
                    quota_window=arguments.window,
                    records_up_to=10 * arguments.pairs,
                    missing_share=0.01,
                    latency=_LATENCY,
                    faults=_FAULTS,
                )
            )
        )
        for number in range(arguments.portals)
    ]
    path = home / "portals.toml"
    write_portals(path, portals, f"{arguments.quota}/{arguments.window:g}s")
    async with Fleet(server.url()) as fleet:
        await fleet.init()
        runs = [
            await fleet.submit(
                f"p{number}",
                [(rng.randrange(1, 10 * arguments.pairs), i) for i in range(1, arguments.pairs)],
                from_type="contacts",
                to_type="companies",
            )
            for number in range(arguments.portals)
        ]
    options = ("--heartbeat", str(_HEARTBEAT), "--dead-after", str(_DEAD_AFTER), "--poll", "0.5")
    workers = Workers(server.url(), path, *options)
    stack.callback(workers.end)
    workers.start(arguments.workers)
    began = time.monotonic()
    done = await torment(server, workers, rng, arguments)
    async with Fleet(server.url()) as fleet:
        all_ended = await wait_for_runs(fleet, runs, _PATIENCE)
        seconds = time.monotonic() - began
        rows = [
            await judge(fleet, run, portal, arguments.quota)
            for run, portal in zip(runs, portals, strict=True)
        ]
    print_table(rows)
    print(f"{seconds:.0f} s; {', '.join(f'{count} x {harm}' for harm, count in done.items())}\n")
    checks = {
        "every run came to its end": all_ended and all(row["state"] == "done" for row in rows),
        "each pair has one outcome": all(row["counted"] and row["adds up"] for row in rows),
        "no outcome contradicts the portal's records": not any(row["wrong"] for row in rows),
        "no response was a 429": not any(row["429s"] for row in rows),
        "no window was above the quota": all(
            row["most in a window"] <= row["quota"] for row in rows
        ),
    }
    return conclude("fleet", rows, checks)


def main() -> int:
    """Read the arguments, run, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--portals", type=int, default=4)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--every", type=float, default=4.0, help="at most, in seconds")
    parser.add_argument("--outages", type=int, default=2)
    parser.add_argument("--outage-seconds", type=float, default=3.0)
    parser.add_argument("--quota", type=int, default=60)
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        return asyncio.run(run_kills(arguments, stack))


if __name__ == "__main__":
    sys.exit(main())
