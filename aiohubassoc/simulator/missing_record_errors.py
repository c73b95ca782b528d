"""How a batch call says which records do not exist: create and read alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator import error_bodies, records

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import RecordRef
    from aiohubassoc.simulator.responses import Document, PortalResponse
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import BatchErrors
    from aiohubassoc.simulator.success_bodies import CallContext


class MissingRecordErrors:
    """
    Tells of the missing records of batch calls.

    Args:
        names: How far they are named.
        chance: Draws between the words that have been seen.
    """

    def __init__(self, names: BatchErrors, chance: SeededRandom) -> None:
        self._names = names
        self._chance = chance

    def refusal(self, ends: list[RecordRef]) -> PortalResponse:
        """Return the 400 for the whole call; *ends* are the bad ones, at least one."""
        if self._names == "unnamed":
            return error_bodies.invalid("One or more associations are invalid")
        named = ends[:1] if self._names == "first" else ends
        return records.not_valid(named, tells_more=self._names != "ends")

    def error(self, end: RecordRef, role: str, ids: Document, ask: CallContext) -> Document:
        """
        Return the error for one missing record beside what went well.

        Args:
            end: The missing one.
            role: ``FROM`` or ``TO``.
            ids: The context that names the input it was in.
            ask: What is answered.
        """
        error: Document = {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": f"crm.associations.{role}_OBJECT_NOT_FOUND",
            "message": f"No {end.kind.singular} with ID {end.record_id} exists",
            "context": {},
        }
        if self._names in {"named", "first"}:
            error["context"] = ids
        elif self._names == "ends":
            key = f"{ask.key}|{role}|{end.record_id}"
            error["context"] = (
                {"objectId": [end.record_id], "objectType": [end.kind.label]}
                if self._chance.share("error", key, ask.number) < 1 / 2
                else {"INVALID_OBJECT_IDS": [records.sentence(end)]}
            )
        else:
            error["message"] = f"Some {end.kind.singular} records do not exist"
        return error
