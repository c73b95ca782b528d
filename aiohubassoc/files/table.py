"""A table: its header, also of several tables, the rows in its shape, and their pairs."""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files.cells import CellList, Formula, to_json
from aiohubassoc.files.columns import (
    Header,
    MissingColumnsError,
    normalize,
    note_labels,
    possible_delimiters,
)
from aiohubassoc.files.csv_reader import CsvReader
from aiohubassoc.files.ids import IdRule, RejectedRowError
from aiohubassoc.files.limits import COLUMNS, shown
from aiohubassoc.files.other_header import OtherHeader
from aiohubassoc.files.totals import LABELS, totals_label
from aiohubassoc.pair import Pair, unchecked_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiohubassoc.files.columns import End, FindColumns
    from aiohubassoc.files.hubspot import TypeNames
    from aiohubassoc.files.record import Ends, InputCounts, Record, TableReader

_T = TypeVar("_T")
# A title, a date, an empty line: a header stands among the first rows.
_HEADER_ROWS: Final = 20
_IDS: Final = re.compile(r"[\s'=]*\d[\d;\s]*")


class Table:
    """
    The rows below the header, which may stand below a title.

    Rows without content are left out, and empty cells to the right of the last named column; in a
    sheet all cells there. The two columns that *find* has found are its ``ends``.

    Raises:
        InputError: There is no header, or it does not name the columns.
    """

    def __init__(self, reader: TableReader, find: FindColumns) -> None:
        self.unit = reader.unit
        self._reader = reader
        self._csv = reader if isinstance(reader, CsvReader) else None
        self.is_text = self._csv is not None
        self._find = find
        self._rows = iter(reader)
        self._ahead: list[Record] = []
        self._beginning: str | None = None
        self._header_line = 0
        self.header, self.ends = self._find_header()
        self._other = OtherHeader(self.header, self.ends, find)
        self._named = max(n for n, column in enumerate(self.header, 1) if column.strip())
        # A comma in a cell without quotes could move other cells to where the ids are.
        places = {end.index for end in self.ends} | {end.type_index for end in self.ends} - {None}
        self._may_shift = self._csv is not None and places != {*range(len(places))}
        if self._csv is not None:
            self._csv.is_whole_row = self._is_whole_row
            self._csv.may_hide_ids = self._may_shift

    @property
    def row_chars(self) -> int:
        return self._reader.row_chars

    @property
    def count(self) -> int | None:
        """About how many rows are below the header; None if the file does not say it."""
        last = self._reader.count
        return None if last is None or last <= self._header_line else last - self._header_line

    def __iter__(self) -> Iterator[Record]:
        header, width, first = self.header, len(self.header), self.ends[0].index
        has_unnamed = self._may_shift and self._named < width
        for record in chain(self._ahead, self._rows):
            fields = record.kept
            assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
            if len(fields) != width or fields == header or has_unnamed:
                if _is_blank(fields):
                    continue
                self._shape(record, fields)
            elif (not fields[first] or fields[first].isspace()) and _is_blank(fields):
                continue
            if not LABELS.isdisjoint(fields) and (label := totals_label(fields)):
                record.problem = record.problem or (
                    f"looks like a row of totals, as it has the cell {shown(label)}"
                )
            del fields  # or they are kept until the next row is read
            yield record

    def beginning(self) -> str:
        """Return the header and the first row as JSON; the row may have to be waited for."""
        if self._beginning is None:
            self._ahead = list(islice(self._rows, 1))
            self._beginning = to_json([self.header, *(row.fields for row in self._ahead)])
        return self._beginning

    def hold_back(self, made: Iterator[_T]) -> Iterator[_T]:
        """Yield what was made of each row, of text as `CsvReader.hold_back` does."""
        return made if self._csv is None else self._csv.hold_back(made)

    def refuse_if_broken(self, record: Record) -> None:
        """
        Refuse the rest of the file if *record*, which gave no pair, shows that it is not rows.

        It may be part of a record of text that broke, or the header of another table.
        """
        fields = record.fields
        assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
        if self._csv is not None:
            self._csv.refuse_if_broken(record.line, fields)
        if self._other.is_one(fields):
            raise self._other_header(record)

    def close(self) -> None:
        self._reader.close()

    def _other_header(self, record: Record) -> InputError:
        return InputError(
            f"{self._reader.name}, {self.unit} {record.line} names other columns than "
            f"{self.unit} {self._header_line}: nothing from it on is read. Put the rows after "
            "it into another file"
        )

    def _is_whole_row(self, line: str) -> bool:
        """Return whether a line of text has all columns, and ids where they belong."""
        cells = line.split(self._reader.delimiter)
        if len(cells) != len(self.header):
            return False
        # The second one of a join, which has no type, is any text.
        ids = [end.index for n, end in enumerate(self.ends) if n == 0 or end.is_typed]
        return all(_IDS.fullmatch(cells[n]) for n in ids)

    def _shape(self, record: Record, fields: list[str]) -> None:
        """Give the row as many cells as the header has, or set why that is not possible."""
        have, width = len(fields), len(self.header)
        if self._reader.has_fixed_columns or self._named <= have < width:
            record.kept = fields[:width] + [""] * (width - have)
        elif have > width and _is_blank(islice(fields, width, None)):
            record.kept = fields[:width]
        elif have != width:
            if self._csv is not None:
                self._csv.refuse_if_broken(record.line, fields, is_in_shape=False)
            if self._other.follows_in(fields):
                raise self._other_header(record)
            record.kept = fields[: width + 1]
            record.problem = (
                f"has too many fields: {have:,}, the header has {width}"
                if have > width
                else f"has a missing column: {have} of {width} fields"
            )
        may_be_shifted = self._may_shift and record.problem is None
        if may_be_shifted and (have > width or not _is_blank(islice(fields, self._named, None))):
            # One cell too many: in the file of failed rows its shape is as wrong as it was here.
            record.kept = [*fields[: width + 1], *[""] * (width + 1 - have)]
            record.problem = (
                f"has more fields than columns with names: a cell may hold a "
                f"{self._reader.delimiter!r} and need quotes. If all rows end with one, end the "
                "header with one too, or name the columns"
            )
        if record.kept == self.header:
            record.problem = "repeats the header"

    def _find_header(self) -> tuple[list[str], tuple[End, End]]:
        errors: list[tuple[MissingColumnsError, int]] = []
        reader = self._reader
        for record, fields in self._candidates(errors):
            name = f"{reader.name}, {reader.unit} {record.line}," if errors else reader.name
            try:
                first, second = self._find(
                    Header(fields, name, reader.unit, reader.delimiter, reader.hint)
                )
            except MissingColumnsError as error:
                self._refuse_other_delimiter(fields)
                errors.append((error, sum(map(bool, fields))))
            else:
                self._header_line = record.line
                return fields, (self._with_lists(first), self._with_lists(second))
        if not errors:
            hint = f". {reader.hint}" if reader.hint else ""
            raise InputError(
                f"{reader.name} is empty: its first {reader.unit} must name the columns{hint}"
            )
        # Of a title and a header below it, the header; else the error of the first row.
        raise max(errors, key=lambda one: (one[0].found, one[1] > 1))[0]

    def _refuse_other_delimiter(self, cells: list[str]) -> None:
        """Raise an InputError if the row is a header whose columns another delimiter separates."""
        own = self._reader.delimiter
        is_one_cell = len(list(filter(None, cells))) == 1
        line = (own or "").join(cells)
        for delimiter, advice in possible_delimiters(line).items():
            if delimiter not in line or (own in {None, delimiter} and not is_one_cell):
                continue
            try:
                self._find(Header(line.split(delimiter), ""))
            except MissingColumnsError:
                continue
            except InputError:  # it is in doubt which columns are meant
                pass
            if own in {None, delimiter}:
                how = "remove the quotes around each row" if own else "split it into columns"
                raise InputError(f"{self._reader.name} has each row in a single cell: {how}")
            raise InputError(f"{self._reader.name} separates its columns by {advice}")

    def _candidates(self, errors: Sequence[object]) -> Iterator[tuple[Record, list[str]]]:
        """Yield the first rows with content; once there are errors, up to a row that is broken."""
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
            fields, problem = record.kept, record.problem
            assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
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
    # DOS ends a file with the last of these.
    return not any(cell.strip(" \t\r\n\x1a").strip() or type(cell) is Formula for cell in fields)


