"""Pairs from a CSV file with a header."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError, PairError
from aiohubassoc.pair import Pair
from aiohubassoc.tables.opening import STDIN, name_of, open_text
from aiohubassoc.tables.records import Record, Records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

# What spreadsheets make of ids: 101.0, 1e5, 1.23457E+11, 1,234,567.
_SPREADSHEET = re.compile(
    r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?|\d{1,3}(,\d{3})+", re.ASCII
)
_OTHER_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
_FROM_TYPE: Final = "from_type"
_TO_TYPE: Final = "to_type"


class PairTable:
    """
    The pairs of a CSV file, in its order; a context manager that is an iterator of records.

    Each record comes with the pair it holds, tagged with the record, or with None and its
    ``problem`` set.

    Args:
        path: A file, or ``-`` for standard input.
        from_type: The type of a record whose own ``from_type`` cell is missing or empty; None if
            the column must say it.
        to_type: Likewise.
        from_column: The column of the first ids.
        to_column: The column of the second ids.

    Raises:
        InputError: the file cannot be read as a table of pairs.
    """

    def __init__(
        self,
        path: str,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        from_column: str = "from_id",
        to_column: str = "to_id",
    ) -> None:
        self.name = name_of(path)
        self._is_stdin = path == STDIN
        self._has_ended = False
        self._types = (from_type, to_type)
        self._file: IO[str] = open_text(path)
        self._records = iter(Records(self._file))
        try:
            self.header = self._read_header()
            """The column names as written."""
            self._from = self._column(from_column, "--from-column")
            self._to = self._column(to_column, "--to-column")
            self._from_type = self._type_column(_FROM_TYPE, from_type, "--from")
            self._to_type = self._type_column(_TO_TYPE, to_type, "--to")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread may be waiting in standard input: closing would wait with it, until somebody
        # types. The process ends without.
        if self._has_ended or not self._is_stdin:
            self._file.close()

    def __iter__(self) -> Iterator[tuple[Record, Pair | None]]:
        for record in self._records:
            pair = self._pair(record)
            yield record, pair
        self._has_ended = True

    def _pair(self, record: Record) -> Pair | None:
        """Return the pair, or None and set the record's problem."""
        if record.problem is None:
            record.problem = self._shape_problem(record.fields)
        if record.problem is not None:
            return None
        fields = record.fields
        ids = []
        for index in (self._from, self._to):
            text = fields[index]
            if not text.strip():
                record.problem = f"{self.header[index].strip()} is empty"
            elif _SPREADSHEET.fullmatch(text.strip()):
                record.problem = (
                    f"{self.header[index].strip()} is {text.strip()!r}, a number as spreadsheets "
                    "write it: format the column as text"
                )
            ids.append(text)
        types = [
            (fields[column].strip() if column is not None else "") or given
            for column, given in zip((self._from_type, self._to_type), self._types, strict=True)
        ]
        if record.problem is not None:
            return None
        from_type, to_type = types
        if not from_type or not to_type:
            record.problem = f"{_TO_TYPE if from_type else _FROM_TYPE} is empty"
            return None
        try:
            return Pair(from_type, ids[0], to_type, ids[1], tag=record)
        except PairError as error:
            record.problem = str(error)
            return None

    def _shape_problem(self, fields: list[str]) -> str | None:
        have, need = len(fields), len(self.header)
        if fields == self.header:
            return "repeats the header"
        if have > need:
            return f"has too many fields: {have}, the header has {need}"
        if have < need:
            return f"has a missing column: {have} of {need} fields"
        return None

    def _read_header(self) -> list[str]:
        record = next(self._records, None)
        if record is None:
            raise InputError(f"{self.name} is empty: its first line must name the columns")
        if record.problem is not None:
            raise InputError(f"{self.name}, line {record.line} {record.problem}")
        return record.fields

    def _find(self, column: str) -> int | None:
        names = [name.strip() for name in self.header]
        for wanted, among in (
            (column, names),
            (column.casefold(), [name.casefold() for name in names]),
        ):
            if among.count(wanted) > 1:
                raise InputError(f"{self.name} has more than one column {column!r}")
            if wanted in among:
                return among.index(wanted)
        return None

    def _column(self, column: str, option: str) -> int:
        index = self._find(column)
        if index is not None:
            return index
        raise InputError(f"{self.name} {self._why_not(column, option)}")

    def _why_not(self, column: str, option: str) -> str:
        first_line = ",".join(self.header)
        for delimiter, named in _OTHER_DELIMITERS.items():
            if len(self.header) == 1 and delimiter in first_line:
                return f"separates its columns by {named}: save it with commas"
        if all(re.fullmatch(r"[\d.,eE+ -]*", name) for name in self.header):
            return (
                f"has no header: its first line is {first_line!r}, but must name the columns, "
                "such as from_id,to_id"
            )
        there = ", ".join(name.strip() for name in self.header)
        return f"has no column {column!r} but {there}: name it with {option}"

    def _type_column(self, column: str, given: str | None, option: str) -> int | None:
        index = self._find(column)
        if index is None and given is None:
            raise InputError(f"{self.name} has no column {column!r}: give {option}")
        return index
