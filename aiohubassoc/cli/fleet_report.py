"""``aiohubassoc fleet export`` and ``report``: what became of a run, as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from aiohubassoc import __version__
from aiohubassoc.cli.fleet import DatabaseOptions, PortalsOptions
from aiohubassoc.cli.folder_commands import PAIR_COLUMNS, ExportOptions, to_result
from aiohubassoc.cli.hints import can_pass_later, compose
from aiohubassoc.cli.options import Flat
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.report_file import write_page
from aiohubassoc.cli.run_folder import describe_portal
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.terminal import stderr
from aiohubassoc.files.results import RowResult, check_file_name
from aiohubassoc.fleet import RunState
from aiohubassoc.html_report.contents import Contents, Outcomes, RunDescription
from aiohubassoc.html_report.page import check_installed, render
from aiohubassoc.journal.reader import Session
from aiohubassoc.journal.report_reader import (
    FailedPair,
    FailureGroup,
    RowWithoutPair,
    join_cells,
)
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.fleet import Fleet, FleetPortal, FleetRow, FleetRun

_MOST_GROUPS = 20
_EXAMPLES = 3
_MOST_REJECTED = 20
_STATES = {RunState.DONE: "complete", RunState.RUNNING: "running"}


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
    """
    check_outputs({"--output": rows.output}, inputs=PortalsOptions().files)
    rows.check()
    statuses = rows.statuses()

    async def work(fleet: Fleet) -> int:
        columns, _ = await fleet.input_of(run)
        count = 0
        with rows.open(columns or PAIR_COLUMNS) as write:
            async for row in fleet.rows(run, *statuses):
                cells: Any = row.cells
                if cells is None:
                    ids = [row.from_id, row.to_id]
                    cells = ids if columns else [row.from_type, ids[0], row.to_type, ids[1]]
                write(cells, to_result(row))
                count += 1
            rejected = await fleet.rejected_rows(run) if Status.FAILED in statuses else ()
            for _, _, problem, cells in rejected:
                write(cells, RowResult("invalid", "INVALID_ROW", problem))
                count += 1
        return count

    rows.print_count(database.use(work))
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
    """
    check_installed()
    check_file_name(output, ".html", ".htm")
    check_outputs({"--output": output}, inputs=portals.files)
    known = portals.load() if portals.files else {}

    async def work(fleet: Fleet) -> str:
        (found,) = await fleet.runs(run)
        return render(await read_fleet_contents(fleet, run, known.get(found.portal)))

    write_page(output, database.use(work))
    stderr().print(f"Wrote the report to {output}", markup=False)
    return ExitCode.ALL_LINKED


async def read_fleet_contents(fleet: Fleet, number: int, portal: FleetPortal | None) -> Contents:
    """Return what a report says of a run; *portal*: None where it is not known."""
    (run,) = await fleet.runs(number)
    _, names = await fleet.input_of(number)
    groups = await fleet.failure_groups(number, most=_MOST_GROUPS, examples=_EXAMPLES)
    rejected = await fleet.rejected_rows(number)
    duplicates, already = await fleet.skipped_counts(number)
    statistics = await fleet.statistics(number)
    if statistics is not None:
        statistics.duplicates = duplicates

    sessions, is_done = [], run.state is RunState.DONE
    if (began := run.started_at) is not None:
        why = "It waits for a worker" if run.state is RunState.QUEUED else None
        why = run.reason or why
        sessions = [Session(1, 0, __version__, began, run.ended_at, False, is_done, why)]
    failures = [
        FailureGroup(status, category, count, tuple(map(_to_example, rows)))
        for status, category, count, rows in groups
    ]
    return Contents(
        folder=f"run {number} of {run.portal}",
        state=_STATES.get(run.state, "unfinished"),
        is_read=True,
        run=RunDescription(
            portal="" if portal is None else describe_portal(portal.base_url),
            inputs=tuple(names),
            settings=_settings(run, portal),
            input_rows=None,
        ),
        types=await fleet.types_of(number),
        outcomes=Outcomes(
            run.linked, already, run.partial, run.failed, run.unprocessed, run.rejected
        ),
        failures=failures,
        other_groups=0,
        statistics=statistics,
        rejected=[
            RowWithoutPair(source, line, problem, join_cells(cells))
            for source, line, problem, cells in rejected[:_MOST_REJECTED]
        ],
        verifications=[],
        sessions=sessions,
        session_count=len(sessions),
        steps=_find_steps(run, failures),
    )


def _to_example(row: FleetRow) -> FailedPair:
    return FailedPair(
        f"{row.from_type}:{row.from_id} -> {row.to_type}:{row.to_id}",
        row.source,
        row.line,
        row.attempts,
        row.maybe_applied,
        row.message or "",
        row.correlation_id,
    )


def _settings(run: FleetRun, portal: FleetPortal | None) -> tuple[tuple[str, str], ...]:
    quota = None if portal is None or portal.quota is None else str(portal.quota)
    return (
        ("Portal", run.portal),
        ("State", run.state),
        ("Quota", quota or "as HubSpot reports it"),
        ("Submitted", f"{run.submitted_at:%Y-%m-%d %H:%M:%S %Z}"),
    )


def _find_steps(run: FleetRun, failures: Sequence[FailureGroup]) -> list[tuple[str, str]]:
    number, steps = str(run.run), []
    if run.state in {RunState.FAILED, RunState.CANCELLED} and run.unprocessed:
        steps.append(("Queue the rest again", compose("fleet resume", [number])))
    if any(can_pass_later(one.category, one.examples[0].message) for one in failures):
        retry = compose("fleet resume", [number], {"--retry-failed": True})
        steps.append(("To send those again that failed", retry))
    if run.failed or run.partial or run.rejected:
        export = compose("fleet export", [number], {"--failed": True, "--output": "failed.csv"})
        steps.append(("To write those that failed to a file", export))
    return steps
