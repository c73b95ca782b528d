"""What a call does when nothing else goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from aiohubassoc.simulator import error_bodies, records
from aiohubassoc.simulator.records import PortalRecords, RecordRef, canonical_id
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.success_bodies import SuccessBodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.object_types import ObjectTypes
    from aiohubassoc.simulator.routing import PutCall
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings
    from aiohubassoc.simulator.success_bodies import CallContext


class LinkedPair(NamedTuple):
    """A pair as the books know it: whatever name a type was called by, it is the same pair."""

    from_type: str
    from_id: str
    to_type: str
    to_id: str


@attrs.frozen
class CallResult:
    """
    What a call came to.

    Args:
        answer: What is told.
        linked: The pairs that are linked now.
        refused: The pairs that were refused for their types, ids or records.
    """

    answer: PortalResponse
    linked: tuple[LinkedPair, ...] = ()
    refused: tuple[LinkedPair, ...] = ()


def pair_of(types: ObjectTypes, call: PutCall) -> LinkedPair:
    """Return the pair that *call* names."""
    return LinkedPair(
        types.canonical(call.from_type),
        canonical_id(call.from_id),
        types.canonical(call.to_type),
        canonical_id(call.to_id),
    )


class PutOperation:
    """
    Does single calls.

    Args:
        settings: Say which records exist and how a missing one is answered.
        chance: Draws whatever may vary at HubSpot.
        types: The portal's object types.
    """

    def __init__(self, settings: PortalSettings, chance: SeededRandom, types: ObjectTypes) -> None:
        self._missing_answer = settings.missing_response
        self._chance = chance
        self._types = types
        self._records = PortalRecords(settings, chance)
        self._successes = SuccessBodies(chance)

    def link(self, call: PutCall, ask: CallContext) -> CallResult:
        """Return what *call* comes to."""
        pair = pair_of(self._types, call)
        from_type = self._types.find(call.from_type)
        if from_type is None:
            return CallResult(error_bodies.unknown_type(call.from_type), refused=(pair,))
        to_type = self._types.find(call.to_type)
        if to_type is None:
            return CallResult(error_bodies.unknown_type(call.to_type), refused=(pair,))
        ends = [RecordRef(from_type, call.from_id), RecordRef(to_type, call.to_id)]
        for end in ends:
            if (refusal := records.no_such_id(end)) is not None:
                return CallResult(refusal, refused=(pair,))
        missing = [end for end in ends if not self._records.has(end)]
        if missing:
            return CallResult(self._missing(missing, ends, ask), refused=(pair,))
        results = self._successes.shuffled(self._successes.results(*ends), ask)
        return CallResult(
            PortalResponse(200, self._successes.document(results, ask)), linked=(pair,)
        )

    def _missing(
        self, missing: list[RecordRef], ends: list[RecordRef], ask: CallContext
    ) -> PortalResponse:
        if self._missing_answer == "404":
            role = "FROM" if missing[0] is ends[0] else "TO"
            return records.not_found(missing[0], role)
        # Recorded with and without.
        tells_more = self._chance.share("context", ask.key, ask.number) < 1 / 2
        return records.not_valid(missing, tells_more=tells_more)
