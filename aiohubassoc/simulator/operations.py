"""The calls that create links, without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.error_bodies import BatchErrorBodies
from aiohubassoc.simulator.records import ExistingRecords, LinkedPair, RecordRef
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.routing import NO_INPUT
from aiohubassoc.simulator.success_bodies import SuccessBodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import ObjectType, ObjectTypes
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.routing import BatchCall, BatchInputs, PutCall
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings
    from aiohubassoc.simulator.success_bodies import CallContext


@attrs.frozen
class CallResult:
    """The response to a call, the pairs that it linked, and those that it refused."""

    response: PortalResponse
    linked: tuple[LinkedPair, ...] = ()
    refused: tuple[LinkedPair, ...] = ()


def find_types(
    types: ObjectTypes, from_type: str, to_type: str
) -> tuple[ObjectType, ObjectType] | PortalResponse:
    """Return both types of a call, or the response to the first unknown one."""
    found = []
    for written in (from_type, to_type):
        kind = types.find(written)
        if kind is None:
            return error_bodies.unknown_type(written)
        found.append(kind)
    return found[0], found[1]


class LinkOperations:
    """The calls that create links."""

    def __init__(self, settings: PortalSettings, rng: SeededRandom, types: ObjectTypes) -> None:
        self._missing_response = settings.missing_response
        self._batch_missing = settings.batch_missing
        self._rng = rng
        self._types = types
        self._records = ExistingRecords(settings, rng)
        self._batch_errors = BatchErrorBodies(settings.batch_errors, rng)
        self._bodies = SuccessBodies(rng)

    def put(self, call: PutCall, context: CallContext) -> CallResult:
        """Return the result of a call for one pair."""
        pair = self._types.to_pair(call.from_type, call.from_id, call.to_type, call.to_id)
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found, refused=(pair,))
        from_type, to_type = found
        refs = [RecordRef(from_type, call.from_id), RecordRef(to_type, call.to_id)]
        for ref in refs:
            if (error := error_bodies.invalid_id(ref)) is not None:
                return CallResult(error, refused=(pair,))
        missing = [ref for ref in refs if not self._records.has(ref)]
        if missing:
            return CallResult(self._missing(missing, refs, context), refused=(pair,))
        results = self._bodies.shuffled(self._bodies.results(*refs), context)
        document = self._bodies.document(results, context)
        return CallResult(PortalResponse(200, document), linked=(pair,))

    def batch(self, call: BatchCall, inputs: BatchInputs, context: CallContext) -> CallResult:
        """Return the result of a call for many pairs."""
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found)
        if inputs.error is not None:
            return CallResult(inputs.error)
        from_type, to_type = found
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
        return self._batch(pairs, context)

    def _missing(
        self, missing: list[RecordRef], refs: list[RecordRef], context: CallContext
    ) -> PortalResponse:
        if self._missing_response == "404":
            role = "FROM" if missing[0] is refs[0] else "TO"
            return error_bodies.missing_record(missing[0], role)
        # Recorded responses have them or not.
        with_ids = self._rng.uniform("context", context.key, context.number) < 1 / 2
        return error_bodies.missing_records(missing, with_ids=with_ids)

    def _batch(self, pairs: list[tuple[RecordRef, RecordRef]], context: CallContext) -> CallResult:
        linked: list[LinkedPair] = []
        refused: list[LinkedPair] = []
        results: list[Document] = []
        errors: list[Document] = []
        missing: list[RecordRef] = []
        for refs in pairs:
            bad = [
                ref for ref in refs if error_bodies.invalid_id(ref) or not self._records.has(ref)
            ]
            if bad:
                refused.append(LinkedPair.from_refs(*refs))
                missing += bad
                # One error for each record, as in recorded responses: not one for each input.
                errors += [self._error(ref, refs, context) for ref in bad]
            else:
                linked.append(LinkedPair.from_refs(*refs))
                results += self._bodies.results(*refs)
        if missing and self._batch_missing == "400":
            response = self._batch_errors.whole_call(missing)
            return CallResult(response, refused=tuple(refused))
        results = self._bodies.shuffled(results, context)
        document = self._bodies.document(results, context, errors)
        response = PortalResponse(207 if errors else 200, document)
        return CallResult(response, tuple(linked), tuple(refused))

    def _error(
        self, ref: RecordRef, refs: tuple[RecordRef, RecordRef], context: CallContext
    ) -> Document:
        from_ref, to_ref = refs
        ids = {"fromObjectId": [from_ref.record_id], "toObjectId": [to_ref.record_id]}
        role = "FROM" if ref is from_ref else "TO"
        return self._batch_errors.one_record(ref, role, ids, context)
