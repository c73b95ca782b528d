"""
How single values of HubSpot's JSON are read: Python values in, typed values out.

Each function takes the value and, as cattrs calls it, the type that is due.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from aiohubassoc._protocol.bounds import MOST_ID, MOST_TEXT, short

MISSING = "is missing"
_MOST_SHOWN = 60  # characters of a value that is wrong
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# How Java writes a map of lists (HubSpot, Associations v4, the example of an error).
_JAVA_MAP = re.compile(r"(?<![\w.-])([\w.-]{1,64})=\[([^\[\]]*)\]")


class WrongShapeError(ValueError):
    """A value of the wrong shape; *where* is its path below the value being structured."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


def text(value: object, _: object = None) -> str:
    """Return a string or an int as text; anything else is of the wrong shape."""
    # cattrs alone would make the id 'None' of null and a text of any object.
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise WrongShapeError(is_not(value, "a string"))


def json_text(value: object) -> str:
    """Return the JSON of *value*, or its start where it is long: the rest is never written."""
    if isinstance(value, str):
        value = value[:MOST_TEXT]  # with its quotes it is longer
    text = ""
    try:
        for piece in _ENCODER.iterencode(value):
            text += piece
            if len(text) > MOST_TEXT:
                return f"{text[:MOST_TEXT]}..."
    except RecursionError:  # orjson reads deeper nesting than json writes
        return "(nested too deeply)"
    return text


def is_not(value: object, due: str) -> str:
    """Return the problem that *value*, of which it shows the start, is not *due*: "an int"."""
    return f"{json_text(value)[:_MOST_SHOWN]} is not {due}"


def integer(value: object, _: object = None) -> int:
    """Return an int, as JSON number or text; a fraction is of the wrong shape."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # orjson reads integers above 2**64 as floats: no reason to call a reply garbled.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # No count has more digits, and Python makes no int of thousands of them.
    if isinstance(value, str) and len(value) <= MOST_ID and value.isascii() and value.isdigit():
        return int(value)
    raise WrongShapeError(is_not(value, "an int"))


def date(value: object, _: object = None) -> datetime | None:
    """Return an ISO date or epoch milliseconds as an aware datetime; None for all else."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000, UTC)
        if isinstance(value, str):
            date = datetime.fromisoformat(value)
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text_or_json(one) for one in values if one is not None)


def text_or_json(value: object) -> str:
    """Return *value* as text; its JSON where it is neither a string nor an int."""
    try:
        return text(value)
    except WrongShapeError:
        return json_text(value)


def context(value: object, _: object = None) -> dict[str, tuple[str, ...]]:
    """Return names to values of any shape; empty for what is neither an object nor a Java map."""
    if isinstance(value, str):
        return {
            name: tuple(filter(None, map(str.strip, listed.split(","))))
            for name, listed in _JAVA_MAP.findall(value)
        }
    return {k: _texts(v) for k, v in value.items()} if isinstance(value, dict) else {}


def links(value: object, _: object = None) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {k: text_or_json(v) for k, v in value.items() if v is not None}


def record_id(end: object, where: str) -> str:
    """Return the id of one end of a link; *where* is the end's name."""
    if not isinstance(end, dict) or "id" not in end:
        raise WrongShapeError(MISSING, f".{where}.id")
    try:
        return short(text(end["id"]), MOST_ID)
    except WrongShapeError:
        raise WrongShapeError(is_not(end["id"], "an id"), f".{where}.id") from None
