"""Cells as text: those of formats that have types, and those that could not be decoded."""

from __future__ import annotations

import codecs
import datetime as dt
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# From here on a float no longer holds every whole number.
_LARGEST_FLOAT: Final = 2**53
# A byte that could not be decoded stands in the text as one of these.
UNDECODED: Final = re.compile("[\udc80-\udcff]")
# Encodings that a byte order mark shows.
_MARKED: Final = ("utf-8-sig", "utf-16", "utf-32")
_CONSTANT_TEXT: Final = re.compile(r'="((?:[^"]|"")*)"')


class Float(str):
    """The text of a float or decimal of a typed column, which may be a whole number."""

    __slots__ = ()

    def whole(self) -> str | None:
        """Return the digits of a whole number from 0 to 2^53; None for any other."""
        value = Decimal(self)
        is_whole = value.is_finite() and 0 <= value < _LARGEST_FLOAT and value == int(value)
        return str(int(value)) if is_whole else None


class LongNumber(str):
    """The digits of a number that is too long for a spreadsheet to have kept them all."""

    __slots__ = ()


class Formula(str):
    """The empty text of a cell whose formula was never computed."""

    __slots__ = ()


class CellList(str):
    """The JSON text of a list in one cell."""

    _values: Sequence[object]

    __slots__ = ("_values",)

    def __new__(cls, text: str, values: Sequence[object]) -> Self:
        made = super().__new__(cls, text)
        made._values = values
        return made

    @classmethod
    def from_values(cls, values: list[object] | None) -> Self:
        """Make one of a list's elements; None: an empty list, whose text is empty."""
        return cls("" if values is None else to_json(values), values or [])

    @property
    def items(self) -> list[str]:
        """The text of each element that is not empty."""
        return [text for text in map(value_text, self._values) if text.strip()]


def value_text(value: object) -> str:
    """Return a typed cell as text; ``""`` for None and NaN."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # noqa: PLR0124 -- pandas and others write None as NaN
        return ""
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return write(value)
    return str(value)


def constant_text(text: str) -> str | None:
    """
    Return the text of a formula that is only a text, such as ``="101"``; None if it is none.

    People write texts in CSV so that Excel does not make numbers of them.
    """
    found = _CONSTANT_TEXT.fullmatch(text) if text.startswith("=") else None
    return None if found is None else found[1].replace('""', '"').strip()


def to_json(value: object) -> str:
    """Return *value* as JSON; what JSON does not have as text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _decode(value: bytes) -> str:
    # Some writers of Parquet do not mark their texts as text.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"  # digits alone would be another number


def _decimal(value: Decimal) -> str:
    text = str(value)
    return text if text.lstrip("-").isdecimal() else Float(text)


_WRITERS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (float, Float),  # the shortest text that is the same number: 101.0
    (Decimal, _decimal),
    ((bool, dict, list), to_json),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (bytes, _decode),
)


# --- bytes that could not be decoded ------------------------------------------------------------


def character_problem(text: str, encoding: str) -> str | None:
    """Return why a row of this text is rejected: a byte that cannot be decoded, or a NUL."""
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii() and UNDECODED.search(text):
        return f"is not {encoding_title(encoding)}: {encoding_advice(encoding)}"
    return None


def encoding_title(encoding: str) -> str:
    """Return the encoding's name in messages."""
    is_utf = encoding.lower().startswith("utf")
    return encoding.upper().removesuffix("-SIG") if is_utf else encoding


def encoding_advice(encoding: str) -> str:
    """Return what to do about a file that is not in *encoding*."""
    codec = codecs.lookup(encoding).name
    if codec in _MARKED:  # with any other encoding the file is refused
        title = encoding_title(codec)
        return f"save the whole file as UTF-8 (its first bytes say that it is {title})"
    is_unicode = codec.startswith("utf")
    other = "give --encoding cp1252" if is_unicode else "give another --encoding"
    return f"save the file as UTF-8, or {other}"
