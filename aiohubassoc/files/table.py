"""A table: its header, wherever it stands, and the rows below in its shape."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files.cells import Formula
from aiohubassoc.files.column_mapping import MissingColumnsError, find_ends
from aiohubassoc.files.csv_reader import CsvReader
from aiohubassoc.files.limits import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aiohubassoc.files.column_mapping import End, FindColumns
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.record import Record

# A title, a date, a blank line: a header stands among the first rows.
_HEADER_ROWS: Final = 20


class TableReader(Protocol):
    """
    The rows of one file, read as they are asked for, each cell as text.

    Attributes:
        name: How messages call it.
        unit: What `Record.line` counts: ``"line"`` or ``"row"``.
        delimiter: What stands between the columns; None where nothing does.
        list_columns: The places of columns whose cells are lists.
        has_fixed_columns: Whether each cell surely stands in its column, however many there are.
        row_chars: About how long the latest row is.
    """

    name: str
    unit: str
    delimiter: str | None
    list_columns: frozenset[int]
    has_fixed_columns: bool
    row_chars: int

    @property
    def count(self) -> int | None:
        """The number of the last row, if the file says it."""

    @property
    def hint(self) -> str:
        """Where else the columns may be, as a sentence."""

    def __iter__(self) -> Iterator[Record]:
        """Yield each row, the header among them; raise an InputError at damage."""

    def close(self) -> None:
        """Close the file."""


class Table:
    """
    The rows below the header, which may stand below a title.

    A row without content is none; cells beyond the last column with a name are none if they are
    empty, and in a sheet whatever they hold.

    Args:
        reader: All rows; closed by `close`.
        layout: What the user said.
        find: Finds the columns in a row that may be the header.

    Attributes:
        header: The columns as written.
        ends: The two columns that *find* has found: of pairs where their two ends stand.
        is_text: Whether its rows are lines of text.

    Raises:
        InputError: There is no header, or it does not name the columns.
    """

    def __init__(self, reader: TableReader, layout: Layout, find: FindColumns = find_ends) -> None:
        self.unit = reader.unit
        self._reader = reader
        self.is_text = isinstance(reader, CsvReader)
        self._csv = reader if isinstance(reader, CsvReader) else None
        self._rows = iter(reader)
        self._ahead: list[Record] = []
        self._beginning: str | None = None
        self._header_line = 0
        self.header, self.ends = self._find_header(layout, find)
        self._named = max(n for n, column in enumerate(self.header, 1) if column.strip())

    @property
    def row_chars(self) -> int:
        """About how long the latest row is."""
        return self._reader.row_chars

    @property
    def count(self) -> int | None:
        """About how many rows are below the header; None if the file does not say it."""
        last = self._reader.count
        return None if last is None or last <= self._header_line else last - self._header_line

    def __iter__(self) -> Iterator[Record]:
        self.beginning()  # or the reader would keep every row for it
        header, width, first = self.header, len(self.header), self.ends[0].index
        for record in chain(self._ahead, self._rows):
            fields = record.kept
            assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
            if len(fields) != width or fields == header:
                if _is_blank(fields):
                    continue
                self._shape(record, fields)
            elif (not fields[first] or fields[first].isspace()) and _is_blank(fields):
                continue
            del fields  # or they are kept until the next row is read
            yield record

    def beginning(self) -> str:
        """Return the text of the header and of the first row, which may have to be waited for."""
        if self._beginning is None:
            self._ahead = list(islice(self._rows, 1))
            self._beginning = "" if self._csv is None else self._csv.beginning()
        return self._beginning

    def forget_beginning(self) -> None:
        """Keep no text of the rows: nobody asks for `beginning` who has not yet."""
        if self._csv is not None:
            self._csv.beginning()

    def refuse_if_broken(self, record: Record) -> None:
        """
        Refuse the rest of a file of text if *record*, which gave no pair, is part of a broken one.

        Raises:
            InputError: It is.
        """
        if self._csv is not None:
            self._csv.refuse_if_broken(record.line)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _shape(self, record: Record, fields: list[str]) -> None:
        """Give the row as many cells as the header has, or say why that is not possible."""
        have, width = len(fields), len(self.header)
        if self._reader.has_fixed_columns or self._named <= have < width:
            record.kept = fields[:width] + [""] * (width - have)
        elif have > width and _is_blank(islice(fields, width, None)):
            record.kept = fields[:width]
        elif have != width:
            if self._csv is not None:
                self._csv.refuse_if_broken(record.line, is_in_shape=False)
            record.kept = fields[: width + 1]
            record.problem = (
                f"has too many fields: {have:,}, the header has {width}"
                if have > width
                else f"has a missing column: {have} of {width} fields"
            )
        if record.kept == self.header:
            record.problem = "repeats the header"

    def _find_header(self, layout: Layout, find: FindColumns) -> tuple[list[str], tuple[End, End]]:
        errors: list[tuple[MissingColumnsError, int]] = []
        for record, fields in self._candidates(errors):
            reader = self._reader
            place = f"{reader.name}, {reader.unit} {record.line},"
            try:
                first, second = find(
                    fields,
                    layout,
                    place if errors else reader.name,
                    unit=reader.unit,
                    delimiter=reader.delimiter,
                    hint=reader.hint,
                )
            except MissingColumnsError as error:
                errors.append((error, sum(map(bool, fields))))
            else:
                self._header_line = record.line
                return fields, (self._with_lists(first), self._with_lists(second))
        if not errors:
            unit, hint = self._reader.unit, self._reader.hint
            told = f"{self._reader.name} is empty: its first {unit} must name the columns"
            raise InputError(f"{told}. {hint}" if hint else told)
        # Of a title and a header below it, the header; else what is said of the first row.
        raise max(errors, key=lambda one: (one[0].found, one[1] > 1))[0]

    def _candidates(self, errors: Sequence[object]) -> Iterator[tuple[Record, list[str]]]:
        """Yield the first rows with content; once there are errors, up to a row that is none."""
        rows = islice(self._rows, _HEADER_ROWS)
        while True:
            try:
                record = next(rows, None)
            except InputError:
                if errors:
                    return
                raise
            if record is None:
                return
            fields = record.fields
            assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
            problem = record.problem
            if problem is None and len(fields) > COLUMNS:
                problem = f"has {len(fields):,} columns: is this a table?"
            if problem is not None and not errors:
                raise InputError(f"{self._reader.name}, {self.unit} {record.line}: {problem}")
            if problem is None and not _is_blank(fields):
                yield record, fields

    def _with_lists(self, end: End) -> End:
        is_list = end.index in self._reader.list_columns
        return attrs.evolve(end, holds_several=True) if is_list else end


def _is_blank(fields: Iterable[str]) -> bool:
    return not any(cell.strip() or type(cell) is Formula for cell in fields)
