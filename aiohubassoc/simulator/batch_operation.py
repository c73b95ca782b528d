"""What a batch call does when nothing else goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator import error_bodies, records
from aiohubassoc.simulator.batch_inputs import NO_INPUT
from aiohubassoc.simulator.missing_record_errors import MissingRecordErrors
from aiohubassoc.simulator.put_operation import CallResult, LinkedPair
from aiohubassoc.simulator.records import PortalRecords, RecordRef
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.success_bodies import SuccessBodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.batch_inputs import BatchInputs
    from aiohubassoc.simulator.object_types import ObjectTypes
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.routing import BatchCall
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings
    from aiohubassoc.simulator.success_bodies import CallContext


class BatchOperation:
    """
    Does batch calls that create links.

    Args:
        settings: Say which records exist, what a missing one costs, and how errors name it.
        chance: Draws whatever may vary at HubSpot.
        types: The portal's object types.
    """

    def __init__(self, settings: PortalSettings, chance: SeededRandom, types: ObjectTypes) -> None:
        self._missing = settings.batch_missing
        self._types = types
        self._records = PortalRecords(settings, chance)
        self._errors = MissingRecordErrors(settings.batch_errors, chance)
        self._successes = SuccessBodies(chance)

    def link(self, call: BatchCall, inputs: BatchInputs, ask: CallContext) -> CallResult:
        """
        Return what *call* comes to.

        Args:
            call: Names the two types.
            inputs: The pairs.
            ask: What is answered.
        """
        from_type = self._types.find(call.from_type)
        if from_type is None:
            return CallResult(error_bodies.unknown_type(call.from_type))
        to_type = self._types.find(call.to_type)
        if to_type is None:
            return CallResult(error_bodies.unknown_type(call.to_type))
        if inputs.refusal is not None:
            return CallResult(inputs.refusal)
        try:
            pairs = [
                (
                    RecordRef(from_type, str(each["from"]["id"])),
                    RecordRef(to_type, str(each["to"]["id"])),
                )
                for each in inputs.documents
            ]
        except (KeyError, TypeError):
            return CallResult(NO_INPUT)
        return self._link(pairs, ask)

    def _link(self, inputs: list[tuple[RecordRef, RecordRef]], ask: CallContext) -> CallResult:
        linked: list[LinkedPair] = []
        refused: list[LinkedPair] = []
        results: list[Document] = []
        errors: list[Document] = []
        bad_ends: list[RecordRef] = []
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
            return CallResult(self._errors.refusal(bad_ends), refused=tuple(refused))
        results = self._successes.shuffled(results, ask)
        document = self._successes.document(results, ask, errors)
        status = 207 if errors else 200
        return CallResult(PortalResponse(status, document), tuple(linked), tuple(refused))

    def _error(
        self, end: RecordRef, ends: tuple[RecordRef, RecordRef], ask: CallContext
    ) -> Document:
        from_end, to_end = ends
        ids = {"fromObjectId": [from_end.record_id], "toObjectId": [to_end.record_id]}
        return self._errors.error(end, "FROM" if end is from_end else "TO", ids, ask)


def _pair(from_end: RecordRef, to_end: RecordRef) -> LinkedPair:
    return LinkedPair(
        from_end.kind.name, from_end.canonical_id, to_end.kind.name, to_end.canonical_id
    )
