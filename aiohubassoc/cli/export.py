"""``aiohubassoc export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from rich.markup import escape

from aiohubassoc.cli.export_options import ExportOptions
from aiohubassoc.cli.options import Flag, Flat
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.run_folder import Command, is_from_pipe, open_folder, restore_cells
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.terminal import print_result, print_warning, stderr
from aiohubassoc.errors import AioHubAssocError, OptionsError, plural
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import RowResult
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.journal.reader import JournalRow, Reader

_Row = tuple[list[str] | dict[str, object], RowResult]
_PROGRAM_COLUMNS = ["from_type", "from_id", "to_type", "to_id"]


def export(
    folder: str,
    /,
    *,
    rows: Annotated[ExportOptions, Flat] = ExportOptions(),  # noqa: B008 -- frozen
    json_: Flag = False,
) -> int:
    """
    Write the rows of a run folder as they were in the input, and behind them what became of each.

    Args:
        folder: The run folder; it may be in use.
        rows: Which rows to write, and where.
        json_: Print one JSON object on standard output that says how many rows were written where;
            for --output.
    """
    if json_ and rows.output is None:
        raise OptionsError("--json is for --output: without it the rows are on standard output")
    rows.check()
    try:
        with open_folder(folder) as reader:
            kept = reader.header().get("command") or {}  # a program's folder has none
            check_outputs({"--output": rows.output}, inputs=kept.get("files", ()), folder=folder)
        with open_folder(folder) as reader:
            selected = _Selected(reader, rows.statuses())
            count = 0
            with rows.open(selected.header()) as write:
                for fields, result in selected.rows():
                    write(fields, result)
                    count += 1
    except OSError as error:
        return rows.to_exit_code(error)
    if selected.missing is not None:
        print_warning(f"Rows that no run has read are missing here: {selected.missing}")
    if json_:
        written = {"rows": count, "output": rows.output, "format": rows.file_format}
        print_result(written)
    elif rows.output is not None:
        stderr().print(f"{plural(count, 'row')} in {escape(rows.output)}")
    return ExitCode.ALL_LINKED if selected.missing is None else ExitCode.SOME_FAILED


class _Selected:
    """
    The rows to write.

    Attributes:
        missing: Why rows that no run has read could not be given; None if none is missing.
    """

    def __init__(self, reader: Reader, statuses: list[Status]) -> None:
        self.missing: str | None = None
        self._reader = reader
        self._statuses = statuses
        self._kept = reader.header()

    def header(self) -> list[str]:
        """Return the columns of the input; of JSON Lines all names of the rows to write."""
        columns: list[str] | None = self._kept.get("columns")
        if columns is None:
            return _PROGRAM_COLUMNS
        names = dict.fromkeys(columns)
        for fields, _ in self.rows():
            if not isinstance(fields, dict):
                break  # a table's columns are known
            names |= dict.fromkeys(fields)
        return list(names)

    def rows(self) -> Iterator[_Row]:
        """Yield the rows."""
        is_of_table = "columns" in self._kept
        for row in self._reader.rows(*self._statuses):
            yield (restore_cells(row.pair) if is_of_table else _program_cells(row)), _to_result(row)
        if Status.FAILED in self._statuses:
            for _, _, problem, fields in self._reader.rejected():
                yield fields, RowResult("invalid", "INVALID_ROW", problem)
        if Status.UNPROCESSED in self._statuses:
            yield from self._unread()

    def _unread(self) -> Iterator[_Row]:
        """Yield the rows of the input that no run has read."""
        if self._reader.is_read_to_its_end() or "columns" not in self._kept:
            return
        command = Command.from_header(self._kept)
        if is_from_pipe(self._kept):
            self.missing = f"{command.names} was not read to its end"
            return
        try:
            with PairTable(command.files, command.input) as table:
                for _, pair in table:
                    if pair is not None and self._reader.get_status(pair) is None:
                        result = RowResult(Status.UNPROCESSED, "NOT_READ", "no run has read it")
                        yield table.cells(pair), result
        except AioHubAssocError as error:
            self.missing = str(error)


def _to_result(row: JournalRow) -> RowResult:
    return RowResult(row.status, row.category, row.message, row.correlation_id)


def _program_cells(row: JournalRow) -> dict[str, Any]:
    pair = row.pair
    cells: dict[str, Any] = {name: getattr(pair, name) for name in _PROGRAM_COLUMNS}
    return cells if pair.tag is None else {**cells, "tag": pair.tag}
