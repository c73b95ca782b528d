"""From a cell to the id in it, or to what is wrong with it."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Final

# What spreadsheets make of ids: 101.0, 1e5, 1.23457E+11, 1,234,567.
_SPREADSHEET = re.compile(
    r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?|\d{1,3}(,\d{3})+", re.ASCII
)
# What spreadsheets show in place of what they could not compute.
_EXCEL_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!")
)
_BETWEEN_IDS: Final = ";"


class UnusableError(ValueError):
    """A row that cannot be used; the message is its problem."""


class LongNumber(str):
    """The digits of a number that is too long for a spreadsheet to have kept them all."""

    __slots__ = ()


def id_of(text: str, name: str) -> str:
    """
    Return the id that a cell's *text* is; *name* is the cell's column or key.

    Raises:
        UnusableError: there is none, or it is what a spreadsheet made of one.
    """
    if text.isdecimal() and text.isascii() and type(text) is str:
        return text
    bare = text.strip()
    if not bare:
        raise UnusableError(f"{name} is empty")
    if isinstance(text, LongNumber):
        raise UnusableError(
            f"{name} is {bare!r}, a number of which Excel keeps 15 digits: "
            "format the column as text and enter it again"
        )
    if _SPREADSHEET.fullmatch(bare):
        raise UnusableError(
            f"{name} is {bare!r}, a number as spreadsheets write it: format the column as text"
        )
    if bare in _EXCEL_ERRORS:
        raise UnusableError(f"{name} is {bare!r}, an error of the spreadsheet")
    return text


def ids_of(text: str, name: str) -> list[str]:
    """
    Return the ids in a cell that may hold several, separated by semicolons; [] if it is empty.

    Raises:
        UnusableError: one of them is what a spreadsheet made of it.
    """
    if isinstance(text, LongNumber):
        return [id_of(text, name)]
    parts = (part.strip() for part in text.split(_BETWEEN_IDS))
    return [id_of(part, name) for part in parts if part]


def value_text(value: object) -> str:
    """Return a typed cell as text: what Parquet and Excel have beside text, None as ``""``."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # noqa: PLR0124 -- pandas and others write None as NaN
        return ""
    if isinstance(value, bool | dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return _text_of_bytes(value)
    return str(value)  # of a float the shortest that is the same number: 101.0


def _text_of_bytes(value: bytes) -> str:
    # Some writers of Parquet do not say that their texts are text.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
