"""The user's own rows with their outcomes, for people and for another run."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import attrs

from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from _csv import Writer
    from collections.abc import Sequence
    from typing import Self


@attrs.frozen
class RowResult:
    """What became of a row."""

    status: str
    category: str | None = None
    message: str | None = None
    correlation_id: str | None = None


# OWASP, "CSV Injection" (read 2026-11-29): what a formula begins with, full-width letters too.
_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# How names of files end whose format is known, and which programs open by it.
_SUFFIXES: Final = re.compile(
    r"\.(bz2|csv|gz|html?|json|jsonl|ndjson|ods|parquet|pdf|pq|tab|tsv|xls[mx]?|xz|zip|zstd?)"
)
ADDED: Final = tuple(one.name for one in attrs.fields(RowResult))


def result_writer(file: TextIO, header: Sequence[str], *, format_: str) -> CsvResults | JsonResults:
    """
    Return a writer of rows.

    Args:
        file: Open for text, without translation of line ends.
        header: The input's columns.
        format_: ``csv``, ``jsonl``, or ``csv-safe`` for a spreadsheet.
    """
    if format_ == "jsonl":
        return JsonResults(file, header)
    return (SafeCsvResults if format_ == "csv-safe" else CsvResults)(file, header)


class _Lines:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(f"{row[:-2]}\n")


def csv_writer(file: TextIO) -> Writer:
    """Return a writer of rows that end with a line feed: a cell with any line end is quoted."""
    # It quotes only the characters of its line end, and writes a row at once.
    return csv.writer(_Lines(file), lineterminator="\r\n")


class CsvResults:
    """
    Writes CSV with the columns of the input, so that it can be the input of another run.

    To the right stand ``status``, ``category``, ``message`` and ``correlation_id``; where the
    input has a column of such a name, it is called ``aiohubassoc_status`` and so on.

    Raises:
        OSError: It cannot be written; every method may raise it.
    """

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        self._kept = without_added(header)
        self._writer = csv_writer(file)
        self._write_cells([*self._kept, *added_names(self._kept)])

    def write(self, fields: list[str] | dict[str, object], result: RowResult) -> None:
        """Write one row, as many cells of it as there are columns, and its outcome."""
        if isinstance(fields, dict):
            fields = [cell_text(fields.get(name)) for name in self._kept]
        own = [*fields, *[""] * len(self._kept)][: len(self._kept)]
        self._write_cells([*own, *(part or "" for part in attrs.astuple(result))])

    def _write_cells(self, cells: list[str]) -> None:
        self._writer.writerow(cells)


class SafeCsvResults(CsvResults):
    """As `CsvResults`, but a cell that a spreadsheet takes for a formula begins with ``'``."""

    def _write_cells(self, cells: list[str]) -> None:
        super()._write_cells([f"'{one}" if one.startswith(_FORMULA) else one for one in cells])


class JsonResults:
    """
    Writes JSON Lines with the names and values of the input, and those of the outcome.

    Raises:
        OSError: It cannot be written; every method may raise it.
    """

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        self._file = file
        self._kept = without_added(header)

    def write(self, fields: list[str] | dict[str, object], result: RowResult) -> None:
        """Write one row and its outcome."""
        if isinstance(fields, list):
            own: dict[str, object] = dict(zip(self._kept, fields, strict=False))
        else:
            earlier = set(ADDED) if fields.keys() >= set(ADDED) else set()
            own = {name: value for name, value in fields.items() if name not in earlier}
        added = dict(zip(added_names(list(own)), attrs.astuple(result), strict=True))
        # ASCII only: any text of the input can be written and read so.
        self._file.write(json.dumps({**own, **added}) + "\n")


def without_added(header: Sequence[str]) -> list[str]:
    """Return the columns without those that an earlier file of results has added."""
    names = tuple(name.strip() for name in header[-len(ADDED) :])
    return list(header[: -len(ADDED)] if names == ADDED else header)


def added_names(header: Sequence[str]) -> list[str]:
    """Return what the columns of the outcome are called beside those of the input."""
    taken = {name.strip().casefold() for name in header}
    return [f"aiohubassoc_{name}" if name in taken else name for name in ADDED]


def cell_text(value: object) -> str:
    """Return a value of JSON as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


class FailuresFile:
    """
    Writes the user's own rows with their outcomes; a context manager.

    It is CSV, or JSON Lines where its name ends with ``.jsonl`` or ``.ndjson``.

    Args:
        path: Written anew.
        header: The input's columns.
        format_: ``csv`` or ``jsonl``; None: as the name says.

    Raises:
        OSError: It cannot be written; every method may raise it.
    """

    def __init__(self, path: str, header: Sequence[str], format_: str | None = None) -> None:
        self._file = Path(path).open(  # noqa: SIM115 -- closed by __exit__
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        )
        self.write = result_writer(self._file, header, format_=format_ or result_format(path)).write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # `write` or `flush` has raised what could not be written.
        with contextlib.suppress(OSError):
            self._file.close()

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()


def check_file_name(path: str, *suffixes: str) -> None:
    """
    Refuse a name that shows another format than what is written; any other name is fine.

    Args:
        path: The file to be written.
        suffixes: What its name may end with, such as ``.csv``.

    Raises:
        OptionsError: it ends with what is known to be another format, such as ``.xlsx``.
    """
    suffix = Path(path).suffix.casefold()
    if _SUFFIXES.fullmatch(suffix) and suffix not in suffixes:
        raise OptionsError(
            f"{path}: the name ends with {suffix}, which is another format than what is written. "
            f"Let it end with {' or '.join(suffixes)}"
        )


def result_format(path: str) -> str:
    """Return in which format a file of this name is written."""
    return "jsonl" if path.casefold().endswith((".jsonl", ".ndjson")) else "csv"
