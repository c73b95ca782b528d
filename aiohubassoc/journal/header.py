"""What a run folder keeps about its job: read in one place, as anything may stand there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

# Sessions that stopped as HubSpot refused pairs alike, with the category of these.
REFUSED_ALIKE: Final = "refused_alike"
# The first session that read the present input; rows of sessions before it stand elsewhere.
INPUT_SINCE: Final = "input_since"
# The offset of the account's time zone.
UTC_OFFSET: Final = "utc_offset_seconds"
# Whether rows are objects of JSON Lines.
HAS_OBJECTS: Final = "has_objects"

_DAY_SECONDS: Final = 86_400  # Python knows no offsets of a day and more
# What the command line keeps together.
_OF_FILES: Final = {"job", "columns", "inputs", "names"}


def read_header(db: sqlite3.Connection) -> dict[str, Any]:
    """Return all of it; ValueError or TypeError: no run has written what stands there."""
    header = {name: json.loads(value) for name, value in db.execute("select * from header")}
    wrong = [name for name, fits in _SHAPES.items() if name in header and not fits(header[name])]
    if wrong or ("command" in header and not _is_of_files(header)):
        raise ValueError(f"values of another shape: {wrong or 'command'}")
    return header


def _is_of_files(header: dict[str, Any]) -> bool:
    return (
        header.keys() >= _OF_FILES
        and _are_texts(header["command"].get("files"))
        and 0 < len(header["inputs"]) == len(header["names"])
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_input(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("size_bytes", ""), int | None)
        and _are_texts(value.get("columns"))
    )


def _is_offset(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and abs(value) < _DAY_SECONDS)


_SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "job": lambda value: isinstance(value, dict) and isinstance(value.get("portal", ""), str),
    "command": lambda value: isinstance(value, dict),
    "columns": _are_texts,
    "names": _are_texts,
    "inputs": lambda value: isinstance(value, list) and all(map(_is_input, value)),
    HAS_OBJECTS: lambda value: isinstance(value, bool),
    UTC_OFFSET: _is_offset,
    REFUSED_ALIKE: lambda value: isinstance(value, dict) and _are_texts([*value.values()]),
    INPUT_SINCE: lambda value: isinstance(value, int),
}
