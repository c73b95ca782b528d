"""CSV and TSV with their line numbers, up to the first record that broke."""

from __future__ import annotations

import csv
import re
from collections import deque
from functools import partial
from typing import IO, TYPE_CHECKING, Final, Generic, TypeVar

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files.cells import character_problem
from aiohubassoc.files.limits import CELL_CHARS, ROW_CHARS
from aiohubassoc.files.record import Record, TableReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")
# Rows are held back by this much after a row with a text in quotes.
_HELD_ROWS: Final = 1000
_HELD_CHARS: Final = 1 << 20
# They are held in blocks: to look at each row for quotes would double the time of reading it.
_BLOCK_ROWS: Final = 100
_BLOCK_CHARS: Final = 1 << 16
# Lines of a longer row are not kept.
_FOLDED_CHARS: Final = 1 << 16
_WIDE_CHARS: Final = 1 << 20
_TEXT_AFTER_QUOTE: Final = "expected after"
_MARKED_QUOTE = re.compile(r'\\"(?!")')


class _BrokenRecordError(InputError):
    """A record whose quotes do not fit, or that does not end; *why* is what it has."""

    def __init__(self, name: str, line: int, why: str, next_step: str = "") -> None:
        self.line = line
        self.why = why
        next_step = next_step or "Nothing after it can be read: repair that record"
        super().__init__(f"{name}, line {line}: {why}. {next_step}")


