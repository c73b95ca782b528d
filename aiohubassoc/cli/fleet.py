"""``aiohubassoc fleet``: runs of many portals, queued in PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import attrs

from aiohubassoc.cli.fleet_options import (
    DatabaseOptions,
    PortalsOptions,
    RunNumber,
    WorkerOptions,
)
from aiohubassoc.cli.fleet_status import print_runs, show_live
from aiohubassoc.cli.options import Flag, Flat
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.runner import loop_factory
from aiohubassoc.cli.signals import interruptible
from aiohubassoc.cli.terminal import print_result, stderr, stdout
from aiohubassoc.errors import OptionsError
from aiohubassoc.fleet import Fleet, FleetPortal, RunState


def init(*, database: Annotated[DatabaseOptions, Flat] = DatabaseOptions()) -> int:
    """
    Make the tables of the fleet. It may be repeated.

    Args:
        database: Where.
    """
    is_new = database.use(Fleet.init)
    stderr().print("The fleet's tables are made." if is_new else "The fleet's tables were there.")
    return ExitCode.ALL_LINKED


def worker(
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
    work: Annotated[WorkerOptions, Flat] = WorkerOptions(),
    uvloop: Flag = False,
) -> int:
    """
    Link the runs of the fleet until Ctrl-C, SIGTERM or SIGHUP; any number of workers may.

    Args:
        database: Where the runs are.
        portals: Which portals there are.
        work: How it works.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    url, known = database.url(), portals.load()
    fleet_worker = work.make_worker(url, known)

    async def run() -> int:
        received: list[int] = []

        def stop(number: int) -> None:
            received.append(number)
            fleet_worker.stop()

        with interruptible(stop):
            stderr().print("The worker waits for runs. Ctrl-C ends it in good order.")
            await fleet_worker.run()
        return 128 + received[0] if received else ExitCode.ALL_LINKED

    with asyncio.Runner(loop_factory=loop_factory(uvloop=uvloop)) as loop:
        return loop.run(run())


def status(
    run: Annotated[int | None, RunNumber] = None,
    /,
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    watch: Flag = False,
    json_: Flag = False,
) -> int:
    """
    Show how far runs are.

    Args:
        run: A run's number; else all runs.
        database: Where the runs are.
        watch: Show it anew each second until every run has ended, or Ctrl-C.
        json_: Print one JSON object on standard output, and nothing else.
    """
    if watch and json_:
        raise OptionsError("give --watch or --json")

    async def work(fleet: Fleet) -> None:
        if watch:
            await show_live(lambda: fleet.runs(run))
            return
        runs = await fleet.runs(run)
        if json_:
            print_result({"runs": [_as_json(attrs.asdict(one)) for one in runs]})
        else:
            print_runs(runs, stdout())

    database.use(work)
    return ExitCode.ALL_LINKED


def cancel(
    run: Annotated[int, RunNumber],
    /,
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
) -> int:
    """
    Cancel a run: it stops within a second, and what was done until then is kept.

    Args:
        run: Its number.
        database: Where the runs are.
    """

    async def work(fleet: Fleet) -> RunState:
        (before,) = await fleet.runs(run)
        await fleet.cancel(run)
        return before.state

    before = database.use(work)
    is_over = before in {RunState.DONE, RunState.FAILED, RunState.CANCELLED}
    stderr().print(f"Run {run} is {before} already." if is_over else f"Run {run} is cancelled.")
    return ExitCode.ALL_LINKED


def resume(
    run: Annotated[int, RunNumber],
    /,
    *,
    retry_failed: Flag = False,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
) -> int:
    """
    Queue a run again that failed, was cancelled, or is done with failed pairs.

    Args:
        run: Its number.
        retry_failed: Send pairs again that failed, wholly or in part; else only those without an
            outcome.
        database: Where the runs are.
    """
    database.use(lambda fleet: fleet.resume(run, retry_failed=retry_failed))
    stderr().print(f"Run {run} is queued again.")
    return ExitCode.ALL_LINKED


def portals(
    *,
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
    json_: Flag = False,
) -> int:
    """
    Show the portals of the file, and whether the token of each can be read; nothing is sent.

    Args:
        portals: Which portals there are.
        json_: Print one JSON object on standard output, and nothing else.
    """
    shown = [_describe(portal) for portal in portals.load().values()]
    if json_:
        print_result({"portals": shown})
    else:
        for one in shown:
            quota = one["quota"] or "as HubSpot reports"
            stdout().print(
                f"{one['name']}: {one['base_url']}, quota {quota}, token: {one['token']}"
                + (f" ({one['problem']})" if one["problem"] else ""),
                markup=False,
            )
    return ExitCode.SOME_FAILED if any(one["problem"] for one in shown) else ExitCode.ALL_LINKED


def _describe(portal: FleetPortal) -> dict[str, Any]:
    problem = None
    try:
        portal.read_token()
    except OptionsError as error:
        problem = str(error)
    return {
        "name": portal.name,
        "base_url": portal.base_url,
        "quota": None if portal.quota is None else str(portal.quota),
        "token": portal.token_source,
        "problem": problem,
    }


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in values.items()
    }
