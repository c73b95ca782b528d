"""Which rows an export has, in which format, and where they go."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from aiohubassoc.cli.options import Flag
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.terminal import StorageError, lose_output, rows_output
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.results import (
    RowResult,
    check_results_format,
    open_results,
    result_writer,
    results_format,
)
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Write: TypeAlias = "Callable[[list[str] | dict[str, object], RowResult], None]"


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
    """

    failed: Flag = False
    unprocessed: Flag = False
    linked: Flag = False
    format_: Literal["csv", "jsonl", "parquet"] | None = None
    output: str | None = None

    @property
    def file_format(self) -> str:
        """The format of the rows."""
        return self.format_ or results_format(self.output or "")

    def check(self) -> None:
        """Raise OptionsError for options that do not go together, or a library that is missing."""
        check_results_format(self.output or "standard output", self.file_format)
        if self.output is None and self.file_format == "parquet":
            raise OptionsError("--format parquet is for a file: give --output")

    def statuses(self) -> list[Status]:
        """Return the statuses of the pairs to write."""
        is_all = not (self.failed or self.unprocessed or self.linked)
        return [
            *([Status.LINKED] if self.linked or is_all else ()),
            *([Status.PARTIAL, Status.FAILED] if self.failed or is_all else ()),
            *([Status.UNPROCESSED] if self.unprocessed or is_all else ()),
        ]

    @contextlib.contextmanager
    def open(self, header: list[str]) -> Iterator[_Write]:
        """Give what writes a row; at the end of the block all of them are written."""
        if self.output is None:
            file = rows_output()
            yield result_writer(file, header, format_=self.file_format).write
            file.flush()
            return
        with open_results(self.output, header, self.file_format) as results:
            yield results.write
            results.flush()

    def to_exit_code(self, error: OSError) -> ExitCode:
        """Return the code after standard output was closed; raise StorageError for a file."""
        if self.output is not None:
            raise StorageError(f"{self.output}: {error.strerror}") from None
        lose_output(error)
        return ExitCode.STORAGE
