"""What a batch call does when nothing else goes wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohubassoc.simulator import records, refusals
from aiohubassoc.simulator.answers import Answer
from aiohubassoc.simulator.linking import LinkedPair, Work
from aiohubassoc.simulator.records import End, Records
from aiohubassoc.simulator.successes import Successes

if TYPE_CHECKING:
    from aiohubassoc.simulator.answers import Document
    from aiohubassoc.simulator.chance import Chance
    from aiohubassoc.simulator.object_types import ObjectTypes
    from aiohubassoc.simulator.paths import BatchCall
    from aiohubassoc.simulator.settings import PortalSettings
    from aiohubassoc.simulator.successes import Ask

# HubSpot, Associations v4: inputs of one call.
MOST_INPUTS = 2_000


class BatchLinker:
    """
    Does batch calls.

    Args:
        settings: Say which records exist, what a missing one costs, and how errors name it.
        chance: Draws whatever may vary at HubSpot.
        types: The portal's object types.
    """

    def __init__(self, settings: PortalSettings, chance: Chance, types: ObjectTypes) -> None:
        self._names = settings.batch_errors
        self._missing = settings.batch_missing
        self._chance = chance
        self._types = types
        self._records = Records(settings, chance)
        self._successes = Successes(chance)

    def link(self, call: BatchCall, body: bytes, ask: Ask) -> Work:
        """
        Return what *call* comes to.

        Args:
            call: Names the two types.
            body: JSON as it was sent.
            ask: What is answered.
        """
        from_type = self._types.find(call.from_type)
        if from_type is None:
            return Work(refusals.unknown_type(call.from_type))
        to_type = self._types.find(call.to_type)
        if to_type is None:
            return Work(refusals.unknown_type(call.to_type))
        inputs = _inputs(body)
        if isinstance(inputs, Answer):
            return Work(inputs)
        return self._link([(End(from_type, a), End(to_type, b)) for a, b in inputs], ask)

    def _link(self, inputs: list[tuple[End, End]], ask: Ask) -> Work:
        linked: list[LinkedPair] = []
        refused: list[LinkedPair] = []
        results: list[Document] = []
        errors: list[Document] = []
        bad_ends: list[End] = []
        for ends in inputs:
            bad = [end for end in ends if records.no_such_id(end) or not self._records.has(end)]
            if bad:
                refused.append(_pair(*ends))
                bad_ends += bad
                # One for each end, as recorded: their number is not that of the inputs.
                errors += [self._error(end, ends, ask) for end in bad]
            else:
                linked.append(_pair(*ends))
                results += self._successes.results(*ends)
        if bad_ends and self._missing == "400":
            return Work(self._refusal(bad_ends), refused=tuple(refused))
        results = self._successes.shuffled(results, ask)
        document = self._successes.document(results, ask, errors)
        status = 207 if errors else 200
        return Work(Answer(status, document), tuple(linked), tuple(refused))

    def _refusal(self, bad_ends: list[End]) -> Answer:
        if self._names == "unnamed":
            return refusals.invalid("One or more associations are invalid")
        return records.not_valid(bad_ends, tells_more=self._names == "named")

    def _error(self, end: End, ends: tuple[End, End], ask: Ask) -> Document:
        role = "FROM" if end is ends[0] else "TO"
        error: Document = {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": f"crm.associations.{role}_OBJECT_NOT_FOUND",
            "message": f"No {end.kind.singular} with ID {end.record_id} exists",
            "context": {},
        }
        if self._names == "named":
            from_end, to_end = ends
            error["context"] = {
                "fromObjectId": [from_end.record_id],
                "toObjectId": [to_end.record_id],
            }
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


def _pair(from_end: End, to_end: End) -> LinkedPair:
    return LinkedPair(
        from_end.kind.name, from_end.canonical_id, to_end.kind.name, to_end.canonical_id
    )


def _inputs(body: bytes) -> list[tuple[str, str]] | Answer:
    """Return the ids of every input, or the refusal of a body that has none."""
    if not body:
        return refusals.invalid("Invalid JSON input: a request body was expected, but none found")
    try:
        inputs = [
            (str(each["from"]["id"]), str(each["to"]["id"])) for each in json.loads(body)["inputs"]
        ]
    except (KeyError, TypeError, ValueError):
        return refusals.invalid("Invalid input JSON on line 1, column 1: Cannot deserialize value")
    if len(inputs) > MOST_INPUTS:
        return refusals.invalid(f"{len(inputs)} inputs are more than the {MOST_INPUTS} allowed")
    return inputs
