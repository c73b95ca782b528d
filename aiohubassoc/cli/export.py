"""``aiohubassoc export``."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rich.markup import escape

from aiohubassoc.cli.options import Flag  # noqa: TC001 -- the command line reads it
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.run_folder import Command, is_from_pipe, open_folder, restore_cells
from aiohubassoc.cli.sinks import check_output
from aiohubassoc.cli.terminal import (
    StorageError,
    discard_output,
    print_warning,
    rows_output,
    stderr,
    stdout,
)
from aiohubassoc.errors import AioHubAssocError, OptionsError
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.parquet_results import check_results_format, open_results, results_format
from aiohubassoc.files.results import RowResult, result_writer
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc.journal.reader import JournalRow, Reader

_Row = tuple[list[str] | dict[str, object], RowResult]
_Write: TypeAlias = "Callable[[list[str] | dict[str, object], RowResult], None]"
_PROGRAM_COLUMNS = ["from_type", "from_id", "to_type", "to_id"]


def export(
    folder: str,
    /,
    *,
    failed: Flag = False,
    unprocessed: Flag = False,
    linked: Flag = False,
    format_: Literal["csv", "jsonl", "parquet"] | None = None,
    output: str | None = None,
    json_: Flag = False,
) -> int:
    """
    Write the rows of a run folder as they were in the input, and behind them what became of each.

    Args:
        folder: The run folder; it may be in use.
        failed: Those that failed, partially or wholly, and rejected rows.
        unprocessed: Those without a result, whether they were read or not.
        linked: Those that are linked.
        format_: csv, jsonl or parquet; else as the name of --output ends, else csv.
        output: Write to this file instead of standard output.
        json_: Print one JSON object on standard output that says how many rows were written where;
            for --output.
    """
    if json_ and output is None:
        raise OptionsError("--json is for --output: without it the rows are on standard output")
    if not (failed or unprocessed or linked):
        failed = unprocessed = linked = True
    file_format = format_ or results_format(output or "")
    check_results_format(output or "standard output", file_format)
    if output is None and file_format == "parquet":
        raise OptionsError("--format parquet is for a file: give --output")
    try:
        with open_folder(folder) as reader:
            kept = reader.header().get("command") or {}  # a program's folder has none
            check_output("--output", output, inputs=kept.get("files", ()), folder=folder)
        with open_folder(folder) as reader:
            selected = _Selected(reader, failed=failed, unprocessed=unprocessed, linked=linked)
            count = 0
            with open_output(output, selected.header(), file_format) as write:
                for fields, result in selected.rows():
                    write(fields, result)
                    count += 1
    except OSError as error:
        if output is not None:
            raise StorageError(f"{output}: {error.strerror}") from None
        discard_output()  # standard output was closed
        return ExitCode.STORAGE
    if selected.missing is not None:
        print_warning(f"Rows that no run has read are missing here: {selected.missing}")
    if json_:
        stdout().out(json.dumps({"rows": count, "output": output, "format": file_format}))
    elif output is not None:
        stderr().print(f"{count:,} rows in {escape(output)}")
    return ExitCode.ALL_LINKED


@contextlib.contextmanager
def open_output(output: str | None, header: list[str], format_: str) -> Iterator[_Write]:
    """Give what writes a row; at the end of the block all of them are written."""
    if output is None:
        file = rows_output()
        yield result_writer(file, header, format_=format_).write
        file.flush()
        return
    with open_results(output, header, format_) as results:
        yield results.write
        results.flush()


class _Selected:
    """
    The rows to write.

    Attributes:
        missing: Why rows that no run has read could not be given; None if none is missing.
    """

    def __init__(self, reader: Reader, *, failed: bool, unprocessed: bool, linked: bool) -> None:
        self.missing: str | None = None
        self._reader = reader
        self._unprocessed = unprocessed
        self._failed = failed
        self._kept = reader.header()
        self._statuses = [
            status
            for status, wanted in (
                (Status.LINKED, linked),
                (Status.PARTIAL, failed),
                (Status.FAILED, failed),
                (Status.UNPROCESSED, unprocessed),
            )
            if wanted
        ]

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
        if self._failed:
            for _, _, problem, fields in self._reader.unusable():
                yield fields, RowResult("invalid", "INVALID_ROW", problem)
        if self._unprocessed:
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
