"""The columns of HubSpot's own exports."""

from __future__ import annotations

import re
from typing import Final

RECORD_ID: Final = "record id"
_ASSOCIATED = re.compile(r"associated (.+) ids?", re.IGNORECASE)
_SEVERAL: Final = "IDs"
# An object's name in a column, its type, and how else people give that type.
_OBJECTS: Final = {
    "contact": ("contacts", "contact", "0-1"),
    "company": ("companies", "company", "0-2"),
    "deal": ("deals", "deal", "0-3"),
    "ticket": ("tickets", "ticket", "0-5"),
}
_KNOWN_TYPES: Final = frozenset(name for names in _OBJECTS.values() for name in names)


def is_record_id(column: str) -> bool:
    """Return whether the column holds the ids of the records that were exported."""
    return column.strip().casefold() == RECORD_ID


def is_associated(column: str) -> bool:
    """Return whether the column holds the ids of records that are associated with them."""
    return _ASSOCIATED.fullmatch(column.strip()) is not None


def holds_several(column: str) -> bool:
    """Return whether the column's cells may hold several ids: whether its name ends with "IDs"."""
    return column.strip().endswith(_SEVERAL) or (
        is_associated(column) and column.strip().casefold().endswith(_SEVERAL.casefold())
    )


def type_of(column: str) -> str | None:
    """Return the type of the associated records whose ids the column holds; None if unknown."""
    names = _OBJECTS.get(_object_of(column))
    return None if names is None else names[0]


def may_be_of(column: str, object_type: str) -> bool:
    """Return whether the column can hold ids of *object_type*, by the column's name."""
    names = _OBJECTS.get(_object_of(column))
    if names is None:  # of an object of the portal's own
        return object_type.casefold() not in _KNOWN_TYPES
    return object_type.casefold() in names


def _object_of(column: str) -> str:
    found = _ASSOCIATED.fullmatch(column.strip())
    return "" if found is None else found[1].casefold()
