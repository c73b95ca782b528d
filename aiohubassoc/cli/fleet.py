"""``aiohubassoc fleet``: runs of many portals, queued in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.export_options import ExportOptions
from aiohubassoc.cli.fleet_options import DatabaseOptions, PortalsOptions, SubmitOptions
from aiohubassoc.cli.fleet_report import read_fleet_contents
from aiohubassoc.cli.fleet_status import print_runs, show_live
from aiohubassoc.cli.link import loop_factory
from aiohubassoc.cli.options import Flag, Flat, InputOptions, check_input
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.row_source import RowSource
from aiohubassoc.cli.runner import interruptible
from aiohubassoc.cli.sinks import check_output
from aiohubassoc.cli.terminal import StorageError, stderr, stdout
from aiohubassoc.errors import InputError, OptionsError
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import RowResult
from aiohubassoc.fleet import (
    Fleet,
    FleetPortal,
    FleetWorker,
    RunState,
    SubmittedInput,
    find_portal,
)
from aiohubassoc.html_report.page import check_installed, render
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from aiohubassoc.files.record import Record
    from aiohubassoc.pair import Pair

_T = TypeVar("_T")
_SHOWN_PROBLEMS: Final = 5
_PAIR_COLUMNS: Final = ["from_type", "from_id", "to_type", "to_id"]


def init(*, database: Annotated[DatabaseOptions, Flat] = DatabaseOptions()) -> int:
    """
    Make the tables of the fleet. It may be repeated.

    Args:
        database: Where.
    """

    async def work() -> bool:
        async with Fleet(database.url()) as fleet:
            return await fleet.init()

    is_new = _run(work())
    stderr().print("The fleet's tables are made." if is_new else "The fleet's tables were there.")
    return ExitCode.ALL_LINKED


def submit(
    portal: str,
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: InputOptions = Layout(),
    send: Annotated[SubmitOptions, Flat] = SubmitOptions(),
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
    json_: Flag = False,
) -> int:
    """
    Queue a run: read and check files as link does, store their pairs, and print the run's number.

    Nothing is sent here: a worker does. If a row holds no pair nothing is stored, unless
    --skip-invalid is given.

    Args:
        portal: A portal of the file of portals.
        files: As for aiohubassoc link.
        input_: What they are like.
        send: How and when the run is sent.
        database: Where the runs are.
        portals: Which portals there are.
        json_: Print {"run": NUMBER} on standard output, and nothing else.
    """
    find_portal(portals.load(), portal)
    check_input(input_)
    options, start = send.to_fleet(), send.start()

    async def work() -> tuple[int, int]:
        async with Fleet(database.url()) as fleet:
            with PairTable(tuple(files), input_) as table:
                about = SubmittedInput(
                    columns=table.header,
                    sources=table.names,
                    cells=table.cells,
                    place=_place,
                    describe_place=table.place,
                )
                run = await fleet.submit(
                    portal,
                    _checked(table, about, skip_invalid=send.skip_invalid),
                    options=options,
                    priority=send.priority,
                    start_at=start,
                    about=about,
                )
            return run, (await fleet.runs(run))[0].total

    run, total = _run(work())
    if json_:
        stdout().out(json.dumps({"run": run}))
    else:
        stdout().print(f"Run {run}: {total:,} pairs queued for {portal}", markup=False)
        stdout().print(f"To see how it goes: aiohubassoc fleet status {run}", markup=False)
    return ExitCode.ALL_LINKED


def worker(
    *,
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
    max_runs: int = 150,
    poll: float = 1.0,
    heartbeat: float = 5.0,
    dead_after: float = 30.0,
    drain_timeout: float = 5.0,
    no_listen: Flag = False,
    uvloop: Flag = False,
) -> int:
    """
    Link the runs of the fleet until Ctrl-C or SIGTERM; any number of workers may.

    Args:
        database: Where the runs are.
        portals: Which portals there are.
        max_runs: The most runs at once; of one portal one runs at a time.
        poll: Seconds between looks for new runs, besides PostgreSQL's notifications.
        heartbeat: Seconds between signs of life.
        dead_after: Seconds without one after which other workers take the runs over.
        drain_timeout: Seconds that calls in flight may take to end when the worker is stopped.
        no_listen: Use no LISTEN, for a PgBouncer that pools transactions.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    fleet_worker = FleetWorker(
        database.url(),
        portals.load(),
        max_runs=max_runs,
        heartbeat=heartbeat,
        dead_after=dead_after,
        poll=poll,
        drain_timeout=drain_timeout,
        listen=not no_listen,
    )

    async def work() -> int:
        received: list[int] = []

        def stop(number: int) -> None:
            received.append(number)
            fleet_worker.stop()

        with interruptible(stop):
            stderr().print("The worker waits for runs. Ctrl-C ends it in good order.")
            await fleet_worker.run()
        return 128 + received[0] if received else ExitCode.ALL_LINKED

    return _run(work(), uvloop=uvloop)


