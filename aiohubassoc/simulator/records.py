"""Which records there are, and what HubSpot says about those that are not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aiohubassoc.simulator import error_bodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.object_types import ObjectType
    from aiohubassoc.simulator.responses import Document, PortalResponse
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings

_ID = re.compile(r"-?[0-9]{1,19}")
_LARGEST_ID = 2**63 - 1  # record ids are Java longs


def _is_numeric(record_id: str) -> bool:
    return _ID.fullmatch(record_id) is not None and int(record_id) <= _LARGEST_ID


def canonical_id(record_id: str) -> str:
    """Return the id as HubSpot writes it; what cannot be one stays as it is."""
    return str(int(record_id)) if _is_numeric(record_id) else record_id


class RecordRef(NamedTuple):
    """One end of a pair: its type, and its id as it was written."""

    kind: ObjectType
    record_id: str

    @property
    def is_numeric(self) -> bool:
        """Whether the id is a number that HubSpot can hold."""
        return _is_numeric(self.record_id)

    @property
    def canonical_id(self) -> str:
        """The id as HubSpot writes it."""
        return canonical_id(self.record_id)


class PortalRecords:
    """
    The records of one portal.

    Args:
        settings: Say which ids exist.
        chance: Draws the missing ones.
    """

    def __init__(self, settings: PortalSettings, chance: SeededRandom) -> None:
        self._bound = settings.records_up_to
        self._missing_share = settings.missing_share
        self._chance = chance

    def has(self, end: RecordRef) -> bool:
        """Return whether *end*'s record exists. Its id must be numeric."""
        number = int(end.record_id)
        if number < 1 or (self._bound is not None and number > self._bound):
            return False
        if self._missing_share == 0:
            return True
        drawn = self._chance.share("record", f"{end.kind.name}|{number}")
        return drawn >= self._missing_share


def no_such_id(end: RecordRef) -> PortalResponse | None:
    """Return the 404 of an id that cannot be one, None for an id that can."""
    if not end.is_numeric:
        # Two blanks, as recorded.
        message = "Object not found.  objectId are usually numeric."
    elif int(end.record_id) < 1:
        message = "Object not found. objectId is usually positive."
    else:
        return None
    context = {"id": [end.record_id]}
    return error_bodies.refusal(404, message, "OBJECT_NOT_FOUND", context=context)


def not_valid(ends: list[RecordRef], *, tells_more: bool) -> PortalResponse:
    """
    Return the 400 for records that do not exist.

    Args:
        ends: The missing ones, at least one.
        tells_more: Whether the context says more than the sentence about each end.
    """
    context: Document = {"INVALID_OBJECT_IDS": [sentence(end) for end in ends]}
    if tells_more:
        context["objectId"] = [end.record_id for end in ends]
        context["objectType"] = [end.kind.label for end in ends]
    return error_bodies.invalid("One or more associations are invalid", context=context)


def not_found(end: RecordRef, role: str) -> PortalResponse:
    """
    Return the 404 for a record that does not exist.

    Args:
        end: The missing one.
        role: ``FROM`` or ``TO``.
    """
    return error_bodies.refusal(
        404,
        f"No {end.kind.singular} with ID {end.record_id} exists",
        "OBJECT_NOT_FOUND",
        context={"objectType": [end.kind.singular], "id": [end.record_id]},
        subCategory=f"crm.associations.{role}_OBJECT_NOT_FOUND",
    )


def sentence(end: RecordRef) -> str:
    """Return how HubSpot's error contexts say that *end*'s record does not exist."""
    return f"{end.kind.label}={end.record_id} is not valid"
