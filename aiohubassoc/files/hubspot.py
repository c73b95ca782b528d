"""HubSpot's names: of its object types, and of the columns of its exports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohubassoc.files.ids import checked_text, kind_of_nothing, reject
from aiohubassoc.pair import MOST_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

# Plural, singular and id. HubSpot, Using object APIs, "Object type ID".
_TYPES: Final = """
    contacts contact 0-1, companies company 0-2, deals deal 0-3, tickets ticket 0-5,
    products product 0-7, line_items line_item 0-8, quotes quote 0-14,
    communications communication 0-18, feedback_submissions feedback_submission 0-19,
    tasks task 0-27, notes note 0-46, meetings meeting 0-47, calls call 0-48, emails email 0-49,
    invoices invoice 0-53, marketing_events marketing_event 0-54,
    subscriptions subscription 0-69, goal_targets goal_target 0-74, discounts discount 0-84,
    fees fee 0-85, taxes tax 0-86, payments payment 0-101, users user 0-115,
    postal_mail postal_mail 0-116, orders order 0-123, leads lead 0-136, carts cart 0-142,
    services service 0-162, courses course 0-410, listings listing 0-420,
    appointments appointment 0-421, projects project 0-970
"""
_PLURALS: Final = {name: names.split()[0] for names in _TYPES.split(",") for name in names.split()}

# Also the property "Primary Associated Company ID" of contacts.
_ASSOCIATED: Final = re.compile(
    r"(?P<primary>primary )?associated (?P<type>.+?) ids?(?P<label> \(.+\))?", re.IGNORECASE
)
_ID_OF: Final = re.compile(
    r"record id - (.+)|(.+) - record id|(.+?)[ _-]?record[ _-]?ids?|(.+?)[ _-]?ids?", re.IGNORECASE
)
_RECORD_ID: Final = "record id"
# Of any program: Firmen-ID, ID de registro, fromObjectId.
_ANY_ID: Final = re.compile(r"(.*[\W_])?(?i:ids?)([\W_].*)?|.*[a-z]I[dD]s?", re.DOTALL)
# Also where another language has other words after it: "IDs de empresa asociados".
_SEVERAL: Final = re.compile(r".*IDs|(.*\b)?IDs\b.*", re.DOTALL)
_MOST_NAMES: Final = 1000
# Objects that "Deal ID" and the like surely mean; "User ID" may be of any program.
_CORE: Final = frozenset(("contacts", "companies", "deals", "tickets"))
# Columns that the exports of these objects have, and those of others do not, as public exports show
# them; of calls also https://knowledge.hubspot.com/properties/hubspots-default-activity-properties
# (read 2026-11-28). Left out are names of custom properties.
_OWN_COLUMNS: Final = {
    "first name": ("contacts", "leads", "users"),
    "last name": ("contacts", "leads", "users"),
    "contact owner": ("contacts",),
    "company domain name": ("companies",),
    "company owner": ("companies",),
} | {
    f"{objects.removesuffix('s')} {word}": (objects,)
    for objects, words in (
        ("deals", "name stage owner type"),
        ("tickets", "name status owner description id"),
        ("leads", "name owner"),
        ("notes", "body"),
        ("calls", "title notes outcome duration direction"),
        ("emails", "subject body direction"),
        ("meetings", "name title outcome description"),
        ("tasks", "title name notes status"),
        ("orders", "name"),
        ("quotes", "title"),
    )
    for word in words.split()
}


def standard_type(name: str) -> str | None:
    """Return the plural of HubSpot's own object type that goes by *name*; None if none does."""
    return _PLURALS.get(name.strip().casefold().replace(" ", "_"))


def is_record_id(column: str) -> bool:
    """Return whether the column holds the ids of the records that were exported."""
    return column.strip().casefold() == _RECORD_ID


def is_associated(column: str) -> bool:
    """Return whether the column holds the ids of records that are associated with them."""
    return _ASSOCIATED.fullmatch(column.strip()) is not None


def has_label(column: str) -> bool:
    """Return whether it holds only those of one label, such as ``(Primary)``."""
    found = _ASSOCIATED.fullmatch(column.strip())
    return found is not None and (found["primary"] or found["label"]) is not None


def names_ids(column: str) -> bool:
    """Return whether it is, by its name, a column of ids of any kind."""
    return "id" in column.casefold() and _ANY_ID.fullmatch(column.strip()) is not None


def holds_several(column: str) -> bool:
    """Return whether its cells may hold several ids, or none: associated records, or "IDs"."""
    return _SEVERAL.fullmatch(column.strip()) is not None or is_associated(column)


def associated_type(column: str) -> str | None:
    """Return the type of the associated records whose ids the column holds; None if unknown."""
    found = _ASSOCIATED.fullmatch(column.strip())
    return None if found is None else standard_type(found["type"])


def named_type(column: str) -> str | None:
    """Return the type that a name such as ``Deal ID`` gives to the ids; None: it gives none."""
    if is_associated(column):
        return associated_type(column)
    found = _ID_OF.fullmatch(column.strip())
    if found is None:
        return None
    object_type = standard_type(next(filter(None, found.groups())))
    is_record = found[1] is not None or found[2] is not None or found[3] is not None
    return object_type if is_record or object_type in _CORE else None


def may_hold(column: str, object_type: str) -> bool:
    """Return whether an associated column can hold ids of *object_type*, by its name."""
    given, own = standard_type(object_type), associated_type(column)
    if given is not None or own is not None:
        return given == own
    return True  # both are the portal's own objects


def exported_type(columns: Iterable[str]) -> str | None:
    """Return the type of the exported records, as their own columns show it; None if none does."""
    for column in columns:
        having = _OWN_COLUMNS.get(column.strip().casefold(), ())
        if len(having) == 1:
            return having[0]
    return None


def is_export_of(columns: Iterable[str], object_type: str) -> bool:
    """Return whether a column speaks for exported records of the type, and none against it."""
    columns = list(columns)
    return contradiction(columns, object_type) is None and any(
        standard_type(object_type) in _OWN_COLUMNS.get(column.strip().casefold(), ())
        for column in columns
    )


def contradiction(columns: Iterable[str], object_type: str) -> str | None:
    """Return the first column that shows that the exported records are of another type."""
    given = standard_type(object_type)
    for column in columns:
        if is_associated(column):
            own = associated_type(column)
            if own is not None and own == given:
                return column
            continue
        having = _OWN_COLUMNS.get(column.strip().casefold())
        if having is not None and given not in having:
            return column
    return None


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

        *column* is the column or option with the text; a text that is no type is a
        RejectedRowError.
        """
        known = self._known.get(text)
        if known is not None:
            return known
        bare = text.strip()
        if not bare:
            return ""
        checked_text(bare, column, MOST_TYPE)
        if (kind := kind_of_nothing(bare)) is not None:
            raise reject(column, bare, kind)
        standard = standard_type(bare)
        name = self._first.setdefault(standard, bare) if standard is not None else bare
        if len(self._known) < _MOST_NAMES:
            self._known[text] = name
        return name