class MergedHeader:
    """The columns of all inputs: those of the first, then those that only later ones have."""

    def __init__(self, headers: Sequence[Sequence[str]]) -> None:
        self.all: list[str] = []
        places = [self._add(header) for header in headers]
        as_they_are = list(range(len(self.all)))
        self._places = [None if own == as_they_are else own for own in places]

    def aligned(self, source: int, fields: list[str]) -> list[str]:
        """Return the cells of a row of input *source* in the order of all columns."""
        places = self._places[source]
        # The cells of a row without the shape of its table cannot be placed.
        if places is None or len(fields) != len(places):
            return fields
        aligned = [""] * len(self.all)
        for place, field in zip(places, fields, strict=True):
            aligned[place] = field
        return aligned

    def index(self, source: int, own: int) -> int:
        """Return where column *own* of input *source* stands among all columns."""
        places = self._places[source]
        return own if places is None else places[own]

    def _add(self, header: Sequence[str]) -> list[int]:
        """Return the place of each column among all, new ones added."""
        free: dict[str, list[int]] = {}  # a name that is there twice has two places
        for place, column in enumerate(self.all):
            free.setdefault(normalize(column), []).append(place)
        places = []
        for column in header:
            same = free.get(normalize(column), [])
            exact = (place for place in same if self.all[place].strip() == column.strip())
            place = next(exact, same[0] if same else len(self.all))
            if same:
                same.remove(place)
            else:
                self.all.append(column)
            places.append(place)
        return places


