"""Excel workbooks, read row by row."""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError, plural
from aiohubassoc.files.cells import Formula, LongNumber, value_text
from aiohubassoc.files.excel_workbook import (
    Handler,
    Shows,
    Workbook,
    XmlError,
    is_true,
    parse_pieces,
)
from aiohubassoc.files.limits import COLUMNS, ROW_CHARS, listed, shown
from aiohubassoc.files.record import Record, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.files.excel_workbook import Sheet
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.record import InputCounts

_SHOWN_SHEETS: Final = 10
_ROWS: Final = 1_048_576
_LARGEST: Final = 10**15  # Excel keeps 15 digits of a number
_DAYS_FROM: Final = {False: dt.datetime(1899, 12, 30), True: dt.datetime(1904, 1, 1)}  # noqa: DTZ001
_DAY_SECONDS: Final = 86_400
# Excel takes 1900 for a leap year.
_LAST_DAY_BEFORE_MARCH_1900: Final = 60


class ExcelReader(TableReader):
    """
    The rows of a sheet, each cell as text, the header among them.

    Hidden rows and sheets are left out and counted, unless the user wants them; rows without any
    cell are left out.

    Raises:
        InputError: It is no workbook or damaged, or has no such sheet.
    """

    def __init__(self, file: IO[bytes], name: str, layout: Layout, counts: InputCounts) -> None:
        self._file = file
        self._include_hidden = layout.include_hidden
        self._counts = counts
        self._hidden_rows = 0
        self._workbook = Workbook(file, name)
        try:
            sheets = self._workbook.sheets
            sheet = self._choose(sheets, name, layout.sheet)
            self._other_sheets = [one for one in sheets if one is not sheet]
            with self._workbook.damage():
                self._rows = _SheetRows(self._workbook, sheet)
        except BaseException:
            self._workbook.close()
            raise
        self.name = f"{name}, sheet {shown(sheet.name)}" if self._other_sheets else name

    @property
    def count(self) -> int | None:
        return self._rows.last_row

    @property
    def hint(self) -> str:
        sentences = []
        if self._other_sheets:
            sentences.append(f"Other sheets, for --sheet: {_listed(self._other_sheets)}")
        if self._hidden_rows:
            sentences.append(
                f"{plural(self._hidden_rows, 'hidden row')} left out: --include-hidden"
            )
        return ". ".join(sentences)

    def __iter__(self) -> Iterator[Record]:
        for line, cells, is_hidden in self._rows:
            if is_hidden and not self._include_hidden:
                self._hidden_rows += 1
                self._counts.hidden_rows += 1
                continue
            self.row_chars = sum(map(len, cells)) + len(cells)
            yield Record(line, cells)
        if merged := self._rows.merged:
            self._counts.note(
                f"{self.name}: cells are merged over several rows, such as {merged}. Only the "
                "first of these rows has the value: unmerge them and fill in each row."
            )

    def close(self) -> None:
        self._workbook.close()
        self._file.close()

    def _choose(self, sheets: Sequence[Sheet], name: str, wanted: str | None) -> Sheet:
        if not sheets:
            raise InputError(f"{name} has no sheet with cells")
        if wanted is not None:
            for sheet in sheets:
                if sheet.name.casefold() == wanted.casefold():  # as in Excel
                    return sheet
            raise InputError(
                f"{name} has no sheet {wanted!r}. Its sheets: {_listed(sheets)}. "
                "Choose with --sheet"
            )
        hidden = [sheet for sheet in sheets if sheet.is_hidden]
        if self._include_hidden or not hidden:
            return sheets[0]
        for sheet in sheets:
            if not sheet.is_hidden:
                self._counts.hidden_sheets += len(hidden)
                return sheet
        raise InputError(
            f"{name} has hidden sheets only: {_listed(sheets)}. Choose with --sheet, or read them "
            "with --include-hidden"
        )


def _listed(sheets: Sequence[Sheet]) -> str:
    names = [shown(one.name) + (" (hidden)" if one.is_hidden else "") for one in sheets]
    return listed(names, _SHOWN_SHEETS)