class CsvReader(TableReader):
    """
    The rows of a CSV or TSV file, the header among them; a blank line is none.

    After a record whose quotes do not fit, it is not known which lines are rows and which are lines
    of its cells: the file ends there. It may have begun earlier, where a quote that is not doubled
    seemed to end a cell: see `hold_back`. Of the file, *lines_before* were read before.
    """

    unit = "line"
    has_fixed_columns = False
    # Returns whether a line is a whole row of the table, with its ids; None: that is unknown.
    is_whole_row: Callable[[str], bool] | None = None
    # Whether a text may stand before an id: then it may hide the id of its row, and show another's.
    may_hide_ids: bool = False

    def __init__(
        self, file: IO[str], *, name: str, delimiter: str, encoding: str, lines_before: int = 0
    ) -> None:
        self.name = name
        self.delimiter = delimiter
        self._file = file
        self._separator = delimiter
        self._encoding = encoding
        self._row_lines: list[str] = []  # lines of the latest row
        self._folded = _LineFacts()  # facts about its lines before them, if it is long
        self._bare_line = 0  # the latest row whose quotes are text
        self._is_narrow = False  # of a long row: its lines are UTF-8, a byte a character
        self._line = self._begun = lines_before
        # The line of the latest row with a text in quotes, or of the first of a block; 0: none.
        self._quoted_line = 0
        self._is_holding = False
        one = re.escape(delimiter)
        cell = rf'(?:"(?:[^"]|"")*+"|[^"{one}]*+)'
        self._is_sound = re.compile(f"{cell}(?:{one}{cell})*+").fullmatch
        # An id, or nothing, is no text that goes on behind its closing quote; 17" may be.
        whole = rf'(?:\d{{3,}})?"(?:{one}|[\r\n]|$)'
        self._has_quoted_text = re.compile(rf'(?:^|{one})"(?!{whole})').search
        csv.field_size_limit(max(CELL_CHARS, csv.field_size_limit()))

    def __iter__(self) -> Iterator[Record]:
        reader = csv.reader(self._lines(), delimiter=self._separator, strict=True)
        while True:
            self._row_lines.clear()
            self.row_chars = 0
            self._quoted_line = self._quoted_line if self._is_holding else 0
            self._begun = begun = self._line + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                bare = self._bare_fields(begun, error)
                if bare is None:
                    raise self._broken(begun, _explanation(error)) from None
                fields = bare
            if len(self._row_lines) + self._folded.count > 1 and self._is_glued(len(fields)):
                raise self._broken(begun, "has a quote that takes the rows after it for its text")
            is_long = self.row_chars > _FOLDED_CHARS
            if is_long:  # the reader keeps the memory of a long cell
                reader = csv.reader(self._lines(), delimiter=self._separator, strict=True)
            if is_long and self._is_narrow:
                self._is_narrow = False
                _widen(fields)
            if fields:
                yield Record(begun, fields, self._character_problem())
            if is_long:
                del fields
                self._folded = _LineFacts()

    def hold_back(self, made: Iterable[_T]) -> Iterator[_T]:
        """
        Yield what was *made* of each row as they are read.

        A quote that is not doubled ends its cell too early. The lines after it look like rows
        until a later quote does not fit. So a row with a cell in quotes and all rows after it are
        held back until 1,000 more rows, 1 MiB of text, or the end of the file were read.

        Raises:
            InputError: A record broke. What is held back may be part of it and is not yielded.
        """
        held = _HeldRows[_T]()
        rows: list[_T] = []  # the block that comes next
        chars = unquoted = 0  # of the rows before its first one with a cell in quotes
        failure: Exception | None = None
        try:
            for item in made:
                if not self._quoted_line:
                    if not held.blocks:
                        yield item
                        continue
                    unquoted += 1
                self._is_holding = True
                rows.append(item)
                chars += self.row_chars
                if len(rows) < _BLOCK_ROWS and chars < _BLOCK_CHARS:
                    continue
                held.add(0, rows[:unquoted], 0)
                held.add(self._quoted_line, rows[unquoted:], chars)
                rows = []
                chars = unquoted = self._quoted_line = 0
                yield from held.whole()
                self._is_holding = bool(held.blocks)
        except _BrokenRecordError as error:
            if not self._is_holding:
                raise
            raise _BrokenRecordError(
                self.name,
                held.blocks[0][0] if held.blocks else self._quoted_line,
                f"has a quote that may not end its cell (line {error.line}: {error.why})",
                f"Nothing from it on is read: repair the record at line {error.line} or before it",
            ) from None
        except (InputError, OSError) as error:
            failure = error
        for _, block, _ in held.blocks:
            yield from block
        yield from rows
        if failure is not None:
            raise failure

    def refuse_if_broken(
        self, line: int, fields: Iterable[str], *, is_in_shape: bool = True
    ) -> None:
        """
        Refuse the rest of the file if the latest row, which gave no pair, is part of a record.

        It is one if it has an odd number of quotes and not the header's number of fields (then
        *is_in_shape* is False), quotes that are marked by a backslash, or, after a row with a cell
        in quotes, one that only ends a cell.
        """
        text = "" if self._folded.count else "".join(self._row_lines).rstrip("\r\n")
        self._fold()
        if self._folded.has_marked_quote:
            raise self._broken(line, 'has a backslash before a quote, where CSV has two quotes: ""')
        if not is_in_shape and (self._folded.quotes % 2 or line == self._bare_line):
            raise self._broken(line, "has a quote without its other one, and not its columns")
        may_be_text = self._separator == "\t" and not self._folded.quotes % 2
        if (
            self._is_holding
            and not may_be_text
            and any(cell.endswith('"') for cell in fields)
            and not self._is_sound(text)
        ):
            raise self._broken(
                line, "has a quote at the end of a cell that does not begin with one"
            )
        self._folded = _LineFacts()

    def close(self) -> None:
        self._file.close()

    def _bare_fields(self, begun: int, error: csv.Error) -> list[str] | None:
        """Return the cells of a line of TSV whose quotes are text; None for any other error."""
        # Programs that write TSV without quoting leave "Acme" Inc as it is. Such a line has an even
        # number of quotes and, as `refuse_if_broken` checks, all its fields.
        is_one_line = len(self._row_lines) == 1 and not self._folded.count
        if self._separator != "\t" or not is_one_line or _TEXT_AFTER_QUOTE not in str(error):
            return None
        line = self._row_lines[0]
        self._bare_line = begun
        return None if line.count('"') % 2 else line.rstrip("\r\n").split("\t")

    def _is_glued(self, columns: int) -> bool:
        """Return whether the latest row, of several lines, is several: each has all columns."""
        # Programs that write no quotes leave those of ``"Acme`` and ``5"`` as they are. Of CSV the
        # columns alone say nothing, as any text may hold commas: each line must have its ids too.
        if self._separator != "\t":
            lines = self._row_lines
            if self.may_hide_ids and not self._folded.count:
                lines = [lines[0], lines[-1]]  # those between may have no id, or more commas
            return self._folded.are_rows and self._are_whole(lines)
        counts = {*self._folded.tabs, *(line.count("\t") for line in self._row_lines)}
        return counts == {columns - 1}

    def _are_whole(self, lines: Iterable[str]) -> bool:
        return self.is_whole_row is not None and all(map(self.is_whole_row, lines))

    def _lines(self) -> Iterator[str]:
        row_lines, has_quoted_text = self._row_lines, self._has_quoted_text
        for line in iter(partial(self._file.readline, ROW_CHARS), ""):
            self._line += 1
            self.row_chars += len(line)
            if '"' in line and not self._quoted_line and has_quoted_text(line):
                self._quoted_line = self._begun
            row_lines.append(line)
            if self.row_chars <= _FOLDED_CHARS:
                yield line
                continue
            if self.row_chars >= ROW_CHARS:
                raise self._too_long()
            is_first = not self._folded.count
            self._fold()
            # One wide character makes four bytes of each other one, in the line and in its cells.
            if is_first and len(line) > _WIDE_CHARS and self._separator.isascii():
                self._is_narrow = not line.isascii()
            long = [line]
            del line  # or it is kept until the next one is read
            if self._is_narrow:
                long.append(long.pop().encode(errors="surrogatepass").decode("latin-1"))
            yield long.pop()

    def _too_long(self) -> InputError:
        lines = self._folded.count + len(self._row_lines)
        most = f"{ROW_CHARS >> 20} MiB"
        is_one_line = lines == 1 and self._row_lines[0][-1] not in "\r\n"
        why = f"has {most}" if is_one_line else f"has a quote that is not closed in {most}"
        return self._broken(self._line - lines + 1, why)

    def _fold(self) -> None:
        """Keep the facts about the lines of the latest row, and not the lines."""
        self._folded.are_rows = self._folded.are_rows and self._are_whole(self._row_lines)
        for line in self._row_lines:
            self._folded.add(line, self._encoding)
        self._row_lines.clear()

    def _broken(self, line: int, why: str) -> InputError:
        return _BrokenRecordError(self.name, line, why)

    def _character_problem(self) -> str | None:
        for line in self._row_lines:
            if "\0" in line or not line.isascii():
                return self._folded.problem or character_problem(
                    "".join(self._row_lines), self._encoding
                )
        return self._folded.problem


