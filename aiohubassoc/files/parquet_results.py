"""The user's own rows with what became of them, as Parquet; and which format a file gets."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc.errors import OptionsError, install_command
from aiohubassoc.files.results import (
    FailuresFile,
    added_names,
    cell_text,
    check_file_name,
    result_format,
    without_added,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from aiohubassoc.files.results import RowResult

# Rows and characters that are kept in memory until they are a row group of the file.
_GROUP_ROWS: Final = 5_000
_GROUP_CHARS: Final = 2_000_000


def results_format(path: str) -> str:
    """Return the format of a file of this name: ``parquet``, ``jsonl`` or ``csv``."""
    is_parquet = path.casefold().endswith((".parquet", ".pq"))
    return "parquet" if is_parquet else result_format(path)


def check_results_format(name: str, format_: str | None = None) -> None:
    """
    Raise OptionsError if a file of this format cannot be written.

    Args:
        name: Its name.
        format_: None: the one that the name shows.

    Raises:
        OptionsError: the library for it is not installed, or the name shows a format that is not
            written.
    """
    if format_ is None:
        check_file_name(name, ".csv", ".jsonl", ".ndjson", ".parquet", ".pq")
        format_ = results_format(name)
    if format_ == "parquet" and find_spec("pyarrow") is None:
        raise OptionsError(f"{name}: Parquet needs a library: {install_command('parquet')}")


def open_results(
    path: str, header: Sequence[str], format_: str | None = None
) -> FailuresFile | ParquetResults:
    """
    Return what writes rows to a file; in the format that its name shows if *format_* is None.

    Raises:
        OSError: it cannot be written.
    """
    if (format_ or results_format(path)) == "parquet":
        return ParquetResults(path, header)
    return FailuresFile(path, header, format_)


class ParquetResults:
    """
    Writes rows as Parquet; a context manager. What is in the file can be read after `flush` only.

    The columns are those of `CsvResults`. All of them are text, so that any id and any cell is as
    it was; a value that is not there is null. Where the input has two columns of one name, the
    second is called ``name_2``.

    Args:
        path: Written anew.
        header: The input's columns.

    Raises:
        OSError: it cannot be written; every method may raise it.
    """

    def __init__(self, path: str, header: Sequence[str]) -> None:
        # Imported when such a file is written: it takes a tenth of a second.
        import pyarrow.parquet  # noqa: PLC0415

        self._arrow: Any = pyarrow
        self._kept = without_added(header)
        names = _different([*self._kept, *added_names(self._kept)])
        self._schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
        self._rows: list[tuple[str | None, ...]] = []
        self._chars = 0
        self._file = Path(path).open("wb")  # noqa: SIM115 -- closed by __exit__
        self._writer: Any = pyarrow.parquet.ParquetWriter(self._file, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # `write` or `flush` has raised what could not be written.
        with contextlib.suppress(OSError, self._arrow.ArrowException):
            self._writer.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, fields: list[str] | dict[str, object], result: RowResult) -> None:
        """Write one row, as many cells of it as there are columns, and what became of it."""
        if isinstance(fields, dict):
            values = (fields.get(name) for name in self._kept)
            own = [None if value is None else cell_text(value) for value in values]
        else:
            own = [*fields, *[None] * len(self._kept)][: len(self._kept)]
        row = tuple(map(_valid, (*own, *attrs.astuple(result))))
        self._rows.append(row)
        self._chars += sum(len(cell) for cell in row if cell is not None)
        if len(self._rows) >= _GROUP_ROWS or self._chars >= _GROUP_CHARS:
            self._write_group()

    def flush(self) -> None:
        """Write what is left and end the file: no row can be written any more."""
        if self._rows:
            self._write_group()
        self._writer.close()
        self._file.flush()

    def _write_group(self) -> None:
        rows, self._rows, self._chars = self._rows, [], 0
        columns = [
            self._arrow.array(column, self._arrow.string()) for column in zip(*rows, strict=True)
        ]
        table = self._arrow.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table)


def _different(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: readers of Parquet take columns by name."""
    found: dict[str, None] = {}
    for name in names:
        different, count = name, 1
        while different in found:
            count += 1
            different = f"{name}_{count}"
        found[different] = None
    return list(found)


def _valid(text: str | None) -> str | None:
    """Return *text* as Parquet can hold it: bytes that are no UTF-8 are replaced."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
