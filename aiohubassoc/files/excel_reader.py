"""Excel workbooks, read row by row."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.excel_sheet import SheetRows
from aiohubassoc.files.excel_workbook import Workbook
from aiohubassoc.files.limits import shown
from aiohubassoc.files.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.files.counts import InputCounts
    from aiohubassoc.files.excel_workbook import Sheet
    from aiohubassoc.files.layout import Layout

_SHOWN_SHEETS: Final = 10


class ExcelReader:
    """
    The rows of a sheet, each cell as text, the header among them.

    Hidden rows and sheets are left out and counted, unless the user wants them. Rows without any
    cell are none.

    Args:
        file: The workbook, at its beginning; closed by `close`.
        name: How messages call it.
        layout: What the user said: of the sheet, and of what is hidden.
        counts: Where hidden rows and sheets are counted.

    Attributes:
        name: How messages call the sheet.
        count: The number of the last row; None if the sheet does not say it.
        hint: The other sheets, and whether rows were left out, as a sentence.

    Raises:
        InputError: it is no workbook or damaged, or has no such sheet.
    """

    unit: str = "row"
    delimiter: str | None = None
    list_columns: frozenset[int] = frozenset()
    has_fixed_columns: bool = True

    def __init__(self, file: IO[bytes], name: str, layout: Layout, counts: InputCounts) -> None:
        self._file = file
        self._include_hidden = layout.include_hidden
        self._counts = counts
        self._hidden_rows = 0
        self._workbook = Workbook(file, name)
        self.row_chars = 0
        try:
            sheets = self._workbook.sheets
            sheet = self._choose(sheets, name, layout.sheet)
            self._other_sheets = [one for one in sheets if one is not sheet]
            with self._workbook.damage():
                self._rows = SheetRows(self._workbook, sheet)
        except BaseException:
            self._workbook.close()
            raise
        self.name = f"{name}, sheet {shown(sheet.name)}," if self._other_sheets else name

    @property
    def count(self) -> int | None:
        """The number of the last row; None if the sheet does not say it."""
        return self._rows.last_row

    @property
    def hint(self) -> str:
        """Where else the columns may be."""
        told = []
        if self._other_sheets:
            told.append(f"Other sheets, for --sheet: {_listed(self._other_sheets)}")
        if self._hidden_rows:
            told.append(f"{self._hidden_rows:,} hidden rows were left out: --include-hidden")
        return ". ".join(told)

    def __iter__(self) -> Iterator[Record]:
        for line, cells, is_hidden in self._rows:
            if is_hidden and not self._include_hidden:
                self._hidden_rows += 1
                self._counts.hidden_rows += 1
                continue
            self.row_chars = sum(map(len, cells)) + len(cells)
            yield Record(line, cells)

    def close(self) -> None:
        """Close the workbook and its file."""
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
    some = [
        f"{shown(sheet.name)}{' (hidden)' if sheet.is_hidden else ''}"
        for sheet in sheets[:_SHOWN_SHEETS]
    ]
    more = len(sheets) - len(some)
    return ", ".join(some) + (f" and {more:,} more" if more else "")
