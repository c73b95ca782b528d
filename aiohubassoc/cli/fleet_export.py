"""``aiohubassoc fleet export`` and ``report``: what became of a run, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from aiohubassoc.cli.export_options import ExportOptions
from aiohubassoc.cli.fleet_options import DatabaseOptions, PortalsOptions, RunNumber
from aiohubassoc.cli.fleet_report import read_fleet_contents
from aiohubassoc.cli.options import Flat
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.sinks import check_output
from aiohubassoc.cli.terminal import StorageError, stderr
from aiohubassoc.errors import plural
from aiohubassoc.files.results import RowResult, check_file_name
from aiohubassoc.html_report.page import check_installed, render
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from aiohubassoc.fleet import Fleet

_PAIR_COLUMNS: Final = ["from_type", "from_id", "to_type", "to_id"]


def export(
    run: Annotated[int, RunNumber],
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
    check_output("--output", rows.output, inputs=PortalsOptions().files)
    rows.check()
    statuses = rows.statuses()

    async def work(fleet: Fleet) -> int:
        columns, _ = await fleet.input_of(run)
        count = 0
        with rows.open(columns or _PAIR_COLUMNS) as write:
            async for row in fleet.rows(run, *statuses):
                cells: Any = row.cells
                if cells is None:
                    ids = [row.from_id, row.to_id]
                    cells = ids if columns else [row.from_type, ids[0], row.to_type, ids[1]]
                write(cells, RowResult(row.status, row.category, row.message, row.correlation_id))
                count += 1
            rejected = await fleet.rejected_rows(run) if Status.FAILED in statuses else ()
            for _, _, problem, cells in rejected:
                write(cells, RowResult("invalid", "INVALID_ROW", problem))
                count += 1
        return count

    try:
        count = database.use(work)
    except OSError as error:
        return rows.to_exit_code(error)
    if rows.output is not None:
        stderr().print(f"{plural(count, 'row')} in {rows.output}", markup=False)
    return ExitCode.ALL_LINKED


def report(
    run: Annotated[int, RunNumber],
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
    check_file_name(output, ".html", ".htm")
    check_output("--output", output, inputs=portals.files)
    known = portals.load() if portals.files else {}

    async def work(fleet: Fleet) -> str:
        (found,) = await fleet.runs(run)
        return render(await read_fleet_contents(fleet, run, known.get(found.portal)))

    page = database.use(work)
    try:
        Path(output).write_text(page, "utf-8")
    except OSError as error:
        raise StorageError(f"{output}: {error.strerror}") from None
    stderr().print(f"Wrote the report to {output}", markup=False)
    return ExitCode.ALL_LINKED
