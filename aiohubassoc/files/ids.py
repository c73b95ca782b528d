"""The rule for record ids in files, digits, and the names of object types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc.files.cells import CellList, Float, Formula, LongNumber, constant_text
from aiohubassoc.files.hubspot import standard_type
from aiohubassoc.files.limits import ANY_ID_CHARS, CELL_IDS, ID_DIGITS, TYPE_CHARS, shown
from aiohubassoc.files.not_ids import Kind, classify_text
from aiohubassoc.pair import MOST_ID, MOST_TYPE, path_text

if TYPE_CHECKING:
    from aiohubassoc.files.record import InputCounts

_BETWEEN_IDS: Final = ";"
_TEXT_MARK: Final = "'"
_MOST_NAMES: Final = 1000


class RejectedRowError(ValueError):
    """
    A row that is rejected; the message is its problem.

    Attributes:
        held: The column whose cell is no id, and what the cell is; None for any other problem.
    """

    def __init__(self, problem: str, held: tuple[str, Kind] | None = None) -> None:
        super().__init__(problem)
        self.held = held


def reject(column: str, text: str, kind: Kind) -> RejectedRowError:
    """Return the error for a cell of *column* that holds *text*, which is no id."""
    held = (column, kind)
    if kind is Kind.EMPTY:
        return RejectedRowError(f"{column} is empty", held)
    what = f"{column} is {shown(text)}, {kind.one}" if text else f"{column} is {kind.one}"
    return RejectedRowError(f"{what}: {kind.advice}" if kind.advice else what, held)


class IdRule:
    """
    Reads record ids from cells.

    An id is a number of digits. Spaces around it, Excel's text marks (``'101``, ``="101"``) and
    the point of a whole float below 2^53 are removed and counted; so are leading zeros, which
    HubSpot ignores.

    Args:
        counts: Counts what is removed.
        any_id: Whether any text that can be sent is an id.
    """

    def __init__(self, counts: InputCounts, *, any_id: bool) -> None:
        self._counts = counts
        self._any_id = any_id

    def one(self, text: str, column: str) -> str:
        """
        Return the id in a cell.

        Args:
            text: The cell.
            column: Its column or key in messages.

        Raises:
            RejectedRowError: It holds none.
        """
        if type(text) is str and text.isdecimal() and text.isascii():
            return _canonical(text, column)
        return self._cleaned(text, column)

    def several(self, text: str, column: str) -> list[str]:
        """
        Return the ids in a cell that may hold several, separated by semicolons; [] if it is empty.

        Raises:
            RejectedRowError: One of them is no id.
        """
        if isinstance(text, CellList):
            parts = text.items
        elif type(text) is not str:
            return [self.one(text, column)] if text or isinstance(text, Formula) else []
        else:
            if text.count(_BETWEEN_IDS) >= CELL_IDS:
                raise RejectedRowError(f"{column} holds more than {CELL_IDS:,} ids")
            if (inside := constant_text(text.strip())) is not None:
                self._counts.text_marks += 1
                text = inside
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
            return self._number(text, column)
        inside = constant_text(bare)
        digits = bare.removeprefix(_TEXT_MARK) if inside is None else inside
        if digits.isdecimal() and digits.isascii():
            self._counts.spaces += bare != text
            self._counts.text_marks += digits != bare
            return _canonical(digits, column)
        if self._any_id:
            self._counts.spaces += bare != text
            return _any_text(bare if inside is None else inside, column)
        if inside is not None:
            raise reject(column, bare, classify_text(inside) if inside else Kind.PLACEHOLDER)
        raise reject(column, bare, classify_text(bare))

    def _number(self, text: Float, column: str) -> str:
        if (whole := text.whole()) is not None:
            self._counts.floats += 1
            return whole
        if self._any_id:
            return _any_text(text, column)
        if text.startswith("-"):
            raise reject(column, text, Kind.LOCALE)
        raise reject(column, text, Kind.EXPONENT if "e" in text.lower() else Kind.FLOAT)


def _canonical(digits: str, column: str) -> str:
    if digits[0] == "0":  # one record would be several
        digits = digits.lstrip("0") or "0"
    if len(digits) > ID_DIGITS:
        raise reject(column, digits, Kind.DIGITS)
    return digits


def _any_text(text: str, column: str) -> str:
    if len(text) > ANY_ID_CHARS:
        raise RejectedRowError(f"{column} has more than {ANY_ID_CHARS} characters")
    return _sendable(text, column, MOST_ID)


def _sendable(text: str, column: str, most: int) -> str:
    try:
        return path_text(text, column, most)
    except ValueError as error:
        raise RejectedRowError(str(error)) from None


class TypeNames:
    """
    Calls each object type by the name that it was first given.

    So ``contacts``, ``contact`` and ``0-1`` are one type in every pair, and a name is sent that
    the user has written.
    """

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def name(self, text: str, column: str) -> str:
        """
        Return the name of an object type; ``""`` if *text* is blank.

        Args:
            text: A name of the type.
            column: The column or option with the text, in messages.

        Raises:
            RejectedRowError: It is none.
        """
        known = self._known.get(text)
        if known is not None:
            return known
        bare = text.strip()
        if not bare:
            return ""
        if len(bare) > TYPE_CHARS:
            raise RejectedRowError(f"{column} is {shown(bare)}, which is no object type")
        _sendable(bare, column, MOST_TYPE)
        standard = standard_type(bare)
        name = self._first.setdefault(standard, bare) if standard is not None else bare
        if len(self._known) < _MOST_NAMES:
            self._known[text] = name
        return name
