"""The user's own rows with their outcomes, as CSV, JSON Lines or Parquet."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import attrs

from aiohubassoc.errors import OptionsError, install_command

if TYPE_CHECKING:
    from _csv import Writer
    from collections.abc import Sequence
    from typing import Self

    from aiohubassoc.files.record import Fields

# Rows and characters that are kept in memory until they are a row group of a Parquet file.
_GROUP_ROWS: Final = 5_000
_GROUP_CHARS: Final = 2_000_000


@attrs.frozen
class RowResult:
    """What became of a row."""

    status: str
    category: str | None = None
    message: str | None = None
    correlation_id: str | None = None

    @classmethod
    def rejected(cls, problem: str | None) -> Self:
        return cls("invalid", "INVALID_ROW", problem)


# OWASP, "CSV Injection" (read 2026-11-29): what a formula begins with, full-width letters too.
_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# How names of files end whose format is known, and which programs open by it.
_SUFFIXES: Final = re.compile(
    r"\.(bz2|csv|gz|html?|json|jsonl|ndjson|ods|parquet|pdf|pq|tab|tsv|xls[mx]?|xz|zip|zstd?)"
)
_ADDED: Final = tuple(one.name for one in attrs.fields(RowResult))


def results_format(path: str) -> str:
    """Return the format of a file of this name: ``parquet``, ``jsonl`` or ``csv``."""
    name = path.casefold()
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    return "jsonl" if name.endswith((".jsonl", ".ndjson")) else "csv"


def check_results_format(name: str, format_: str | None = None) -> None:
    """
    Raise OptionsError if a file cannot be written in this format; None: in that of its *name*.

    Either its library is not installed, or the name shows a format that is not written.
    """
    if format_ is None:
        check_file_name(name, ".csv", ".jsonl", ".ndjson", ".parquet", ".pq")
        format_ = results_format(name)
    if format_ == "parquet" and find_spec("pyarrow") is None:
        raise OptionsError(f"{name}: Parquet needs a library: {install_command('parquet')}")


def check_file_name(path: str, *suffixes: str) -> None:
    """
    Raise OptionsError if a name ends with what is known to be another format than what is written.

    It may end with one of *suffixes*, such as ``.csv``, or with anything that is no known format.
    """
    suffix = Path(path).suffix.casefold()
    if _SUFFIXES.fullmatch(suffix) and suffix not in suffixes:
        raise OptionsError(
            f"{path}: the name ends with {suffix}, which is another format than what is written. "
            f"Let it end with {' or '.join(suffixes)}"
        )


def open_results(
    path: str, header: Sequence[str], format_: str | None = None
) -> TextResults | ParquetResults:
    """
    Return what writes rows to a new file, and closes it at the end of a block.

    Args:
        path: The file; what is in it is overwritten.
        header: The columns of the input.
        format_: As of `TextResults`, or ``parquet``; None: as the name of the file ends.

    Raises:
        OSError: The file cannot be made.
    """
    format_ = format_ or results_format(path)
    if format_ == "parquet":
        return ParquetResults(path, header)
    file = Path(path).open("w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115 -- closed by the results
    return TextResults(file, header, format_)


class _Lines:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(f"{row[:-2]}\n")


def csv_writer(file: TextIO) -> Writer:
    """Return a writer of rows that end with a line feed: a cell with any line end is quoted."""
    # It quotes only the characters of its line end, and writes a row at once.
    return csv.writer(_Lines(file), lineterminator="\r\n")


class TextResults:
    """
    Writes rows as CSV or JSON Lines, so that they can be the input of another run.

    After the columns of the input come ``status``, ``category``, ``message`` and
    ``correlation_id``; where the input has a column of such a name, it is called
    ``aiohubassoc_status`` and so on. In JSON Lines the second of two columns of one name is called
    ``name_2``. A context manager that closes the file; every method may raise OSError.

    Args:
        file: Where to write; it must not translate line ends.
        header: The columns of the input.
        format_: ``csv``, ``jsonl``, or ``csv-safe``, where a cell that a spreadsheet takes for a
            formula begins with ``'``.
    """

    def __init__(self, file: TextIO, header: Sequence[str], format_: str) -> None:
        self._file = file
        self._kept = _without_added(header)
        self._is_safe = format_ == "csv-safe"
        self._csv = None
        if format_ == "jsonl":
            self._kept = distinct_names(self._kept)
        else:
            self._csv = csv_writer(file)
            self._write_cells(self._csv, [*self._kept, *added_names(self._kept)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # `write` or `flush` has raised what could not be written.
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, fields: Fields, result: RowResult) -> None:
        """Write one row and its outcome; as CSV as many cells of it as there are columns."""
        if self._csv is None:
            self._write_object(fields, result)
        else:
            cells = [*_cells(fields, self._kept), *attrs.astuple(result)]
            self._write_cells(self._csv, cells)

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def _write_cells(self, writer: Writer, cells: list[str | None]) -> None:
        if self._is_safe:
            cells = [f"'{one}" if one and one.startswith(_FORMULA) else one for one in cells]
        writer.writerow(cells)

    def _write_object(self, fields: Fields, result: RowResult) -> None:
        if isinstance(fields, list):
            own: dict[str, object] = dict(zip(self._kept, fields, strict=False))
        else:
            earlier = set(_ADDED) if fields.keys() >= set(_ADDED) else set()
            own = {name: value for name, value in fields.items() if name not in earlier}
        added = dict(zip(added_names(list(own)), attrs.astuple(result), strict=True))
        # ASCII only: any text of the input can be written and read so.
        self._file.write(json.dumps({**own, **added}) + "\n")


class ParquetResults:
    """
    Writes rows as Parquet; a context manager. What is in the file can be read after `flush` only.

    The columns are those of `TextResults`. All of them are text, so that any id and any cell is as
    it was; a value that is not there is null. Where the input has two columns of one name, the
    second is called ``name_2``. The file is written anew; every method may raise OSError.
    """

    def __init__(self, path: str, header: Sequence[str]) -> None:
        # Imported when such a file is written: it takes a tenth of a second.
        import pyarrow.parquet  # noqa: PLC0415

        self._arrow: Any = pyarrow
        self._kept = _without_added(header)
        names = distinct_names([*self._kept, *added_names(self._kept)])
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

    def write(self, fields: Fields, result: RowResult) -> None:
        row = tuple(map(_valid, (*_cells(fields, self._kept), *attrs.astuple(result))))
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


def _without_added(header: Sequence[str]) -> list[str]:
    """Return the columns without those that an earlier file of results has added."""
    names = tuple(name.strip() for name in header[-len(_ADDED) :])
    return list(header[: -len(_ADDED)] if names == _ADDED else header)


def added_names(header: Sequence[str], names: Sequence[str] = _ADDED) -> list[str]:
    """Return what added columns, such as those of the outcome, are called beside the input's."""
    taken = {name.strip().casefold() for name in header}
    return [f"aiohubassoc_{name}" if name in taken else name for name in names]


def _cells(fields: Fields, columns: Sequence[str]) -> list[str | None]:
    """Return as many cells of a row as there are columns; None where it has none."""
    if isinstance(fields, list):
        return [*fields, *[None] * len(columns)][: len(columns)]
    values = (fields.get(name) for name in columns)
    return [
        value if value is None or isinstance(value, str) else json.dumps(value) for value in values
    ]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: readers of Parquet and JSON go by them."""
    found: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for name in names:
        different = name
        while different in found:
            counts[name] += 1
            different = f"{name}_{counts[name] + 1}"
        found[different] = None
    return list(found)


def _valid(text: str | None) -> str | None:
    """Return *text* as Parquet can hold it: bytes that are no UTF-8 are replaced."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