def status(
    run: int | None = None,
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

    async def work() -> None:
        async with Fleet(database.url()) as fleet:
            if watch:
                await show_live(lambda: fleet.runs(run))
                return
            runs = await fleet.runs(run)
        if json_:
            stdout().out(json.dumps({"runs": [_as_json(attrs.asdict(one)) for one in runs]}))
        else:
            print_runs(runs, stdout())

    _run(work())
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
        database: Where the runs are.
    """

    async def work() -> RunState:
        async with Fleet(database.url()) as fleet:
            (before,) = await fleet.runs(run)
            await fleet.cancel(run)
            return before.state

    before = _run(work())
    is_over = before in {RunState.DONE, RunState.FAILED, RunState.CANCELLED}
    stderr().print(f"Run {run} is {before} already." if is_over else f"Run {run} is cancelled.")
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
        database: Where the runs are.
    """

    async def work() -> None:
        async with Fleet(database.url()) as fleet:
            await fleet.resume(run, retry_failed=retry_failed)

    _run(work())
    stderr().print(f"Run {run} is queued again.")
    return ExitCode.ALL_LINKED


def export(
    run: int,
    /,
    *,
    rows: Annotated[ExportOptions, Flat] = ExportOptions(),
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
) -> int:
    """
    Write the rows of a run as they were in the input, with what became of them behind.

    Args:
        run: Its number.
        rows: Which rows to write, and where.
        database: Where the runs are.
    """
    check_output("--output", rows.output, inputs=())
    rows.check()
    statuses = rows.statuses()

    async def work() -> int:
        async with Fleet(database.url()) as fleet:
            columns, _ = await fleet.input_of(run)
            count = 0
            with rows.open(columns or _PAIR_COLUMNS) as write:
                async for row in fleet.rows(run, *statuses):
                    cells: Any = row.cells
                    if cells is None:
                        ids = [row.from_id, row.to_id]
                        cells = ids if columns else [row.from_type, ids[0], row.to_type, ids[1]]
                    write(
                        cells, RowResult(row.status, row.category, row.message, row.correlation_id)
                    )
                    count += 1
                rejected = await fleet.rejected_rows(run) if Status.FAILED in statuses else ()
                for _, _, problem, cells in rejected:
                    write(cells, RowResult("invalid", "INVALID_ROW", problem))
                    count += 1
        return count

    try:
        count = _run(work())
    except OSError as error:
        return rows.to_exit_code(error)
    if rows.output is not None:
        stderr().print(f"{count:,} rows in {rows.output}", markup=False)
    return ExitCode.ALL_LINKED


def report(
    run: int,
    /,
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"])],
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
) -> int:
    """
    Write the report of a run as one HTML file, which needs no network.

    Args:
        run: Its number.
        output: The file to write.
        database: Where the runs are.
        portals: Which portals there are; may be left out.
    """
    check_installed()
    check_output("--output", output, inputs=())
    known = portals.load() if portals.is_given else {}

    async def work() -> str:
        async with Fleet(database.url()) as fleet:
            (found,) = await fleet.runs(run)
            return render(await read_fleet_contents(fleet, run, known.get(found.portal)))

    page = _run(work())
    try:
        Path(output).write_text(page, "utf-8")
    except OSError as error:
        raise StorageError(f"{output}: {error.strerror}") from None
    stderr().print(f"Wrote the report to {output}", markup=False)
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
        stdout().out(json.dumps({"portals": shown}))
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


def _run(work: Coroutine[Any, Any, _T], *, uvloop: bool = False) -> _T:
    with asyncio.Runner(loop_factory=loop_factory(uvloop=uvloop)) as loop:
        return loop.run(work)


def _place(pair: Pair) -> tuple[int, int]:
    record: Any = pair.tag  # the table tags each pair with its row
    return record.source, record.line


async def _checked(
    table: PairTable, about: SubmittedInput, *, skip_invalid: bool
) -> AsyncIterator[Pair]:
    """Yield the pairs of a table; raise InputError at its end if rows held none."""

    def reject(record: Record) -> None:
        about.rejected.append(
            (record.source, record.line, record.problem or "invalid", record.fields)
        )

    rows = RowSource(
        table,
        seen=None,  # storing them finds duplicates
        on_invalid=reject,
        on_duplicate=lambda *_: None,
        limit=None,
        on_limit=lambda: None,
    )
    await rows.check_ahead()
    async with contextlib.aclosing(rows.pairs()) as pairs:  # type: ignore[type-var]
        async for pair in pairs:
            yield pair
    if about.rejected and not skip_invalid:
        first = [
            f"{table.place(source, line)}: {problem}"
            for source, line, problem, _ in about.rejected[:_SHOWN_PROBLEMS]
        ]
        count = len(about.rejected)
        raise InputError(
            f"{count:,} {'row' if count == 1 else 'rows'} of {table.name} "
            f"{'holds' if count == 1 else 'hold'} no pair: "
            f"{'; '.join(first)}{'; ...' if count > len(first) else ''}. Nothing was stored. Fix "
            "them, or leave them out with --skip-invalid."
        )


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in values.items()
    }
