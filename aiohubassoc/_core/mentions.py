"""
Which records an error of HubSpot's speaks of: every id in its context, and what is told of each.

Recorded contexts (2013-2026): ``fromObjectId``, ``toObjectId``, ``objectId`` with ``objectType``,
``id``, ``ids``, and sentences such as ``INVALID_OBJECT_IDS: ["CONTACT=1 is not valid"]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc._core.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiohubassoc.models import ErrorDetail

Context: TypeAlias = Mapping[str, tuple[str, ...]]

_TYPED_ID: Final = re.compile(r"([\w-]+)=([\w-]+)")
_ROLE: Final = re.compile(r"(from|to)(?:object)?s?(?:ids?)?")
_WORD: Final = re.compile(r"[\w-]+")
# HubSpot, "Object type IDs"; errors name a type by its word, calls by either.
_NAMES: Final = {
    "0-1": "contact",
    "0-2": "company",
    "0-3": "deal",
    "0-5": "ticket",
    "0-7": "product",
    "0-8": "line_item",
    "0-14": "quote",
    "0-27": "task",
    "0-46": "note",
    "0-47": "meeting",
    "0-48": "call",
    "0-49": "email",
    "companies": "company",
    "meeting_event": "meeting",
}


@attrs.frozen
class Mention:
    """
    An id in an error.

    Attributes:
        record_id: As HubSpot writes ids.
        role: ``"from"`` or ``"to"`` where the error tells; None where not.
        kind: The object type as `kind_of` names it; None likewise.
        is_sure: Whether the error says that this very record is at fault, not that it is one end
            of the pair at fault.
    """

    record_id: str
    role: str | None = None
    kind: str | None = None
    is_sure: bool = False


def kind_of(object_type: str) -> str:
    """Return one name for an object type, however it was written."""
    name = object_type.strip().lower().replace("-", "_")
    name = _NAMES.get(object_type.strip().lower()) or _NAMES.get(name) or name
    return name if name in _NAMES.values() else name.removesuffix("s")


def mentions_of(
    context: Context, details: Iterable[ErrorDetail], sub_category: str | None, known: set[str]
) -> list[Mention]:
    """
    Return the ids that an error names.

    Args:
        context: The error's.
        details: Its details, with contexts of their own.
        sub_category: Its finer category, which may tell the end at fault.
        known: The ids that were sent, as HubSpot writes them; no others are returned.
    """
    hint = None
    if "FROM_OBJECT" in (sub_category or ""):
        hint = "from"
    elif "TO_OBJECT" in (sub_category or ""):
        hint = "to"
    found = dict.fromkeys(_of_context(context, hint, known))
    for detail in details:
        found |= dict.fromkeys(_of_context(detail.context, hint, known))
    return list(found)


def _of_context(context: Context, hint: str | None, known: set[str]) -> Iterator[Mention]:
    for key, values in context.items():
        name = key.lower()
        if "type" in name:
            continue
        match = _ROLE.fullmatch(name)
        role = match[1] if match else None
        kinds = _kinds(context, role)
        for value in values:
            for record_id, kind, is_sure in _ids_in(value, has_ids="id" in name):
                if record_id in known:
                    yield Mention(
                        record_id,
                        role or hint,
                        kind or (kinds[0] if len(kinds) == 1 else None),
                        is_sure,
                    )


def _kinds(context: Context, role: str | None) -> list[str]:
    """Return the object types that a context tells for the ids of a role."""
    wanted = f"{role or ''}objecttype"
    for key, values in context.items():
        if key.lower() == wanted:
            return list({kind_of(value) for value in values})
    return []


def _ids_in(value: str, *, has_ids: bool) -> Iterator[tuple[str, str | None, bool]]:
    """Yield what may be an id, its kind where that is told, and whether it is surely at fault."""
    if typed := _TYPED_ID.findall(value):
        for kind, record_id in typed:
            yield canonical(record_id), kind_of(kind), True
    elif has_ids:
        for word in _WORD.findall(value):
            yield canonical(word), None, False
    else:
        yield canonical(value.strip()), None, False
