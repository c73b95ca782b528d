"""``aiohubassoc status`` and ``export``: what a run folder has."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import attrs
from rich.markup import escape

from aiohubassoc._http.clock import SystemClock
from aiohubassoc._quota.daily_budget import find_midnight
from aiohubassoc.cli import run_folder, terminal
from aiohubassoc.cli.hints import (
    FailureCounts,
    after_daily_limit,
    after_failures,
    how_to_resume,
)
from aiohubassoc.cli.options import Flag, Flat, Json
from aiohubassoc.cli.report import ExitCode, describe_day_end
from aiohubassoc.cli.sinks import BEHIND_ALL, check_folder_output
from aiohubassoc.cli.summary import print_categories, print_portal, print_status
from aiohubassoc.errors import AioHubAssocError, OptionsError, plural
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import (
    RowResult,
    TextResults,
    check_results_format,
    open_results,
    results_format,
)
from aiohubassoc.journal.header import HAS_OBJECTS, UTC_OFFSET
from aiohubassoc.journal.report_reader import ReportReader
from aiohubassoc.journal.schema import is_in_use
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from aiohubassoc.files.record import Fields
    from aiohubassoc.fleet import FleetRow
    from aiohubassoc.journal.reader import JournalRow, Reader, Session
    from aiohubassoc.pair import Pair

PAIR_COLUMNS: Final = ["from_type", "from_id", "to_type", "to_id"]
"""The columns of pairs that come from no table."""
_SHOWN_RUNS: Final = 5
_READ_BACK: Final = ("linked", "missing", "unknown")


def status(folder: str, /, *, json_: Json = False) -> int:
    """
    Show how far the run of a folder is, also during the run.

    Args:
        folder: The run folder.
    """
    with run_folder.open_folder(folder) as reader:
        found = _gather(reader)
    if json_:
        terminal.print_result(found)
    else:
        _print(found, terminal.stdout())
    return ExitCode.ALL_LINKED


def _gather(reader: Reader) -> dict[str, Any]:
    sessions = reader.sessions()
    counts = reader.counts()
    last = sessions[-1] if sessions else None
    is_running = is_in_use(reader.folder)
    header = reader.header()
    is_read = reader.is_read_to_its_end()
    read_back = [kept.value for kept in reader.verifications()[:1]]
    state = (
        "running" if is_running else "complete" if run_folder.is_complete(reader) else "unfinished"
    )
    return {
        "folder": str(reader.folder),
        "state": state,
        "process_id": last.process_id if last is not None and is_running else None,
        **{one.value: count for one, count in counts.items()},
        "settled": sum(counts.values()) - counts[Status.UNPROCESSED],
        "invalid": reader.rejected_count(),
        "portal": run_folder.describe_portal(header.get("job", {}).get("portal", "")),
        "inputs": header.get("names"),
        "input_rows": run_folder.estimate_rows(header),
        "needs_input": "inputs" in header and run_folder.is_from_pipe(header) and not is_read,
        "categories": [
            {"status": one.value, "category": name, "count": count, "message": message}
            for one, name, count, message in reader.categories()
        ],
        "runs": [_session(session) for session in sessions],
        "read_back": {name: read_back[0][name] for name in _READ_BACK} if read_back else None,
        "next": _find_steps(reader, header) if not is_running else [],
    }


def _find_steps(reader: Reader, header: dict[str, Any]) -> list[str]:
    """Return what to do after the last run of a folder; `link` says the same at its end."""
    folder, is_at_end, steps = str(reader.folder), run_folder.is_complete(reader), []
    if not is_at_end and "inputs" in header:
        needs_input = run_folder.is_from_pipe(header) and not reader.is_read_to_its_end()
        if any(session.ended_at is None for session in reader.sessions()[-1:]):
            steps.append(f"If the disk of {folder} is full, free space on it first")
        steps += _after_daily_limit(reader, header.get(UTC_OFFSET))
        steps.append(how_to_resume(folder, needs_input=needs_input))
    groups = [
        (name, message)
        for one, name, _, message in reader.categories()
        if one in {Status.FAILED, Status.PARTIAL}
    ]
    has_objects = header.get(HAS_OBJECTS, False)
    failures = FailureCounts(groups, reader.rejected_count(), is_at_end, has_objects)
    found = after_failures(folder, failures, run_folder.read_command(header))
    return steps + [f"{sentence}: {command}" for sentence, command in found]


def _after_daily_limit(reader: Reader, utc_offset_seconds: float | None) -> list[str]:
    """Return when the run of a folder can continue that ended at the daily limit, if not now."""
    last = next(reversed(reader.sessions()), None)
    if last is None or (ended_at := last.ended_at) is None:
        return []
    if not any("DAILY" in category.upper() for category in reader.open_categories(last.number)):
        return []
    day_end = ended_at + timedelta(days=1)
    if utc_offset_seconds is not None:
        day_end = find_midnight(ended_at, timedelta(seconds=utc_offset_seconds))
    if day_end <= SystemClock().utc_now():
        return []
    return [after_daily_limit(describe_day_end(utc_offset_seconds, ended_at))]


def _session(session: Session) -> dict[str, Any]:
    ended_at = session.ended_at
    return {
        "number": session.number,
        "process_id": session.process_id,
        "began_at": session.began_at.isoformat(timespec="seconds"),
        "ended_at": None if ended_at is None else ended_at.isoformat(timespec="seconds"),
        "input_complete": session.is_complete,
        "stopped": session.stopped,
    }


def _print(found: dict[str, Any], console: Console) -> None:
    is_running = found["state"] == "running"
    state = f"running, process {found['process_id']}" if is_running else found["state"]
    console.print(f"[bold]{escape(found['folder'])}[/]: {state}")
    print_portal(found["portal"], console)
    if found["inputs"]:
        rows = found["input_rows"]
        about = f"about {plural(rows, 'row')}" if rows else "no rows"
        of = "" if rows is None else f", {about}"
        console.print(f"  input: {escape(', '.join(found['inputs']))}{of}")
    for name in ("linked", "partial", "failed", "unprocessed", "invalid"):
        print_status(found[name], name, console)
    categories = found["categories"]
    print_categories(
        ((one["count"], one["status"], one["category"], one["message"]) for one in categories),
        console,
    )
    if (read_back := found["read_back"]) is not None:
        counts = [f"{read_back[name]:,} {name}" for name in _READ_BACK if read_back[name]]
        console.print(f"  read back: {', '.join(counts) or 'no pair'}")
    for run in found["runs"][-_SHOWN_RUNS:]:
        if run["ended_at"] is not None:
            end = f"ended {run['ended_at']}"
        else:
            is_last = run is found["runs"][-1]
            is_under_way = is_running and is_last
            end = "under way" if is_under_way else "killed, or its disk was full"
        stopped = f": {run['stopped']}" if run["stopped"] else ""
        line = f"  run {run['number']}: began {run['began_at']}, {end}{stopped}"
        console.print(line, markup=False)
    terminal.print_lines(found["next"], console)


@attrs.frozen
class ExportOptions:
    """
    Which rows to write, and where; without any of the first three: all of them.

    Args:
        failed: Write only pairs that failed or are partial, and rejected rows.
        unprocessed: Write only pairs without an outcome, and rows that were not read.
        linked: Write only linked pairs.
        format_: csv, jsonl or parquet; else as the name of --output ends, else csv.
        output: Write to this file instead of standard output.
        safe_for_spreadsheets: Put ' before each cell that a spreadsheet would take for a formula;
            for CSV.
    """

    failed: Flag = False
    unprocessed: Flag = False
    linked: Flag = False
    format_: Literal["csv", "jsonl", "parquet"] | None = None
    output: str | None = None
    safe_for_spreadsheets: Flag = False

    @property
    def file_format(self) -> str:
        return self.format_ or results_format(self.output or "")

    def check(self) -> None:
        check_results_format(self.output or "standard output", self.format_)
        if self.output is None and self.file_format == "parquet":
            raise OptionsError("--format parquet is for a file: give --output")
        if self.safe_for_spreadsheets and self.file_format != "csv":
            raise OptionsError(f"--safe-for-spreadsheets is for CSV, not {self.file_format}")

    def statuses(self) -> list[Status]:
        is_all = not (self.failed or self.unprocessed or self.linked)
        return [
            *([Status.LINKED] if self.linked or is_all else ()),
            *([Status.PARTIAL, Status.FAILED] if self.failed or is_all else ()),
            *([Status.UNPROCESSED] if self.unprocessed or is_all else ()),
        ]

    @contextlib.contextmanager
    def open(self, header: list[str]) -> Iterator[Callable[[Fields, RowResult], None]]:
        """Give what writes a row; at the end of the block all of them are written."""
        format_ = "csv-safe" if self.safe_for_spreadsheets else self.file_format
        try:
            if self.output is None:
                rows = TextResults(terminal.rows_output(), header, format_)
                yield rows.write
                rows.flush()
                return
            with open_results(self.output, header, format_) as results:
                yield results.write
                results.flush()
        except OSError as error:
            raise terminal.to_output_error(self.output, error) from None

    def print_count(self, count: int) -> None:
        if self.output is not None:
            terminal.stderr().print(f"{plural(count, 'row')} in {self.output}", markup=False)


def export(
    folder: str, /, *, rows: Annotated[ExportOptions, Flat] = ExportOptions(), json_: Flag = False
) -> int:
    """
    Write the rows of a run folder as they were in the input, and behind them what became of each.

    Args:
        folder: The run folder; it may be in use.
        json_: Print one JSON object on standard output that says how many rows were written where;
            for --output.
    """
    if json_ and rows.output is None:
        raise OptionsError("--json is for --output: without it the rows are on standard output")
    rows.check()
    check_folder_output(folder, rows.output)
    with run_folder.open_folder(folder, ReportReader) as reader:
        selected = _Selected(reader, rows.statuses())
        count = 0
        with rows.open(selected.header()) as write:
            for fields, result in selected.rows():
                write(fields, result)
                count += 1
    if selected.missing is not None:
        terminal.print_warning(f"Rows that no run has read are missing here: {selected.missing}")
    if json_:
        terminal.print_result({"rows": count, "output": rows.output, "format": rows.file_format})
    else:
        rows.print_count(count)
    return ExitCode.ALL_LINKED if selected.missing is None else ExitCode.SOME_FAILED


class _Selected:
    """The rows to write; `missing`: why those that no run has read could not be given."""

    def __init__(self, reader: Reader, statuses: list[Status]) -> None:
        self.missing: str | None = None
        self._reader = reader
        self._statuses = statuses
        self._kept = reader.header()

    def header(self) -> list[str]:
        """Return the columns of the input; of JSON Lines all names of the rows to write."""
        columns: list[str] | None = self._kept.get("columns")
        if columns is None:
            return PAIR_COLUMNS
        names = dict.fromkeys(columns)
        for fields, _ in self.rows():
            if not isinstance(fields, dict):
                break  # a table's columns are known
            names |= dict.fromkeys(fields)
        return list(names)

    def rows(self) -> Iterator[tuple[Fields, RowResult]]:
        is_of_table = "columns" in self._kept
        for row in self._reader.rows(*self._statuses):
            cells = run_folder.restore_cells(row.pair) if is_of_table else _program_cells(row.pair)
            yield cells, to_result(row)
        if Status.FAILED in self._statuses:
            for _, _, problem, fields in self._reader.rejected():
                yield fields, RowResult.rejected(problem)
        if Status.UNPROCESSED in self._statuses:
            yield from self._unread()

    def _unread(self) -> Iterator[tuple[Fields, RowResult]]:
        if self._reader.is_read_to_its_end() or "columns" not in self._kept:
            return
        command = run_folder.Command.from_header(self._kept)
        if run_folder.is_from_pipe(self._kept):
            self.missing = f"{command.names} was not read to its end"
            return
        if (problem := run_folder.find_input_problem(command)) is not None:
            self.missing = problem
            return
        rejected = ((source, line) for source, line, _, _ in self._reader.rejected())
        was_read = next(rejected, BEHIND_ALL)
        try:
            with PairTable(command.files, command.input) as table:
                for record, pair in table:
                    if pair is None:
                        while was_read < (record.source, record.line):
                            was_read = next(rejected, BEHIND_ALL)
                        if was_read != (record.source, record.line):
                            yield record.fields, RowResult.rejected(record.problem)
                    elif self._reader.get_status(pair) is None:
                        result = RowResult(Status.UNPROCESSED, "NOT_READ", "no run has read it")
                        yield table.cells(pair), result
        except AioHubAssocError as error:
            self.missing = str(error)


def to_result(row: JournalRow | FleetRow) -> RowResult:
    return RowResult(row.status, row.category, row.message, row.correlation_id)


def _program_cells(pair: Pair) -> Fields:
    cells: dict[str, object] = {name: getattr(pair, name) for name in PAIR_COLUMNS}
    return cells if pair.tag is None else {**cells, "tag": pair.tag}