class _SheetRows(Handler):
    """The rows of a sheet that have cells: their numbers, their cells as text, whether hidden."""

    def __init__(self, workbook: Workbook, sheet: Sheet) -> None:
        super().__init__()
        self.last_row: int | None = None
        self.merged = ""  # a range of cells, of several rows, that are merged; known at the end
        self._workbook = workbook
        self._part = sheet.part
        self._texts = workbook.texts()
        self._times = workbook.time_styles()
        self._ready: deque[tuple[int, list[str], bool]] = deque()
        self._rows = 0
        self._is_in_data = self._is_in_cell = False
        # Of the row that is being read:
        self._row = 0
        self._is_hidden = False
        self._cells: list[str] = []
        self._row_chars = 0
        # Of the cell:
        self._column = 0
        self._kind = self._style = ""
        self._has_formula = False

    def __iter__(self) -> Iterator[tuple[int, list[str], bool]]:
        with self._workbook.damage(), self._workbook.open(self._part) as file:
            for _ in parse_pieces(file, self):
                while self._ready:
                    yield self._ready.popleft()

    # --- the elements of the XML ----------------------------------------------------------------

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c" and self._is_in_data:
            self._begin_cell(attributes)
        elif name == "f":
            self._has_formula = True
        elif name == "row" and self._is_in_data:
            self._begin_row(attributes)
        elif name == "sheetData":
            self._is_in_data = True
        elif name == "dimension":
            self.last_row = _parse_row(attributes.get("ref", ""))
        elif name == "mergeCell" and not self.merged:
            cells = attributes.get("ref", "")
            if _parse_row(cells.partition(":")[0]) != _parse_row(cells):
                self.merged = shown(cells)[1:-1]
        elif self._is_in_cell:
            super().start(name, attributes)

    def end(self, name: str) -> None:
        if name == "c":
            if self._is_in_cell:
                self._end_cell()
        elif name == "row":
            if self._cells:
                self._ready.append((self._row, self._cells, self._is_hidden))
                self._cells = []
        elif name == "sheetData":
            self._is_in_data = False
        else:
            super().end(name)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r")
        self._row = self._row + 1 if number is None else int(number)
        self._rows += 1
        self.place = f"row {self._row}: "
        if max(self._row, self._rows) > _ROWS:
            raise XmlError(f"it has more than {_ROWS:,} rows")
        height = attributes.get("ht", "")
        self._is_hidden = is_true(attributes.get("hidden")) or bool(
            height and not height.strip("0.")
        )
        self._row_chars = 0

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._is_in_cell = True
        reference = attributes.get("r")
        self._column = len(self._cells) if reference is None else _parse_column(reference)
        self._kind = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._has_formula = False
        self.begin_text()

    def _end_cell(self) -> None:
        self._is_in_cell = False
        cell = self._cell(self.joined_text())
        if not cell and type(cell) is str:
            return
        self._row_chars += len(cell)
        if self._row_chars > ROW_CHARS:
            raise XmlError(f"row {self._row} has more than {ROW_CHARS >> 20} MiB")
        gap = self._column - len(self._cells)
        if gap > 0:
            self._cells += [""] * gap
        elif gap < 0:
            self._cells[self._column] = cell
            return
        self._cells.append(cell)

    # --- what a value is ------------------------------------------------------------------------

    def _cell(self, text: str) -> str:
        kind = self._kind
        if kind == "n" and text:
            return self._number(text)
        if kind == "s" and text:
            if not text.isdecimal():  # -1 would be the last text
                raise XmlError(f"row {self._row}: there is no text {text[:20]!r}")
            return self._texts[int(text)]
        if kind == "b" and text:
            return "true" if is_true(text) else "false"
        if not text and self._has_formula and kind != "str":
            return Formula()
        return text  # a text, an error, a date as text, or nothing

    def _number(self, text: str) -> str:
        shows = self._times.get(int(self._style)) if self._style else None
        if shows is None:
            return _number_text(text)
        if shows is Shows.DURATION:
            return _duration_text(float(text))
        return _date_text(float(text), is_from_1904=self._workbook.is_from_1904)


_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ$"
_known_columns: dict[str, int] = {}


def _parse_column(reference: str) -> int:
    """Return the place of the column of a cell such as ``AB12``, from 0."""
    letters = reference.rstrip("0123456789")
    place = _known_columns.get(letters)
    if place is None:
        place = 0
        for letter in letters[:4]:
            place = place * 26 + ord(letter) - ord("A") + 1
        if not 1 <= place <= COLUMNS or not letters.isalpha():
            raise XmlError(f"there is no cell {reference[:20]!r}")
        place -= 1
        _known_columns[letters] = place  # at most as many as a sheet has columns
    return place


def _parse_row(reference: str) -> int | None:
    """Return the last row of a range such as ``A1:C9``; None if it is none."""
    digits = reference.rpartition(":")[2].lstrip(_LETTERS)
    is_row = digits.isdecimal() and len(digits) <= len(str(_ROWS))
    return int(digits) if is_row else None


def _number_text(text: str) -> str:
    if text.isdecimal() and text.isascii() and len(text) < len(str(_LARGEST)):
        return text
    value = float(text)
    if value.is_integer():  # Excel knows no difference between 101 and 101.0
        whole = str(int(value)) if "." in text or "e" in text.lower() else text
        return whole if abs(value) < _LARGEST else LongNumber(whole)
    return value_text(value)


def _duration_text(value: float) -> str:
    try:
        return str(dt.timedelta(days=value))
    except OverflowError:
        return "#VALUE!"


def _date_text(value: float, *, is_from_1904: bool) -> str:
    day, fraction = divmod(value, 1)
    try:
        time = dt.timedelta(milliseconds=round(fraction * _DAY_SECONDS * 1000))
        if 0 <= value < 1 and not time.days:
            return (_DAYS_FROM[True] + time).time().isoformat()  # of no date, only its time
        if 0 < value < _LAST_DAY_BEFORE_MARCH_1900 and not is_from_1904:
            day += 1
        return (_DAYS_FROM[is_from_1904] + dt.timedelta(days=day) + time).isoformat()
    except OverflowError:
        return "#VALUE!"
