"""The one rule for record ids in files: digits."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from aiohubassoc.files.cells import CellList, Float, Formula, LongNumber
from aiohubassoc.files.limits import ANY_ID_CHARS, CELL_IDS, ID_DIGITS, shown
from aiohubassoc.files.not_ids import Kind, kind_of
from aiohubassoc.pair import MOST_ID, path_text

if TYPE_CHECKING:
    from aiohubassoc.files.counts import InputCounts

_BETWEEN_IDS: Final = ";"
_TEXT_MARK: Final = "'"
# Above it a float no longer holds every whole number.
_LARGEST_FLOAT: Final = 2**53


class RejectedRowError(ValueError):
    """
    A row that cannot be used; the message is its problem.

    Attributes:
        held: The column whose cell is no id, and what that is; None if the problem is another
            one.
    """

    def __init__(self, problem: str, held: tuple[str, Kind] | None = None) -> None:
        super().__init__(problem)
        self.held = held


def reject(column: str, text: str, kind: Kind) -> RejectedRowError:
    """Return the error for a cell of *column* that holds *text*, which is no id."""
    held = (column, kind)
    if kind is Kind.EMPTY:
        return RejectedRowError(f"{column} is empty", held)
    told = f"{column} is {shown(text)}, {kind.one}" if text else f"{column} is {kind.one}"
    return RejectedRowError(f"{told}: {kind.advice}" if kind.advice else told, held)


class IdRule:
    """
    Reads record ids from cells.

    An id is a number of digits. Spaces around it, Excel's text mark and the point of a whole
    float below 2^53 are taken off and counted; zeros in front are taken off, as HubSpot does.

    Args:
        counts: Where that is counted.
        any_id: Whether any text that can be sent is an id.
    """

    def __init__(self, counts: InputCounts, *, any_id: bool) -> None:
        self._counts = counts
        self._any_id = any_id

    def one(self, text: str, column: str) -> str:
        """
        Return the id that a cell's *text* is.

        Args:
            text: The cell.
            column: How messages call its column or key.

        Raises:
            RejectedRowError: It is none.
        """
        if type(text) is str and text.isdecimal() and text.isascii():
            return _canonical(text, column)
        return self._cleaned(text, column)

    def several(self, text: str, column: str) -> list[str]:
        """
        Return the ids in a cell that may hold several, separated by semicolons; [] if it is empty.

        Raises:
            RejectedRowError: One of them is none.
        """
        if isinstance(text, CellList):
            parts = text.items
        elif type(text) is not str:
            return [self.one(text, column)] if text or isinstance(text, Formula) else []
        else:
            if text.count(_BETWEEN_IDS) >= CELL_IDS:
                raise RejectedRowError(f"{column} holds more than {CELL_IDS:,} ids")
            parts = [part for part in text.split(_BETWEEN_IDS) if part and not part.isspace()]
        if len(parts) > CELL_IDS:
            raise RejectedRowError(f"{column} holds more than {CELL_IDS:,} ids")
        one = self.one
        return [one(part, column) for part in parts]

    def _cleaned(self, text: str, column: str) -> str:
        bare = text.strip()
        if isinstance(text, Formula):
            raise reject(column, "", Kind.FORMULA)
        if not bare:
            raise reject(column, bare, Kind.EMPTY)
        if isinstance(text, LongNumber):
            raise reject(column, bare, Kind.LONG)
        if isinstance(text, CellList):
            raise reject(column, bare, Kind.SEVERAL)
        if isinstance(text, Float):
            return self._whole(bare, column)
        digits = bare.removeprefix(_TEXT_MARK)
        if digits.isdecimal() and digits.isascii():
            self._counts.spaces += bare != text
            self._counts.text_marks += digits != bare
            return _canonical(digits, column)
        if self._any_id:
            self._counts.spaces += bare != text
            return _any_text(bare, column)
        raise reject(column, bare, kind_of(bare))

    def _whole(self, text: str, column: str) -> str:
        value = Decimal(text)
        if not value.is_finite() or abs(value) >= _LARGEST_FLOAT or value != int(value):
            raise reject(column, text, Kind.FLOAT if "e" not in text.lower() else Kind.EXPONENT)
        if value < 0:
            raise reject(column, text, Kind.LOCALE)
        self._counts.floats += 1
        return str(int(value))


def _canonical(digits: str, column: str) -> str:
    if digits[0] == "0":  # one record would be several
        digits = digits.lstrip("0") or "0"
    if len(digits) > ID_DIGITS:
        raise reject(column, digits, Kind.DIGITS)
    return digits


def _any_text(text: str, column: str) -> str:
    if len(text) > ANY_ID_CHARS:
        raise RejectedRowError(f"{column} has more than {ANY_ID_CHARS} characters")
    try:
        return path_text(text, column, MOST_ID)
    except ValueError as error:
        raise RejectedRowError(str(error)) from None
