"""CSV and TSV with their line numbers, up to the first record that broke."""

from __future__ import annotations

import csv
import re
from functools import partial
from typing import IO, TYPE_CHECKING

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import CELL_CHARS, ROW_CHARS
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKED_QUOTE = re.compile(r'\\"(?!")')


class CsvReader:
    """
    The rows of a CSV or TSV file, the header among them; a blank line is none.

    A record whose quotes do not fit leaves open which of the lines behind it are rows of their
    own and which are lines of its cells: the file ends there.

    Args:
        file: The text; closed by `close`.
        name: How messages call it.
        delimiter: The character between the cells.
        encoding: What messages say about lines that could not be decoded.
        lines_before: Lines of the file that were read before.

    Attributes:
        row_chars: The length of the latest row.
    """

    unit: str = "line"
    count: int | None = None
    hint: str = ""
    list_columns: frozenset[int] = frozenset()
    has_fixed_columns: bool = False

    def __init__(
        self, file: IO[str], *, name: str, delimiter: str, encoding: str, lines_before: int = 0
    ) -> None:
        self.name = name
        self.delimiter: str | None = delimiter
        self.row_chars = 0
        self._file = file
        self._dialect = delimiter
        self._encoding = encoding
        self._taken: list[str] = []  # lines of the latest row
        self._line = lines_before
        self._kept: list[str] | None = []
        csv.field_size_limit(max(CELL_CHARS, csv.field_size_limit()))

    def __iter__(self) -> Iterator[Record]:
        reader = csv.reader(self._lines(), delimiter=self._dialect, strict=True)
        while True:
            self._taken.clear()
            self.row_chars = 0
            begun = self._line + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._broken(begun, _explanation(error)) from None
            if self._kept is not None:
                self._kept += self._taken
            if fields:
                yield Record(begun, fields, self._character_problem())

    def beginning(self) -> str:
        """Return the text of the rows so far; none is kept from then on."""
        text, self._kept = "".join(self._kept or ()), None
        return text

    def refuse_if_broken(self, line: int, *, is_in_shape: bool = True) -> None:
        """
        Refuse the rest of the file if the latest row, which gave no pair, is part of a record.

        Args:
            line: The line on which the row begins.
            is_in_shape: Whether it has as many fields as the header.

        Raises:
            InputError: It has an odd number of quotes and not its fields, or quotes that are
                marked by a backslash.
        """
        text = "".join(self._taken)
        if _MARKED_QUOTE.search(text):
            raise self._broken(line, 'has a backslash before a quote, where CSV has two quotes: ""')
        if not is_in_shape and text.count('"') % 2:
            raise self._broken(line, "has a quote without its other one, and not its columns")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self) -> Iterator[str]:
        take = self._taken.append
        for line in iter(partial(self._file.readline, ROW_CHARS), ""):
            self._line += 1
            self.row_chars += len(line)
            if self.row_chars >= ROW_CHARS:
                most = f"{ROW_CHARS >> 20} MiB"
                why = f"has a quote that is not closed in {most}" if self._taken else f"has {most}"
                raise self._broken(self._line - len(self._taken), why)
            take(line)
            yield line

    def _broken(self, line: int, why: str) -> InputError:
        return InputError(
            f"{self.name}, line {line}: {why}. Nothing behind it can be read: repair that record"
        )

    def _character_problem(self) -> str | None:
        for line in self._taken:
            if "\0" in line or not line.isascii():
                return character_problem("".join(self._taken), self._encoding)
        return None


def _explanation(error: csv.Error) -> str:
    told = str(error)
    if "unexpected end of data" in told:
        return "has a quote that is never closed"
    if "field larger" in told:
        return f"has a cell of more than {CELL_CHARS >> 20} MiB, or a quote that is not closed"
    if "new-line" in told:
        return "has a line break in a cell without quotes"
    return 'has text behind a closing quote: a quote inside of quotes is written twice, ""'
