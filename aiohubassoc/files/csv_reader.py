"""CSV and TSV with their line numbers; a broken record takes no other with it."""

from __future__ import annotations

import csv
from collections import deque
from typing import IO, TYPE_CHECKING

from aiohubassoc.errors import InputError
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class CsvReader:
    """
    The rows of a CSV or TSV file.

    Args:
        file: The text; closed by `close`.
        name: How messages call it.
        delimiter: The character between the columns.
        encoding: What messages say about lines that could not be decoded.

    Attributes:
        header: The columns as written.

    Raises:
        InputError: it has no header.
    """

    unit: str = "line"
    count: int | None = None

    def __init__(self, file: IO[str], *, name: str, delimiter: str, encoding: str) -> None:
        self.delimiter: str | None = delimiter
        self._file = file
        self._records = Records(file, delimiter=delimiter, encoding=encoding)
        self._rest = iter(self._records)
        record = next(self._rest, None)
        if record is None:
            raise InputError(f"{name} is empty: its first line must name the columns")
        if record.problem is not None:
            raise InputError(f"{name}, line {record.line} {record.problem}")
        assert isinstance(record.fields, list)  # noqa: S101 -- cells, as in every row of CSV
        self.header = record.fields
        self._beginning = "".join(self._records.taken)
        self._first: Record | None = None
        self._has_first = False

    def __iter__(self) -> Iterator[Record]:
        self._read_first()
        if self._first is not None:
            yield self._first
            self._first = None
        yield from self._rest

    def beginning(self) -> str:
        """Return the text of the header and of the first row, which may have to be waited for."""
        self._read_first()
        return self._beginning

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_first(self) -> None:
        if not self._has_first:
            self._has_first = True
            self._first = next(self._rest, None)
            self._beginning += "".join(self._records.taken)


class Records:
    """
    Takes lines apart.

    A quote that is never closed would swallow every line behind it: then only the line on which
    it stands is given up, and reading goes on with the next.

    Args:
        lines: With their line ends.
        delimiter: The character between the cells.
        encoding: What messages say about lines that could not be decoded.

    Attributes:
        taken: The lines of the latest record.
    """

    def __init__(
        self, lines: Iterable[str], *, delimiter: str = ",", encoding: str = "utf-8"
    ) -> None:
        self.taken: list[str] = []
        self._lines = iter(lines)
        self._delimiter = delimiter
        self._encoding = encoding
        self._again: deque[str] = deque()  # lines that a broken record had swallowed
        self._line = 0

    def __iter__(self) -> Iterator[Record]:
        reader = self._reader()
        while True:
            self.taken.clear()
            begun = self._line + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                first, *swallowed = self.taken
                self._again.extendleft(reversed(swallowed))
                self.taken = [first]
                self._line = begun
                yield Record(begun, [first.rstrip("\r\n")], _told(error, swallowed))
                reader = self._reader()
                continue
            if fields:  # a blank line is nothing at all
                yield Record(begun, fields, self._character_problem())

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                return
            self._line += 1
            self.taken.append(line)
            yield line

    def _character_problem(self) -> str | None:
        for line in self.taken:
            if "\0" in line or not line.isascii():
                return character_problem("".join(self.taken), self._encoding)
        return None


def _told(error: csv.Error, swallowed: list[str]) -> str:
    if swallowed or "unexpected end of data" in str(error):
        return "has a quote that is never closed"
    if "field larger" in str(error):
        return "has a cell of more than 131,072 characters"
    return f"is not CSV: {error}"
