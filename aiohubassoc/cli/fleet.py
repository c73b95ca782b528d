"""``aiohubassoc fleet``: runs of many portals, queued in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import attrs
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli import signals
from aiohubassoc.cli.logs import start_logs
from aiohubassoc.cli.options import Flag, Flat, Json, PrintOptions, Uvloop, option_name
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.runner import loop_factory
from aiohubassoc.cli.terminal import print_result, stderr, stdout
from aiohubassoc.errors import OptionsError
from aiohubassoc.fleet import Fleet, FleetPortal, FleetRun, FleetWorker, RunState, load_portals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_T = TypeVar("_T")
_DATABASE: Final = "AIOHUBASSOC_DATABASE"
_PORTALS: Final = "AIOHUBASSOC_PORTALS"
_WATCH_SECONDS: Final = 1.0
_ENDED: Final = frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED})
_NUMBERS: Final = ("linked", "partial", "failed", "unprocessed", "skipped")


@attrs.frozen
class DatabaseOptions:
    """
    Where the runs are.

    Args:
        database: The PostgreSQL database, as postgresql://user@host/name; else
            AIOHUBASSOC_DATABASE.
    """

    database: str | None = None

    def url(self) -> str:
        if url := _given_or_set(self.database, _DATABASE):
            return url
        raise OptionsError(f"no database: give --database, or set {_DATABASE}")

    def use(self, work: Callable[[Fleet], Awaitable[_T]]) -> _T:

        async def connected() -> _T:
            async with Fleet(self.url()) as fleet:
                return await work(fleet)

        return signals.run(connected())


@attrs.frozen
class PortalsOptions:
    """
    Which portals there are.

    Args:
        portals: The TOML file with a [portals.NAME] table for each; else AIOHUBASSOC_PORTALS.
    """

    portals: str | None = None

    @property
    def files(self) -> list[str]:
        """That file, if there is one."""
        path = _given_or_set(self.portals, _PORTALS)
        return [path] if path else []

    def load(self) -> dict[str, FleetPortal]:
        if files := self.files:
            return load_portals(files[0])
        raise OptionsError(f"no portals: give --portals, or set {_PORTALS}")


@attrs.frozen
class WorkerOptions:
    """
    How a worker works.

    Args:
        max_runs: The most runs at the same time; one of each portal.
        poll: Seconds between queries for new runs, in addition to PostgreSQL's notifications.
        heartbeat: Seconds between heartbeats.
        dead_after: Seconds without a heartbeat after which other workers take over the runs.
        drain_timeout: Seconds that calls in flight may take to end when the worker is stopped.
        no_listen: Use no LISTEN, for a PgBouncer that pools transactions.
    """

    max_runs: int = 150
    poll: float = 1.0
    heartbeat: float = 5.0
    dead_after: float = 30.0
    drain_timeout: float = 5.0
    no_listen: Flag = False


def _given_or_set(given: str | None, variable: str) -> str:
    """Return an option's value, else the variable's; blanks alone are none."""
    return given if given and not given.isspace() else os.environ.get(variable, "").strip()


def init(*, database: Annotated[DatabaseOptions, Flat] = DatabaseOptions()) -> int:
    is_new = database.use(Fleet.init)
    stderr().print("Created the fleet's tables." if is_new else "The fleet's tables exist already.")
    return ExitCode.ALL_LINKED


def worker(
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
    work: Annotated[WorkerOptions, Flat] = WorkerOptions(),
    uvloop: Uvloop = False,
) -> int:
    url, known, options = database.url(), portals.load(), attrs.asdict(work)
    listen = not options.pop("no_listen")
    try:
        fleet_worker = FleetWorker(url, known, listen=listen, trust_env=True, **options)
    except OptionsError as error:
        names = rf"\b({'|'.join(options)})\b"
        text = re.sub(names, lambda name: f"--{option_name(name[0])}", str(error))
        raise OptionsError(text) from None

    async def run() -> int:
        received: list[int] = []

        def stop(number: int) -> None:
            received.append(number)
            fleet_worker.stop()

        with signals.interruptible(stop):
            stderr().print("The worker links queued runs until Ctrl-C.")
            with contextlib.ExitStack() as stack:
                start_logs(PrintOptions(log_level="info"), stack)
                await fleet_worker.run()
        return 128 + received[0] if received else ExitCode.ALL_LINKED

    with asyncio.Runner(loop_factory=loop_factory(uvloop=uvloop)) as loop:
        return loop.run(run())


def status(
    run: int | None = None,
    /,
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    watch: Flag = False,
    json_: Json = False,
) -> int:
    """
    Show how far runs are.

    Args:
        run: A run's number; else all runs.
        watch: Refresh the output each second until every run has ended, or Ctrl-C.
    """
    if watch and json_:
        raise OptionsError("give --watch or --json")

    async def work(fleet: Fleet) -> None:
        if watch:
            await _show_live(lambda: fleet.runs(run))
            return
        runs = await fleet.runs(run)
        if json_:
            print_result({"runs": [attrs.asdict(one, value_serializer=_to_json) for one in runs]})
        else:
            _print_runs(runs)

    database.use(work)
    return ExitCode.ALL_LINKED


def cancel(
    run: int,
    /,
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
) -> int:
    """
    Cancel a run: it stops within a second, and what was done until then is kept.

    Args:
        run: Its number.
    """

    async def work(fleet: Fleet) -> RunState:
        (before,) = await fleet.runs(run)
        await fleet.cancel(run)
        return before.state

    before = database.use(work)
    stderr().print(
        f"Run {run} is {before} already." if before in _ENDED else f"Run {run} is cancelled."
    )
    return ExitCode.ALL_LINKED


def resume(
    run: int,
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
    """
    database.use(lambda fleet: fleet.resume(run, retry_failed=retry_failed))
    stderr().print(f"Run {run} is queued again.")
    return ExitCode.ALL_LINKED