def _widen(fields: list[str]) -> None:
    """Decode the cells of lines that were read as UTF-8, a byte a character: one at a time."""
    for place, field in enumerate(fields):
        fields[place] = field.encode("latin-1").decode(errors="surrogatepass")


@attrs.define
class _HeldRows(Generic[_T]):
    """Rows that are held back: blocks with the line of their first cell in quotes, 0: none."""

    blocks: deque[tuple[int, list[_T], int]] = attrs.Factory(deque)
    rows: int = 0
    chars: int = 0

    def add(self, quoted_line: int, rows: list[_T], chars: int) -> None:
        if rows:
            self.blocks.append((quoted_line, rows, chars))
            self.rows += len(rows)
            self.chars += chars

    def whole(self) -> Iterator[_T]:
        """Yield and drop the first rows, as far as it is known that no record there broke."""
        while self.blocks:
            quoted_line, rows, chars = self.blocks[0]
            after = self.rows - len(rows), self.chars - chars
            if quoted_line and after[0] < _HELD_ROWS and after[1] <= _HELD_CHARS:
                return
            self.blocks.popleft()
            self.rows, self.chars = after
            yield from rows


@attrs.define
class _LineFacts:
    """The facts about lines that are not kept."""

    count: int = 0
    quotes: int = 0
    has_marked_quote: bool = False
    problem: str | None = None
    are_rows: bool = True  # whether each is a whole row of the table
    tabs: set[int] = attrs.Factory(set)  # counts that lines have

    def add(self, line: str, encoding: str) -> None:
        self.count += 1
        self.quotes += line.count('"')
        if len(self.tabs) < 2:  # noqa: PLR2004 -- more say no more
            self.tabs.add(line.count("\t"))
        self.has_marked_quote = self.has_marked_quote or _MARKED_QUOTE.search(line) is not None
        self.problem = self.problem or character_problem(line, encoding)


def _explanation(error: csv.Error) -> str:
    message = str(error)
    if "unexpected end of data" in message:
        return "has a quote that is never closed"
    if "field larger" in message:
        return f"has a cell of more than {CELL_CHARS >> 20} MiB, or a quote that is not closed"
    if "new-line" in message:
        return "has a line break in a cell without quotes"
    return 'has text after a closing quote: a quote inside of quotes is written twice, ""'
