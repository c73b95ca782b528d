"""Excel workbooks, read row by row."""

from __future__ import annotations

import warnings
import zipfile
from itertools import islice
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.cells import LongNumber, value_text
from aiohubassoc.files.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

_AT_ONCE: Final = 200
_LARGEST: Final = 10**15  # Excel keeps 15 digits of a number


class ExcelReader:
    """
    The rows of a sheet, each cell as text; rows without any cell are nothing.

    Args:
        file: The workbook, at its beginning; closed by `close`.
        name: How messages call it.
        sheet: The sheet's name; None: the first.

    Attributes:
        header: The cells of the first row that has any.
        count: The number of rows behind it, as the workbook says; None if it does not.

    Raises:
        InputError: it is no workbook or damaged, has no such sheet or no header, or the library
            is not installed.
    """

    unit: str = "row"
    delimiter: str | None = None

    def __init__(self, file: IO[bytes], name: str, sheet: str | None) -> None:
        self._file = file
        self._name = name
        _refuse_what_is_no_workbook(file, name)
        try:
            # Imported when a workbook is opened: nobody else needs it.
            import openpyxl  # noqa: PLC0415
        except ImportError:
            raise InputError(
                f"{name} is an Excel workbook, which needs a library: "
                "pip install 'aiohubassoc[excel]'"
            ) from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and the like, which nobody sees here
            try:
                self._book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            except Exception as error:  # noqa: BLE001 -- what a broken part makes openpyxl raise
                raise self._damaged(error) from None
        try:
            chosen = self._sheet(sheet)
            last_row = chosen.max_row
            # What the sheet says of its size may be wrong, and rows beyond it would be left out.
            chosen.reset_dimensions()
            self._rows: Iterator[Sequence[object]] = chosen.iter_rows(values_only=True)
            self._error: InputError | None = None
            self._line = 0
            self._ready: list[Sequence[object]] = []
            self.header = self._read_header()
        except BaseException:
            self._book.close()
            raise
        self.count: int | None = None
        if last_row is not None and last_row > self._line:
            self.count = last_row - self._line

    def __iter__(self) -> Iterator[Record]:
        width = len(self.header)
        while (cells := self._next()) is not None:
            fields = _texts(cells)
            if fields:
                yield Record(self._line, fields + [""] * (width - len(fields)))

    def close(self) -> None:
        """Close the workbook and its file."""
        self._book.close()
        self._file.close()

    def _sheet(self, wanted: str | None) -> ReadOnlyWorksheet:
        sheets = {sheet.title: sheet for sheet in self._book.worksheets}
        for title, sheet in sheets.items():
            if wanted is None or title.casefold() == wanted.casefold():  # as in Excel
                return sheet
        if wanted is None:
            raise InputError(f"{self._name} has no sheet with cells")
        there = ", ".join(map(repr, sheets))
        raise InputError(
            f"{self._name} has no sheet {wanted!r}: its sheets are {there}: name one by --sheet"
        )

    def _read_header(self) -> list[str]:
        while (cells := self._next()) is not None:
            if header := _texts(cells):
                return header
        raise InputError(f"{self._name} has no rows: its first row must name the columns")

    def _next(self) -> Sequence[object] | None:
        """Return the cells of the next row; None at the end."""
        if not self._ready:
            self._read_some()
        if not self._ready:
            return None
        self._line += 1
        return self._ready.pop()

    def _read_some(self) -> None:
        if self._error is not None:
            raise self._error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a date that is none: its cell says so
            try:
                # What came before the damage is still handed on.
                self._ready.extend(islice(self._rows, _AT_ONCE))
            except Exception as error:  # noqa: BLE001 -- what a broken part makes openpyxl raise
                self._error = self._damaged(error)
                if not self._ready:
                    raise self._error from None
        self._ready.reverse()

    def _damaged(self, error: Exception) -> InputError:
        told = str(error) or type(error).__name__
        return InputError(f"{self._name} cannot be read as an Excel workbook: {told}")


def _refuse_what_is_no_workbook(file: IO[bytes], name: str) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{name} is damaged or cut off: {error}") from None
    if "[Content_Types].xml" not in parts:
        if "content.xml" in parts:
            raise InputError(f"{name} is an OpenDocument file: save it as .xlsx or CSV")
        raise InputError(f"{name} is a zip archive, but no Excel workbook: unpack it first")
    if "xl/workbook.bin" in parts:
        raise InputError(f"{name} is a binary Excel workbook: save it as .xlsx or CSV")
    file.seek(0)


def _texts(cells: Sequence[object]) -> list[str]:
    """Return the cells as text, up to the last that holds anything."""
    texts = [_text(cell) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(cell: object) -> str:
    if type(cell) is int and abs(cell) >= _LARGEST:
        return LongNumber(cell)
    return value_text(cell)