def portals(
    *, portals: Annotated[PortalsOptions, Flat] = PortalsOptions(), json_: Json = False
) -> int:
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


def _to_json(_: object, __: object, value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _print_runs(runs: Sequence[FleetRun]) -> None:
    console = stdout()
    if console.is_terminal:
        console.print(_table(runs))
    else:
        for run in runs:
            counts = ((getattr(run, name), name) for name in _NUMBERS)
            numbers = "".join(f", {count:,} {name}" for count, name in counts if count)
            why = f": {_why(run)}" if _why(run) else ""
            console.print(f"run {run.run} of {run.portal} {run.state}{numbers}{why}", markup=False)
    failed = [run.run for run in runs if run.state is RunState.FAILED]
    done = [run for run in runs if run.state is RunState.DONE]
    incomplete = [run.run for run in done if run.failed or run.partial or run.rejected]
    export = "aiohubassoc fleet export {} --failed --output failed.csv"
    for step, about in (
        ("Fix the cause, then: aiohubassoc fleet resume {}", failed),
        (f"To write rows that failed to a file: {export}", incomplete),
    ):
        if about:
            number = about[0] if len(about) == 1 else "RUN"
            stderr().print(step.format(number), markup=False)


async def _show_live(read: Callable[[], Awaitable[Sequence[FleetRun]]]) -> None:
    runs = await read()
    with Live(_table(runs), console=stdout(), auto_refresh=False) as live:
        while not all(run.state in _ENDED for run in runs):
            await SystemClock().sleep(_WATCH_SECONDS)
            runs = await read()
            live.update(_table(runs), refresh=True)


def _table(runs: Sequence[FleetRun]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("run", "portal", "state", *_NUMBERS, "why"):
        table.add_column(name, justify="right" if name in ("run", *_NUMBERS) else "left")
    for run in runs:
        numbers = (f"{getattr(run, name):,}" for name in _NUMBERS)
        row = (str(run.run), escape(run.portal), run.state, *numbers)
        table.add_row(*row, escape(_why(run)))
    return table


def _why(run: FleetRun) -> str:
    due = "" if run.due_at is None else f"not before {run.due_at.astimezone():%Y-%m-%d %H:%M %Z}"
    return ". ".join(filter(None, (due, run.reason)))