class TablePairs:
    """Reads the pairs of each row of a table."""

    def __init__(
        self,
        header: Sequence[str],
        ends: tuple[End, End],
        name: str,
        counts: InputCounts,
        types: TypeNames,
        *,
        any_id: bool,
    ) -> None:
        note_labels(header, name, "column", counts)
        self._ends = self._from, self._to = ends
        self._from_type, self._to_type = (
            types.name(end.object_type or "", end.type_name) for end in ends
        )
        self._types = types
        self._rule = IdRule(counts, any_id=any_id)
        self._make = unchecked_pair if any_id else Pair
        self._has_several = any(end.holds_several for end in self._ends)
        # One id in each cell, and one type for all: nearly every table.
        self._is_plain = not self._has_several and all(end.type_index is None for end in self._ends)

    def pairs(self, record: Record) -> Sequence[Pair]:
        """Return the pairs of *record*, each tagged with it; ValueError: it is rejected."""
        fields = record.kept
        assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
        if self._is_plain:
            from_, to, parse_id = self._from, self._to, self._rule.parse_id
            from_id = parse_id(fields[from_.index], from_.name)
            to_id = parse_id(fields[to.index], to.name)
            types = self._from_type, self._to_type
            return (self._make(types[0], from_id, types[1], to_id, tag=record),)
        if any(_has_nothing(end, fields[end.index]) for end in self._ends):
            return ()  # even if another cell is invalid: nothing was to be linked
        return record.pairs(
            self._make,
            self._records(self._from, self._from_type, fields),
            self._records(self._to, self._to_type, fields),
        )

    def cells(self, record: Record, pair: Pair, index: Callable[[int], int]) -> list[str]:
        """
        Return the row of *pair*, with only its own id where a cell has several.

        *index* returns where a column of the table stands among the record's cells.
        """
        cells = record.fields
        assert isinstance(cells, list)  # noqa: S101 -- a table's rows are its cells
        if self._has_several:
            cells = list(cells)
            for end, own in ((self._from, pair.from_id), (self._to, pair.to_id)):
                if end.holds_several:
                    cells[index(end.index)] = own
        return cells

    def _records(self, end: End, default_type: str, fields: list[str]) -> Ends:
        cell = fields[end.index]
        if end.holds_several:
            ids = self._rule.parse_ids(cell, end.name)
        else:
            ids = [self._rule.parse_id(cell, end.name)]
        own_type = ""
        if end.type_index is not None:
            own_type = self._types.name(fields[end.type_index], end.type_name)
        if object_type := own_type or default_type:
            return [(object_type, one) for one in ids]
        raise RejectedRowError(f"{end.type_name} is empty")


def _has_nothing(end: End, cell: str) -> bool:
    """Return whether a cell that may hold several ids has none."""
    if isinstance(cell, CellList):
        return not cell.items
    return end.holds_several and type(cell) is str and not cell.strip(" ;")
